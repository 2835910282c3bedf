package lambda

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/store"
)

// UpdateFunctionCode replaces the code of $LATEST by a zip that is part of the request. The answer says InProgress; soon
// after invocations of $LATEST run the new code. With DryRun everything is checked and nothing changes.
func (s *Service) UpdateFunctionCode(ctx context.Context, in *sdk.UpdateFunctionCodeInput) (*sdk.UpdateFunctionCodeOutput, error) {
	c := &constraints{}
	constrainArchitectures(c, in.Architectures)
	r, err := s.parse(shortName, in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	switch {
	case r.qualifier != "" && r.qualifier != latest:
		return nil, invalid("Published versions are immutable: the code of %s can be changed, not that of %s.", latest, r.qualifier)
	case in.PublishTo != "":
		return nil, unsupported("PublishTo", "it belongs to capacity providers")
	case in.ImageUri != nil:
		return nil, unsupported("ImageUri", "functions are zip packages")
	}
	n, err := s.functionNamed(r.name)
	if err != nil {
		return nil, err
	}
	if err := s.checkSigned(n.record.Signing); err != nil {
		return nil, err
	}
	st, err := s.stageCode(ctx, codeSource{zip: in.ZipFile, bucket: in.S3Bucket, key: in.S3Key, version: in.S3ObjectVersion}, noCode)
	if err != nil {
		return nil, err
	}
	missing := notFound("Function not found: %s", s.arn(r.name, ""))
	u := update{publish: in.Publish, dryRun: in.DryRun, revision: in.RevisionId, code: st}
	out, err := s.update(ctx, r.name, missing, u, func(v *versionRecord) error {
		v.Code = st.codeRecord
		if len(in.Architectures) > 0 {
			v.Config.Architectures = architectures(in.Architectures)
		}
		if err := s.checkRuntime(v.Config.Runtime); err != nil {
			return err
		}
		return s.checkSizes(v.Code.SHA256, v.Config.Layers)
	})
	return (*sdk.UpdateFunctionCodeOutput)(out), err
}

// UpdateFunctionConfiguration changes the given settings of $LATEST. The answer says InProgress; soon after invocations
// of $LATEST see the change.
func (s *Service) UpdateFunctionConfiguration(ctx context.Context, in *sdk.UpdateFunctionConfigurationInput) (*sdk.UpdateFunctionConfigurationOutput, error) {
	given := &settings{
		Description: in.Description, Role: in.Role, Handler: in.Handler, Runtime: in.Runtime, Timeout: in.Timeout, Memory: in.MemorySize,
		Ephemeral: in.EphemeralStorage, Environment: in.Environment, Tracing: in.TracingConfig, Logging: in.LoggingConfig,
		SnapStart: in.SnapStart, Layers: in.Layers, Vpc: in.VpcConfig, DeadLetter: in.DeadLetterConfig, FileSystems: in.FileSystemConfigs,
		Image: in.ImageConfig, KMSKey: in.KMSKeyArn, Capacity: in.CapacityProviderConfig, Durable: in.DurableConfig,
	}
	c := &constraints{}
	given.constrain(c)
	r, err := s.parse(shortName, in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	if r.qualifier != "" && r.qualifier != latest {
		return nil, invalid("Published versions are immutable: the configuration of %s can be changed, not that of %s.", latest, r.qualifier)
	}
	defer s.releaseHeld(given)
	out, err := s.update(ctx, r.name, notFound("Function not found: %s", s.arn(r.name, "")), update{revision: in.RevisionId}, func(v *versionRecord) error {
		if err := s.apply(&v.Config, given, r.name); err != nil {
			return err
		}
		return s.checkSizes(v.Code.SHA256, v.Config.Layers)
	})
	return (*sdk.UpdateFunctionConfigurationOutput)(out), err
}

// update is what the two updates share.
type update struct {
	publish, dryRun bool
	revision        *string // that $LATEST must have; nil or "" for any
	code            *staged // to be put in place; nil when the code stays
}

// update changes a copy of $LATEST by edit, stores it as InProgress, and sets the transition going.
func (s *Service) update(ctx context.Context, name string, missing error, u update, edit func(*versionRecord) error) (*sdk.GetFunctionConfigurationOutput, error) {
	var out *sdk.GetFunctionConfigurationOutput
	var target *function
	var generation string
	err := s.settledChange(ctx, name, missing, func(f *function, n *snapshot, b *store.Batch) error {
		current := n.versions[latest]
		if id := value(u.revision); id != "" && id != current.Revision {
			return revisionMismatch("GetFunction/GetAlias")
		}
		v := *current.versionRecord
		v.Config = v.Config.clone()
		if err := edit(&v); err != nil {
			return err
		}
		if u.dryRun {
			out = s.output(&v, "")
			return nil
		}
		v.Revision, v.Generation, v.Modified, v.Update = newRevision(), newRevision(), s.modified(), inProgress
		n.versions[latest] = &version{&v, current.run}
		n.settled = make(chan struct{})
		if err := put(b, versionBucket, name+"/"+latest, v); err != nil {
			return err
		}
		out, target, generation = s.output(&v, ""), f, v.Generation
		if !u.publish {
			return nil
		}
		p, err := s.publishLatest(n, b, nil)
		if err == nil && p.Generation == generation { // a new version is being created; $LATEST is being updated
			created := *p
			created.State, created.Update = creating, stateRecord{}
			n.versions[p.Version] = &version{versionRecord: &created}
			p, err = &created, put(b, versionBucket, name+"/"+p.Version, created)
		}
		if err == nil {
			out = s.output(p, p.Version)
		}
		return err
	})
	if err != nil || target == nil { // refused, or a dry run
		if u.code != nil {
			u.code.discard()
			s.releaseCode(u.code.SHA256)
		}
		return out, err
	}
	s.settle(target, generation, u.code)
	return out, nil
}
