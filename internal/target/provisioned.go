package target

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/release"
)

// Provision gives a version of a function n environments that are started ahead, and returns once they are ready. AWS does
// not take provisioned concurrency on an alias with weights, so it always belongs to a version, which keeps it however the
// alias is moved. Repeated, it does nothing more.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html
func (t *Target) Provision(ctx context.Context, function, version string, n int32) error {
	what := fmt.Sprintf("provisioned concurrency of function %s, version %s", function, version)
	in := &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: &function, Qualifier: &version}
	now, err := t.lambda.GetProvisionedConcurrencyConfig(ctx, in)
	if is(err, "ProvisionedConcurrencyConfigNotFoundException") || err == nil && (aws.ToInt32(now.RequestedProvisionedConcurrentExecutions) != n || now.Status == types.ProvisionedConcurrencyStatusEnumFailed) {
		_, err = t.lambda.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: &function, Qualifier: &version, ProvisionedConcurrentExecutions: &n})
		if err != nil {
			return t.failed("set the "+what, "lambda:PutProvisionedConcurrencyConfig", err)
		}
	} else if err != nil {
		return t.failed("look at the "+what, "lambda:GetProvisionedConcurrencyConfig", err)
	}
	return t.wait(ctx, what+" becoming ready", func(ctx context.Context) (bool, error) {
		c, err := t.lambda.GetProvisionedConcurrencyConfig(ctx, in)
		if err != nil {
			return false, t.failed("look at the "+what, "lambda:GetProvisionedConcurrencyConfig", err)
		}
		if c.Status == types.ProvisionedConcurrencyStatusEnumFailed {
			return false, fmt.Errorf("the %s failed: %s; mend that and repeat", what, aws.ToString(c.StatusReason))
		}
		return c.Status == types.ProvisionedConcurrencyStatusEnumReady, nil
	})
}

// Unprovision takes the provisioned concurrency of a function from every version but those to keep, and gives the versions
// that had some. An endpoint that does not know it has none.
func (t *Target) Unprovision(ctx context.Context, function string, keep func(version string) bool) (freed []string, err error) {
	pages := lambda.NewListProvisionedConcurrencyConfigsPaginator(t.lambda, &lambda.ListProvisionedConcurrencyConfigsInput{FunctionName: &function})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if unsupported(err) || is(err, "ResourceNotFoundException") {
			return nil, nil
		}
		if err != nil {
			return nil, t.failed("list the provisioned concurrency of function "+function, "lambda:ListProvisionedConcurrencyConfigs", err)
		}
		for _, p := range page.ProvisionedConcurrencyConfigs {
			version := shortVersion(aws.ToString(p.FunctionArn))
			if _, bad := bypasses(aws.ToString(p.FunctionArn)); !bad || keep(version) {
				continue // that of an alias is someone else's
			}
			_, gone := t.lambda.DeleteProvisionedConcurrencyConfig(ctx, &lambda.DeleteProvisionedConcurrencyConfigInput{FunctionName: &function, Qualifier: &version})
			if gone != nil && !is(gone, "ProvisionedConcurrencyConfigNotFoundException") {
				err = errors.Join(err, t.failed("remove the provisioned concurrency of function "+function+", version "+version, "lambda:DeleteProvisionedConcurrencyConfig", gone))
				continue
			}
			freed = append(freed, version)
		}
		if err != nil {
			return freed, err
		}
	}
	return freed, nil
}

// Provisioned lists the versions of a function with provisioned concurrency of their own. An endpoint that does not know it
// has none.
func (t *Target) Provisioned(ctx context.Context, function string) ([]release.ProvisionedFacts, error) {
	var out []release.ProvisionedFacts
	pages := lambda.NewListProvisionedConcurrencyConfigsPaginator(t.lambda, &lambda.ListProvisionedConcurrencyConfigsInput{FunctionName: &function})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if unsupported(err) || is(err, "ResourceNotFoundException") {
			return nil, nil
		}
		if err != nil {
			return nil, t.failed("list the provisioned concurrency of function "+function, "lambda:ListProvisionedConcurrencyConfigs", err)
		}
		for _, p := range page.ProvisionedConcurrencyConfigs {
			if _, version := bypasses(aws.ToString(p.FunctionArn)); version {
				out = append(out, release.ProvisionedFacts{Function: function, Version: shortVersion(aws.ToString(p.FunctionArn)), Count: aws.ToInt32(p.RequestedProvisionedConcurrentExecutions)})
			}
		}
	}
	return out, nil
}

// Provisioning reports whether AWS itself moves a function's alias, with weights of its own, because the alias has provisioned
// concurrency that is not ready yet.
//
// https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
func (t *Target) Provisioning(ctx context.Context, r release.Ref) (bool, error) {
	c, err := t.lambda.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: &r.Name, Qualifier: &r.Alias})
	switch {
	case unsupported(err) || is(err, "ProvisionedConcurrencyConfigNotFoundException", "ResourceNotFoundException"):
		return false, nil
	case err != nil:
		return false, t.failed("look at the provisioned concurrency of "+r.String(), "lambda:GetProvisionedConcurrencyConfig", err)
	}
	return c.Status == types.ProvisionedConcurrencyStatusEnumInProgress, nil
}
