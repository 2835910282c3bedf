package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/store"
)

// statement is one grant of a resource policy, in the order in which AWS writes its members.
type statement struct {
	Sid       string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Principal any                          `json:"Principal"` // "*", or one entry by kind
	Action    string                       `json:"Action"`
	Resource  string                       `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

type policyDocument struct {
	Version   string      `json:"Version"`
	ID        string      `json:"Id"`
	Statement []statement `json:"Statement"`
}

// maxPolicy is the largest policy document, in bytes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxPolicy = 20480

// AddPermission adds a statement to the policy of a function, a version or an alias. MayInvoke asks it
// for other services; a caller of Invoke itself may invoke everything.
func (s *Service) AddPermission(ctx context.Context, in *sdk.AddPermissionInput) (*sdk.AddPermissionOutput, error) {
	r, err := s.parse(longName, in.FunctionName, in.Qualifier, constrainPermission(in))
	if err != nil {
		return nil, err
	}
	if r.qualifier == latest {
		return nil, invalid("We currently do not support adding policies for %s.", latest)
	}
	principal, err := readPrincipal(*in.Principal)
	if err != nil {
		return nil, err
	}
	st := statement{
		Sid: *in.StatementId, Effect: "Allow", Principal: principal, Action: *in.Action,
		Resource: s.arn(r.name, r.qualifier), Condition: conditions(in),
	}
	raw, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, r.name, notFound("Function not found: %s", s.arn(r.name, r.qualifier)), func(f *function, n *snapshot, b *store.Batch) error {
		if err := s.policyTarget(n, r); err != nil {
			return err
		}
		p := &policyRecord{}
		if old := n.policies[r.qualifier]; old != nil {
			p.Statements = slices.Clone(old.Statements)
		}
		if slices.ContainsFunc(p.Statements, func(o statement) bool { return o.Sid == st.Sid }) {
			return conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
		}
		if id := value(in.RevisionId); id != "" && id != n.revision(r.qualifier) {
			return revisionMismatch("GetPolicy")
		}
		p.Statements = append(p.Statements, st)
		doc, err := p.document()
		if err != nil {
			return err
		}
		if len(doc) > maxPolicy {
			return &types.PolicyLengthExceededException{
				Message: aws.String(fmt.Sprintf("The final policy size (%d) is bigger than the limit (%d).", len(doc), maxPolicy)), Type: aws.String(userFault),
			}
		}
		n.policies[r.qualifier] = p
		if err := n.touch(b, r.qualifier); err != nil {
			return err
		}
		return put(b, policyBucket, r.name+"/"+r.qualifier, p)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.AddPermissionOutput{Statement: aws.String(string(raw))}, nil
}

// GetPolicy answers with the policy document of a function, a version or an alias.
func (s *Service) GetPolicy(_ context.Context, in *sdk.GetPolicyInput) (*sdk.GetPolicyOutput, error) {
	r, err := s.parse(longName, in.FunctionName, in.Qualifier, nil)
	if err != nil {
		return nil, err
	}
	missing := notFound("The resource you requested does not exist.")
	n, err := s.look(r.name)
	if err != nil {
		return nil, err
	}
	if n == nil || n.policies[policyKey(r)] == nil {
		return nil, missing
	}
	doc, err := n.policies[policyKey(r)].document()
	if err != nil {
		return nil, err
	}
	return &sdk.GetPolicyOutput{Policy: aws.String(doc), RevisionId: aws.String(n.revision(policyKey(r)))}, nil
}

// RemovePermission takes a statement out of a policy. The policy goes with its last statement.
func (s *Service) RemovePermission(ctx context.Context, in *sdk.RemovePermissionInput) (*sdk.RemovePermissionOutput, error) {
	c := &constraints{}
	optional(in.StatementId, func(v string) { c.Length("statementId", v, 1, 100) })
	r, err := s.parse(longName, in.FunctionName, in.Qualifier, c)
	if err != nil {
		return nil, err
	}
	sid := value(in.StatementId)
	missing := notFound("No policy found for: %s", s.arn(r.name, r.qualifier))
	err = s.change(ctx, r.name, missing, func(f *function, n *snapshot, b *store.Batch) error {
		if err := s.policyTarget(n, r); err != nil {
			return err
		}
		key := policyKey(r)
		old := n.policies[key]
		if old == nil {
			return notFound("No policy is associated with the given resource.")
		}
		i := slices.IndexFunc(old.Statements, func(o statement) bool { return o.Sid == sid })
		if i < 0 {
			return notFound("Statement %s is not found in resource policy.", sid)
		}
		if id := value(in.RevisionId); id != "" && id != n.revision(key) {
			return revisionMismatch("GetPolicy")
		}
		p := &policyRecord{Statements: slices.Delete(slices.Clone(old.Statements), i, i+1)}
		if err := n.touch(b, key); err != nil {
			return err
		}
		if len(p.Statements) == 0 {
			delete(n.policies, key)
			b.Delete(policyBucket, r.name+"/"+key)
			return nil
		}
		n.policies[key] = p
		return put(b, policyBucket, r.name+"/"+key, p)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.RemovePermissionOutput{}, nil
}

func constrainPermission(in *sdk.AddPermissionInput) *constraints {
	c := &constraints{}
	required := func(member string, v *string, max int, p pattern) {
		if v == nil {
			c.Null(member)
			return
		}
		c.Length(member, *v, 1, max)
		c.pattern(member, *v, p)
	}
	required("statementId", in.StatementId, 100, statementIDPattern)
	required("action", in.Action, 0, actionPattern)
	required("principal", in.Principal, 0, principalPattern)
	optional(in.SourceArn, func(v string) { c.pattern("sourceArn", v, sourceARNPattern) })
	optional(in.SourceAccount, func(v string) { c.pattern("sourceAccount", v, accountPattern) })
	optional(in.EventSourceToken, func(v string) {
		c.Length("eventSourceToken", v, 0, 256)
		c.pattern("eventSourceToken", v, tokenPattern)
	})
	optional(in.PrincipalOrgID, func(v string) { c.pattern("principalOrgID", v, orgPattern) })
	c.Enum("functionUrlAuthType", string(in.FunctionUrlAuthType), "NONE", "AWS_IAM")
	return c
}

// policyTarget reports that the version or alias whose policy is meant does not exist, as AWS does for each kind.
func (s *Service) policyTarget(n *snapshot, r ref) error {
	if r.qualifier == "" || n.versions[r.qualifier] != nil || n.aliases[r.qualifier] != nil {
		return nil
	}
	if !isVersionNumber(r.qualifier) && isWord(r.qualifier) {
		return notFound("Cannot find alias arn: %s", s.arn(r.name, r.qualifier))
	}
	return notFound("Function not found: %s", s.arn(r.name, r.qualifier))
}

// policyKey is the qualifier under which a policy is kept: $LATEST has that of the function.
func policyKey(r ref) string {
	if r.qualifier == latest {
		return ""
	}
	return r.qualifier
}

// revision is the RevisionId of what a qualifier names; "" is $LATEST.
func (n *snapshot) revision(qualifier string) string {
	if a := n.aliases[qualifier]; a != nil {
		return a.Revision
	}
	if qualifier == "" {
		qualifier = latest
	}
	return n.versions[qualifier].Revision
}

func (p *policyRecord) document() (string, error) {
	raw, err := json.Marshal(policyDocument{"2012-10-17", "default", p.Statements})
	return string(raw), err
}

var rolePrincipal = newPattern(`arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:\S+`)

// readPrincipal gives a principal as a policy names it: everyone, an account, a user or role, or a service.
func readPrincipal(p string) (any, error) {
	switch {
	case p == "*":
		return "*", nil
	case accountPattern.matches(p):
		return map[string]string{"AWS": "arn:aws:iam::" + p + ":root"}, nil
	case rolePrincipal.matches(p):
		return map[string]string{"AWS": p}, nil
	case strings.HasSuffix(p, ".amazonaws.com"), strings.HasSuffix(p, ".amazonaws.com.cn"), strings.HasSuffix(p, ".amazon.com"):
		return map[string]string{"Service": p}, nil
	}
	return nil, invalid("The provided principal was invalid. Please check the principal and try again.")
}

func conditions(in *sdk.AddPermissionInput) map[string]map[string]string {
	c := map[string]map[string]string{}
	add := func(operator, key, v string) {
		if v == "" {
			return
		}
		if c[operator] == nil {
			c[operator] = map[string]string{}
		}
		c[operator][key] = v
	}
	add("ArnLike", "AWS:SourceArn", value(in.SourceArn))
	add("StringEquals", "AWS:SourceAccount", value(in.SourceAccount))
	add("StringEquals", "aws:PrincipalOrgID", value(in.PrincipalOrgID))
	add("StringEquals", "lambda:EventSourceToken", value(in.EventSourceToken))
	add("StringEquals", "lambda:FunctionUrlAuthType", string(in.FunctionUrlAuthType))
	if in.InvokedViaFunctionUrl != nil && *in.InvokedViaFunctionUrl {
		add("Bool", "lambda:InvokedViaFunctionUrl", "true")
	}
	return c
}
