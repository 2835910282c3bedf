package apigatewayv2

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/tealdeploy/teal/internal/jsontext"
	"pgregory.net/rapid"
)

// captured serves r and returns the event that the function got.
func captured(t *testing.T, version, key string, variables map[string]string, request func(g *gateway) *http.Request) []byte {
	t.Helper()
	var event []byte
	g := newGateway(t, Config{Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		event = in.Payload
		if *in.FunctionName != functionHello {
			t.Errorf("invoked %s", *in.FunctionName)
		}
		return &lambda.InvokeOutput{Payload: []byte(`{"statusCode":200}`)}, nil
	})})
	g.stage("dev", variables)
	g.addRoute(key, g.lambda(functionHello, version, nil))
	r := request(g)
	if w := g.do(r); w.Code != 200 {
		t.Fatalf("answer %d %s", w.Code, w.Body)
	}
	if !json.Valid(event) {
		t.Fatalf("the event is no JSON: %s", event)
	}
	// IDs are drawn; the tests below see stand-ins of them.
	s := strings.ReplaceAll(string(event), g.id, "APIID")
	s = regexp.MustCompile(`"(requestId|extendedRequestId)":"[A-Za-z0-9_-]{15}="`).ReplaceAllString(s, `"$1":"REQUEST"`)
	s = regexp.MustCompile(`"resourceId":"[a-z0-9]{7}"`).ReplaceAllString(s, `"resourceId":"ROUTE"`)
	return []byte(regexp.MustCompile(`Root=1-69b30e1e-[0-9a-f]{24}`).ReplaceAllString(s, "TRACE"))
}

func TestEventFormat2(t *testing.T) {
	event := captured(t, "2.0", "POST /orders/{id}/{rest+}", map[string]string{"table": "orders"}, func(g *gateway) *http.Request {
		r := g.byHost("POST", `/dev/orders/a%20b/x%2Fy/z?b=2&a=1&b=%C3%A4+&c&bad=%zz&a=1`, `{"n":1}`)
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		r.Header["X-Many"] = []string{"one", "t\"wo"}
		r.Header["Cookie"] = []string{"s=1; t=2", "u=3"}
		r.Header.Set("Connection", "keep-alive")
		r.Header.Set("User-Agent", "probe/1")
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		return r
	})
	want := `{"version":"2.0","routeKey":"POST /orders/{id}/{rest+}","rawPath":"/dev/orders/a b/x/y/z",` +
		`"rawQueryString":"b=2&a=1&b=%C3%A4+&c&bad=%zz&a=1","cookies":["s=1","t=2","u=3"],` +
		`"headers":{"content-length":"7","content-type":"application/json; charset=utf-8","host":"APIID.execute-api.localhost:4566",` +
		`"user-agent":"probe/1","x-amzn-trace-id":"TRACE","x-forwarded-for":"198.51.100.7, 192.0.2.1","x-forwarded-port":"4566",` +
		`"x-forwarded-proto":"http","x-many":"one,t\"wo"},` +
		`"queryStringParameters":{"a":"1,1","b":"2,ä ","bad":"%zz","c":""},` +
		`"requestContext":{"accountId":"000000000000","apiId":"APIID","domainName":"APIID.execute-api.localhost","domainPrefix":"APIID",` +
		`"http":{"method":"POST","path":"/dev/orders/a b/x/y/z","protocol":"HTTP/1.1","sourceIp":"192.0.2.1","userAgent":"probe/1"},` +
		`"requestId":"REQUEST","routeKey":"POST /orders/{id}/{rest+}","stage":"dev","time":"12/Mar/2026:19:03:58 +0000","timeEpoch":1773342238390},` +
		`"pathParameters":{"id":"a b","rest":"x/y/z"},"stageVariables":{"table":"orders"},"body":"{\"n\":1}","isBase64Encoded":false}`
	if string(event) != want {
		t.Errorf("got  %s\nwant %s", event, want)
	}
	var typed events.APIGatewayV2HTTPRequest // as a Go handler reads it
	if err := json.Unmarshal(event, &typed); err != nil {
		t.Fatal(err)
	}
	if typed.RequestContext.HTTP.Method != "POST" || typed.PathParameters["rest"] != "x/y/z" || typed.RequestContext.TimeEpoch != at.UnixMilli() {
		t.Errorf("read as %+v", typed)
	}
}

func TestEventFormat2LeavesEmptyMembersOut(t *testing.T) {
	event := captured(t, "2.0", "$default", nil, func(g *gateway) *http.Request { return g.byHost("GET", "/", "") })
	var got map[string]any
	if err := json.Unmarshal(event, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"} {
		if v, ok := got[name]; ok {
			t.Errorf("%s is there: %v", name, v)
		}
	}
	if got["rawQueryString"] != "" || got["isBase64Encoded"] != false || got["routeKey"] != "$default" || got["rawPath"] != "/" {
		t.Errorf("got %s", event)
	}
}

