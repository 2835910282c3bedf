package awsproto

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the protocol's
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/fault"
)

// signature2 reads the access key of a URL that is presigned with Signature Version 2, which boto3 and version 1 of the
// AWS CLI still do for S3 unless told otherwise.
func signature2(r *http.Request) (accessKey string, ok bool) {
	if !strings.Contains(r.URL.RawQuery, "AWSAccessKeyId=") || !strings.Contains(r.URL.RawQuery, "Signature=") {
		return "", false
	}
	accessKey = r.URL.Query().Get("AWSAccessKeyId")
	return accessKey, accessKey != ""
}

// signedParameters are the query parameters that Signature Version 2 covers.
var signedParameters = []string{
	"accelerate", "acl", "analytics", "cors", "delete", "inventory", "lifecycle", "location", "logging", "metrics",
	"notification", "object-lock", "partNumber", "policy", "replication", "requestPayment", "response-cache-control",
	"response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type",
	"response-expires", "restore", "select", "select-type", "tagging", "torrent", "uploadId", "uploads", "versionId",
	"versioning", "versions", "website",
}

// verifySignature2 checks a URL that is presigned with Signature Version 2.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
func (q *request) verifySignature2() error {
	denied := func(message string) error {
		return &fault.Error{Code: "AccessDenied", Message: message, Status: http.StatusForbidden}
	}
	secret, ok := q.mux.cfg.Verify(q.scope.accessKey)
	if !ok {
		return &fault.Error{
			Code: "UnrecognizedClientException", Status: http.StatusForbidden,
			Message: "The security token included in the request is invalid.",
		}
	}
	query := q.r.URL.Query()
	until, err := strconv.ParseInt(query.Get("Expires"), 10, 64)
	if err != nil {
		return denied("Invalid date (should be seconds since epoch): " + query.Get("Expires"))
	}
	if q.mux.now().After(time.Unix(until, 0)) {
		return denied("Request has expired")
	}
	sum := hmac.New(sha1.New, []byte(secret))
	sum.Write([]byte(q.stringToSign2(query)))
	given, err := base64.StdEncoding.DecodeString(query.Get("Signature"))
	if err != nil || !hmac.Equal(given, sum.Sum(nil)) {
		return signatureMismatch()
	}
	return nil
}

func (q *request) stringToSign2(query url.Values) string {
	// Presigned URLs may carry the headers that they were signed with as parameters.
	said := func(name string) string {
		if v := q.r.Header.Get(name); v != "" {
			return v
		}
		return query.Get(strings.ToLower(name))
	}
	var b strings.Builder
	for _, part := range []string{q.r.Method, said("Content-MD5"), said("Content-Type"), query.Get("Expires")} {
		b.WriteString(part + "\n")
	}
	amz := map[string]string{}
	for _, from := range []map[string][]string{query, q.r.Header} {
		for k, values := range from {
			if k = strings.ToLower(k); strings.HasPrefix(k, "x-amz-") {
				amz[k] = strings.Join(values, ",")
			}
		}
	}
	var names []string
	for k := range amz {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		b.WriteString(k + ":" + strings.TrimSpace(amz[k]) + "\n")
	}
	if q.svc != nil && q.svc.VirtualHost != nil {
		if label, ok := q.svc.VirtualHost(q.r.Host, true); ok && label != "" {
			b.WriteString("/" + label)
		}
	}
	b.WriteString(q.r.URL.EscapedPath())
	separator := "?"
	for _, k := range signedParameters {
		if !query.Has(k) {
			continue
		}
		b.WriteString(separator + k)
		separator = "&"
		if v := query.Get(k); v != "" {
			b.WriteString("=" + v)
		}
	}
	return b.String()
}
