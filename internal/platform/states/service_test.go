package states

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

const (
	role     = "arn:aws:iam::000000000000:role/workflow"
	onePass  = `{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}`
	twoPass  = `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","End":true}}}`
	arnStart = "arn:aws:states:us-east-1:000000000000:stateMachine:"
)

// invokerFunc is an Invoker.
type invokerFunc func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error)

func (f invokerFunc) Invoke(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	return f(ctx, in)
}

// echo answers with the payload.
var echo = invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	return &lambda.InvokeOutput{StatusCode: 200, ExecutedVersion: aws.String("$LATEST"), Payload: in.Payload}, nil
})

// open starts a service on a store, and closes it with the test.
func open(t testing.TB, cfg Config) *Service {
	t.Helper()
	if cfg.Store == nil {
		cfg.Store = memory.New()
	}
	if cfg.Invoker == nil {
		cfg.Invoker = echo
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// must fails the test when a call did not succeed.
func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func create(t testing.TB, s *Service, name, definition string, publish bool) string {
	t.Helper()
	out := must[*sfn.CreateStateMachineOutput](t)(s.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: &name, Definition: &definition, RoleArn: aws.String(role), Publish: publish,
	}))
	return *out.StateMachineArn
}

func update(t testing.TB, s *Service, arn, definition string, publish bool) *sfn.UpdateStateMachineOutput {
	t.Helper()
	return must[*sfn.UpdateStateMachineOutput](t)(s.UpdateStateMachine(t.Context(), &sfn.UpdateStateMachineInput{
		StateMachineArn: &arn, Definition: &definition, Publish: publish,
	}))
}

// refused checks an error's code and, up to the dots, its message.
func refused(t testing.TB, err error, code, message string) {
	t.Helper()
	var api interface {
		ErrorCode() string
		ErrorMessage() string
	}
	if !errors.As(err, &api) {
		t.Fatalf("got %v, want %s", err, code)
	}
	want, open := strings.CutSuffix(message, "…")
	if got := api.ErrorMessage(); api.ErrorCode() != code || got != want && !(open && strings.HasPrefix(got, want)) {
		t.Fatalf("got %s %q\nwant %s %q", api.ErrorCode(), got, code, message)
	}
}

func items(pairs ...any) (list []types.RoutingConfigurationListItem) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, types.RoutingConfigurationListItem{StateMachineVersionArn: aws.String(pairs[i].(string)), Weight: int32(pairs[i+1].(int))})
	}
	return list
}

func TestCreateIsIdempotent(t *testing.T) {
	s, ctx := open(t, Config{}), t.Context()
	in := func() *sfn.CreateStateMachineInput {
		return &sfn.CreateStateMachineInput{Name: aws.String("m"), Definition: aws.String(onePass), RoleArn: aws.String(role), Publish: true, VersionDescription: aws.String("first")}
	}
	first := must[*sfn.CreateStateMachineOutput](t)(s.CreateStateMachine(ctx, in()))
	if *first.StateMachineArn != arnStart+"m" || *first.StateMachineVersionArn != arnStart+"m:1" {
		t.Fatalf("%+v", first)
	}
	again := in()
	again.RoleArn, again.Tags = aws.String(role+"2"), []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}} // neither is compared
	second := must[*sfn.CreateStateMachineOutput](t)(s.CreateStateMachine(ctx, again))
	if *second.StateMachineVersionArn != *first.StateMachineVersionArn || !second.CreationDate.Equal(*first.CreationDate) {
		t.Fatalf("%+v", second)
	}
	for name, change := range map[string]func(*sfn.CreateStateMachineInput){
		"definition":  func(in *sfn.CreateStateMachineInput) { in.Definition = aws.String(twoPass) },
		"type":        func(in *sfn.CreateStateMachineInput) { in.Type = types.StateMachineTypeExpress },
		"description": func(in *sfn.CreateStateMachineInput) { in.VersionDescription = aws.String("other") },
		"tracing": func(in *sfn.CreateStateMachineInput) {
			in.TracingConfiguration = &types.TracingConfiguration{Enabled: true}
		},
		"publish": func(in *sfn.CreateStateMachineInput) { in.Publish, in.VersionDescription = false, nil },
	} {
		other := in()
		change(other)
		_, err := s.CreateStateMachine(ctx, other)
		t.Log(name)
		refused(t, err, "StateMachineAlreadyExists", "State Machine Already Exists: '"+arnStart+"m'")
	}
}

