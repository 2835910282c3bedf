package platform

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	metrictypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	statestypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/proc"
	"github.com/tealdeploy/teal/internal/store/sqlite"
	"github.com/tealdeploy/teal/internal/target"
	"github.com/tealdeploy/teal/internal/target/targettest"
)

// The embedded platform is a target like any other.
func TestTarget(t *testing.T) {
	r := start(t, Config{})
	open := func(*testing.T) *target.Target { return target.New(r.aws, target.Options{WaitFor: 20 * time.Second}) }
	t.Run("control plane", func(t *testing.T) { targettest.Exercise(t, open) })
	t.Run("upkeep", func(t *testing.T) { targettest.ExerciseUpkeep(t, open) })
	t.Run("invocations", func(t *testing.T) { targettest.ExerciseInvocations(t, open, function) })
}

// What a person does by hand with AWS's clients, from the first function to a workflow and a route over a weighted alias;
// after a restart on the same data, every answer is the same.
func TestClientsEndToEnd(t *testing.T) {
	r := start(t, Config{})
	ctx := t.Context()

	made := r.create("greet", map[string]string{"ANSWER": `"none"`})
	one := r.publish("greet", map[string]string{"ANSWER": `"blue"`})
	two := r.publish("greet", map[string]string{"ANSWER": `"green"`})
	if one != "1" || two != "2" {
		t.Fatalf("versions %s and %s", one, two)
	}
	live, err := r.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{
		FunctionName: aws.String("greet"), Name: aws.String("live"), FunctionVersion: &one,
		RoutingConfig: &lambdatypes.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{two: 0.5}},
	})
	must(t, err)
	answers := map[string]string{one: `"blue"`, two: `"green"`}
	share := map[string]int{}
	const invocations = 200
	for range invocations {
		out, err := r.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: live.AliasArn})
		must(t, err)
		v := aws.ToString(out.ExecutedVersion)
		share[v]++
		if string(out.Payload) != answers[v] || out.FunctionError != nil || out.StatusCode != 200 {
			t.Fatalf("version %s answered %s (%d)", v, out.Payload, out.StatusCode)
		}
	}
	// Fewer than 60 of 200 at one half happen once in 10^8 runs.
	if share[one] < 60 || share[two] < 60 || share[one]+share[two] != invocations {
		t.Errorf("invocations by version: %v, want about half each", share)
	}
	if counted := r.invocations("greet", "live", two); counted != float64(share[two]) {
		t.Errorf("CloudWatch counts %v invocations of version %s, %d were made", counted, two, share[two])
	}

	// A workflow in two versions behind a weighted alias, each pinned to a version of the function.
	definition := func(version string) *string {
		return aws.String(fmt.Sprintf(`{"StartAt":"Greet","States":{"Greet":{"Type":"Task","Resource":"%s:%s","End":true}}}`, aws.ToString(made.FunctionArn), version))
	}
	machine, err := r.states.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{Name: aws.String("flow"), RoleArn: aws.String(role), Definition: definition(one), Publish: true})
	must(t, err)
	updated, err := r.states.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: machine.StateMachineArn, Definition: definition(two), Publish: true})
	must(t, err)
	flow, err := r.states.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: []statestypes.RoutingConfigurationListItem{
		{StateMachineVersionArn: machine.StateMachineVersionArn, Weight: 0}, {StateMachineVersionArn: updated.StateMachineVersionArn, Weight: 100},
	}})
	must(t, err)
	started, err := r.states.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: flow.StateMachineAliasArn, Input: aws.String(`{}`)})
	must(t, err)
	end := r.ended(ctx, *started.ExecutionArn)
	if end.Status != statestypes.ExecutionStatusSucceeded || aws.ToString(end.Output) != `"green"` || aws.ToString(end.StateMachineVersionArn) != aws.ToString(updated.StateMachineVersionArn) {
		t.Errorf("execution ended %s on %s: %s", end.Status, aws.ToString(end.StateMachineVersionArn), aws.ToString(end.Output))
	}

	// An HTTP API with a route to the function's alias.
	api, err := r.gateway.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("front"), ProtocolType: gatewaytypes.ProtocolTypeHttp})
	must(t, err)
	integration, err := r.gateway.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{
		ApiId: api.ApiId, IntegrationType: gatewaytypes.IntegrationTypeAwsProxy,
		IntegrationUri: live.AliasArn, PayloadFormatVersion: aws.String("2.0"),
	})
	must(t, err)
	_, err = r.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api.ApiId, RouteKey: aws.String("GET /greet"), Target: aws.String("integrations/" + aws.ToString(integration.IntegrationId))})
	must(t, err)
	_, err = r.gateway.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api.ApiId, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)})
	must(t, err)
	url := r.url + "/_aws/execute-api/" + aws.ToString(api.ApiId) + "/greet"
	if status, _, _ := r.get(url); status != http.StatusInternalServerError {
		t.Errorf("without a permission on the alias the API answered %d", status)
	}
	_, err = r.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: live.AliasArn, StatementId: aws.String("api"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
		SourceArn: aws.String("arn:aws:execute-api:us-east-1:000000000000:" + aws.ToString(api.ApiId) + "/*/GET/greet"),
	})
	must(t, err)
	status, header, body := r.get(url)
	if status != 200 || body != strings.Trim(answers[header.Get("X-Teal-Executed-Version")], `"`) {
		t.Errorf("GET %s = %d %s by version %q", url, status, body, header.Get("X-Teal-Executed-Version"))
	}
	if status, _, _ := r.get(url + "/nowhere"); status != http.StatusNotFound {
		t.Errorf("a path without a route answered %d", status)
	}

	before := r.everything(*started.ExecutionArn, *flow.StateMachineAliasArn, *api.ApiId)
	r = r.restart()
	if after := r.everything(*started.ExecutionArn, *flow.StateMachineAliasArn, *api.ApiId); after != before {
		t.Errorf("after a restart:\n%s\nbefore:\n%s", after, before)
	}
	if status, _, body := r.get(url); status != 200 || (body != "blue" && body != "green") {
		t.Errorf("after a restart, GET %s = %d %s", url, status, body)
	}
}

