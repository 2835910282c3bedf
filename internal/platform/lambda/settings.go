package lambda

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/store"
)

// functionNamed gives the snapshot of a function that exists.
func (s *Service) functionNamed(name string) (*snapshot, error) {
	n, err := s.look(name)
	if n == nil && err == nil {
		err = notFound("Function not found: %s", s.arn(name, ""))
	}
	return n, err
}

// PutFunctionRecursionConfig says whether a function may be invoked in a loop that it has caused itself (Service.follow).
func (s *Service) PutFunctionRecursionConfig(ctx context.Context, in *sdk.PutFunctionRecursionConfigInput) (*sdk.PutFunctionRecursionConfigOutput, error) {
	c := &constraints{}
	if in.RecursiveLoop == "" {
		c.Null("recursiveLoop")
	}
	c.Enum("recursiveLoop", string(in.RecursiveLoop), "Terminate", "Allow")
	name, err := s.unqualified(shortName, in.FunctionName, c)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, name, notFound("Function not found: %s", s.arn(name, "")), func(_ *function, n *snapshot, b *store.Batch) error {
		n.record.Recursion = string(in.RecursiveLoop)
		return put(b, functionBucket, name, n.record)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.PutFunctionRecursionConfigOutput{RecursiveLoop: in.RecursiveLoop}, nil
}

// GetFunctionRecursionConfig answers with what was put, or with Terminate.
func (s *Service) GetFunctionRecursionConfig(_ context.Context, in *sdk.GetFunctionRecursionConfigInput) (*sdk.GetFunctionRecursionConfigOutput, error) {
	name, err := s.unqualified(shortName, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	n, err := s.functionNamed(name)
	if err != nil {
		return nil, err
	}
	out := &sdk.GetFunctionRecursionConfigOutput{RecursiveLoop: types.RecursiveLoopTerminate}
	if n.record.Recursion != "" {
		out.RecursiveLoop = types.RecursiveLoop(n.record.Recursion)
	}
	return out, nil
}

// runtimeRecord is how a version's runtime is kept up to date. The machine's runtimes are what they are, so it is only
// kept.
type runtimeRecord struct {
	UpdateOn string `json:"updateOn"`
	Version  string `json:"version,omitempty"` // ARN
}

var runtimeARNPattern = newPattern(`arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}::runtime:.+`)

// PutRuntimeManagementConfig records how a version's runtime is updated.
func (s *Service) PutRuntimeManagementConfig(ctx context.Context, in *sdk.PutRuntimeManagementConfigInput) (*sdk.PutRuntimeManagementConfigOutput, error) {
	c := &constraints{}
	if in.UpdateRuntimeOn == "" {
		c.Null("updateRuntimeOn")
	}
	c.Enum("updateRuntimeOn", string(in.UpdateRuntimeOn), "Auto", "Manual", "FunctionUpdate")
	optional(in.RuntimeVersionArn, func(v string) {
		c.Length("runtimeVersionArn", v, 26, 2048)
		c.pattern("runtimeVersionArn", v, runtimeARNPattern)
	})
	r, err := s.runtimeRef(in.FunctionName, in.Qualifier, c)
	if err != nil {
		return nil, err
	}
	manual := in.UpdateRuntimeOn == types.UpdateRuntimeOnManual
	switch {
	case manual && in.RuntimeVersionArn == nil:
		return nil, invalid("RuntimeVersionArn is required when UpdateRuntimeOn is Manual.")
	case !manual && in.RuntimeVersionArn != nil:
		return nil, invalid("RuntimeVersionArn can only be given when UpdateRuntimeOn is Manual.")
	}
	missing := notFound("Function not found: %s", s.arn(r.name, r.qualifier))
	err = s.change(ctx, r.name, missing, func(_ *function, n *snapshot, b *store.Batch) error {
		v := n.versions[r.qualifier]
		if v == nil {
			return missing
		}
		if manual && *in.RuntimeVersionArn != s.runtimeVersionARN(v.Config.Runtime) {
			return invalid("This machine has no other version of %s than %s.", v.Config.Runtime, s.runtimeVersionARN(v.Config.Runtime))
		}
		m := &runtimeRecord{string(in.UpdateRuntimeOn), value(in.RuntimeVersionArn)}
		n.runtimes[r.qualifier] = m
		return put(b, runtimeBucket, r.name+"/"+r.qualifier, m)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.PutRuntimeManagementConfigOutput{
		FunctionArn: aws.String(s.arn(r.name, r.qualifier)), UpdateRuntimeOn: in.UpdateRuntimeOn, RuntimeVersionArn: in.RuntimeVersionArn,
	}, nil
}

// GetRuntimeManagementConfig answers with what was put, or with Auto.
func (s *Service) GetRuntimeManagementConfig(_ context.Context, in *sdk.GetRuntimeManagementConfigInput) (*sdk.GetRuntimeManagementConfigOutput, error) {
	r, err := s.runtimeRef(in.FunctionName, in.Qualifier, nil)
	if err != nil {
		return nil, err
	}
	missing := notFound("Function not found: %s", s.arn(r.name, r.qualifier))
	n, err := s.look(r.name)
	if err != nil {
		return nil, err
	}
	if n == nil || n.versions[r.qualifier] == nil {
		return nil, missing
	}
	out := &sdk.GetRuntimeManagementConfigOutput{FunctionArn: aws.String(s.arn(r.name, r.qualifier)), UpdateRuntimeOn: types.UpdateRuntimeOnAuto}
	if m := n.runtimes[r.qualifier]; m != nil {
		out.UpdateRuntimeOn, out.RuntimeVersionArn = types.UpdateRuntimeOn(m.UpdateOn), text(m.Version)
	}
	return out, nil
}

// runtimeRef is parse for these operations: they concern one version, $LATEST where none is named.
func (s *Service) runtimeRef(function, qualifier *string, c *constraints) (ref, error) {
	r, err := s.parse(shortName, function, qualifier, c)
	if r.qualifier == "" {
		r.qualifier = latest
	}
	return r, err
}
