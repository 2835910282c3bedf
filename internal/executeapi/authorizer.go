package executeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/arn"
)

// Decision is what a Lambda authorizer answered. It is immutable.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
type Decision struct {
	Principal string
	Context   []Param // in the order of their names, values as text
	// Raw is the authorizer's context as JSON, nil when it has none.
	Raw json.RawMessage

	simple     bool // allowed holds for every method
	allowed    bool
	statements []policyStatement
}

type policyStatement struct {
	allow     bool
	actions   []string
	resources []string
}

// ParseDecision reads an authorizer's answer: an IAM policy, or, with simple, {"isAuthorized":…}. Its error says what of
// the answer AWS would not take; the client gets 500 for it.
func ParseDecision(payload []byte, simple bool) (*Decision, error) {
	var doc struct {
		PrincipalID    *string         `json:"principalId"`
		IsAuthorized   *bool           `json:"isAuthorized"`
		Context        json.RawMessage `json:"context"`
		PolicyDocument *struct {
			Statement json.RawMessage `json:"Statement"`
		} `json:"policyDocument"`
	}
	if err := json.Unmarshal(payload, &doc); err != nil {
		return nil, fmt.Errorf("the authorizer's answer: %w", err)
	}
	d := &Decision{}
	if doc.PrincipalID != nil {
		d.Principal = *doc.PrincipalID
	}
	if err := d.readContext(doc.Context, simple); err != nil {
		return nil, err
	}
	if simple {
		if doc.IsAuthorized == nil {
			return nil, errors.New("the authorizer's answer has no isAuthorized")
		}
		d.simple, d.allowed = true, *doc.IsAuthorized
		return d, nil
	}
	if doc.PrincipalID == nil || doc.PolicyDocument == nil {
		return nil, errors.New("the authorizer's answer needs principalId and policyDocument")
	}
	return d, d.readStatements(doc.PolicyDocument.Statement)
}

func (d *Decision) readContext(raw json.RawMessage, nested bool) error {
	if raw == nil || string(raw) == "null" {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return errors.New("the authorizer's context is no object")
	}
	for name, v := range members {
		if !nested && len(v) > 0 && (v[0] == '{' || v[0] == '[') {
			return fmt.Errorf("the authorizer's context member %s is an object or a list; AWS takes strings, numbers and booleans", name)
		}
		text := string(v)
		var s string
		if json.Unmarshal(v, &s) == nil && text != "null" {
			text = s
		}
		d.Context = append(d.Context, Param{name, text})
	}
	slices.SortFunc(d.Context, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	d.Raw = raw
	return nil
}

// texts is a string or a list of strings.
type texts []string

// UnmarshalJSON reads one or many.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

func (d *Decision) readStatements(raw json.RawMessage) error {
	type statement struct {
		Effect                                 string
		Action, Resource                       texts
		NotAction, NotResource, Condition, Sid json.RawMessage
	}
	var list []statement
	if err := json.Unmarshal(raw, &list); err != nil {
		var one statement
		if err := json.Unmarshal(raw, &one); err != nil {
			return fmt.Errorf("the statements of the authorizer's policy: %w", err)
		}
		list = []statement{one}
	}
	for _, s := range list {
		if s.Effect != "Allow" && s.Effect != "Deny" || s.NotAction != nil || s.NotResource != nil || s.Condition != nil {
			return errors.New("the authorizer's policy has a statement that is not made of Effect, Action and Resource alone")
		}
		d.statements = append(d.statements, policyStatement{s.Effect == "Allow", s.Action, s.Resource})
	}
	return nil
}

// Allows tells whether the decision lets a method be called, and if not, whether a Deny says so; methodARN is its execute-api
// ARN. A Deny goes before any Allow, and what nothing allows is denied.
func (d *Decision) Allows(methodARN string) (allowed, denied bool) {
	if d.simple {
		return d.allowed, false
	}
	for _, s := range d.statements {
		if !slices.ContainsFunc(s.actions, func(a string) bool { return arn.Wildcard(strings.ToLower(a), "execute-api:invoke") }) ||
			!slices.ContainsFunc(s.resources, func(r string) bool { return arn.Wildcard(r, methodARN) }) {
			continue
		}
		if !s.allow {
			return false, true
		}
		allowed = true
	}
	return allowed, false
}

// maxDecisions bounds a cache. When it is full what is outdated goes, and if that is not enough, everything.
const maxDecisions = 10_000

// Decisions keeps what an authorizer decided, by identity, for its time to live. The zero value is empty. Its methods may be
// called from any goroutine.
type Decisions struct {
	mu sync.Mutex
	by map[string]keptDecision
}

type keptDecision struct {
	*Decision
	until time.Time
}

// Get returns what was decided for an identity and is not outdated, or nil.
func (c *Decisions) Get(identity string, now time.Time) *Decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.by[identity]; ok && now.Before(k.until) {
		return k.Decision
	}
	return nil
}

// Put keeps a decision until a time.
func (c *Decisions) Put(identity string, d *Decision, now, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.by) >= maxDecisions {
		for id, k := range c.by {
			if !now.Before(k.until) {
				delete(c.by, id)
			}
		}
		if len(c.by) >= maxDecisions {
			clear(c.by)
		}
	}
	if c.by == nil {
		c.by = make(map[string]keptDecision)
	}
	c.by[identity] = keptDecision{d, until}
}

// Clear forgets everything.
func (c *Decisions) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.by)
}
