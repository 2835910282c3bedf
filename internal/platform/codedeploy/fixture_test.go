package codedeploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

var errKilled = errors.New("killed")

// killer ends the world after a number of things that happen: from then on nothing is written any more.
type killer struct {
	mu    sync.Mutex
	left  int // negative: never
	after bool
	dead  bool
}

// pass counts one happening; do says whether it still happens, and tell whether its doer learns of it.
func (k *killer) pass() (do, tell bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.dead:
		return false, false
	case k.left != 0:
		k.left--
		return true, true
	}
	k.dead = true
	return k.after, false
}

func (k *killer) isDead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead
}

// mortal is a store that a killer can stop.
type mortal struct {
	store.Store
	killer *killer
}

func (m *mortal) Commit(ctx context.Context, b *store.Batch) error {
	do, tell := m.killer.pass()
	if do {
		if err := m.Store.Commit(ctx, b); err != nil {
			return err
		}
	}
	if !tell {
		return errKilled
	}
	return nil
}

type move struct {
	at      time.Duration // since the world began
	routing alias.Routing
}

// world is a function with versions 1 to 3 and an alias live, as Lambda has them, alarms and objects.
type world struct {
	t     *testing.T
	began time.Time
	store store.Store
	svc   *Service
	kill  *killer

	mu       sync.Mutex
	routing  alias.Routing
	revision int
	moves    []move
	gone     bool
	calls    []hookEvent
	hook     func(function string, e hookEvent) // runs for every call, in a goroutine
	alarms   map[string]cwtypes.StateValue
	deaf     bool // CloudWatch does not answer
	objects  map[string]string
}

type hookEvent struct{ DeploymentId, LifecycleEventHookExecutionId string }

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, began: time.Now(), store: memory.New(), kill: &killer{left: -1}, routing: alias.Routing{Primary: "1"}, revision: 1,
		alarms: map[string]cwtypes.StateValue{}, objects: map[string]string{},
	}
	w.open()
	t.Cleanup(func() { w.svc.Close(); w.store.Close() })
	return w
}

func (w *world) open() {
	svc, err := New(Config{Store: &mortal{w.store, w.kill}, Functions: w, Objects: objects{w}, Alarms: w})
	if err != nil {
		w.t.Fatal(err)
	}
	w.svc = svc
}

// reopen is what a restart after kill -9 does.
func (w *world) reopen() {
	w.svc.Close()
	w.kill = &killer{left: -1}
	w.open()
}

func (w *world) GetAlias(_ context.Context, in *lambda.GetAliasInput) (*lambda.GetAliasOutput, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if *in.FunctionName != "shop" || *in.Name != "live" || w.gone {
		return nil, &lambdatypes.ResourceNotFoundException{Message: aws.String("Cannot find alias arn: " + *in.FunctionName + ":" + *in.Name)}
	}
	version, weights, revision := w.aliasOutput()
	return &lambda.GetAliasOutput{FunctionVersion: version, RoutingConfig: weights, RevisionId: revision}, nil
}

func (w *world) aliasOutput() (version *string, weights *lambdatypes.AliasRoutingConfiguration, revision *string) {
	if w.routing.Additional != "" {
		weights = &lambdatypes.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{w.routing.Additional: w.routing.Weight}}
	}
	return aws.String(w.routing.Primary), weights, aws.String(fmt.Sprint(w.revision))
}

func (w *world) UpdateAlias(_ context.Context, in *lambda.UpdateAliasInput) (*lambda.UpdateAliasOutput, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if *in.RevisionId != fmt.Sprint(w.revision) {
		return nil, &lambdatypes.PreconditionFailedException{Message: aws.String("the RevisionId does not match")}
	}
	do, tell := w.kill.pass()
	if do {
		r := alias.Routing{Primary: *in.FunctionVersion}
		for v, weight := range in.RoutingConfig.AdditionalVersionWeights {
			r.Additional, r.Weight = v, weight
		}
		w.set(r)
	}
	if !tell {
		return nil, errKilled
	}
	version, weights, revision := w.aliasOutput()
	return &lambda.UpdateAliasOutput{FunctionVersion: version, RoutingConfig: weights, RevisionId: revision}, nil
}

func (w *world) set(r alias.Routing) {
	w.routing, w.revision = r, w.revision+1
	w.moves = append(w.moves, move{time.Since(w.began), r})
}

func (w *world) GetFunctionConfiguration(_ context.Context, in *lambda.GetFunctionConfigurationInput) (*lambda.GetFunctionConfigurationOutput, error) {
	if *in.FunctionName != "shop" || !slices.Contains([]string{"1", "2", "3"}, *in.Qualifier) {
		return nil, &lambdatypes.ResourceNotFoundException{Message: aws.String("Function not found: " + *in.FunctionName + ":" + *in.Qualifier)}
	}
	return &lambda.GetFunctionConfigurationOutput{Version: in.Qualifier, FunctionArn: aws.String("arn:" + *in.Qualifier)}, nil
}

