package target

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// record makes the clients of a configuration tell every operation that they are asked for, as service ID and operation.
func record(cfg *aws.Config) func() map[string]bool {
	var mu sync.Mutex
	seen := map[string]bool{}
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("record", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			mu.Lock()
			seen[awsmiddleware.GetServiceID(ctx)+"."+middleware.GetOperationName(ctx)] = true
			mu.Unlock()
			return next.HandleInitialize(ctx, in)
		}), middleware.After)
	})
	return func() map[string]bool {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// willing is an endpoint that says to everything what makes this package go on to the next request.
func willing(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const (
			function = `"FunctionName":"f","FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:f:1","Version":"1","RevisionId":"r","State":"Active","LastUpdateStatus":"Successful","CodeSha256":"c","Role":"arn:aws:iam::000000000000:role/r","Runtime":"python3.13","Handler":"a.b","Timeout":3,"MemorySize":128,"Architectures":["x86_64"]`
			machine  = `"name":"m","type":"STANDARD","roleArn":"arn:aws:iam::000000000000:role/r","creationDate":1,"status":"ACTIVE","stateMachineArn":"arn:aws:states:us-east-1:000000000000:stateMachine:m","definition":"{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Task\",\"Resource\":\"arn:aws:lambda:us-east-1:000000000000:function:f:1\",\"End\":true}}}"`
		)
		answer := `{}`
		target := r.Header.Get("X-Amz-Target")
		_, operation, _ := strings.Cut(target, ".")
		switch {
		case strings.Contains(r.Header.Get("Authorization"), "/sts/"):
			w.Header().Set("Content-Type", "text/xml")
			_, _ = w.Write([]byte(`<GetCallerIdentityResponse><GetCallerIdentityResult><Account>000000000000</Account><Arn>arn:aws:iam::000000000000:root</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`))
			return
		case strings.Contains(r.Header.Get("Authorization"), "/iam/"):
			w.Header().Set("Content-Type", "text/xml")
			_, _ = w.Write([]byte(`<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults><member><EvalActionName>lambda:InvokeFunction</EvalActionName><EvalDecision>implicitDeny</EvalDecision><EvalResourceName>x</EvalResourceName></member></EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`))
			return
		case operation == "GetDeploymentGroup" && r.Header.Get("Test-Quiet") == "":
			w.Header().Set("X-Amzn-ErrorType", "DeploymentGroupDoesNotExistException")
			w.WriteHeader(http.StatusBadRequest)
		case operation == "CreateDeployment":
			answer = `{"deploymentId":"d-1"}`
		case operation == "ListDeployments":
			answer = `{"deployments":["d-1"]}`
		case operation == "BatchGetDeployments":
			answer = `{"deploymentsInfo":[{"deploymentId":"d-1","description":"teal ro-1","status":"InProgress"}]}`
		case operation == "GetDeployment":
			answer = `{"deploymentInfo":{"deploymentId":"d-1","status":"Failed","errorInformation":{"code":"HOOK_EXECUTION_FAILURE","message":"m"}}}`
		case operation == "ListDeploymentTargets":
			answer = `{"targetIds":["f"]}`
		case strings.HasPrefix(operation, "ListStateMachineVersions"):
			answer = `{"stateMachineVersions":[{"stateMachineVersionArn":"arn:aws:states:us-east-1:000000000000:stateMachine:m:1","creationDate":1}]}`
		case strings.HasPrefix(operation, "ListStateMachineAliases"):
			answer = `{"stateMachineAliases":[{"stateMachineAliasArn":"arn:aws:states:us-east-1:000000000000:stateMachine:m:live","creationDate":1}]}`
		case operation == "ListStateMachines":
			answer = `{"stateMachines":[{` + machine + `}]}`
		case operation == "ListExecutions" && r.Header.Get("Test-Quiet") == "":
			answer = `{"executions":[{"executionArn":"arn:aws:states:us-east-1:000000000000:execution:m:x","name":"x","status":"RUNNING","startDate":1,"stateMachineArn":"a"}]}`
		case strings.HasPrefix(target, "AWSStepFunctions"):
			answer = `{` + machine + `}`
		case strings.HasSuffix(r.URL.Path, "/provisioned-concurrency") && r.URL.Query().Get("List") == "ALL":
			answer = `{"ProvisionedConcurrencyConfigs":[{"FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:f:9"}]}`
		case strings.HasSuffix(r.URL.Path, "/provisioned-concurrency") && r.Method == http.MethodGet:
			answer = `{"Status":"READY","RequestedProvisionedConcurrentExecutions":1}`
		case strings.HasSuffix(r.URL.Path, "/versions") && r.Method == http.MethodGet:
			answer = `{"Versions":[{` + function + `}]}`
		case strings.HasSuffix(r.URL.Path, "/aliases/live") && r.Method == http.MethodGet:
			answer = `{"FunctionVersion":"1","RevisionId":"r"}`
		case r.URL.Path == "/v2/apis" && r.Method == http.MethodGet && r.URL.Query().Get("nextToken") == "":
			answer = `{"items":[{"apiId":"a","name":"other","protocolType":"HTTP"}]}`
		case strings.HasPrefix(r.URL.Path, "/v2/"):
			answer = `{"apiId":"a","items":[{"routeKey":"GET /a","routeId":"x","target":"old"}]}`
		case strings.HasPrefix(r.URL.Path, "/2015-03-31/functions"):
			answer = `{` + function + `}`
		}
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestPermissionsAreWhatIsCalled drives every method of a Target, records the operations that the SDK is asked for, and holds
// them against the table from which Permissions is made: whatever is called must be there.
func TestPermissionsAreWhatIsCalled(t *testing.T) {
	url := willing(t)
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1}
	seen := record(&cfg)
	g := New(cfg, Options{WaitFor: time.Second})
	ctx := t.Context()
	f := release.Function{Key: "f", Name: "f", Alias: "live", Role: "arn:aws:iam::000000000000:role/r", Runtime: "python3.13", Handler: "a.b", CodeSHA256: "new", Code: []byte("zip"), Timeout: 9, ProvisionedConcurrency: 2, Settings: release.Settings{Layers: []string{"arn:aws:lambda:us-east-1:000000000000:layer:l:1"}}}
	w := release.Workflow{Key: "m", Name: "m", Alias: "live", Role: f.Role, Type: "STANDARD"}
	spec := release.Spec{App: "shop", Functions: []release.Function{f}, Workflows: []release.Workflow{w}, Routes: []release.Route{{Method: "GET", Path: "/a", Function: "f"}, {Method: "GET", Path: "/b", Workflow: "m"}}}
	spec.Router = &release.Router{HostedZone: "Z1", Name: "api.shop.test", Type: "CNAME", Slots: []release.Slot{{SetIdentifier: "blue", Alias: "blue"}, {SetIdentifier: "green", Alias: "green"}}}
	definition := json.RawMessage(`{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}`)
	const version = "arn:aws:states:us-east-1:000000000000:stateMachine:m:1"

	// The answers do not fit together; what counts is what is asked.
	direct := spec
	direct.Router = nil
	_, _ = g.Observe(ctx, direct)
	g.observeTogether(ctx, make([]release.Function, fewFunctions+1))
	_, _ = g.PublishFunction(ctx, f)
	_ = g.createFunction(ctx, f)
	_, _, _ = g.publishLatest(ctx, release.Function{Name: "f", Alias: "live", Role: f.Role, Runtime: f.Runtime, Handler: f.Handler, CodeSHA256: "c"}, true)
	_, _ = g.updateConfiguration(ctx, f, &latestOf)
	_, _ = g.PublishWorkflow(ctx, w, definition)
	_, _ = g.createMachine(ctx, w, definition)
	_, _ = g.publishMachine(ctx, "m", version, nil)
	for _, revision := range []string{"", "r"} {
		_, _ = g.SetRouting(ctx, release.AliasRouting{Ref: f.Ref(), Revision: revision, Routing: alias.Routing{Primary: "1"}})
		_, _ = g.SetRouting(ctx, release.AliasRouting{Ref: w.Ref(), Revision: revision, Routing: alias.Routing{Primary: version}})
	}
	_, _ = g.states.CreateStateMachineAlias(ctx, createAlias(w, version))
	_, _ = g.states.UpdateStateMachineAlias(ctx, updateAlias(version))
	_, _ = g.SetRouting(ctx, release.AliasRouting{Ref: spec.Router.Ref(), Routing: spec.Router.Towards("blue", 100)})
	_, _ = g.zones.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: aws.String("Z1"), ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{}}})
	_ = g.AwaitChange(ctx, "C1")
	_, _ = g.InvokeVersion(ctx, "f", nil)
	_, _ = g.StartExecution(ctx, version, "", nil)
	_, _ = g.DescribeExecution(ctx, version)
	_, _ = g.EnsureRoutes(ctx, spec)
	_, _ = g.Inventory(ctx, spec, time.Now())
	_ = g.Delete(ctx, release.Kept{Kind: release.KindFunction, Name: "f", Version: "7", ARN: "f:7"})
	_ = g.Delete(ctx, release.Kept{Kind: release.KindStateMachine, Name: "m", Version: version, ARN: version})
	_, _ = g.Check(ctx, release.Release{Functions: []release.FunctionVersion{{Name: "f", Version: "1"}}, Workflows: []release.StateMachineVersion{{Name: "m", ARN: version}}})
	_, _ = g.Entrances(ctx, spec)
	if found, err := g.Access(ctx, spec); err != nil || len(found) != 1 || !strings.Contains(found[0].Text, "may not invoke") {
		t.Errorf("a role without access was not found: %v, %v", found, err)
	}
	driveDeployments(ctx, g, f.Name)
	if found, err := g.Callers(ctx, spec, []rollout.Hook{calledHook}); err != nil || !slices.ContainsFunc(found, func(f Finding) bool { return strings.Contains(f.Text, "may not lambda:InvokeFunction on") }) {
		t.Errorf("a role that may not call a hook was not found: %v, %v", found, err)
	}
	_ = g.Provision(ctx, "f", "1", 3)
	if freed, err := g.Unprovision(ctx, "f", func(string) bool { return false }); err != nil || !slices.Equal(freed, []string{"9"}) {
		t.Errorf("freed %v, %v", freed, err)
	}

	table := called()
	asked := seen()
	for operation := range asked {
		if !table[operation] {
			t.Errorf("%s is called and is not in the table of permissions", operation)
		}
	}
	if len(asked) < 35 {
		t.Errorf("only %d operations were recorded: %v", len(asked), asked)
	}
	id := release.Identity{Partition: "aws", Region: "us-east-1", Account: "000000000000"}
	all := Permissions(id, spec, Uses{Metrics: true, Alarms: true, Ledger: "s3://bucket/releases", Deployments: []rollout.CodeDeploy{*calledHook.CodeDeploy}})
	for _, p := range permissions {
		if !slices.ContainsFunc(all, func(s Statement) bool { return slices.Contains(s.Actions, p.action) }) {
			t.Errorf("%s is in no statement", p.action)
		}
	}
	if !slices.ContainsFunc(all, func(s Statement) bool {
		return s.For == "the ledger" && slices.Equal(s.Resources, []string{"arn:aws:s3:::bucket/releases/*"}) && slices.Equal(s.Actions, []string{"s3:GetObject", "s3:PutObject"})
	}) {
		t.Errorf("the ledger needs %+v", all)
	}
	plain := f
	plain.ProvisionedConcurrency, plain.Layers = 0, nil
	for _, s := range Permissions(id, release.Spec{Functions: []release.Function{plain}}, Uses{}) {
		for _, a := range s.Actions {
			if strings.HasPrefix(a, "states:CreateStateMachine") || strings.HasPrefix(a, "apigateway") || strings.Contains(a, "Provisioned") ||
				strings.HasPrefix(a, "cloudwatch") || strings.HasPrefix(a, "s3") || strings.HasPrefix(a, "codedeploy") || strings.Contains(a, "Layer") {
				t.Errorf("functions alone need %s", a)
			}
		}
	}
}

