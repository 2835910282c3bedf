package awsproto

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/tealdeploy/teal/internal/fault"
)

// scope is what a request's credential says of itself.
type scope struct {
	accessKey, date, region, service string

	presigned bool
	signed    string // names of the signed headers, with semicolons
	signature string
}

// orTarget names the service for messages where the request carries no credential.
func (s *scope) orTarget(service string) {
	if s.service == "" {
		s.service = service
	}
}

const algorithm = "AWS4-HMAC-SHA256"

// scopeOf reads the credential from the Authorization header or a presigned URL; the zero scope when there is none.
func scopeOf(r *http.Request) (s scope) {
	if auth := Header(r.Header, "Authorization"); auth != "" {
		rest, ok := strings.CutPrefix(auth, algorithm)
		if !ok {
			return s
		}
		for part := range strings.SplitSeq(rest, ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch k {
			case "Credential":
				s.credential(v)
			case "SignedHeaders":
				s.signed = v
			case "Signature":
				s.signature = v
			}
		}
		return s
	}
	if id, ok := signature2(r); ok {
		return scope{accessKey: id, service: "s3", presigned: true}
	}
	if strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
		q := r.URL.Query()
		s.presigned = true
		s.credential(q.Get("X-Amz-Credential"))
		s.signed, s.signature = q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature")
	}
	return s
}

// credential reads AKID/20261103/us-east-1/lambda/aws4_request.
func (s *scope) credential(c string) {
	rest, ok := strings.CutSuffix(c, "/aws4_request")
	rest, service, ok2 := cutLast(rest, '/')
	rest, region, ok3 := cutLast(rest, '/')
	key, date, ok4 := cutLast(rest, '/')
	if ok && ok2 && ok3 && ok4 {
		s.accessKey, s.date, s.region, s.service = key, date, region, service
	}
}

// maxSkew is how far a signature's time may be from now, as AWS has it.
const maxSkew = 15 * time.Minute

func notMatching() error {
	return &fault.Error{
		Code: "InvalidSignatureException", Status: http.StatusForbidden,
		Message: "The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
	}
}

func incomplete(message string) error {
	return &fault.Error{Code: "IncompleteSignatureException", Status: http.StatusForbidden, Message: message}
}

// verify re-signs the request with the secret of its access key and compares. It reads the body.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
func (q *request) verify() error {
	sc := q.scope
	if _, old := signature2(q.r); old && q.proto == RESTXML {
		return q.verifySignature2()
	}
	if sc.accessKey == "" {
		return &fault.Error{
			Code: "MissingAuthenticationTokenException", Status: http.StatusForbidden,
			Message: "Request is missing Authentication Token",
		}
	}
	if sc.signature == "" || sc.signed == "" {
		return incomplete("Authorization needs Credential, SignedHeaders and Signature")
	}
	secret, ok := q.mux.cfg.Verify(sc.accessKey)
	if !ok {
		return &fault.Error{
			Code: "UnrecognizedClientException", Status: http.StatusForbidden,
			Message: "The security token included in the request is invalid.",
		}
	}
	at, err := q.signedAt()
	if err != nil {
		return err
	}
	if q.proto == RESTXML {
		return q.verifyStream(secret, at)
	}
	if err := q.slurp(); err != nil {
		return err
	}
	sum := sha256.Sum256(q.body)
	hash := hex.EncodeToString(sum[:])
	switch given := q.r.Header.Get("X-Amz-Content-Sha256"); given {
	case "", hash:
	case "UNSIGNED-PAYLOAD":
		hash = given
	default:
		// This holds for chunked signatures too, which only REST-XML has.
		return notMatching()
	}
	want, err := q.resign(secret, hash, at)
	if err != nil {
		return notMatching()
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(sc.signature)) != 1 {
		return notMatching()
	}
	return nil
}

// signedAt reads and checks the time of the signature.
func (q *request) signedAt() (time.Time, error) {
	stamp, query := q.r.Header.Get("X-Amz-Date"), url.Values(nil)
	if q.scope.presigned {
		query = q.r.URL.Query()
		stamp = query.Get("X-Amz-Date")
	}
	at, err := time.Parse("20060102T150405Z", stamp)
	if err != nil {
		return at, incomplete("Authorization needs an X-Amz-Date of the form 20060102T150405Z")
	}
	if at.Format("20060102") != q.scope.date {
		return at, &fault.Error{
			Code: "InvalidSignatureException", Status: http.StatusForbidden,
			Message: "Credential should be scoped to the date of X-Amz-Date",
		}
	}
	now := q.mux.now().UTC()
	last := at.Add(maxSkew)
	if q.scope.presigned {
		if d, err := time.ParseDuration(query.Get("X-Amz-Expires") + "s"); err == nil && d > 0 && d <= 7*24*time.Hour {
			last = at.Add(d)
		}
	}
	const layout = "20060102T150405Z"
	switch {
	case now.After(last):
		return at, &fault.Error{
			Code: "InvalidSignatureException", Status: http.StatusForbidden,
			Message: "Signature expired: " + at.Format(layout) + " is now earlier than " + now.Add(-maxSkew).Format(layout) +
				" (" + now.Format(layout) + " - 15 min.)",
		}
	case at.After(now.Add(maxSkew)):
		return at, &fault.Error{
			Code: "InvalidSignatureException", Status: http.StatusForbidden,
			Message: "Signature not yet current: " + at.Format(layout) + " is still later than " + now.Add(maxSkew).Format(layout) +
				" (" + now.Format(layout) + " + 15 min.)",
		}
	}
	return at, nil
}

// resign signs the request's signed parts as its sender did and returns the signature.
func (q *request) resign(secret, payloadHash string, at time.Time) (string, error) {
	sc := q.scope
	u := *q.r.URL
	u.Scheme, u.Host = "http", q.r.Host
	clone := &http.Request{Method: q.r.Method, URL: &u, Host: q.r.Host, Header: http.Header{}}
	for name := range strings.SplitSeq(sc.signed, ";") {
		switch name {
		case "host":
		case "content-length":
			clone.ContentLength = q.r.ContentLength
		default:
			clone.Header[http.CanonicalHeaderKey(name)] = q.r.Header.Values(name)
		}
	}
	creds := aws.Credentials{AccessKeyID: sc.accessKey, SecretAccessKey: secret}
	signer := v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = sc.service == "s3"
		o.DisableHeaderHoisting = true // the sender has hoisted what it wanted in the query already
	})
	if sc.presigned {
		query := u.Query()
		creds.SessionToken = query.Get("X-Amz-Security-Token")
		for _, k := range []string{"X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders"} {
			query.Del(k)
		}
		u.RawQuery = query.Encode()
		signed, _, err := signer.PresignHTTP(context.Background(), creds, clone, payloadHash, sc.service, sc.region, at)
		if err != nil {
			return "", err
		}
		su, err := url.Parse(signed)
		if err != nil {
			return "", err
		}
		return su.Query().Get("X-Amz-Signature"), nil
	}
	creds.SessionToken = q.r.Header.Get("X-Amz-Security-Token")
	if err := signer.SignHTTP(context.Background(), creds, clone, payloadHash, sc.service, sc.region, at); err != nil {
		return "", err
	}
	return scopeOf(clone).signature, nil
}
