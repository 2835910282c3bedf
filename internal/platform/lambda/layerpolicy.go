package lambda

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/store"
)

// AddLayerVersionPermission adds a statement to a layer version's policy. Here all callers are of one account, which may
// use its own layers in any case; the policy is kept and answered.
func (s *Service) AddLayerVersionPermission(ctx context.Context, in *sdk.AddLayerVersionPermissionInput) (*sdk.AddLayerVersionPermissionOutput, error) {
	c := &constraints{}
	required := func(member string, v *string, max int, p pattern) {
		if v == nil {
			c.Null(member)
			return
		}
		c.Length(member, *v, 1, max)
		c.pattern(member, *v, p)
	}
	required("action", in.Action, 0, layerActionPattern)
	required("principal", in.Principal, 0, layerPrincipal)
	required("statementId", in.StatementId, statementIDLimit, statementIDPattern)
	optional(in.OrganizationId, func(v string) { c.pattern("organizationId", v, orgPattern) })
	name, n, err := s.layerVersion(in.LayerName, in.VersionNumber, c)
	if err != nil {
		return nil, err
	}
	principal, err := readPrincipal(*in.Principal)
	if err != nil {
		return nil, err
	}
	st := statement{Sid: *in.StatementId, Effect: "Allow", Principal: principal, Action: *in.Action, Resource: s.layerVersionARN(name, n)}
	if o := value(in.OrganizationId); o != "" {
		st.Condition = map[string]map[string]string{"StringEquals": {"aws:PrincipalOrgID": o}}
	}
	raw, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	v, err := s.changeLayerPolicy(ctx, name, n, in.RevisionId, func(statements []statement) ([]statement, error) {
		if slices.ContainsFunc(statements, func(o statement) bool { return o.Sid == st.Sid }) {
			return nil, conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
		}
		return append(statements, st), nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.AddLayerVersionPermissionOutput{RevisionId: aws.String(v.Revision), Statement: aws.String(string(raw))}, nil
}

// RemoveLayerVersionPermission takes a statement out of a layer version's policy.
func (s *Service) RemoveLayerVersionPermission(ctx context.Context, in *sdk.RemoveLayerVersionPermissionInput) (*sdk.RemoveLayerVersionPermissionOutput, error) {
	c := &constraints{}
	if in.StatementId == nil {
		c.Null("statementId")
	} else {
		c.Length("statementId", *in.StatementId, 1, statementIDLimit)
		c.pattern("statementId", *in.StatementId, statementIDPattern)
	}
	name, n, err := s.layerVersion(in.LayerName, in.VersionNumber, c)
	if err != nil {
		return nil, err
	}
	_, err = s.changeLayerPolicy(ctx, name, n, in.RevisionId, func(statements []statement) ([]statement, error) {
		i := slices.IndexFunc(statements, func(o statement) bool { return o.Sid == *in.StatementId })
		if i < 0 {
			return nil, notFound(noStatement, *in.StatementId)
		}
		return slices.Delete(statements, i, i+1), nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.RemoveLayerVersionPermissionOutput{}, nil
}

// changeLayerPolicy replaces a layer version by one with edited statements and a new revision. edit gets its own copy.
func (s *Service) changeLayerPolicy(ctx context.Context, name string, n int64, revision *string, edit func([]statement) ([]statement, error)) (*layerVersionRecord, error) {
	l := s.layers
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.all[name][n]
	if old == nil {
		return nil, s.noLayerVersion(name, n)
	}
	statements, err := edit(slices.Clone(old.Policy))
	if err != nil {
		return nil, err
	}
	if id := value(revision); id != "" && id != old.Revision {
		return nil, revisionMismatch(layerPolicyRevision)
	}
	v := *old
	v.Policy, v.Revision = statements, newRevision()
	b := &store.Batch{}
	if err := put(b, layerVersions, layerKey(name, n), v); err != nil {
		return nil, err
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	l.all[name][n] = &v
	return &v, nil
}

// GetLayerVersionPolicy answers with a layer version's policy document.
func (s *Service) GetLayerVersionPolicy(_ context.Context, in *sdk.GetLayerVersionPolicyInput) (*sdk.GetLayerVersionPolicyOutput, error) {
	name, n, err := s.layerVersion(in.LayerName, in.VersionNumber, &constraints{})
	if err != nil {
		return nil, err
	}
	v := s.layers.version(name, n)
	if v == nil {
		return nil, s.noLayerVersion(name, n)
	}
	if len(v.Policy) == 0 {
		return nil, notFound("%s", noPolicy)
	}
	doc, err := (&policyRecord{v.Policy}).document()
	if err != nil {
		return nil, err
	}
	return &sdk.GetLayerVersionPolicyOutput{Policy: aws.String(doc), RevisionId: aws.String(v.Revision)}, nil
}

func (s *Service) noLayerVersion(name string, n int64) error {
	return notFound("Layer version %s does not exist.", s.layerVersionARN(name, n))
}