// everything is what the platform says of what TestClientsEndToEnd made, as JSON.
func (r *rig) everything(execution, alias, api string) string {
	r.t.Helper()
	ctx := r.t.Context()
	greet := aws.String("greet")
	var all []any
	ask := func(out any, err error) {
		r.t.Helper()
		must(r.t, err)
		all = append(all, out)
	}
	function, err := r.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: greet})
	ask(function, err)
	versions, err := r.lambda.ListVersionsByFunction(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: greet})
	ask(versions, err)
	live, err := r.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: greet, Name: aws.String("live")})
	ask(live, err)
	flow, err := r.states.DescribeStateMachineAlias(ctx, &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: &alias})
	ask(flow, err)
	ended, err := r.states.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &execution})
	ask(ended, err)
	history, err := r.states.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{ExecutionArn: &execution})
	ask(history, err)
	routes, err := r.gateway.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: &api})
	ask(routes, err)
	var b strings.Builder
	for _, out := range all {
		raw, err := json.Marshal(out)
		must(r.t, err)
		var doc map[string]any
		must(r.t, json.Unmarshal(raw, &doc))
		delete(doc, "ResultMetadata") // the request's own ID
		raw, err = json.Marshal(doc)
		must(r.t, err)
		fmt.Fprintf(&b, "%T %s\n", out, raw)
	}
	return b.String()
}

// invocations is CloudWatch's count for one version behind an alias.
func (r *rig) invocations(function, alias, version string) float64 {
	r.t.Helper()
	dim := func(name, value string) metrictypes.Dimension {
		return metrictypes.Dimension{Name: &name, Value: &value}
	}
	now := time.Now()
	out, err := r.cloudwatch.GetMetricStatistics(r.t.Context(), &cloudwatch.GetMetricStatisticsInput{
		Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("Invocations"), Period: aws.Int32(60),
		StartTime: aws.Time(now.Add(-5 * time.Minute)), EndTime: aws.Time(now.Add(2 * time.Minute)), Statistics: []metrictypes.Statistic{metrictypes.StatisticSum},
		Dimensions: []metrictypes.Dimension{dim("FunctionName", function), dim("Resource", function+":"+alias), dim("ExecutedVersion", version)},
	})
	must(r.t, err)
	sum := 0.0
	for _, p := range out.Datapoints {
		sum += aws.ToFloat64(p.Sum)
	}
	return sum
}