func TestCreateRefuses(t *testing.T) {
	s := open(t, Config{})
	for _, c := range []struct {
		in            sfn.CreateStateMachineInput
		code, message string
	}{
		{sfn.CreateStateMachineInput{Name: aws.String("a b"), Definition: aws.String(onePass), RoleArn: aws.String(role)}, "InvalidName", "Invalid Name: 'a b'"},
		{sfn.CreateStateMachineInput{Definition: aws.String(onePass), RoleArn: aws.String(role)}, "ValidationException", "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{sfn.CreateStateMachineInput{Name: aws.String("m"), Definition: aws.String(onePass), RoleArn: aws.String("me")}, "InvalidArn", "Invalid Role Arn: 'me'"},
		{sfn.CreateStateMachineInput{Name: aws.String("m"), Definition: aws.String(onePass), RoleArn: aws.String(role), VersionDescription: aws.String("v")}, "ValidationException", "Version description can only be set when publish is true"},
		{sfn.CreateStateMachineInput{Name: aws.String("m"), Definition: aws.String("{}"), RoleArn: aws.String(role)}, "InvalidDefinition", "Invalid State Machine Definition: '…"},
		{sfn.CreateStateMachineInput{Name: aws.String("m"), Definition: aws.String(onePass), RoleArn: aws.String(role), LoggingConfiguration: &types.LoggingConfiguration{Level: types.LogLevelAll}}, "InvalidLoggingConfiguration", "Invalid Logging Configuration: Must specify exactly one Log Destination."},
		{sfn.CreateStateMachineInput{Name: aws.String("m"), Definition: aws.String(onePass), RoleArn: aws.String(role), EncryptionConfiguration: &types.EncryptionConfiguration{Type: types.EncryptionTypeCustomerManagedKmsKey}}, "InvalidEncryptionConfiguration", "Invalid Encryption Configuration: …"},
	} {
		_, err := s.CreateStateMachine(t.Context(), &c.in)
		refused(t, err, c.code, c.message)
	}
	_, err := s.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String(role),
		Definition: aws.String(`{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage","End":true}}}`),
	})
	if err == nil || !strings.Contains(err.Error(), "sqs:sendMessage") {
		t.Fatalf("a service that is not served: %v", err)
	}
	if out := must[*sfn.ListStateMachinesOutput](t)(s.ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{})); len(out.StateMachines) != 0 {
		t.Fatalf("left behind: %v", out.StateMachines)
	}
}

func TestRevisionsAndVersions(t *testing.T) {
	s, ctx := open(t, Config{}), t.Context()
	arn := create(t, s, "m", onePass, false)
	if u := update(t, s, arn, onePass, true); u.RevisionId != nil || *u.StateMachineVersionArn != arn+":1" {
		t.Fatalf("publishing the first revision: %+v", u)
	}
	if u := update(t, s, arn, onePass, true); *u.StateMachineVersionArn != arn+":1" {
		t.Fatalf("publishing it again: %+v", u)
	}
	second := update(t, s, arn, twoPass, false)
	if second.RevisionId == nil || second.StateMachineVersionArn != nil {
		t.Fatalf("%+v", second)
	}
	_, err := s.PublishStateMachineVersion(ctx, &sfn.PublishStateMachineVersionInput{StateMachineArn: &arn, RevisionId: aws.String("INITIAL")})
	refused(t, err, "ConflictException", "Failed to publish the State Machine version for revision INITIAL. The current State Machine revision is "+*second.RevisionId+".")
	for range 2 { // idempotent per revision
		p := must[*sfn.PublishStateMachineVersionOutput](t)(s.PublishStateMachineVersion(ctx, &sfn.PublishStateMachineVersionInput{StateMachineArn: &arn, RevisionId: second.RevisionId, Description: aws.String("two")}))
		if *p.StateMachineVersionArn != arn+":2" {
			t.Fatalf("%+v", p)
		}
	}
	d := must[*sfn.DescribeStateMachineOutput](t)(s.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(arn + ":1")}))
	if *d.Definition != onePass || d.RevisionId != nil || *d.StateMachineArn != arn+":1" || d.Description != nil {
		t.Fatalf("version 1: %+v", d)
	}
	d = must[*sfn.DescribeStateMachineOutput](t)(s.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(arn + ":2")}))
	if *d.Definition != twoPass || *d.RevisionId != *second.RevisionId || *d.Description != "two" {
		t.Fatalf("version 2: %+v", d)
	}
	_, err = s.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: aws.String(arn + ":2"), Definition: aws.String(onePass)})
	refused(t, err, "StateMachineDoesNotExist", "State Machine Does Not Exist: '"+arn+":2'")
	_, err = s.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: &arn})
	refused(t, err, "MissingRequiredParameter", "Either the definition, …")

	if _, err := s.DeleteStateMachineVersion(ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: aws.String(arn + ":2")}); err != nil {
		t.Fatal(err)
	}
	p := must[*sfn.PublishStateMachineVersionOutput](t)(s.PublishStateMachineVersion(ctx, &sfn.PublishStateMachineVersionInput{StateMachineArn: &arn}))
	if *p.StateMachineVersionArn != arn+":3" { // numbers are never given twice
		t.Fatalf("after deleting version 2: %s", *p.StateMachineVersionArn)
	}
}

