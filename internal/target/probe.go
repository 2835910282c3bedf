package target

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Skew asks the endpoint for its time, and gives by how much this machine's clock is behind it. AWS refuses signatures that
// are more than five minutes off.
func (t *Target) Skew(ctx context.Context) (time.Duration, error) {
	out, err := t.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return 0, t.failed("ask who the caller is", "sts:GetCallerIdentity", err)
	}
	skew, ok := awsmiddleware.GetAttemptSkew(out.ResultMetadata)
	if !ok {
		return 0, errors.New("the endpoint does not say its time")
	}
	return skew, nil
}

// Probed is what an endpoint said to one operation.
type Probed struct {
	Operation string `json:"operation"` // as IAM calls it
	Lacks     bool   `json:"lacks,omitempty"`
	Denied    bool   `json:"denied,omitempty"`
	Answer    string `json:"answer,omitempty"` // what it said, where that was not as expected
}

// nobody is a name that no function or state machine has: asked about it, an endpoint that has an operation says that there
// is no such thing, and nothing changes.
const nobody = "teal-probe-of-what-does-not-exist"

// Probe asks the endpoint for every operation that a release, a rollback and a pruning use and that can be asked without
// harm: about something that does not exist. Operations that create something are not asked.
func (t *Target) Probe(ctx context.Context) ([]Probed, error) {
	machine, err := t.machineARN(ctx, nobody)
	if err != nil {
		return nil, err
	}
	name, one, api := aws.String(nobody), aws.String("1"), aws.String("0000000000")
	version, alias := aws.String(machine+":1"), aws.String(machine+":live")
	role := aws.String("arn:aws:iam::000000000000:role/" + nobody)
	routing := []sfntypes.RoutingConfigurationListItem{{StateMachineVersionArn: version, Weight: 100}}
	asks := map[string]func(context.Context) error{
		"lambda:GetFunctionConfiguration": func(ctx context.Context) error {
			_, err := t.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name})
			return err
		},
		"lambda:ListVersionsByFunction": func(ctx context.Context) error {
			_, err := t.lambda.ListVersionsByFunction(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: name})
			return err
		},
		"lambda:ListAliases": func(ctx context.Context) error {
			_, err := t.lambda.ListAliases(ctx, &lambda.ListAliasesInput{FunctionName: name})
			return err
		},
		"lambda:PublishVersion": func(ctx context.Context) error {
			_, err := t.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name})
			return err
		},
		"lambda:GetAlias": func(ctx context.Context) error {
			_, err := t.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: name, Name: aws.String("live")})
			return err
		},
		"lambda:UpdateAlias": func(ctx context.Context) error {
			_, err := t.lambda.UpdateAlias(ctx, &lambda.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: one})
			return err
		},
		"lambda:GetPolicy": func(ctx context.Context) error {
			_, err := t.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: name})
			return err
		},
		"lambda:DeleteFunction": func(ctx context.Context) error {
			_, err := t.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: name, Qualifier: one})
			return err
		},
		"lambda:ListEventSourceMappings": func(ctx context.Context) error {
			_, err := t.lambda.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: name})
			return err
		},
		"lambda:ListFunctionUrlConfigs": func(ctx context.Context) error {
			_, err := t.lambda.ListFunctionUrlConfigs(ctx, &lambda.ListFunctionUrlConfigsInput{FunctionName: name})
			return err
		},
		"lambda:GetProvisionedConcurrencyConfig": func(ctx context.Context) error {
			_, err := t.lambda.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: one})
			return err
		},
		"states:DescribeStateMachine": func(ctx context.Context) error { _, err := t.describe(ctx, machine); return err },
		"states:UpdateStateMachine": func(ctx context.Context) error {
			_, err := t.states.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: &machine, RoleArn: role})
			return err
		},
		"states:PublishStateMachineVersion": func(ctx context.Context) error {
			_, err := t.states.PublishStateMachineVersion(ctx, &sfn.PublishStateMachineVersionInput{StateMachineArn: &machine})
			return err
		},
		"states:ListStateMachineVersions": func(ctx context.Context) error {
			_, err := t.states.ListStateMachineVersions(ctx, &sfn.ListStateMachineVersionsInput{StateMachineArn: &machine})
			return err
		},
		"states:DescribeStateMachineAlias": func(ctx context.Context) error {
			_, err := t.states.DescribeStateMachineAlias(ctx, &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: alias})
			return err
		},
		"states:UpdateStateMachineAlias": func(ctx context.Context) error {
			_, err := t.states.UpdateStateMachineAlias(ctx, &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: alias, RoutingConfiguration: routing})
			return err
		},
		"states:ListExecutions": func(ctx context.Context) error {
			_, err := t.states.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &machine})
			return err
		},
		"states:ListStateMachines": func(ctx context.Context) error {
			_, err := t.states.ListStateMachines(ctx, &sfn.ListStateMachinesInput{MaxResults: 1})
			return err
		},
		"apigateway:GET": func(ctx context.Context) error {
			_, err := t.gateway.GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: api})
			return err
		},
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var out []Probed
	for operation, ask := range asks {
		wg.Go(func() {
			give, err := t.slot(ctx)
			if err != nil {
				return
			}
			defer give()
			err = ask(ctx)
			p := Probed{Operation: operation}
			var api smithy.APIError
			switch {
			case unsupported(err):
				p.Lacks, p.Answer = true, message(err)
			case is(err, "AccessDeniedException", "AccessDenied", "UnauthorizedOperation"):
				p.Denied, p.Answer = true, message(err)
			case err != nil && !errors.As(err, &api):
				p.Lacks, p.Answer = true, err.Error() // no answer of AWS's kind
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, p)
		})
	}
	wg.Wait()
	sort.Slice(out, func(i, j int) bool { return out[i].Operation < out[j].Operation })
	return out, ctx.Err()
}