// calledHook is a hook that CodeDeploy calls.
var calledHook = rollout.Hook{Name: "verify", Function: "f", CodeDeploy: &rollout.CodeDeploy{
	Tests: "f", Application: "shop", Group: "hooks", ServiceRole: "arn:aws:iam::000000000000:role/codedeploy",
}}

// driveDeployments makes a target do all that it does at CodeDeploy.
func driveDeployments(ctx context.Context, g *Target, function string) {
	version := "arn:aws:lambda:us-east-1:000000000000:function:" + function + ":1"
	run := rollout.RunHook{
		Hook: calledHook, Stage: rollout.BeforeAllowTraffic, Rollout: "ro", Run: "ro-1", FunctionARN: version, Blue: "7",
		Functions: map[string]rollout.TestedUnit{"f": {ARN: version, Version: "1"}},
	}
	_ = g.ensureGroup(ctx, *calledHook.CodeDeploy)
	_, _ = g.callable(ctx, version)
	_, _ = g.createDeployment(ctx, run, "{}")
	_, _, _, _ = g.Deployment(ctx, "d-1")
	_ = g.Withdraw(ctx, run)
}

var latestOf = lambdatypes.FunctionConfiguration{FunctionName: aws.String("f"), RevisionId: aws.String("r")}

func createAlias(w release.Workflow, version string) *sfn.CreateStateMachineAliasInput {
	return &sfn.CreateStateMachineAliasInput{Name: &w.Alias, RoutingConfiguration: []types.RoutingConfigurationListItem{{StateMachineVersionArn: &version, Weight: 100}}}
}

func updateAlias(version string) *sfn.UpdateStateMachineAliasInput {
	return &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: &version}
}
