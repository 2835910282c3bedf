package lambda

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/store"
)

// CreateFunction makes a function of a zip that is part of the request. The answer says Pending; soon after the function
// is Active. The code is checked and kept before the answer.
func (s *Service) CreateFunction(ctx context.Context, in *sdk.CreateFunctionInput) (*sdk.CreateFunctionOutput, error) {
	given := &settings{
		Description: in.Description, Role: in.Role, Handler: in.Handler, Runtime: in.Runtime, Timeout: in.Timeout, Memory: in.MemorySize,
		Ephemeral: in.EphemeralStorage, Environment: in.Environment, Tracing: in.TracingConfig, Logging: in.LoggingConfig,
		SnapStart: in.SnapStart, Layers: in.Layers, Vpc: in.VpcConfig, DeadLetter: in.DeadLetterConfig, FileSystems: in.FileSystemConfigs,
		Image: in.ImageConfig, KMSKey: in.KMSKeyArn, Capacity: in.CapacityProviderConfig, Durable: in.DurableConfig,
	}
	c := &constraints{}
	given.constrain(c)
	constrainArchitectures(c, in.Architectures)
	c.Enum("packageType", string(in.PackageType), "Zip", "Image")
	if in.Role == nil {
		c.Null("role")
	}
	if in.Code == nil {
		c.Null("code")
	}
	r, err := s.parse(shortName, in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	switch {
	case len(r.name) > 64:
		return nil, invalid("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64", r.name)
	case r.qualifier != "":
		return nil, invalid("A function is created without a qualifier: %s instead of %s.", s.arn(r.name, ""), s.arn(r.name, r.qualifier))
	case in.PackageType == types.PackageTypeImage || in.Code.ImageUri != nil:
		return nil, unsupported("PackageType Image", "functions are zip packages")
	case in.TenancyConfig != nil:
		return nil, unsupported("TenancyConfig", "environments are not isolated by tenant")
	case in.PublishTo != "":
		return nil, unsupported("PublishTo", "it belongs to capacity providers")
	case in.Runtime == "" || value(in.Handler) == "":
		return nil, invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	case len(in.Tags) > maxTags:
		return nil, tooManyTags()
	}
	config := configuration{Timeout: 3, Memory: 128, Ephemeral: 512, Tracing: "PassThrough", Architectures: architectures(in.Architectures)}
	if err := checkRoutingTags(in.Tags); err != nil {
		return nil, err
	}
	defer s.releaseHeld(given)
	if err := s.apply(&config, given, r.name); err != nil {
		return nil, err
	}
	signing := ""
	if value(in.CodeSigningConfigArn) != "" {
		if signing, err = s.signingNamed(in.CodeSigningConfigArn); err != nil {
			return nil, err
		}
	}
	f, err := s.find(r.name)
	if err != nil {
		return nil, err
	}
	if f != nil {
		return nil, conflict("Function already exist: %s", r.name)
	}
	if err := s.checkSigned(signing); err != nil {
		return nil, err
	}
	code := in.Code
	st, err := s.stageCode(ctx, codeSource{zip: code.ZipFile, bucket: code.S3Bucket, key: code.S3Key, version: code.S3ObjectVersion}, noCode)
	if err != nil {
		return nil, err
	}
	f = &function{name: r.name}
	var v *versionRecord
	if err = s.checkSizes(st.SHA256, config.Layers); err == nil {
		v, err = s.create(ctx, f, in, config, st.codeRecord, signing)
	}
	if err != nil {
		st.discard()
		s.releaseCode(st.SHA256)
		return nil, err
	}
	s.settle(f, v.Generation, st)
	out := s.output(v, "")
	if in.Publish {
		out.Version = aws.String("1")
	}
	return (*sdk.CreateFunctionOutput)(out), nil
}

// noCode is AWS's answer to a request that brings no code.
const noCode = "Please provide a source for function code."

// reserveName puts f, which is locked and has no state yet, in the place of its name. A function of that name that is just
// being deleted is waited for.
func (s *Service) reserveName(f *function) error {
	for {
		other, taken := s.functions.LoadOrStore(f.name, f)
		if !taken {
			return nil
		}
		o := other.(*function)
		o.change.Lock()
		there := o.state.Load() != nil || o.asleep.Load()
		if !there {
			s.functions.CompareAndDelete(f.name, o)
		}
		o.change.Unlock()
		if there {
			return conflict("Function already exist: %s", f.name)
		}
	}
}

// create stores the function and makes it visible, in the state Pending.
func (s *Service) create(ctx context.Context, f *function, in *sdk.CreateFunctionInput, config configuration, code codeRecord, signing string) (_ *versionRecord, err error) {
	f.change.Lock()
	defer f.change.Unlock()
	if err := s.reserveName(f); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.functions.CompareAndDelete(f.name, f)
		}
	}()
	v := &versionRecord{
		Function: f.name, Version: latest, Revision: newRevision(), Generation: newRevision(),
		Code: code, Config: config, Modified: s.modified(), State: creating,
	}
	n := newSnapshot(functionRecord{Name: f.name, NextVersion: 1, Tags: in.Tags, Signing: signing})
	n.versions[latest], n.settled = &version{versionRecord: v}, make(chan struct{})
	b := &store.Batch{}
	b.ExpectAbsent(functionBucket, f.name)
	if in.Publish {
		_, err = s.publishLatest(n, b, nil)
	} else {
		err = put(b, functionBucket, f.name, n.record)
	}
	if err == nil {
		err = put(b, versionBucket, f.name+"/"+latest, v)
	}
	if err == nil {
		err = s.cfg.Store.Commit(ctx, b)
	}
	if err != nil {
		return nil, err
	}
	s.swap(f, n)
	s.names.add(f.name)
	return v, nil
}