// What is not supported is refused, and the answer names it: by its name, where the protocol sends one, else by method and path.
func TestUnknownOperations(t *testing.T) {
	r := start(t, Config{})
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"GET /2025-11-30/capacity-providers": func() error {
			_, err := r.lambda.ListCapacityProviders(ctx, &lambda.ListCapacityProvidersInput{})
			return err
		},
		"GET /v2/vpclinks":         func() error { _, err := r.gateway.GetVpcLinks(ctx, &apigatewayv2.GetVpcLinksInput{}); return err },
		"DescribeAnomalyDetectors": func() error { _, err := r.cloudwatch.DescribeAnomalyDetectors(ctx, nil); return err },
		"GetSessionToken":          func() error { _, err := r.sts.GetSessionToken(ctx, nil); return err },
	} {
		err := call()
		var api smithy.APIError
		if !errors.As(err, &api) || !strings.Contains(api.ErrorMessage(), name) {
			t.Errorf("%s: %v; want a refusal that names it", name, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+"/", strings.NewReader("{}"))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode < 400 || resp.StatusCode >= 600 || !strings.Contains(string(body), "DynamoDB") {
		t.Errorf("a service that is not there answered %d: %s", resp.StatusCode, body)
	}
}

// With credentials, the caller's secret and those that the platform gives its functions are the only ones taken.
func TestCredentials(t *testing.T) {
	key := Credentials{"AKIAEXAMPLE", "right"}
	r := start(t, Config{Credentials: &key})
	ctx := t.Context()
	r.create("caller", nil)
	out, err := r.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("caller"), Payload: []byte(`{"ask":"identity"}`)})
	must(t, err)
	if out.FunctionError != nil || !strings.Contains(string(out.Payload), `"fetched":"000000000000"`) {
		t.Errorf("a function that calls the endpoint answered %s", out.Payload)
	}
	for _, wrong := range []Credentials{{key.AccessKeyID, "wrong"}, {"AKIASTRANGER", key.SecretAccessKey}} {
		r.connect(wrong)
		_, lambdaErr := r.lambda.ListFunctions(ctx, nil)
		_, statesErr := r.states.ListStateMachines(ctx, nil)
		_, stsErr := r.sts.GetCallerIdentity(ctx, nil)
		for service, err := range map[string]error{"lambda": lambdaErr, "states": statesErr, "sts": stsErr} {
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorFault() == smithy.FaultServer {
				t.Errorf("%s took the key %v: %v", service, wrong, err)
			}
		}
	}
	r.connect(key)
	if _, err := r.lambda.ListFunctions(ctx, nil); err != nil {
		t.Errorf("the right secret was refused: %v", err)
	}
}

// Without credentials to check, any will do, also for a function that calls back.
func TestAnyCredentials(t *testing.T) {
	r := start(t, Config{Account: "123456789012"})
	r.create("caller", nil)
	out, err := r.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("caller"), Payload: []byte(`{"ask":"identity"}`)})
	must(t, err)
	if out.FunctionError != nil || !strings.Contains(string(out.Payload), `"fetched":"123456789012"`) {
		t.Errorf("a function that calls the endpoint answered %s", out.Payload)
	}
}

// A data folder that functions' users cannot reach: their code goes where they can, and the data stays.
func TestCodeOfUnreachableDataFolder(t *testing.T) {
	if !proc.Unprivileged() {
		t.Skip("functions run as users of their own only where the platform runs as root")
	}
	closed := t.TempDir()
	must(t, os.Chmod(closed, 0o700))
	data := filepath.Join(closed, "data")
	f, err := openFolders(data)
	must(t, err)
	if !strings.HasPrefix(f.code, systemFolder+"/") || f.database != filepath.Join(data, "db", "teal.db") {
		t.Fatalf("folders = %+v", f)
	}
	t.Cleanup(func() { must(t, os.RemoveAll(f.code)) })
	again, err := openFolders(data)
	must(t, err)
	other, err := openFolders(data + "2")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(other.code)) })
	if again != f || other.code == f.code {
		t.Errorf("the same data gave %+v, then %+v; other data %+v", f, again, other)
	}
	r := start(t, Config{DataDir: data})
	r.create("hidden", map[string]string{"ANSWER": `"found"`})
	for range 2 {
		out, err := r.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("hidden")})
		must(t, err)
		if string(out.Payload) != `"found"` {
			t.Errorf("the function answered %s", out.Payload)
		}
		r = r.restart()
	}
}

