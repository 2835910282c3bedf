package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// deployments is CodeDeploy with one deployment group, and Lambda with one function of versions 1 and 2 and its hook.
type deployments struct {
	mu      sync.Mutex
	all     []deployment
	missing bool     // the group
	loses   []string // what happens to the requests to CreateDeployment: "", "before" or "after" they are taken
	calls   []string // what changed something, in order
	latest  string   // the code of the hook's $LATEST
	spec    string   // the latest AppSpec file
	alias   string   // the version that teal-hook is at
	looks   int      // how often a foreign deployment is still seen in progress
}

type deployment struct {
	DeploymentID string  `json:"deploymentId"`
	Description  string  `json:"description"`
	Status       string  `json:"status"`
	CreateTime   float64 `json:"createTime"`
}

func (d *deployments) add(description, status string) {
	d.all = append(d.all, deployment{fmt.Sprintf("d-%d", len(d.all)), description, status, float64(len(d.all))})
}

func (d *deployments) active() *deployment {
	for i := range d.all {
		if d.all[i].Status == "InProgress" {
			return &d.all[i]
		}
	}
	return nil
}

func (d *deployments) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	refuse := func(code string, status int) {
		w.Header().Set("X-Amzn-ErrorType", code)
		w.WriteHeader(status)
		answer(map[string]string{"message": code})
	}
	_, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !ok {
		d.lambda(r, answer, refuse)
		return
	}
	var in struct {
		Description    string
		DeploymentID   string   `json:"deploymentId"`
		DeploymentIDs  []string `json:"deploymentIds"`
		ServiceRoleArn string
		Revision       struct{ AppSpecContent struct{ Content string } }
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	switch operation {
	case "GetDeploymentGroup":
		if d.missing {
			refuse("DeploymentGroupDoesNotExistException", http.StatusBadRequest)
			return
		}
		answer(map[string]any{"deploymentGroupInfo": map[string]string{}})
	case "CreateApplication", "CreateDeploymentGroup":
		d.calls = append(d.calls, operation+in.ServiceRoleArn)
		d.missing = false
		answer(map[string]string{})
	case "ListDeployments":
		var ids []string
		for _, one := range slices.Backward(d.all) {
			ids = append(ids, one.DeploymentID)
		}
		if one := d.active(); one != nil && one.Description == "someone's" {
			if d.looks--; d.looks <= 0 {
				one.Status = "Succeeded"
			}
		}
		answer(map[string]any{"deployments": ids})
	case "BatchGetDeployments":
		if len(in.DeploymentIDs) > mostDeployments {
			refuse("BatchLimitExceededException", http.StatusBadRequest)
			return
		}
		var found []deployment
		for _, one := range d.all {
			if slices.Contains(in.DeploymentIDs, one.DeploymentID) {
				found = append(found, one)
			}
		}
		answer(map[string]any{"deploymentsInfo": found})
	case "CreateDeployment":
		lost := ""
		if len(d.loses) > 0 {
			lost, d.loses = d.loses[0], d.loses[1:]
		}
		if lost == "before" {
			panic(http.ErrAbortHandler)
		}
		if d.active() != nil {
			refuse("DeploymentLimitExceededException", http.StatusBadRequest)
			return
		}
		d.calls = append(d.calls, "begin "+in.Description)
		d.spec = in.Revision.AppSpecContent.Content
		d.add(in.Description, "InProgress")
		if lost == "after" {
			panic(http.ErrAbortHandler)
		}
		answer(map[string]string{"deploymentId": d.all[len(d.all)-1].DeploymentID})
	case "StopDeployment":
		d.calls = append(d.calls, "stop "+in.DeploymentID)
		for i := range d.all {
			if d.all[i].DeploymentID == in.DeploymentID {
				d.all[i].Status = "Stopped"
			}
		}
		answer(map[string]string{})
	default:
		refuse("UnknownOperationException", http.StatusBadRequest)
	}
}

func (d *deployments) lambda(r *http.Request, answer func(any), refuse func(string, int)) {
	alias := strings.Contains(r.URL.Path, "/aliases")
	switch {
	case alias && r.Method == http.MethodGet && d.alias == "":
		refuse("ResourceNotFoundException", http.StatusNotFound)
	case alias && r.Method == http.MethodDelete:
		d.calls, d.alias = append(d.calls, "remove the alias"), ""
	case alias:
		if r.Method != http.MethodGet {
			var in struct{ FunctionVersion string }
			_ = json.NewDecoder(r.Body).Decode(&in)
			d.alias = in.FunctionVersion
			d.calls = append(d.calls, "alias to "+in.FunctionVersion)
		}
		answer(map[string]string{"FunctionVersion": d.alias, "RevisionId": "r" + d.alias})
	case strings.HasSuffix(r.URL.Path, "/versions"):
		answer(map[string]any{"Versions": []map[string]string{{"Version": "$LATEST"}, {"Version": "1"}, {"Version": "2"}}})
	case r.URL.Query().Get("Qualifier") == "$LATEST":
		answer(map[string]string{"CodeSha256": d.latest})
	default:
		answer(map[string]string{"CodeSha256": "green"})
	}
}

func newDeployments(t *testing.T) (*deployments, *Target) {
	d := &deployments{latest: "green"}
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = nil
	return d, New(aws.Config{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1}, Options{})
}