func constrainArchitectures(c *constraints, given []types.Architecture) {
	list := "["
	bad := false
	for i, a := range given {
		if i > 0 {
			list += ", "
		}
		list += string(a)
		bad = bad || badArchitecture(a)
	}
	list += "]"
	if given != nil && len(given) == 0 {
		c.Fail(list, "architectures", "Member must have length greater than or equal to 1")
	}
	if len(given) > 1 {
		c.Fail(list, "architectures", "Member must have length less than or equal to 1")
	}
	if bad {
		c.Fail(list, "architectures", "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]")
	}
}

func badArchitecture(a types.Architecture) bool {
	return a != types.ArchitectureX8664 && a != types.ArchitectureArm64
}

func architectures(given []types.Architecture) []string {
	if len(given) == 0 {
		return []string{string(types.ArchitectureX8664)}
	}
	return []string{string(given[0])}
}

// lookup finds what a reference names, once no transition is under way, for the operations that read.
func (s *Service) lookup(ctx context.Context, r ref) (*snapshot, *version, error) {
	missing := notFound("Function not found: %s", s.arn(r.name, r.qualifier))
	f, err := s.find(r.name)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, missing
	}
	n, err := s.await(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	if n == nil {
		return nil, nil, missing
	}
	to := n.routes[r.qualifier]
	if to == nil {
		return nil, nil, missing
	}
	return n, to.primary.version, nil
}

// GetFunction answers with a version's configuration and a link to its code, with the function's tags and concurrency.
func (s *Service) GetFunction(ctx context.Context, in *sdk.GetFunctionInput) (*sdk.GetFunctionOutput, error) {
	r, err := s.parse(longName, in.FunctionName, in.Qualifier, nil)
	if err != nil {
		return nil, err
	}
	n, v, err := s.lookup(ctx, r)
	if err != nil {
		return nil, err
	}
	d := s.describe(v.versionRecord, r.qualifier)
	out := &sdk.GetFunctionOutput{
		Configuration: &d,
		Code:          &types.FunctionCodeLocation{Location: aws.String(s.codeLocation(ctx, v.Code.SHA256)), RepositoryType: aws.String("S3")},
	}
	if len(n.record.Tags) > 0 {
		out.Tags = n.draft().record.Tags
	}
	if n.record.Reserved != nil {
		out.Concurrency = &types.Concurrency{ReservedConcurrentExecutions: clonePtr(n.record.Reserved)}
	}
	return out, nil
}

// GetFunctionConfiguration answers with a version's configuration.
func (s *Service) GetFunctionConfiguration(ctx context.Context, in *sdk.GetFunctionConfigurationInput) (*sdk.GetFunctionConfigurationOutput, error) {
	r, err := s.parse(longName, in.FunctionName, in.Qualifier, nil)
	if err != nil {
		return nil, err
	}
	_, v, err := s.lookup(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.output(v.versionRecord, r.qualifier), nil
}

// DeleteFunction deletes a function with everything that belongs to it, or one published version. A version that an alias
// refers to stays. Invocations under way run to their end.
func (s *Service) DeleteFunction(ctx context.Context, in *sdk.DeleteFunctionInput) (*sdk.DeleteFunctionOutput, error) {
	r, err := s.parse(longName, in.FunctionName, in.Qualifier, nil)
	if err != nil {
		return nil, err
	}
	missing := notFound("Function not found: %s", s.arn(r.name, ""))
	switch r.qualifier {
	case "":
		err = s.deleteFunction(ctx, r.name, missing)
	case latest:
		err = invalid("%s version cannot be deleted without deleting the function.", latest)
	default:
		err = s.deleteVersion(ctx, r, missing)
	}
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteFunctionOutput{StatusCode: http.StatusNoContent}, nil
}

func (s *Service) deleteFunction(ctx context.Context, name string, missing error) error {
	f, err := s.find(name)
	if err != nil {
		return err
	}
	if f == nil {
		return missing
	}
	f.change.Lock()
	defer f.change.Unlock()
	n := f.state.Load()
	if n == nil {
		return missing
	}
	b := &store.Batch{}
	b.Delete(functionBucket, name)
	empty := n.draft()
	for _, q := range n.qualifiers() {
		empty.drop(b, q)
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	s.swap(f, nil)
	s.functions.CompareAndDelete(name, f)
	s.names.remove(name)
	if n.settled != nil {
		close(n.settled)
	}
	return nil
}

func (s *Service) deleteVersion(ctx context.Context, r ref, missing error) error {
	return s.change(ctx, r.name, missing, func(f *function, n *snapshot, b *store.Batch) error {
		if n.aliases[r.qualifier] != nil {
			return invalid("Deletion of aliases is not currently supported.")
		}
		v := n.versions[r.qualifier]
		if v == nil {
			if isVersionNumber(r.qualifier) {
				return nil // AWS takes it for done
			}
			return missing
		}
		if users := n.aliasesOf(v.Version); len(users) > 0 {
			return conflict("Unable to delete version because the following aliases reference it: %v", users)
		}
		n.drop(b, v.Version)
		return nil
	})
}