func TestListsPage(t *testing.T) {
	s, ctx := open(t, Config{}), t.Context()
	arn := create(t, s, "m", onePass, true)
	for i := range 12 {
		update(t, s, arn, strings.Replace(onePass, "{", fmt.Sprintf(`{"Comment":"%d",`, i), 1), true)
		create(t, s, fmt.Sprintf("n%02d", i), onePass, false)
	}
	var versions, machines []string
	for token := (*string)(nil); ; {
		out := must[*sfn.ListStateMachineVersionsOutput](t)(s.ListStateMachineVersions(ctx, &sfn.ListStateMachineVersionsInput{StateMachineArn: &arn, MaxResults: 5, NextToken: token}))
		for _, v := range out.StateMachineVersions {
			versions = append(versions, strings.TrimPrefix(*v.StateMachineVersionArn, arn+":"))
		}
		if token = out.NextToken; token == nil {
			break
		}
	}
	for token := (*string)(nil); ; {
		out := must[*sfn.ListStateMachinesOutput](t)(s.ListStateMachines(ctx, &sfn.ListStateMachinesInput{MaxResults: 5, NextToken: token}))
		for _, m := range out.StateMachines {
			machines = append(machines, *m.Name)
		}
		if token = out.NextToken; token == nil {
			break
		}
	}
	if got := strings.Join(versions, " "); got != "13 12 11 10 9 8 7 6 5 4 3 2 1" {
		t.Errorf("versions: %s", got)
	}
	if got := strings.Join(machines, " "); got != "m n00 n01 n02 n03 n04 n05 n06 n07 n08 n09 n10 n11" {
		t.Errorf("machines: %s", got)
	}
	for _, bad := range []string{"InvalidToken", *pageToken("machines", "m"), "!"} {
		_, err := s.ListStateMachineVersions(ctx, &sfn.ListStateMachineVersionsInput{StateMachineArn: &arn, NextToken: &bad})
		refused(t, err, "InvalidToken", "Invalid Token: 'Invalid token'")
	}
	_, err := s.ListStateMachines(ctx, &sfn.ListStateMachinesInput{MaxResults: 1001})
	refused(t, err, "ValidationException", "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000")
}

