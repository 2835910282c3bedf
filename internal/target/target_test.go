package target_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/target"
	"github.com/tealdeploy/teal/internal/target/targettest"
)

// open serves m on a loopback port and gives a target for it.
func open(t *testing.T, m *model, client aws.HTTPClient, o target.Options) *target.Target {
	t.Helper()
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	return target.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		Retryer: func() aws.Retryer { // as the SDK's own, but for the pauses
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
		},
	}, o)
}

func TestExerciseOnTheModel(t *testing.T) {
	targettest.Exercise(t, func(t *testing.T) *target.Target { return open(t, newModel(), nil, target.Options{}) })
}

// faulty loses the nth request: before it arrives, or its answer.
type faulty struct {
	n, seen int
	after   bool
}

var errLost = errors.New("the connection was lost")

func (f *faulty) Do(r *http.Request) (*http.Response, error) {
	f.seen++
	if f.seen == f.n && !f.after {
		return nil, errLost
	}
	answer, err := http.DefaultClient.Do(r)
	if f.seen == f.n && err == nil {
		answer.Body.Close()
		return nil, errLost
	}
	return answer, err
}

// twoReleases publishes and routes a function and a workflow twice, as one release after another does.
func twoReleases(ctx context.Context, g *target.Target) error { return twoReleasesOf(ctx, g, "shop") }

