package lambda

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// dump writes down all that a snapshot knows.
func dump(n *snapshot) string {
	versions := map[string]*versionRecord{}
	running := []string{}
	for q, v := range n.versions {
		versions[q] = v.versionRecord
		if v.run != nil {
			running = append(running, v.run.fn.ID)
		}
	}
	slices.Sort(running)
	raw, err := json.MarshalIndent([]any{n.record, versions, running, n.aliases, n.policies, n.async, slices.Sorted(maps.Keys(n.routes))}, "", " ")
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func TestEverythingAcknowledgedIsThereAfterARestart(t *testing.T) {
	x := start(t)
	fn := aws.String("fn")
	in := createInput("fn")
	in.Publish, in.Tags, in.Description = true, map[string]string{"team": "blue"}, aws.String("first")
	in.Environment = &types.Environment{}
	in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatJson}
	if _, err := x.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	x.release("fn", "two")
	x.alias("fn", "live", "1", map[string]float64{"2": 0.3})
	x.alias("fn", "newest", "$LATEST", nil)
	for _, do := range []func() error{
		func() error {
			_, err := x.AddPermission(t.Context(), &sdk.AddPermissionInput{FunctionName: fn, Qualifier: aws.String("live"), StatementId: aws.String("api"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"), SourceArn: aws.String("arn:aws:execute-api:us-east-1:000000000000:abc/*")})
			return err
		},
		func() error {
			_, err := x.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: fn, ReservedConcurrentExecutions: aws.Int32(7)})
			return err
		},
		func() error {
			_, err := x.PutFunctionEventInvokeConfig(t.Context(), &sdk.PutFunctionEventInvokeConfigInput{FunctionName: fn, MaximumRetryAttempts: aws.Int32(1)})
			return err
		},
		func() error {
			_, err := x.TagResource(t.Context(), &sdk.TagResourceInput{Resource: aws.String(x.arn("fn", "")), Tags: map[string]string{"cost": "1"}})
			return err
		},
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	before := dump(x.settled("fn"))
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x.open()
	if after := dump(x.settled("fn")); after != before {
		t.Errorf("before the restart\n%s\nafter it\n%s", before, after)
	}
	out, err := x.GetAccountSettings(t.Context(), &sdk.GetAccountSettingsInput{})
	if err != nil || *out.AccountLimit.UnreservedConcurrentExecutions != 993 || out.AccountUsage.FunctionCount != 1 {
		t.Errorf("account: %+v %v", out, err)
	}
	if _, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: fn}); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x.open()
	if x.found("fn") != nil {
		t.Error("a deleted function is back")
	}
	x.create("fn") // nothing of the old one may be in its way
	if n := x.settled("fn"); len(n.aliases)+len(n.policies)+len(n.async) != 0 {
		t.Errorf("the new function has what belonged to the old one: %s", dump(n))
	}
}

func TestPolicyDocument(t *testing.T) {
	x := start(t)
	x.create("fn")
	fn := aws.String("fn")
	out, err := x.AddPermission(t.Context(), &sdk.AddPermissionInput{
		FunctionName: fn, StatementId: aws.String("s3"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com"),
		SourceArn: aws.String("arn:aws:s3:::bucket"), SourceAccount: aws.String("123456789012"),
	})
	if err != nil {
		t.Fatal(err)
	}
	const statement = `{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:fn","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"},"StringEquals":{"AWS:SourceAccount":"123456789012"}}}`
	if *out.Statement != statement {
		t.Errorf("got  %s\nwant %s", *out.Statement, statement)
	}
	if _, err := x.AddPermission(t.Context(), &sdk.AddPermissionInput{FunctionName: fn, StatementId: aws.String("acct"), Action: aws.String("lambda:*"), Principal: aws.String("123456789012")}); err != nil {
		t.Fatal(err)
	}
	p, err := x.GetPolicy(t.Context(), &sdk.GetPolicyInput{FunctionName: fn})
	if err != nil {
		t.Fatal(err)
	}
	const document = `{"Version":"2012-10-17","Id":"default","Statement":[` + statement + `,{"Sid":"acct","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"lambda:*","Resource":"arn:aws:lambda:us-east-1:000000000000:function:fn"}]}`
	if *p.Policy != document {
		t.Errorf("got  %s\nwant %s", *p.Policy, document)
	}
	_, err = x.RemovePermission(t.Context(), &sdk.RemovePermissionInput{FunctionName: fn, StatementId: aws.String("acct"), RevisionId: aws.String("old")})
	wantError(t, err, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id")
	for i, sid := range []string{"acct", "s3"} {
		p, err := x.GetPolicy(t.Context(), &sdk.GetPolicyInput{FunctionName: fn})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.RemovePermission(t.Context(), &sdk.RemovePermissionInput{FunctionName: fn, StatementId: &sid, RevisionId: p.RevisionId}); err != nil {
			t.Fatalf("removing statement %d with the current revision: %v", i, err)
		}
	}
	_, err = x.GetPolicy(t.Context(), &sdk.GetPolicyInput{FunctionName: fn})
	wantError(t, err, "ResourceNotFoundException", "The resource you requested does not exist.")
}

func TestRevisionsAndStates(t *testing.T) {
	x := start(t)
	seen := map[string]bool{}
	fresh := func(what string, id *string) {
		t.Helper()
		if id == nil || *id == "" || seen[*id] {
			t.Errorf("%s has no new revision: %v", what, aws.ToString(id))
		}
		seen[aws.ToString(id)] = true
	}
	fn := aws.String("fn")
	created, err := x.CreateFunction(t.Context(), createInput("fn"))
	if err != nil {
		t.Fatal(err)
	}
	if created.State != types.StatePending || created.StateReasonCode != types.StateReasonCodeCreating || created.LastUpdateStatus != "" {
		t.Errorf("created as %s %s %s", created.State, created.StateReasonCode, created.LastUpdateStatus)
	}
	fresh("creation", created.RevisionId)
	got, err := x.GetFunctionConfiguration(t.Context(), &sdk.GetFunctionConfigurationInput{FunctionName: fn})
	if err != nil {
		t.Fatal(err)
	}
	if got.State != types.StateActive || got.LastUpdateStatus != types.LastUpdateStatusSuccessful || got.StateReason != nil {
		t.Errorf("then %s %s", got.State, got.LastUpdateStatus)
	}
	fresh("activation", got.RevisionId)
	updated, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: fn, Timeout: aws.Int32(9), RevisionId: got.RevisionId})
	if err != nil {
		t.Fatal(err)
	}
	if updated.State != types.StateActive || updated.LastUpdateStatus != types.LastUpdateStatusInProgress {
		t.Errorf("updated as %s %s", updated.State, updated.LastUpdateStatus)
	}
	fresh("update", updated.RevisionId)
	got, err = x.GetFunctionConfiguration(t.Context(), &sdk.GetFunctionConfigurationInput{FunctionName: fn})
	if err != nil {
		t.Fatal(err)
	}
	fresh("end of the update", got.RevisionId)
	v, err := x.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: fn, ZipFile: zipOf("two"), Publish: true})
	if err != nil {
		t.Fatal(err)
	}
	if *v.Version != "1" || v.State != types.StatePending || *v.FunctionArn != x.arn("fn", "1") {
		t.Errorf("published as %s %s %s", *v.Version, v.State, *v.FunctionArn)
	}
	fresh("version", v.RevisionId)
	n := x.settled("fn")
	if n.versions["1"].State.Value != "Active" || n.versions["1"].run == nil || n.versions[latest].Config.Timeout != 9 {
		t.Errorf("version 1 is %s", n.versions["1"].State.Value)
	}
	again, err := x.PublishVersion(t.Context(), &sdk.PublishVersionInput{FunctionName: fn, Description: aws.String("again")})
	if err != nil || *again.Version != "1" || *again.Description != "" {
		t.Errorf("published again as %+v, %v", again, err)
	}
}