func TestAliases(t *testing.T) {
	s, ctx := open(t, Config{}), t.Context()
	m := create(t, s, "m", onePass, true)
	update(t, s, m, twoPass, true)
	other := create(t, s, "other", onePass, true)
	for _, c := range []struct {
		name          string
		routes        []types.RoutingConfigurationListItem
		code, message string
	}{
		{"123", items(m+":1", 100), "ValidationException", `1 validation error detected: Value '123' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$`},
		{strings.Repeat("A", 81), items(m+":1", 100), "ValidationException", "1 validation error detected: Value '" + strings.Repeat("A", 81) + "' at 'name' failed to satisfy constraint: Member must have length less than or equal to 80"},
		{"live", items(), "ValidationException", "1 validation error detected: Value null at 'routingConfiguration' failed to satisfy constraint: Member must not be null"},
		{"live", items(m+":1", 101), "ValidationException", "1 validation error detected: Value '101' at 'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must have value less than or equal to 100"},
		{"live", items(m+":1", -1), "ValidationException", "1 validation error detected: Value '-1' at 'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must have value greater than or equal to 0"},
		{"live", items(m+":1", 50, m+":2", 30, m+":3", 20), "ValidationException", "1 validation error detected: Value '[RoutingConfigurationListItem(stateMachineVersionArn=" + m + ":1, weight=50), …"},
		{"live", items(m+":1", 50, m+":1", 50), "ValidationException", "Routing configuration must contain distinct state machine version ARNs. Received: [" + m + ":1, " + m + ":1]"},
		{"live", items(m, 70, m+":2", 30), "ValidationException", "Routing configuration must contain state machine version ARNs. Received: [" + m + ", " + m + ":2]"},
		{"live", items(m+":1", 70, m+":2", 29), "ValidationException", "Sum of routing configuration weights must equal 100. Received: [70, 29]"},
		{"live", items(m+":1", 70, m+":2", 31), "ValidationException", "Sum of routing configuration weights must equal 100. Received: [70, 31]"},
		{"live", items(m+":1", 50, other+":1", 50), "ValidationException", "Routing configuration must contain versions of the same state machine. Received: …"},
		{"live", items(m+":9", 100), "ResourceNotFound", "Resource not found: '" + m + ":9'"},
		{"live", items("x", 100), "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: x'"},
	} {
		_, err := s.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: &c.name, RoutingConfiguration: c.routes})
		refused(t, err, c.code, c.message)
	}
	in := &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: items(m+":1", 100)}
	for range 2 { // idempotent
		if out := must[*sfn.CreateStateMachineAliasOutput](t)(s.CreateStateMachineAlias(ctx, in)); *out.StateMachineAliasArn != m+":live" {
			t.Fatalf("%+v", out)
		}
	}
	_, err := s.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: items(m+":2", 100)})
	refused(t, err, "ConflictException", "Failed to create alias because …")
	_, err = s.UpdateStateMachineAlias(ctx, &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: aws.String(m + ":live"), RoutingConfiguration: items(other+":1", 100)})
	refused(t, err, "ValidationException", "Routing configuration must contain versions of the alias's own state machine m. …")
	_, err = s.UpdateStateMachineAlias(ctx, &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: aws.String(m + ":dead"), Description: aws.String("")})
	refused(t, err, "ResourceNotFound", "Resource not found: '"+m+":dead'")
	must[*sfn.UpdateStateMachineAliasOutput](t)(s.UpdateStateMachineAlias(ctx, &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: aws.String(m + ":live"), RoutingConfiguration: items(m+":1", 90, m+":2", 10)}))
	d := must[*sfn.DescribeStateMachineAliasOutput](t)(s.DescribeStateMachineAlias(ctx, &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: aws.String(m + ":live")}))
	if len(d.RoutingConfiguration) != 2 || *d.RoutingConfiguration[1].StateMachineVersionArn != m+":2" || d.RoutingConfiguration[1].Weight != 10 {
		t.Fatalf("%+v", d.RoutingConfiguration)
	}
	for _, v := range []string{":1", ":2"} { // both places protect their version
		_, err = s.DeleteStateMachineVersion(ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: aws.String(m + v)})
		refused(t, err, "ConflictException", "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [live]")
	}
	must[*sfn.CreateStateMachineAliasOutput](t)(s.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("canary"), RoutingConfiguration: items(m+":2", 100)}))
	l := must[*sfn.ListStateMachineAliasesOutput](t)(s.ListStateMachineAliases(ctx, &sfn.ListStateMachineAliasesInput{StateMachineArn: &m, MaxResults: 1}))
	if len(l.StateMachineAliases) != 1 || *l.StateMachineAliases[0].StateMachineAliasArn != m+":canary" || l.NextToken == nil {
		t.Fatalf("%+v", l)
	}
	l = must[*sfn.ListStateMachineAliasesOutput](t)(s.ListStateMachineAliases(ctx, &sfn.ListStateMachineAliasesInput{StateMachineArn: &m, NextToken: l.NextToken}))
	if len(l.StateMachineAliases) != 1 || *l.StateMachineAliases[0].StateMachineAliasArn != m+":live" || l.NextToken != nil {
		t.Fatalf("%+v", l)
	}
	l = must[*sfn.ListStateMachineAliasesOutput](t)(s.ListStateMachineAliases(ctx, &sfn.ListStateMachineAliasesInput{StateMachineArn: aws.String(m + ":1")}))
	if len(l.StateMachineAliases) != 1 {
		t.Fatalf("aliases of version 1: %+v", l)
	}
	for range 2 { // deleting what is not there is no error
		must[*sfn.DeleteStateMachineAliasOutput](t)(s.DeleteStateMachineAlias(ctx, &sfn.DeleteStateMachineAliasInput{StateMachineAliasArn: aws.String(m + ":live")}))
	}
	must[*sfn.DeleteStateMachineVersionOutput](t)(s.DeleteStateMachineVersion(ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: aws.String(m + ":1")}))
}

