package target

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/release"
)

// publishAttempts bounds how often publishing starts anew after someone else, or an own request whose answer was lost,
// changed $LATEST in between.
const publishAttempts = 5

// PublishFunction brings a function to the content of f and gives the version that has it: the newest one when that
// matches already, else a new one. It returns once the version is active.
//
// Only $LATEST and new versions are touched; no alias moves. Every change is guarded by the revision that was read, and
// publishing by the code's digest too, so what is published is f and nothing else. Repeated after a crash it goes on from
// what is there.
func (t *Target) PublishFunction(ctx context.Context, f release.Function) (release.FunctionVersion, error) {
	give, err := t.slot(ctx)
	if err != nil {
		return release.FunctionVersion{}, err
	}
	defer give()
	var why *release.Decision
	var differs []string
	for attempt := range publishAttempts {
		if err := pause(ctx, time.Duration(attempt)*50*time.Millisecond); err != nil {
			return release.FunctionVersion{}, err
		}
		o, err := t.observeFunction(ctx, f.Name)
		if err != nil {
			return release.FunctionVersion{}, err
		}
		d := release.DecideFunction(f, o)
		if why == nil {
			why = &d
		}
		if d.Action == release.TakeOver {
			return t.publishedFunction(ctx, f, d.Version, *why)
		}
		var version string
		version, differs, err = t.publishLatest(ctx, f, o.ARN != "")
		if is(err, "PreconditionFailedException", "ResourceConflictException") {
			continue
		}
		if err != nil {
			return release.FunctionVersion{}, err
		}
		if version != "" {
			return t.publishedFunction(ctx, f, version, *why)
		}
	}
	if len(differs) > 0 {
		return release.FunctionVersion{}, fmt.Errorf("publish function %s: %s does not keep what it is told, or someone else keeps changing it (%s); end the other deployment, or leave that out",
			f.Name, t.endpoint, strings.Join(differs, ", "))
	}
	return release.FunctionVersion{}, fmt.Errorf("publish function %s: someone else keeps changing it; end the other deployment and repeat", f.Name)
}

// publishedFunction waits until a version is active, and reports it.
func (t *Target) publishedFunction(ctx context.Context, f release.Function, version string, why release.Decision) (release.FunctionVersion, error) {
	c, err := t.settled(ctx, f.Name, version)
	if err != nil {
		return release.FunctionVersion{}, err
	}
	if f.ProvisionedConcurrency > 0 { // green is warm before any weight moves
		if err := t.Provision(ctx, f.Name, version, f.ProvisionedConcurrency); err != nil {
			return release.FunctionVersion{}, err
		}
	}
	if f.Preview != "" {
		if err := t.preview(ctx, release.Ref{Kind: release.KindFunction, Name: f.Name, Alias: f.Preview}, version); err != nil {
			return release.FunctionVersion{}, err
		}
	}
	return release.FunctionVersion{
		Key: f.Key, Name: f.Name, Version: version, ARN: unqualified(aws.ToString(c.FunctionArn)) + ":" + version,
		Digest: f.Digest(), New: why.Action == release.Publish, Reason: why.Reason,
	}, nil
}

// publishLatest makes $LATEST equal to f and publishes it. It gives no version, but the differences, when $LATEST turned out
// not to be f after all. Errors of AWS about a revision that is no longer the current one come back as they are.
func (t *Target) publishLatest(ctx context.Context, f release.Function, exists bool) (version string, differs []string, err error) {
	if !exists {
		if err := t.createFunction(ctx, f); err != nil {
			return "", nil, err
		}
	}
	latest, err := t.settled(ctx, f.Name, "")
	if err != nil {
		return "", nil, err
	}
	if latest.PackageType == types.PackageTypeImage {
		return "", nil, fmt.Errorf("function %s is made from a container image, which is not released here; give the function in the manifest another name", f.Name)
	}
	if latest, err = t.updateCode(ctx, f, latest); err != nil {
		return "", nil, err
	}
	if latest, err = t.updateConfiguration(ctx, f, latest); err != nil {
		return "", nil, err
	}
	if d := f.Differences(configuration(latest)); len(d) > 0 {
		return "", d, nil
	}
	out, err := t.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: &f.Name, CodeSha256: &f.CodeSHA256, RevisionId: latest.RevisionId})
	if err != nil {
		if is(err, "PreconditionFailedException", "ResourceConflictException") {
			return "", nil, err
		}
		return "", nil, t.failed("publish a version of function "+f.Name, "lambda:PublishVersion", err)
	}
	published := types.FunctionConfiguration{
		FunctionName: out.FunctionName, Architectures: out.Architectures, CodeSha256: out.CodeSha256, Description: out.Description,
		Environment: out.Environment, Handler: out.Handler, MemorySize: out.MemorySize, Role: out.Role, Runtime: out.Runtime,
		Timeout: out.Timeout, Layers: out.Layers, EphemeralStorage: out.EphemeralStorage, TracingConfig: out.TracingConfig,
		DeadLetterConfig: out.DeadLetterConfig, LoggingConfig: out.LoggingConfig,
	}
	if d := f.Differences(configuration(&published)); len(d) > 0 {
		return "", nil, fmt.Errorf("publish function %s: %s published version %s with other content than was asked for (%s); it is not used",
			f.Name, t.endpoint, aws.ToString(out.Version), strings.Join(d, ", "))
	}
	return aws.ToString(out.Version), nil, nil
}

