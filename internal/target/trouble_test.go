package target_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/target"
	"github.com/tealdeploy/teal/internal/target/targettest"
)

// trouble is what AWS does on a bad day, put between a target and an endpoint that has only good ones while exchanges are
// recorded.
type trouble struct {
	http.RoundTripper
	mu   sync.Mutex
	seen map[string]int            // by operation and what it is about
	full map[string]map[string]any // lists that are given in pages
	on   func(t *trouble, q *asked) (*http.Response, error)
}

// asked is a request with its content.
type asked struct {
	*http.Request
	what string // method and path, and the operation where the path does not say it
	body []byte
	in   map[string]any
	nth  int // of those that ask the same of the same, from 1
}

func (t *trouble) RoundTrip(q *http.Request) (*http.Response, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := &asked{Request: q, what: strings.TrimSpace(q.Method + " " + q.URL.Path + " " + q.Header.Get("X-Amz-Target"))}
	if q.Body != nil {
		a.body, _ = io.ReadAll(q.Body)
		_ = json.Unmarshal(a.body, &a.in)
	}
	a.rewind()
	t.seen[a.what]++
	a.nth = t.seen[a.what]
	return t.on(t, a)
}

func (a *asked) rewind() { a.Body = io.NopCloser(bytes.NewReader(a.body)) }

// states reports whether Step Functions is asked.
func (a *asked) states() bool { return strings.Contains(a.what, "AWSStepFunctions.") }

// writes reports whether something is changed.
func (a *asked) writes() bool {
	_, operation, _ := strings.Cut(a.what, "AWSStepFunctions.")
	return a.states() && !strings.HasPrefix(operation, "List") && !strings.HasPrefix(operation, "Describe") || !a.states() && a.Method != http.MethodGet && a.URL.Path != "/"
}