func (w *world) Invoke(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	if in.InvocationType != lambdatypes.InvocationTypeEvent {
		return nil, errors.New("a hook is called asynchronously")
	}
	if !strings.HasPrefix(*in.FunctionName, "hook") {
		return nil, &lambdatypes.ResourceNotFoundException{Message: aws.String("Function not found: " + *in.FunctionName)}
	}
	do, tell := w.kill.pass()
	if do {
		var e hookEvent
		if err := json.Unmarshal(in.Payload, &e); err != nil {
			return nil, err
		}
		w.mu.Lock()
		w.calls = append(w.calls, e)
		hook := w.hook
		w.mu.Unlock()
		if hook != nil {
			go hook(*in.FunctionName, e)
		}
	}
	if !tell {
		return nil, errKilled
	}
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}

func (w *world) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput) (*cloudwatch.DescribeAlarmsOutput, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf {
		return nil, errors.New("CloudWatch does not answer")
	}
	out := &cloudwatch.DescribeAlarmsOutput{}
	for _, name := range in.AlarmNames {
		if state, ok := w.alarms[name]; ok {
			out.MetricAlarms = append(out.MetricAlarms, cwtypes.MetricAlarm{AlarmName: &name, StateValue: state})
		}
	}
	return out, nil
}

type objects struct{ w *world }

func (o objects) GetObject(_ context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	content, ok := o.w.objects[*in.Bucket+"/"+*in.Key]
	if !ok {
		return nil, &s3types.NoSuchKey{Message: aws.String("The specified key does not exist.")}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader(content))}, nil
}

// alarm sets the state of an alarm.
func (w *world) alarm(name string, state cwtypes.StateValue) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarms[name] = state
}

func (w *world) at() alias.Routing {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.routing
}

var style = &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl}

const role = "arn:aws:iam::000000000000:role/deploy"

var everyEvent = &types.AutoRollbackConfiguration{Enabled: true, Events: types.AutoRollbackEvent("").Values()}

// group makes the application shop with a group live; edit may change what is asked for.
func (w *world) group(config string, edit func(*sdk.CreateDeploymentGroupInput)) {
	w.t.Helper()
	ctx := context.Background()
	if _, err := w.svc.CreateApplication(ctx, &sdk.CreateApplicationInput{ApplicationName: aws.String("shop"), ComputePlatform: types.ComputePlatformLambda}); err != nil {
		w.t.Fatal(err)
	}
	in := &sdk.CreateDeploymentGroupInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("live"), ServiceRoleArn: aws.String(role),
		DeploymentStyle: style, DeploymentConfigName: &config,
	}
	if edit != nil {
		edit(in)
	}
	if _, err := w.svc.CreateDeploymentGroup(ctx, in); err != nil {
		w.t.Fatal(err)
	}
}

func spec(current, target string, hooks ...string) string {
	s := fmt.Sprintf("version: 0.0\nResources:\n  - shop:\n      Type: AWS::Lambda::Function\n      Properties:\n        Name: shop\n        Alias: live\n        CurrentVersion: %s\n        TargetVersion: %s\n", current, target)
	for i, h := range hooks {
		if i == 0 {
			s += "Hooks:\n"
		}
		s += "  - " + h + "\n"
	}
	return s
}

func revision(content string) *types.RevisionLocation {
	return &types.RevisionLocation{
		RevisionType:   types.RevisionLocationTypeAppSpecContent,
		AppSpecContent: &types.AppSpecContent{Content: &content, Sha256: aws.String(digest(content))},
	}
}

func creation(content string) *sdk.CreateDeploymentInput {
	return &sdk.CreateDeploymentInput{ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("live"), Revision: revision(content)}
}

// deploy begins a deployment and lets it go as far as it goes without time passing.
func (w *world) deploy(content string) string {
	w.t.Helper()
	out, err := w.svc.CreateDeployment(context.Background(), creation(content))
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return *out.DeploymentId
}

func (w *world) info(id string) *types.DeploymentInfo {
	w.t.Helper()
	out, err := w.svc.GetDeployment(context.Background(), &sdk.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.DeploymentInfo
}

func (w *world) target(id string) *types.LambdaTarget {
	w.t.Helper()
	out, err := w.svc.GetDeploymentTarget(context.Background(), &sdk.GetDeploymentTargetInput{DeploymentId: &id, TargetId: aws.String("shop")})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.DeploymentTarget.LambdaTarget
}

// events writes the lifecycle events as "BeforeAllowTraffic Succeeded, …".
func (w *world) events(id string) string {
	w.t.Helper()
	var list []string
	for _, e := range w.target(id).LifecycleEvents {
		list = append(list, fmt.Sprintf("%s %s", *e.LifecycleEventName, e.Status))
	}
	return strings.Join(list, ", ")
}

// wait lets time pass.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// answer is a hook that tells its result at once.
func (w *world) answer(status types.LifecycleEventStatus) func(string, hookEvent) {
	return func(_ string, e hookEvent) {
		_, err := w.svc.PutLifecycleEventHookExecutionStatus(context.Background(), &sdk.PutLifecycleEventHookExecutionStatusInput{
			DeploymentId: &e.DeploymentId, LifecycleEventHookExecutionId: &e.LifecycleEventHookExecutionId, Status: status,
		})
		if err != nil && !w.kill.isDead() {
			w.t.Errorf("the hook could not tell its result: %v", err)
		}
	}
}

func check[T comparable](t *testing.T, what string, have, want T) {
	t.Helper()
	if have != want {
		t.Errorf("%s: have %v, want %v", what, have, want)
	}
}
