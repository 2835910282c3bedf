package awsproto

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func payloadHash(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func verifyingConfig() Config {
	return Config{
		Logger: slog.New(slog.DiscardHandler),
		Verify: func(id string) (string, bool) { return "right", id == "AKIDEXAMPLE" },
	}
}

// Requests that the SDK signs pass with the right secret, in every protocol, and fail as in AWS with a wrong one.
func TestSignaturesThroughClients(t *testing.T) {
	base := loopback(t, toyMux(t, verifyingConfig()))
	calls := map[string]func(context.Context, aws.Config) error{
		"query": func(ctx context.Context, c aws.Config) error {
			_, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, nil)
			return err
		},
		"rest, with an ARN in the path": func(ctx context.Context, c aws.Config) error {
			_, err := lambda.NewFromConfig(c).CreateAlias(ctx, &lambda.CreateAliasInput{
				FunctionName: aws.String("arn:aws:lambda:us-east-1:123456789012:function:f"), Name: aws.String("live"), FunctionVersion: aws.String("1"),
			})
			return err
		},
		"rest, with a query": func(ctx context.Context, c aws.Config) error {
			_, err := lambda.NewFromConfig(c).ListFunctions(ctx, &lambda.ListFunctionsInput{Marker: aws.String("a b/+é"), MaxItems: aws.Int32(3)})
			return err
		},
		"raw": func(ctx context.Context, c aws.Config) error {
			out, err := lambda.NewFromConfig(c).Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{"a":1}`)})
			if err == nil && !bytes.HasPrefix(out.Payload, []byte(`f {"a":1} `)) {
				return errors.New("the payload did not survive: " + string(out.Payload))
			}
			return err
		},
		"json": func(ctx context.Context, c aws.Config) error {
			_, err := sfn.NewFromConfig(c).DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String("arn:x")})
			return err
		},
		"cbor": func(ctx context.Context, c aws.Config) error {
			_, err := cloudwatch.NewFromConfig(c).GetDashboard(ctx, &cloudwatch.GetDashboardInput{DashboardName: aws.String("d")})
			return err
		},
	}
	for name, call := range calls {
		for _, c := range []struct{ key, secret, token, code string }{
			{"AKIDEXAMPLE", "right", "", ""},
			{"AKIDEXAMPLE", "right", "a-session-token", ""},
			{"AKIDEXAMPLE", "wrong", "", "InvalidSignatureException"},
			{"AKIDOTHER", "right", "", "UnrecognizedClientException"},
		} {
			cfg := base.Copy()
			cfg.Credentials = credentials.NewStaticCredentialsProvider(c.key, c.secret, c.token)
			err := call(t.Context(), cfg)
			var api smithy.APIError
			switch {
			case c.code == "" && err != nil:
				t.Errorf("%s with %s: %v", name, c.key, err)
			case c.code != "" && (!errors.As(err, &api) || api.ErrorCode() != c.code):
				t.Errorf("%s with %s and the secret %s: got %v, want %s", name, c.key, c.secret, err, c.code)
			}
		}
	}
}

// Whatever is changed after signing is refused.
func TestTamperedRequests(t *testing.T) {
	now := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	cfg := verifyingConfig()
	cfg.Now = func() time.Time { return now }
	mux := toyMux(t, cfg)
	sign := func(at time.Time, presign bool) *http.Request {
		body := `{"Name":"live"}`
		r := httptest.NewRequest("POST", "http://teal.test/2015-03-31/functions/f/aliases?x=1", strings.NewReader(body))
		r.Header.Set("X-Amz-Meta", "kept")
		creds := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "right"}
		sum := payloadHash(body)
		if presign {
			uri, _, err := v4.NewSigner().PresignHTTP(t.Context(), creds, r, sum, "lambda", "us-east-1", at)
			if err != nil {
				t.Fatal(err)
			}
			p := httptest.NewRequest("POST", uri, strings.NewReader(body))
			p.Header.Set("X-Amz-Meta", "kept")
			return p
		}
		if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, sum, "lambda", "us-east-1", at); err != nil {
			t.Fatal(err)
		}
		return r
	}
	setBody := func(r *http.Request, b string) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(b)), int64(len(b))
	}
	for _, c := range []struct {
		name    string
		at      time.Time
		presign bool
		change  func(*http.Request)
		want    string // error type; "" means that it passes
		says    string
	}{
		{"untouched", now, false, func(*http.Request) {}, "", ""},
		{"presigned", now, true, func(*http.Request) {}, "", ""},
		{"a header that is not signed", now, false, func(r *http.Request) { r.Header.Set("X-Added", "1") }, "", ""},
		{"body", now, false, func(r *http.Request) { setBody(r, `{"Name":"evil"}`) }, "InvalidSignatureException", "does not match"},
		{"body and its hash", now, false, func(r *http.Request) {
			setBody(r, `{"Name":"evil"}`)
			r.Header.Set("X-Amz-Content-Sha256", payloadHash(`{"Name":"evil"}`))
		}, "InvalidSignatureException", "does not match"},
		{"a false hash", now, false, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", payloadHash("other")) }, "InvalidSignatureException", "does not match"},
		{"path", now, false, func(r *http.Request) { r.URL.Path = "/2015-03-31/functions/g/aliases" }, "InvalidSignatureException", "does not match"},
		{"query", now, false, func(r *http.Request) { r.URL.RawQuery = "x=2" }, "InvalidSignatureException", "does not match"},
		{"signed header", now, false, func(r *http.Request) { r.Header.Set("X-Amz-Meta", "changed") }, "InvalidSignatureException", "does not match"},
		{"host", now, false, func(r *http.Request) { r.Host = "other.test" }, "InvalidSignatureException", "does not match"},
		{"presigned body", now, true, func(r *http.Request) { setBody(r, `{"Name":"evil"}`) }, "InvalidSignatureException", "does not match"},
		{"presigned query", now, true, func(r *http.Request) { r.URL.RawQuery += "&y=2" }, "InvalidSignatureException", "does not match"},
		{"too old", now.Add(-16 * time.Minute), false, func(*http.Request) {}, "InvalidSignatureException", "Signature expired"},
		{"from the future", now.Add(16 * time.Minute), false, func(*http.Request) {}, "InvalidSignatureException", "not yet current"},
		{"a date that is not the scope's", now, false, func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261104T115900Z") }, "InvalidSignatureException", "date"},
		{"no date", now, false, func(r *http.Request) { r.Header.Del("X-Amz-Date") }, "IncompleteSignatureException", "X-Amz-Date"},
		{"no signature", now, false, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Split(r.Header.Get("Authorization"), ", Signature")[0])
		}, "IncompleteSignatureException", "Signature"},
		{"not signed", now, false, func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException", "missing Authentication Token"},
		{"another scheme", now, false, func(r *http.Request) { r.Header.Set("Authorization", "Basic eDp5") }, "MissingAuthenticationTokenException", ""},
	} {
		r := sign(c.at, c.presign)
		c.change(r)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if got := w.Header().Get("X-Amzn-Errortype"); got != c.want || !strings.Contains(w.Body.String(), c.says) || (c.want == "") != (w.Code == 201) || c.want != "" && w.Code != 403 {
			t.Errorf("%s: status %d, error %q, %s; want %q with %q", c.name, w.Code, got, w.Body, c.want, c.says)
		}
		if strings.Contains(w.Body.String(), "right") {
			t.Errorf("%s: the answer holds the secret", c.name)
		}
	}
}