func (t *Target) createFunction(ctx context.Context, f release.Function) error {
	if err := haveCode(f); err != nil {
		return err
	}
	d := f.WithDefaults()
	in := &lambda.CreateFunctionInput{
		FunctionName: &d.Name, Code: &types.FunctionCode{ZipFile: d.Code}, Role: &d.Role, Runtime: types.Runtime(d.Runtime),
		Handler: &d.Handler, Architectures: architectures(d), MemorySize: &d.MemorySize, Timeout: &d.Timeout,
		Tags: map[string]string{"teal:function": d.Key},
	}
	if d.Description != "" {
		in.Description = &d.Description
	}
	if len(d.Environment) > 0 {
		in.Environment = &types.Environment{Variables: d.Environment}
	}
	c := changed(release.Function{}.WithDefaults().Settings, d.Settings, d.Name)
	in.Layers, in.EphemeralStorage, in.TracingConfig, in.DeadLetterConfig, in.LoggingConfig = c.layers, c.storage, c.tracing, c.deadLetter, c.logging
	_, err := t.lambda.CreateFunction(ctx, in)
	if is(err, "ResourceConflictException") { // it exists by now
		return err
	}
	return t.failed("create function "+f.Name, "lambda:CreateFunction", err)
}

func haveCode(f release.Function) error {
	if len(f.Code) == 0 {
		return fmt.Errorf("function %s needs its code to be uploaded, and it is not at hand; build it and repeat", f.Name)
	}
	return nil
}

func architectures(f release.Function) []types.Architecture {
	var out []types.Architecture
	for _, a := range f.Architectures {
		out = append(out, types.Architecture(a))
	}
	return out
}

// updateCode uploads the code when that of $LATEST, or its architecture, is another, and gives $LATEST as it is then.
func (t *Target) updateCode(ctx context.Context, f release.Function, latest *types.FunctionConfiguration) (*types.FunctionConfiguration, error) {
	d, was := f.WithDefaults(), configuration(latest).WithDefaults()
	if d.CodeSHA256 == was.CodeSHA256 && strings.Join(d.Architectures, "+") == strings.Join(was.Architectures, "+") {
		return latest, nil
	}
	if err := haveCode(f); err != nil {
		return nil, err
	}
	_, err := t.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &f.Name, ZipFile: f.Code, Architectures: architectures(d), RevisionId: latest.RevisionId})
	if err != nil {
		if is(err, "PreconditionFailedException", "ResourceConflictException") {
			return nil, err
		}
		return nil, t.failed("update the code of function "+f.Name, "lambda:UpdateFunctionCode", err)
	}
	return t.settled(ctx, f.Name, "")
}

// updateConfiguration does for the configuration what updateCode does for the code.
func (t *Target) updateConfiguration(ctx context.Context, f release.Function, latest *types.FunctionConfiguration) (*types.FunctionConfiguration, error) {
	d, was := f.WithDefaults(), configuration(latest)
	was.CodeSHA256, was.Architectures = d.CodeSHA256, d.Architectures
	if d.Digest() == was.Digest() {
		return latest, nil
	}
	env := d.Environment
	if env == nil {
		env = map[string]string{} // an empty one removes all variables
	}
	c := changed(was.WithDefaults().Settings, d.Settings, d.Name)
	_, err := t.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &f.Name, Role: &d.Role, Runtime: types.Runtime(d.Runtime), Handler: &d.Handler, Description: &d.Description,
		MemorySize: &d.MemorySize, Timeout: &d.Timeout, Environment: &types.Environment{Variables: env}, RevisionId: latest.RevisionId,
		Layers: c.layers, EphemeralStorage: c.storage, TracingConfig: c.tracing, DeadLetterConfig: c.deadLetter, LoggingConfig: c.logging,
	})
	if err != nil {
		if is(err, "PreconditionFailedException", "ResourceConflictException") {
			return nil, err
		}
		return nil, t.failed("update the configuration of function "+f.Name, "lambda:UpdateFunctionConfiguration", err)
	}
	return t.settled(ctx, f.Name, "")
}

// settled waits until a function ($LATEST when version is empty) or version is neither being created nor updated, and
// gives its configuration. A function that AWS put to sleep (Inactive) counts: its next invocation wakes it.
func (t *Target) settled(ctx context.Context, name, version string) (*types.FunctionConfiguration, error) {
	in := &lambda.GetFunctionConfigurationInput{FunctionName: &name}
	what := "function " + name
	if version != "" {
		in.Qualifier = &version
		what += ", version " + version
	}
	var c *types.FunctionConfiguration
	err := t.wait(ctx, what+" becoming active", func(ctx context.Context) (bool, error) {
		out, err := t.lambda.GetFunctionConfiguration(ctx, in)
		if err != nil {
			return false, t.failed("look at "+what, "lambda:GetFunctionConfiguration", err)
		}
		switch {
		case out.State == types.StateFailed:
			return false, fmt.Errorf("%s failed: %s (%s); mend that and repeat", what, aws.ToString(out.StateReason), out.StateReasonCode)
		case out.LastUpdateStatus == types.LastUpdateStatusFailed && version == "":
			return false, fmt.Errorf("the last update of %s failed: %s (%s); mend that and repeat", what, aws.ToString(out.LastUpdateStatusReason), out.LastUpdateStatusReasonCode)
		case out.State == types.StatePending, out.LastUpdateStatus == types.LastUpdateStatusInProgress:
			return false, nil
		}
		c = described(out)
		return true, nil
	})
	return c, err
}