func runOf(n int) rollout.RunHook {
	return rollout.RunHook{
		Hook:  rollout.Hook{Name: "verify", Function: "h", CodeDeploy: &rollout.CodeDeploy{Tests: "f", Application: "shop", Group: "hooks"}},
		Stage: rollout.BeforeAllowTraffic, Rollout: "ro", Run: fmt.Sprintf("ro-%d", n), Began: time.Now(), Blue: "1",
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:hook:5",
		Functions:   map[string]rollout.TestedUnit{"f": {ARN: "arn:aws:lambda:us-east-1:000000000000:function:shop:2", Version: "2"}},
	}
}

// Why: CodeDeploy does not know a repeated request, so whatever happens to one, a hook must not be called twice for it.
func TestDeployBeginsOneDeploymentOfARun(t *testing.T) {
	begun := []string{"alias to 1", "begin teal ro-2"}
	for name, test := range map[string]struct {
		before func(*deployments)
		run    func(*rollout.RunHook)
		id     string // "" for an error
		calls  []string
	}{
		"at once":                       {id: "d-0", calls: begun},
		"its answer is lost":            {before: func(d *deployments) { d.loses = []string{"after"} }, id: "d-0", calls: begun},
		"it is lost":                    {before: func(d *deployments) { d.loses = []string{"before"} }, calls: begun[:1]},
		"begun by a controller before":  {before: func(d *deployments) { d.add("teal ro-2", "InProgress") }, id: "d-0"},
		"ended under one before":        {before: func(d *deployments) { d.add("teal ro-2", "Failed"); d.add("teal ro-20", "InProgress") }, id: "d-0"},
		"among many":                    {before: func(d *deployments) { d.add("teal ro-2", "Failed"); many(d) }, id: "d-0"},
		"after a run that was given up": {before: func(d *deployments) { d.add("teal ro-1", "InProgress") }, id: "d-1", calls: []string{"alias to 1", "stop d-0", "begin teal ro-2"}},
		"after someone else's":          {before: func(d *deployments) { d.add("someone's", "InProgress"); d.looks = 3 }, id: "d-1", calls: begun},
		"of an unchanged function":      {run: func(r *rollout.RunHook) { r.Blue = "2" }, id: "d-0", calls: begun},
		"without a group":               {before: func(d *deployments) { d.missing = true }},
		"in a group that is made": {
			before: func(d *deployments) { d.missing = true },
			run:    func(r *rollout.RunHook) { c := *r.Hook.CodeDeploy; c.ServiceRole = " by role"; r.Hook.CodeDeploy = &c }, id: "d-0",
			calls: append([]string{"CreateApplication", "CreateDeploymentGroup by role"}, begun...),
		},
		"of a hook that is no longer green": {before: func(d *deployments) { d.latest = "someone's" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, target := newDeployments(t)
			run := runOf(2)
			if test.before != nil {
				test.before(d)
			}
			if test.run != nil {
				test.run(&run)
			}
			id, err := target.Deploy(t.Context(), run)
			if id != test.id || (err == nil) != (test.id != "") {
				t.Errorf("got %q, %v", id, err)
			}
			if !slices.Equal(d.calls, test.calls) {
				t.Errorf("did %q, want %q", d.calls, test.calls)
			}
			if d.missing && !errors.Is(err, release.ErrRefused) {
				t.Errorf("repeating does not make a group: %v", err)
			}
		})
	}
}

func many(d *deployments) {
	for range 2 * mostDeployments {
		d.add("someone's", "Succeeded")
	}
}

// Why: a busy group is waited for, and no longer than the hook's own time.
func TestDeployWaitsForABusyGroup(t *testing.T) {
	d, target := newDeployments(t)
	d.add("someone's", "InProgress")
	d.looks = 1 << 30
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if id, err := target.Deploy(ctx, runOf(1)); id != "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %q, %v", id, err)
	}
	if d.all[0].Status != "InProgress" {
		t.Errorf("someone's deployment is %s", d.all[0].Status)
	}
}

// Why: the AppSpec file is all that CodeDeploy knows.
func TestDeploySaysWhatIsShifted(t *testing.T) {
	for stage, event := range map[string]string{
		rollout.BeforeAllowTraffic: "BeforeAllowTraffic", rollout.AtStep: "AfterAllowTraffic", rollout.AfterAllowTraffic: "AfterAllowTraffic",
	} {
		d, target := newDeployments(t)
		run := runOf(1)
		run.Stage = stage
		if _, err := target.Deploy(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		want := `{"Hooks":[{"` + event + `":"hook"}],"Resources":[{"shop":{"Properties":{"Alias":"teal-hook","CurrentVersion":"1","Name":"shop","TargetVersion":"2"},"Type":"AWS::Lambda::Function"}}],"version":"0.0"}`
		if d.spec != want {
			t.Errorf("%s:\n got %s\nwant %s", stage, d.spec, want)
		}
	}
}

func TestWithdrawLeavesNothing(t *testing.T) {
	d, target := newDeployments(t)
	run := runOf(1)
	if _, err := target.Deploy(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	d.calls = nil
	for range 2 {
		if err := target.Withdraw(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(d.calls, []string{"stop d-0", "remove the alias", "remove the alias"}) || d.alias != "" {
		t.Errorf("did %q", d.calls)
	}
}
