package states

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
)

// CreateStateMachine makes a state machine, and with Publish its version 1. Repeating a request is no error.
func (s *Service) CreateStateMachine(ctx context.Context, in *sfn.CreateStateMachineInput) (*sfn.CreateStateMachineOutput, error) {
	var c constraints
	c.required("name", in.Name, 1, maxName)
	c.required("definition", in.Definition, 1, maxDefinition)
	c.arn("roleArn", in.RoleArn)
	c.Enum("type", string(in.Type), "STANDARD", "EXPRESS")
	c.text("versionDescription", in.VersionDescription, 0, maxDescription)
	checkLogging(&c, in.LoggingConfiguration)
	checkTags(&c, in.Tags)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if !validName(*in.Name) {
		return nil, invalidName(*in.Name)
	}
	if in.VersionDescription != nil && !in.Publish {
		return nil, invalid("Version description can only be set when publish is true")
	}
	if err := validRole(*in.RoleArn); err != nil {
		return nil, err
	}
	if in.Type == "" {
		in.Type = types.StateMachineTypeStandard
	}
	logging, err := s.logging(*in.Name, in.LoggingConfiguration)
	if err != nil {
		return nil, err
	}
	encryption, err := encryption(in.EncryptionConfiguration)
	if err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	digest, err := s.definitions.check(*in.Definition, in.Type)
	if err != nil {
		return nil, err
	}

	now := s.now()
	rec := machineRecord{
		Name: *in.Name, Type: in.Type, Created: now, Tags: tags, CreatedPublish: in.Publish, CreatedDescription: text(in.VersionDescription),
		Revision: revision{
			Digest: digest, RoleArn: *in.RoleArn, Updated: now, Logging: logging, Encryption: encryption,
			Tracing: in.TracingConfiguration != nil && in.TracingConfiguration.Enabled,
		},
	}
	e := s.machines.entry(rec.Name)
	e.mu.Lock()
	defer e.mu.Unlock()
	arn := s.machineArn(rec.Name)
	if was := e.now.Load(); was != nil {
		if was.record.Deleting {
			return nil, machineDeleting(arn)
		}
		if !sameCreation(was.record, rec) {
			return nil, &types.StateMachineAlreadyExists{Message: sentence("State Machine Already Exists: '%s'", arn)}
		}
		out := &sfn.CreateStateMachineOutput{StateMachineArn: &arn, CreationDate: &was.record.Created}
		if was.record.CreatedPublish {
			v := s.versionArn(rec.Name, 1)
			out.StateMachineVersionArn = &v
		}
		return out, nil
	}
	next := &machine{record: rec, versions: map[int]*versionRecord{}, aliases: map[string]*machineAlias{}}
	b := &store.Batch{}
	b.ExpectAbsent(bucketMachines, rec.Name)
	b.Put(bucketDefinitions, digest, []byte(*in.Definition))
	out := &sfn.CreateStateMachineOutput{StateMachineArn: &arn, CreationDate: &now}
	if in.Publish {
		v := s.addVersion(b, next, text(in.VersionDescription), now)
		out.StateMachineVersionArn = &v
	}
	b.Put(bucketMachines, rec.Name, encode(next.record))
	s.definitions.naming.RLock()
	defer s.definitions.naming.RUnlock()
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, failure("creating state machine "+rec.Name, err)
	}
	e.now.Store(next)
	return out, nil
}

// sameCreation tells whether a repeated request asks for what is there. Role and tags are not compared.
func sameCreation(was, want machineRecord) bool {
	return was.Type == want.Type && was.CreatedPublish == want.CreatedPublish && was.CreatedDescription == want.CreatedDescription &&
		was.Revision.Digest == want.Revision.Digest && was.Revision.Tracing == want.Revision.Tracing &&
		was.Revision.Encryption == want.Revision.Encryption && reflect.DeepEqual(was.Revision.Logging, want.Revision.Logging)
}

// validRole takes every IAM role ARN: the platform has no IAM to ask.
func validRole(arn string) error {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "iam" || !strings.HasPrefix(p[5], "role/") || len(p[5]) == len("role/") {
		return &types.InvalidArn{Message: sentence("Invalid Role Arn: '%s'", arn)}
	}
	return nil
}

func checkLogging(c *constraints, l *types.LoggingConfiguration) {
	if l != nil {
		c.Enum("loggingConfiguration.level", string(l.Level), "ALL", "ERROR", "FATAL", "OFF")
	}
}

// logging fills in AWS's defaults. Logging is accepted as on AWS, but nothing is written here: the log says so.
func (s *Service) logging(machine string, l *types.LoggingConfiguration) (types.LoggingConfiguration, error) {
	if l == nil {
		return types.LoggingConfiguration{Level: types.LogLevelOff}, nil
	}
	out := *l
	out.Destinations = slices.Clone(l.Destinations)
	if out.Level == "" {
		out.Level = types.LogLevelOff
	}
	if out.Level == types.LogLevelOff {
		return out, nil
	}
	if len(out.Destinations) != 1 {
		return out, &types.InvalidLoggingConfiguration{Message: sentence("Invalid Logging Configuration: Must specify exactly one Log Destination.")}
	}
	d := out.Destinations[0].CloudWatchLogsLogGroup
	if d == nil || d.LogGroupArn == nil || !strings.HasSuffix(*d.LogGroupArn, ":*") {
		return out, &types.InvalidLoggingConfiguration{Message: sentence("Invalid Logging Configuration: The CloudWatch Logs log group ARN must end with ':*'.")}
	}
	s.log.Warn("execution logs are not written on this platform; the history of every execution is kept", "stateMachine", machine, "level", out.Level)
	return out, nil
}

// encryption takes AWS's own key, which needs nothing here; keys of customers are refused.
func encryption(e *types.EncryptionConfiguration) (types.EncryptionType, error) {
	switch {
	case e == nil:
		return "", nil
	case e.Type == types.EncryptionTypeAwsOwnedKey && e.KmsKeyId == nil:
		return e.Type, nil
	}
	return "", &types.InvalidEncryptionConfiguration{Message: sentence("Invalid Encryption Configuration: customer managed keys are not served by this platform; use AWS_OWNED_KEY")}
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// given is nil for "", which AWS leaves out of its answers.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// now is the service's time as AWS gives it: to the millisecond, in UTC.
func (s *Service) now() time.Time { return s.clock.Now().UTC().Truncate(time.Millisecond) }