func TestEventFormat1(t *testing.T) {
	event := captured(t, "1.0", "GET /orders/{id}", nil, func(g *gateway) *http.Request {
		r := g.byHost("GET", "/orders/7?a=1&b=2&a=3", "")
		r.Header["Cookie"] = []string{"s=1"}
		r.Header["X-Many"] = []string{"one", "two"}
		return r
	})
	headers := func(open, close string) string {
		q := func(v string) string { return open + `"` + v + `"` + close }
		many := `"two"`
		if open != "" {
			many = `["one","two"]`
		}
		return `"Content-Length":` + q("0") + `,"Cookie":` + q("s=1") + `,"Host":` + q("APIID.execute-api.localhost:4566") + `,"X-Amzn-Trace-Id":` + q("TRACE") +
			`,"X-Forwarded-For":` + q("192.0.2.1") + `,"X-Forwarded-Port":` + q("4566") + `,"X-Forwarded-Proto":` + q("http") + `,"X-Many":` + many
	}
	want := `{"version":"1.0","resource":"/orders/{id}","path":"/orders/7","httpMethod":"GET","headers":{` + headers("", "") + `},` +
		`"multiValueHeaders":{` + headers("[", "]") + `},"queryStringParameters":{"a":"3","b":"2"},` +
		`"multiValueQueryStringParameters":{"a":["1","3"],"b":["2"]},` +
		`"requestContext":{"accountId":"000000000000","apiId":"APIID","domainName":"APIID.execute-api.localhost","domainPrefix":"APIID",` +
		`"extendedRequestId":"REQUEST","httpMethod":"GET","identity":{"accessKey":null,"accountId":null,"caller":null,"cognitoAmr":null,` +
		`"cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,"cognitoIdentityId":null,"cognitoIdentityPoolId":null,` +
		`"principalOrgId":null,"sourceIp":"192.0.2.1","user":null,"userAgent":"","userArn":null},"path":"/orders/7","protocol":"HTTP/1.1",` +
		`"requestId":"REQUEST","requestTime":"12/Mar/2026:19:03:58 +0000","requestTimeEpoch":1773342238390,"resourceId":"ROUTE",` +
		`"resourcePath":"/orders/{id}","stage":"$default"},"pathParameters":{"id":"7"},"stageVariables":null,"body":null,"isBase64Encoded":false}`
	if string(event) != want {
		t.Errorf("got  %s\nwant %s", event, want)
	}
	var typed events.APIGatewayProxyRequest
	if err := json.Unmarshal(event, &typed); err != nil || typed.MultiValueQueryStringParameters["a"][1] != "3" {
		t.Errorf("read as %+v, %v", typed, err)
	}
}

// TestBodyEncoding holds the split between text and base64 that others measured on AWS.
func TestBodyEncoding(t *testing.T) {
	for _, c := range []struct {
		contentType, body, want string
		base64                  bool
	}{
		{"application/json", `{"a":1}`, `{"a":1}`, false},
		{"Application/JSON; charset=utf-8", `1`, `1`, false},
		{"text/plain", "hi\n", "hi\n", false},
		{"TEXT/csv", "a,b", "a,b", false},
		{"application/xml", "<a/>", "<a/>", false},
		{"application/javascript", "1", "1", false},
		{"text/plain", "\xff", "\ufffd", false},
		{"application/vnd.api+json", "{}", "e30=", true},
		{"application/x-www-form-urlencoded", "a=1", "YT0x", true},
		{"application/octet-stream", "\x00\xff", "AP8=", true},
		{"multipart/form-data; boundary=x", "x", "eA==", true},
		{"", "x", "eA==", true},
	} {
		t.Run(c.contentType, func(t *testing.T) {
			event := captured(t, "2.0", "$default", nil, func(g *gateway) *http.Request {
				r := g.byHost("POST", "/", c.body)
				if c.contentType != "" {
					r.Header.Set("Content-Type", c.contentType)
				}
				return r
			})
			var got struct {
				Body            string
				IsBase64Encoded bool
			}
			if err := json.Unmarshal(event, &got); err != nil {
				t.Fatal(err)
			}
			if got.Body != c.want || got.IsBase64Encoded != c.base64 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestStringsAgainstEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
		var got string
		if err := json.Unmarshal(jsontext.AppendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		marshalled, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(marshalled, &want); err != nil {
			t.Fatal(err)
		}
		if got != want || !utf8.ValidString(got) {
			t.Fatalf("%q became %q, want %q", s, got, want)
		}
	})
}
