package awsproto

import (
	"net/http"
	"time"
)

// VerifySignature checks the SigV4 signature of a request that is no call of an AWS API, such as one of a function's URL,
// and returns its access key. body is the whole body, which has been read. verify is as in Config; where it is nil any
// credentials are good, but there must be some. The error is AWS's answer (*fault.Error).
func VerifySignature(r *http.Request, body []byte, verify func(accessKeyID string) (secret string, ok bool), now time.Time) (accessKeyID string, err error) {
	q := &request{
		mux: &Mux{cfg: Config{Verify: verify}, now: func() time.Time { return now }}, r: r, scope: scopeOf(r), proto: RESTJSON, body: body, read: true,
	}
	if verify == nil && q.scope.accessKey != "" {
		return q.scope.accessKey, nil
	}
	if err := q.verify(); err != nil {
		return "", err
	}
	return q.scope.accessKey, nil
}