func twoReleasesOf(ctx context.Context, g *target.Target, app string) error {
	for _, says := range []string{"one", "two"} {
		f := targettest.Function(app+"-work", says)
		f.MemorySize = int32(128 * len(says))
		if says == "two" {
			f.Timeout = 9
		}
		v, err := g.PublishFunction(ctx, f)
		if err != nil {
			return err
		}
		w := release.Workflow{Key: "order", Name: app + "-order", Alias: "live", Role: targettest.Role}
		s, err := g.PublishWorkflow(ctx, w, json.RawMessage(`{"Comment":"`+says+`","StartAt":"A","States":{"A":{"Type":"Task","Resource":"`+v.ARN+`","End":true}}}`))
		if err != nil {
			return err
		}
		for ref, to := range map[release.Ref]string{f.Ref(): v.Version, w.Ref(): s.ARN} {
			was, err := g.GetRouting(ctx, ref)
			if err != nil && !errors.Is(err, release.ErrNoAlias) {
				return err
			}
			if _, err := g.SetRouting(ctx, release.AliasRouting{Ref: ref, Revision: was.Revision, Routing: alias.Routing{Primary: to}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Every request in turn is lost, before it arrives or after it has had its effect, and the SDK tries no more: the process
// might as well have died. Whoever repeats all of it ends with exactly the versions of a run without faults, but for those
// that the first release publishes again because the second one had begun.
func TestRepeatingAfterAnyLostRequestAddsNothing(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			m, client := newModel(), &faulty{n: n, after: after}
			m.pending = 1
			g := open(t, m, client, target.Options{MaxAttempts: 1})
			err := twoReleases(t.Context(), g)
			if err == nil {
				if n < 20 {
					t.Fatalf("request %d was lost, and nobody noticed", n)
				}
				break
			}
			if !errors.Is(err, errLost) {
				t.Fatalf("request %d: %v", n, err)
			}
			published := 0
			if f := m.functions["shop-work"]; f != nil {
				published = len(f.versions)
			}
			if err := twoReleases(t.Context(), g); err != nil {
				t.Fatalf("request %d, repeated: %v", n, err)
			}
			want := 2
			if published == 2 { // the newest was the second release's, so the first is published anew, and then the second
				want = 4
			}
			if got := len(m.functions["shop-work"].versions); got != want {
				t.Errorf("request %d lost (after its effect: %v): %d versions of the function, want %d", n, after, got, want)
			}
			f := m.functions["shop-work"]
			if live := f.aliases["live"]["FunctionVersion"]; live != f.versions[len(f.versions)-1]["Version"] {
				t.Errorf("request %d lost: the alias is at %v", n, live)
			}
		}
	}
}

func TestTheSDKRepeatsLostRequestsByItself(t *testing.T) {
	for n := 1; n < 40; n++ {
		m := newModel()
		m.pending = 0
		g := open(t, m, &faultyTransport{faulty{n: n, after: true}}, target.Options{MaxAttempts: 3})
		if err := twoReleases(t.Context(), g); err != nil {
			t.Fatalf("request %d: %v", n, err)
		}
		if got := len(m.functions["shop-work"].versions); got != 2 {
			t.Errorf("request %d: %d versions of the function, want 2", n, got)
		}
	}
}

// faultyTransport loses an answer as a connection that was reset does, which the SDK takes as a reason to try again.
type faultyTransport struct{ faulty }

func (f *faultyTransport) Do(r *http.Request) (*http.Response, error) {
	answer, err := f.faulty.Do(r)
	if errors.Is(err, errLost) {
		return nil, &resetError{}
	}
	return answer, err
}

type resetError struct{}

func (*resetError) Error() string   { return "connection reset by peer" }
func (*resetError) Temporary() bool { return true }
func (*resetError) Timeout() bool   { return false }

func TestWhatAnEndpointLacksIsNamed(t *testing.T) {
	m := newModel()
	g := open(t, m, nil, target.Options{MaxAttempts: 1})
	ctx := t.Context()
	f := targettest.Function("shop-work", "one")
	v, err := g.PublishFunction(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.SetRouting(ctx, release.AliasRouting{Ref: f.Ref(), Routing: alias.Routing{Primary: v.Version}}); err != nil {
		t.Fatal(err)
	}
	spec := release.Spec{App: "shop", Functions: []release.Function{f}, Routes: []release.Route{{Method: "GET", Path: "/", Function: "fn"}}}

	m.lacks = "/policy"
	api, err := g.EnsureRoutes(ctx, spec)
	var u *target.UnsupportedError
	if !errors.As(err, &u) || u.Operation != "lambda:AddPermission" || api.ID == "" || len(m.apis[0].routes) != 1 {
		t.Errorf("API %+v, %v; want all but the permission", api, err)
	}
	m.lacks = "StateMachineAlias"
	_, err = g.GetRouting(ctx, release.Ref{Kind: release.KindStateMachine, Name: "x", Alias: "live"})
	if !errors.As(err, &u) || !strings.Contains(err.Error(), "does not support states:DescribeStateMachineAlias") {
		t.Errorf("err = %v", err)
	}
}

func TestRoutesOfTwoAPIsOfOneName(t *testing.T) {
	m := newModel()
	g := open(t, m, nil, target.Options{})
	w := release.Workflow{Key: "flow", Name: "shop-flow", Alias: "live", Role: targettest.Role}
	spec := release.Spec{App: "shop", Workflows: []release.Workflow{w}, Routes: []release.Route{{Method: "POST", Path: "/", Workflow: "flow", Role: targettest.Role + "-api"}}}
	m.apis = []*modelAPI{{self: map[string]any{"apiId": "a", "name": "shop", "protocolType": "HTTP"}}, {self: map[string]any{"apiId": "b", "name": "shop", "protocolType": "HTTP"}}}
	if _, err := g.EnsureRoutes(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "2 HTTP APIs have the name shop") {
		t.Errorf("err = %v", err)
	}
	m.apis[1].self["tags"] = map[string]any{"teal:app": "shop"}
	m.apis[1].stage = map[string]any{"stageName": "$default", "autoDeploy": false}
	api, err := g.EnsureRoutes(t.Context(), spec)
	if err != nil || api.ID != "b" {
		t.Fatalf("API %+v, %v; want the one that is marked", api, err)
	}
	if i := m.apis[1].integrations[0]; i["credentialsArn"] != targettest.Role+"-api" || i["integrationSubtype"] != "StepFunctions-StartExecution" ||
		i["requestParameters"].(map[string]any)["StateMachineArn"] != "arn:aws:states:us-east-1:000000000000:stateMachine:shop-flow:live" {
		t.Errorf("integration = %v", i)
	}
	if m.apis[1].stage["autoDeploy"] != true {
		t.Errorf("stage = %v", m.apis[1].stage)
	}
}

func TestAFunctionThatCannotStartIsToldWithItsReason(t *testing.T) {
	m := newModel()
	m.failing = "EniLimitExceeded"
	_, err := open(t, m, nil, target.Options{}).PublishFunction(t.Context(), targettest.Function("shop-work", "one"))
	if err == nil || !strings.Contains(err.Error(), "function shop-work failed: it cannot start (EniLimitExceeded); mend that and repeat") {
		t.Errorf("err = %v", err)
	}
}

func TestWaitingEnds(t *testing.T) {
	m := newModel()
	m.pending = 1 << 30
	_, err := open(t, m, nil, target.Options{WaitFor: 30 * time.Millisecond}).PublishFunction(t.Context(), targettest.Function("shop-work", "one"))
	if err == nil || !strings.Contains(err.Error(), "function shop-work becoming active did not happen within 30ms") {
		t.Errorf("err = %v", err)
	}
}

func TestAnEndpointThatDoesNotKeepWhatItIsToldIsNotBelieved(t *testing.T) {
	m := newModel()
	m.pending, m.forgets = 0, "MemorySize"
	f := targettest.Function("shop-work", "one")
	f.MemorySize = 512
	_, err := open(t, m, nil, target.Options{}).PublishFunction(t.Context(), f)
	if err == nil || !strings.Contains(err.Error(), "does not keep what it is told") || !strings.Contains(err.Error(), "memorySize 128 → 512") {
		t.Errorf("err = %v", err)
	}
	if n := len(m.functions["shop-work"].versions); n != 0 {
		t.Errorf("%d versions were published all the same", n)
	}
}