// A data folder that functions can reach keeps all, and is closed to listing.
func TestFolders(t *testing.T) {
	data := reachableDir(t)
	f, err := openFolders(data)
	must(t, err)
	if f.code != filepath.Join(data, "code") {
		t.Errorf("code is in %s", f.code)
	}
	st, err := os.Stat(data)
	must(t, err)
	if st.Mode().Perm()&0o066 != 0 {
		t.Errorf("the data folder has mode %v: others can list it", st.Mode().Perm())
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := openFolders(filepath.Join(file, "data")); err == nil || !strings.Contains(err.Error(), "data folder") {
		t.Errorf("a data folder below a file: %v", err)
	}
}

// Data that a platform has open is refused to a second one, which leaves nothing running and does not disturb the first.
func TestDataInUse(t *testing.T) {
	r := start(t, Config{})
	_, err := New(Config{DataDir: r.config.DataDir, Address: "127.0.0.1:1"})
	var inUse *sqlite.InUseError
	if !errors.As(err, &inUse) || inUse.PID != fmt.Sprint(os.Getpid()) {
		t.Errorf("a second platform on the same data: %v", err)
	}
	if _, err := r.lambda.ListFunctions(t.Context(), nil); err != nil {
		t.Errorf("the first one answers: %v", err)
	}
}

// Closing ends work under way without waiting for it, twice does no harm, and the port's other answers stay AWS's.
func TestCloseIsIdempotent(t *testing.T) {
	begun := make(chan struct{}, 1)
	hold := make(chan struct{})
	slow, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go http.Serve(slow, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case begun <- struct{}{}:
		default:
		}
		<-hold
	}))
	t.Cleanup(func() { close(hold); slow.Close() })
	r := start(t, Config{})
	made := r.create("slow", nil)
	machine, err := r.states.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("slow"), RoleArn: aws.String(role),
		Definition: aws.String(fmt.Sprintf(`{"StartAt":"A","States":{"A":{"Type":"Task","Resource":%q,"End":true}}}`, aws.ToString(made.FunctionArn))),
	})
	must(t, err)
	_, err = r.states.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: machine.StateMachineArn, Input: aws.String(`{"fetch":"http://` + slow.Addr().String() + `/"}`)})
	must(t, err)
	<-begun
	closed := make(chan error, 1)
	go func() { closed <- errors.Join(r.platform.Close(), r.platform.Close()) }()
	select {
	case err := <-closed:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("the platform does not close while a function runs")
	}
}

// A zip that is none, and zips that would write outside of their folder, are refused, and nothing of them stays.
func TestBadZips(t *testing.T) {
	r := start(t, Config{})
	ctx := t.Context()
	bad := map[string][]byte{"no zip": []byte("this is no zip"), "cut off": code(t)[:1000]}
	for _, entry := range []string{"../escaped", "a/../../escaped", "/etc/escaped", "..\\escaped"} {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		f, err := w.Create(entry)
		must(t, err)
		_, err = f.Write([]byte("x"))
		must(t, errors.Join(err, w.Close()))
		bad[entry] = b.Bytes()
	}
	for name, zipped := range bad {
		_, err := r.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
			FunctionName: aws.String("bad"), Role: aws.String(role),
			Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Code: &lambdatypes.FunctionCode{ZipFile: zipped},
		})
		var invalid *lambdatypes.InvalidParameterValueException
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v, want an InvalidParameterValueException", name, err)
		}
		var missing *lambdatypes.ResourceNotFoundException
		if _, err := r.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("bad")}); !errors.As(err, &missing) {
			t.Errorf("%s: the function is there all the same: %v", name, err)
		}
	}
	must(t, filepath.WalkDir(r.config.DataDir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "escaped") {
			t.Errorf("%s was written", path)
		}
		return err
	}))
	// What is there stays as it was when its code is to be replaced by such a zip.
	r.create("good", map[string]string{"ANSWER": `"good"`})
	if _, err := r.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("good"), ZipFile: bad["../escaped"]}); err == nil {
		t.Error("a bad zip replaced a function's code")
	}
	out, err := r.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("good")})
	must(t, err)
	if string(out.Payload) != `"good"` {
		t.Errorf("the function answered %s", out.Payload)
	}
}
