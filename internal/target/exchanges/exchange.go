// Package exchanges pins what a target says on the wire, and what it is answered: a Recorder writes the HTTP exchanges of the
// SDK's clients into a readable file, and a Player answers from it and tells every request that differs.
//
// What belongs to the moment of recording is left out: signatures, credentials, dates, user agents, hosts, request IDs.
// Bodies are compared by their value, so that another order of members, or another version of the SDK, is no difference.
package exchanges

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
)

// Exchange is one request and what came of it.
type Exchange struct {
	Request Request
	Answer  Answer
}

// Request is what an AWS service sees of a request, but for who sent it and when.
type Request struct {
	Method, Path, Query string
	Body
}

// Answer is what the SDK reads of an answer. Lost says that there was none: how the connection ended.
type Answer struct {
	Status int
	Lost   string
	Body
}

// Body is the content of a message, with the headers that say how to read it.
type Body struct {
	Header map[string]string
	JSON   json.RawMessage
	Text   string // what is no JSON: forms, XML
}

// The headers that are part of AWS's protocols.
var (
	requestHeaders = []string{"Content-Type", "X-Amz-Target", "X-Amz-Invocation-Type", "X-Amz-Log-Type"}
	answerHeaders  = []string{"Content-Type", "Retry-After", "X-Amz-Retry-After", "X-Amzn-Errortype", "X-Amz-Executed-Version", "X-Amz-Function-Error", "X-Amz-Log-Result"}
)

// readBody reads a message to its end.
func readBody(header http.Header, keep []string, r io.Reader) (Body, error) {
	var b Body
	for _, name := range keep {
		if v := header.Get(name); v != "" {
			if b.Header == nil {
				b.Header = map[string]string{}
			}
			b.Header[name] = v
		}
	}
	if r == nil {
		return b, nil
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return b, err
	}
	b.set(data)
	return b, nil
}

// set makes data the content.
func (b *Body) set(data []byte) {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0:
	case (data[0] == '{' || data[0] == '[') && json.Valid(data): // whatever it calls itself
		b.JSON = data
	default:
		b.Text = string(data)
	}
}

// bytes gives the body as it goes over the wire.
func (b Body) bytes() []byte {
	if b.JSON == nil {
		return []byte(b.Text)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b.JSON); err != nil {
		return b.JSON // a file that was checked when it was read has none of these
	}
	return out.Bytes()
}

// readRequest describes r, and leaves it with a body that can be read again.
func readRequest(r *http.Request) (Request, error) {
	out := Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query().Encode()}
	if out.Path == "" {
		out.Path = "/"
	}
	var err error
	out.Body, err = readBody(r.Header, requestHeaders, r.Body)
	if err != nil {
		return out, fmt.Errorf("read the request's body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(out.bytes()))
	r.ContentLength = int64(len(out.bytes()))
	return out, nil
}

// difference says in which way b is another request than a, or "".
func (a Request) difference(b Request) string {
	switch {
	case a.Method != b.Method || a.Path != b.Path:
		return "another operation"
	case a.Query != b.Query:
		return fmt.Sprintf("the query is %q, and was %q", b.Query, a.Query)
	case !reflect.DeepEqual(a.Header, b.Header):
		return fmt.Sprintf("the headers are %v, and were %v", b.Header, a.Header)
	case !sameValue(a.Body, b.Body):
		return fmt.Sprintf("the body is\n%s\nand was\n%s", b.bytes(), a.bytes())
	}
	return ""
}

func sameValue(a, b Body) bool {
	if a.JSON == nil || b.JSON == nil {
		return a.JSON == nil && b.JSON == nil && sameForm(a.Text, b.Text)
	}
	return reflect.DeepEqual(value(a.JSON), value(b.JSON))
}

func sameForm(a, b string) bool {
	if a == b {
		return true
	}
	x, errA := url.ParseQuery(a)
	y, errB := url.ParseQuery(b)
	return errA == nil && errB == nil && reflect.DeepEqual(x, y)
}

func value(data json.RawMessage) any {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return string(data)
	}
	return v
}

func (a Request) String() string {
	s := a.Method + " " + a.Path
	if a.Query != "" {
		s += "?" + a.Query
	}
	if t := a.Header["X-Amz-Target"]; t != "" {
		s += " " + t
	}
	return s + " " + string(a.bytes())
}

// subject is what a request is about: a function, a state machine, the HTTP APIs or the caller. What is said about one
// subject keeps its order; what is said about several at once has none.
func (a Request) subject() string {
	if strings.HasPrefix(a.Path, "/v2/apis") {
		return "HTTP APIs"
	}
	if _, rest, ok := strings.Cut(a.Path, "/functions/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		if arn, err := url.PathUnescape(name); err == nil && strings.Count(arn, ":") > 5 {
			name = strings.Split(arn, ":")[6]
		}
		return "function " + name
	}
	q, _ := url.ParseQuery(a.Query)
	if name := q.Get("FunctionName"); name != "" {
		return "function " + name
	}
	if a.JSON == nil {
		return "caller"
	}
	var in struct {
		FunctionName, StateMachineArn, StateMachineVersionArn, StateMachineAliasArn, ExecutionArn string
		RoutingConfiguration                                                                      []struct{ StateMachineVersionArn string }
		Name                                                                                      string
	}
	if err := json.Unmarshal(a.JSON, &in); err != nil {
		return "caller"
	}
	if in.FunctionName != "" {
		return "function " + in.FunctionName
	}
	arns := []string{in.StateMachineArn, in.StateMachineVersionArn, in.StateMachineAliasArn, in.ExecutionArn}
	for _, r := range in.RoutingConfiguration {
		arns = append(arns, r.StateMachineVersionArn)
	}
	for _, arn := range arns {
		if p := strings.Split(arn, ":"); len(p) > 6 {
			return "state machine " + p[6]
		}
	}
	if in.Name != "" {
		return "state machine " + in.Name
	}
	return "account"
}
