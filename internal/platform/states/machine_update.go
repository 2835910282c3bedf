package states

import (
	"context"
	"maps"
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/store"
)

// UpdateStateMachine makes a new revision, when anything differs from the current one, and with Publish a version of it.
// Executions that run stay on the revision that they started with.
func (s *Service) UpdateStateMachine(ctx context.Context, in *sfn.UpdateStateMachineInput) (*sfn.UpdateStateMachineOutput, error) {
	var c constraints
	c.arn("stateMachineArn", in.StateMachineArn)
	c.text("definition", in.Definition, 1, maxDefinition)
	c.text("roleArn", in.RoleArn, 1, maxArn)
	c.text("versionDescription", in.VersionDescription, 0, maxDescription)
	checkLogging(&c, in.LoggingConfiguration)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.machineRef(*in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	if ref.qualified() { // a version or an alias has no definition of its own to change
		return nil, machineMissing(*in.StateMachineArn)
	}
	if in.Definition == nil && in.RoleArn == nil && in.LoggingConfiguration == nil && in.TracingConfiguration == nil && in.EncryptionConfiguration == nil {
		return nil, &types.MissingRequiredParameter{Message: sentence("Either the definition, the role ARN, the LoggingConfiguration, the TracingConfiguration, or the EncryptionConfiguration must be specified")}
	}
	if in.VersionDescription != nil && !in.Publish {
		return nil, invalid("Version description can only be set when publish is true")
	}

	e := s.machines.existing(ref.name)
	e.mu.Lock()
	defer e.mu.Unlock()
	was, err := s.changeable(e, *in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	now := s.now()
	b := &store.Batch{}
	rev := was.record.Revision
	if in.Definition != nil {
		if rev.Digest, err = s.definitions.check(*in.Definition, was.record.Type); err != nil {
			return nil, err
		}
		b.Put(bucketDefinitions, rev.Digest, []byte(*in.Definition))
	}
	if in.RoleArn != nil {
		if err := validRole(*in.RoleArn); err != nil {
			return nil, err
		}
		rev.RoleArn = *in.RoleArn
	}
	if in.LoggingConfiguration != nil {
		if rev.Logging, err = s.logging(ref.name, in.LoggingConfiguration); err != nil {
			return nil, err
		}
	}
	if in.TracingConfiguration != nil {
		rev.Tracing = in.TracingConfiguration.Enabled
	}
	if in.EncryptionConfiguration != nil {
		if rev.Encryption, err = encryption(in.EncryptionConfiguration); err != nil {
			return nil, err
		}
	}
	next := was.clone()
	if !reflect.DeepEqual(rev, was.record.Revision) {
		rev.ID, rev.Updated = uuid.NewString(), now
		next.record.Revision, next.record.Published = rev, 0
	}
	out := &sfn.UpdateStateMachineOutput{UpdateDate: &now, RevisionId: next.record.Revision.id()}
	if in.Publish {
		v, err := s.publish(b, next, text(in.VersionDescription), now)
		if err != nil {
			return nil, err
		}
		arn := s.versionArn(ref.name, v.Number)
		out.StateMachineVersionArn = &arn
	}
	if err := s.change(ctx, e, b, was, next); err != nil {
		return nil, err
	}
	return out, nil
}

// clone copies a snapshot for a change: records of versions and aliases are immutable and shared.
func (m *machine) clone() *machine {
	return &machine{record: m.record, versions: maps.Clone(m.versions), aliases: maps.Clone(m.aliases)}
}

// changeable returns the machine of a locked entry, unless it does not exist or is being deleted.
func (s *Service) changeable(e *entry, arn string) (*machine, error) {
	m := e.now.Load()
	switch {
	case m == nil:
		return nil, machineMissing(arn)
	case m.record.Deleting:
		return nil, machineDeleting(arn)
	}
	return m, nil
}

// change commits what turns was into next, together with what is already in b, and then shows it to requests.
func (s *Service) change(ctx context.Context, e *entry, b *store.Batch, was, next *machine) error {
	b.ExpectValue(bucketMachines, was.record.Name, encode(was.record))
	b.Put(bucketMachines, next.record.Name, encode(next.record))
	s.definitions.naming.RLock()
	defer s.definitions.naming.RUnlock()
	if err := s.store.Commit(ctx, b); err != nil {
		return failure("changing state machine "+was.record.Name, err)
	}
	e.now.Store(next)
	return nil
}

// publish gives the current revision of m a version, or returns the one that it has.
func (s *Service) publish(b *store.Batch, m *machine, description string, now time.Time) (*versionRecord, error) {
	if v := m.versions[m.record.Published]; v != nil {
		return v, nil
	}
	if len(m.versions) >= maxVersions {
		return nil, &types.ServiceQuotaExceededException{Message: sentence("State machine %s has %d versions, the most that one can have. Delete versions that no alias and no execution needs.", m.record.Name, maxVersions)}
	}
	s.addVersion(b, m, description, now)
	return m.versions[m.record.Published], nil
}

// addVersion publishes the current revision of m, which is still private to the caller, and returns the version's ARN.
func (s *Service) addVersion(b *store.Batch, m *machine, description string, now time.Time) string {
	m.record.LastVersion++
	v := &versionRecord{Number: m.record.LastVersion, Description: description, Created: now, Revision: m.record.Revision}
	m.record.Published = v.Number
	m.versions[v.Number] = v
	b.Put(bucketVersions, versionKey(m.record.Name, v.Number), encode(v))
	return s.versionArn(m.record.Name, v.Number)
}
