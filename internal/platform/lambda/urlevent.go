package lambda

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// urlEvent is what a function behind a URL is invoked with: payload format 2.0.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
type urlEvent struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext  urlContext        `json:"requestContext"`
	Body            *string           `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type urlContext struct {
	AccountID    string         `json:"accountId"` // anonymous unless the caller has signed
	APIID        string         `json:"apiId"`
	Authorizer   *urlAuthorizer `json:"authorizer,omitempty"`
	DomainName   string         `json:"domainName"`
	DomainPrefix string         `json:"domainPrefix"`
	HTTP         urlHTTP        `json:"http"`
	RequestID    string         `json:"requestId"`
	RouteKey     string         `json:"routeKey"`
	Stage        string         `json:"stage"`
	Time         string         `json:"time"`
	TimeEpoch    int64          `json:"timeEpoch"` // milliseconds
}

type urlHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

type urlAuthorizer struct {
	IAM urlCaller `json:"iam"`
}

// urlCaller is who has signed the request.
type urlCaller struct {
	AccessKey string `json:"accessKey"`
	AccountID string `json:"accountId"`
	CallerID  string `json:"callerId"`
	UserARN   string `json:"userArn"`
	UserID    string `json:"userId"`
}

const defaultRoute = "$default"

// urlEvent makes the event of a request. caller is nil for one that need not be signed.
func (s *Service) urlEvent(r *http.Request, id, path string, body []byte, requestID string, caller *urlCaller) *urlEvent {
	now := s.cfg.Clock.Now().UTC()
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path
	}
	e := &urlEvent{
		Version: "2.0", RouteKey: defaultRoute, RawPath: decoded, RawQueryString: r.URL.RawQuery, Headers: map[string]string{},
		RequestContext: urlContext{
			AccountID: "anonymous", APIID: id, DomainName: id + urlLabel + s.cfg.Region + ".localhost", DomainPrefix: id,
			HTTP:      urlHTTP{r.Method, decoded, r.Proto, sourceIP(r), r.UserAgent()},
			RequestID: requestID, RouteKey: defaultRoute, Stage: defaultRoute, Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
		},
	}
	if caller != nil {
		e.RequestContext.AccountID, e.RequestContext.Authorizer = caller.AccountID, &urlAuthorizer{*caller}
	}
	for name, values := range r.Header {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		case "Cookie":
			for c := range strings.SplitSeq(strings.Join(values, ";"), ";") {
				if c = strings.TrimSpace(c); c != "" {
					e.Cookies = append(e.Cookies, c)
				}
			}
		default:
			e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	e.Headers["host"] = r.Host
	e.Headers["x-forwarded-for"] = sourceIP(r)
	e.Headers["x-forwarded-proto"] = "http"
	for name, values := range r.URL.Query() {
		if e.Query == nil {
			e.Query = map[string]string{}
		}
		e.Query[name] = strings.Join(values, ",")
	}
	if len(body) > 0 {
		text := string(body)
		if !plainText(r.Header.Get("Content-Type")) || !utf8.Valid(body) {
			text, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
		}
		e.Body = &text
	}
	return e
}

// plainText tells whether a body of this media type reaches the function as text.
func plainText(contentType string) bool {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	switch media {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml")
}