func TestTags(t *testing.T) {
	s, ctx := open(t, Config{}), t.Context()
	m := create(t, s, "m", onePass, true)
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	show := func() string {
		var b strings.Builder
		for _, x := range must[*sfn.ListTagsForResourceOutput](t)(s.ListTagsForResource(ctx, &sfn.ListTagsForResourceInput{ResourceArn: &m})).Tags {
			b.WriteString(*x.Key + "=" + *x.Value + " ")
		}
		return b.String()
	}
	must[*sfn.TagResourceOutput](t)(s.TagResource(ctx, &sfn.TagResourceInput{ResourceArn: &m, Tags: []types.Tag{tag("b", "1"), tag("a", ""), tag("b", "2")}}))
	if got := show(); got != "a= b=2 " {
		t.Fatal(got)
	}
	must[*sfn.UntagResourceOutput](t)(s.UntagResource(ctx, &sfn.UntagResourceInput{ResourceArn: &m, TagKeys: []string{"b", "b", "c"}}))
	if got := show(); got != "a= " {
		t.Fatal(got)
	}
	_, err := s.TagResource(ctx, &sfn.TagResourceInput{ResourceArn: aws.String(m + ":1"), Tags: []types.Tag{tag("a", "b")}})
	refused(t, err, "ResourceNotFound", "Resource not found: '"+m+":1'")
	var many []types.Tag
	for i := range maxTags {
		many = append(many, tag(fmt.Sprint(i), ""))
	}
	_, err = s.TagResource(ctx, &sfn.TagResourceInput{ResourceArn: &m, Tags: many})
	refused(t, err, "TooManyTags", "…")
	if got := show(); got != "a= " {
		t.Fatal(got)
	}
}

func TestMachinesSurviveRestart(t *testing.T) {
	db, ctx := memory.New(), t.Context()
	s := open(t, Config{Store: db})
	m := create(t, s, "m", onePass, true)
	update(t, s, m, twoPass, true)
	must[*sfn.CreateStateMachineAliasOutput](t)(s.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: items(m+":1", 25, m+":2", 75)}))
	must[*sfn.TagResourceOutput](t)(s.TagResource(ctx, &sfn.TagResourceInput{ResourceArn: &m, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Config{Store: db})
	a := s.machines.find("m").aliases["live"]
	if a.routing.Weight != 0.75 || a.pick(0.74) != 2 || a.pick(0.76) != 1 {
		t.Fatalf("%+v", a)
	}
	update(t, s, m, onePass, true) // a change of what was read back is accepted by the store
	d := must[*sfn.DescribeStateMachineOutput](t)(s.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(m + ":3")}))
	if *d.Definition != onePass {
		t.Fatal(*d.Definition)
	}
}

func TestMissing(t *testing.T) {
	s, ctx := open(t, Config{}), t.Context()
	gone := arnStart + "gone"
	_, err := s.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &gone})
	refused(t, err, "StateMachineDoesNotExist", "State Machine Does Not Exist: '"+gone+"'")
	_, err = s.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String("no arn")})
	refused(t, err, "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: no arn'")
	_, err = s.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &gone})
	refused(t, err, "StateMachineDoesNotExist", "State Machine Does Not Exist: '"+gone+"'")
	_, err = s.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String("arn:aws:states:us-east-1:000000000000:execution:gone:x")})
	refused(t, err, "ExecutionDoesNotExist", "Execution Does Not Exist: 'arn:aws:states:us-east-1:000000000000:execution:gone:x'")
	if _, err := s.DeleteStateMachine(ctx, &sfn.DeleteStateMachineInput{StateMachineArn: &gone}); err != nil {
		t.Fatal(err)
	}
}

// TestConcurrentChanges publishes from many goroutines: every version is there, none twice.
func TestConcurrentChanges(t *testing.T) {
	s := open(t, Config{})
	m := create(t, s, "m", onePass, false)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			update(t, s, m, strings.Replace(onePass, "{", fmt.Sprintf(`{"Comment":"%d",`, i), 1), true)
		})
	}
	wg.Wait()
	n := 0
	for _, err := range s.store.Scan(t.Context(), bucketVersions, store.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if v := len(s.machines.find("m").versions); v != 40 || n != 40 {
		t.Fatalf("%d versions in memory, %d in the store", v, n)
	}
}
