package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/release"
)

// checkDefinitions asks the endpoint what it would say about every workflow's definition, so that one that it would refuse
// stops a release before the first function is published. The versions are not known yet: any number stands for them. An
// endpoint that does not know the question, or does not let this caller ask it, is not asked further.
//
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html
func checkDefinitions(ctx context.Context, cfg aws.Config, id release.Identity, spec release.Spec) error {
	var versions []release.FunctionVersion
	for _, f := range spec.Functions {
		a := arn.Function{Partition: id.Partition, Region: id.Region, Account: id.Account, Name: f.Name, Qualifier: "1"}
		versions = append(versions, release.FunctionVersion{Key: f.Key, Name: f.Name, Version: "1", ARN: a.String()})
	}
	resolver, err := release.NewResolver(id, spec.Functions, versions)
	if err != nil {
		return err
	}
	client := sfn.NewFromConfig(cfg)
	var faults []error
	for _, w := range spec.Workflows {
		pinned, _, err := release.PinDefinition(w.Definition, resolver, w.PinOptions())
		if err != nil {
			faults = append(faults, fmt.Errorf("workflow %s: %w", w.Key, err))
			continue
		}
		found, err := client.ValidateStateMachineDefinition(ctx, &sfn.ValidateStateMachineDefinitionInput{
			Definition: aws.String(string(pinned)), Type: types.StateMachineType(w.Type),
		})
		if err != nil {
			if unasked(err) {
				break
			}
			return fmt.Errorf("check the definition of workflow %s: %w", w.Key, err)
		}
		for _, d := range found.Diagnostics {
			if found.Result == types.ValidateStateMachineDefinitionResultCodeFail && d.Severity == types.ValidateStateMachineDefinitionSeverityError {
				faults = append(faults, fmt.Errorf("workflow %s%s: %s (%s)", w.Key, label(", at ", aws.ToString(d.Location)), aws.ToString(d.Message), aws.ToString(d.Code)))
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return hint(fmt.Errorf("nothing was published: %w", errors.Join(faults...)), "correct the definition and run the command again")
}

// unasked reports whether an error says that the endpoint does not answer the question at all.
func unasked(err error) bool {
	var api smithy.APIError
	if errors.As(err, &api) {
		for _, code := range []string{"UnknownOperation", "InvalidAction", "NotImplemented", "AccessDenied", "UnrecognizedClient", "InternalFailure"} {
			if strings.Contains(api.ErrorCode(), code) {
				return true
			}
		}
	}
	var resp *awshttp.ResponseError
	return errors.As(err, &resp) && (resp.HTTPStatusCode() == http.StatusNotFound || resp.HTTPStatusCode() == http.StatusNotImplemented)
}