func answered(status int, header map[string]string, body string) *http.Response {
	h := http.Header{}
	for k, v := range header {
		h.Set(k, v)
	}
	return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// throttle refuses the first attempt at everything, as each service does.
//
// https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html
// https://docs.aws.amazon.com/step-functions/latest/apireference/CommonErrors.html
func throttle(t *trouble, q *asked) (*http.Response, error) {
	switch {
	case q.nth > 1:
		return t.RoundTripper.RoundTrip(q.Request)
	case q.states():
		return answered(400, map[string]string{"Content-Type": "application/x-amz-json-1.0"}, `{"__type":"ThrottlingException","message":"Rate exceeded"}`), nil
	case q.URL.Path == "/":
		return answered(400, map[string]string{"Content-Type": "text/xml"}, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>x</RequestId></ErrorResponse>`), nil
	}
	return answered(429, map[string]string{"Content-Type": "application/json", "X-Amzn-Errortype": "TooManyRequestsException", "Retry-After": "1"},
		`{"Reason":"CallerRateLimitExceeded","Type":"User","message":"Rate exceeded"}`), nil
}

// fail fails inside the service at the first attempt at everything.
func fail(t *trouble, q *asked) (*http.Response, error) {
	switch {
	case q.nth > 1:
		return t.RoundTripper.RoundTrip(q.Request)
	case q.states():
		return answered(500, map[string]string{"Content-Type": "application/x-amz-json-1.0"}, `{"__type":"InternalFailure"}`), nil
	case q.URL.Path == "/":
		return answered(503, map[string]string{"Content-Type": "text/xml"}, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Receiver</Type><Code>ServiceUnavailable</Code><Message>Service Unavailable</Message></Error><RequestId>x</RequestId></ErrorResponse>`), nil
	}
	return answered(500, map[string]string{"Content-Type": "application/json", "X-Amzn-Errortype": "ServiceException"},
		`{"Message":"An error occurred and the request cannot be processed.","Type":"Service"}`), nil
}

// lose carries out every first change, and cuts the connection instead of answering.
func lose(t *trouble, q *asked) (*http.Response, error) {
	answer, err := t.RoundTripper.RoundTrip(q.Request)
	if err == nil && q.writes() && q.nth == 1 {
		answer.Body.Close()
		return nil, fmt.Errorf("read: %w", syscall.ECONNRESET)
	}
	return answer, err
}

// listNothing and refuseToList answer in the two other ways that a service could when it is asked for the versions of a state
// machine that does not exist; AWS does not document its own.
func listNothing(t *trouble, q *asked) (*http.Response, error) {
	return t.forNone(q, 200, `{"stateMachineVersions":[]}`)
}

func refuseToList(t *trouble, q *asked) (*http.Response, error) {
	return t.forNone(q, 400, `{"__type":"InvalidArn","message":"Invalid Arn"}`)
}

func (t *trouble) forNone(q *asked, status int, body string) (*http.Response, error) {
	answer, err := t.RoundTripper.RoundTrip(q.Request)
	if err == nil && answer.StatusCode == 400 && strings.HasSuffix(q.what, "ListStateMachineVersions") {
		answer.Body.Close()
		return answered(status, map[string]string{"Content-Type": "application/x-amz-json-1.0"}, body), nil
	}
	return answer, err
}

// edit changes an answer in JSON.
func (t *trouble) edit(q *asked, change func(out map[string]any)) (*http.Response, error) {
	answer, err := t.RoundTripper.RoundTrip(q.Request)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(answer.Header.Get("Content-Type"), "json") {
		return answer, err
	}
	var out map[string]any
	err = json.NewDecoder(answer.Body).Decode(&out)
	answer.Body.Close()
	if err != nil {
		return nil, err
	}
	change(out)
	data, err := json.Marshal(out)
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	return answer, err
}

// dawdle lets every function and update take its time, as AWS does.
//
// https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
func dawdle(t *trouble, q *asked) (*http.Response, error) {
	if q.Method != http.MethodGet || !strings.HasSuffix(q.URL.Path, "/configuration") {
		return t.RoundTripper.RoundTrip(q.Request)
	}
	return t.edit(q, func(out map[string]any) {
		switch q.nth {
		case 1, 2:
			out["State"], out["StateReason"], out["StateReasonCode"] = "Pending", "The function is being created.", "Creating"
			delete(out, "LastUpdateStatus")
		case 4, 5, 7:
			out["LastUpdateStatus"], out["LastUpdateStatusReason"], out["LastUpdateStatusReasonCode"] = "InProgress", "The function is being created.", "Creating"
		}
	})
}

// page gives every list one by one.
func page(t *trouble, q *asked) (*http.Response, error) {
	const lambdaList, statesList = "Versions", "stateMachineVersions"
	key, n := q.what, 1
	marker := q.URL.Query().Get("Marker")
	if q.states() {
		marker, _ = q.in["nextToken"].(string)
		key += fmt.Sprint(q.in["stateMachineArn"])
	}
	if marker != "" {
		if _, err := fmt.Sscanf(marker, "page-%d", &n); err != nil {
			return nil, err
		}
		delete(q.in, "nextToken")
	}
	cut := func(out map[string]any) {
		list, next := lambdaList, "NextMarker"
		if q.states() {
			list, next = statesList, "nextToken"
		}
		all, ok := out[list].([]any)
		if !ok {
			return
		}
		delete(out, next)
		out[list] = all[min(n-1, len(all)):min(n, len(all))]
		if n < len(all) {
			out[next] = fmt.Sprintf("page-%d", n+1)
		}
	}
	if marker == "" {
		return t.edit(q, func(out map[string]any) {
			whole := map[string]any{}
			for k, v := range out {
				whole[k] = v
			}
			t.full[key] = whole
			cut(out)
		})
	}
	out := map[string]any{}
	for k, v := range t.full[key] {
		out[k] = v
	}
	cut(out)
	data, err := json.Marshal(out)
	kind := "application/json"
	if q.states() {
		kind = "application/x-amz-json-1.0"
	}
	return answered(http.StatusOK, map[string]string{"Content-Type": kind}, string(data)), err
}

// Two releases of a function and a workflow come to their end whatever kind of bad day AWS has, by the requests that were
// recorded, and publish nothing twice.
func TestReleasesOnBadDaysOnTheWire(t *testing.T) {
	for _, day := range []struct {
		name string
		on   func(t *trouble, q *asked) (*http.Response, error)
	}{
		{"throttled", throttle},
		{"broken", fail},
		{"answers are lost", lose},
		{"slow", dawdle},
		{"in pages", page},
		{"nothing is listed", listNothing},
		{"refused to list", refuseToList},
	} {
		t.Run(day.name, func(t *testing.T) {
			w := wire{origin: "platform-on-bad-days", through: func(r http.RoundTripper) http.RoundTripper {
				return &trouble{RoundTripper: r, seen: map[string]int{}, full: map[string]map[string]any{}, on: day.on}
			}}
			g := w.open(t, target.Options{})
			app := "teal-" + strings.ReplaceAll(day.name, " ", "-")
			if err := twoReleasesOf(t.Context(), g, app); err != nil {
				t.Fatal(err)
			}
			f := targettest.Function(app+"-work", "two")
			flow := release.Workflow{Key: "order", Name: app + "-order", Alias: "live"}
			o, err := g.Observe(t.Context(), release.Spec{App: app, Functions: []release.Function{f}, Workflows: []release.Workflow{flow}})
			if err != nil {
				t.Fatal(err)
			}
			if at := o.Functions[f.Name]; at.Version != "2" || at.Routing.Routing.String() != "2 100%" || at.Config.CodeSHA256 != f.CodeSHA256 {
				t.Errorf("the function is %+v, want version 2 and the alias at it", at)
			}
			if at := o.Workflows[flow.Name]; !strings.HasSuffix(at.VersionARN, ":2") || at.Routing.Routing.Primary != at.VersionARN {
				t.Errorf("the workflow is %+v, want version 2 and the alias at it", at)
			}
		})
	}
}
