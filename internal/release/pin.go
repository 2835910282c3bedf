package release

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/tealdeploy/teal/internal/arn"
)

// PinOptions says which states of a definition are pinned. The zero value pins none.
type PinOptions struct {
	UseExactVersion bool     // pin at all
	DynamicStates   []string // paths of states that are not pinned all the same
}

// PinOptions are those of the workflow's manifest.
func (w Workflow) PinOptions() PinOptions {
	return PinOptions{UseExactVersion: w.UseExactVersion, DynamicStates: w.DynamicStates}
}

// PinError is one reference that cannot be pinned.
type PinError struct {
	State   string // path, such as "Fan out/Work"; "" for the definition as a whole
	Message string // what is wrong
	Hint    string // what to write instead
}

func (e *PinError) Error() string {
	s := e.Message
	if e.State != "" {
		s = fmt.Sprintf("state %q: %s", e.State, s)
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// PinErrors are all references of a definition that cannot be pinned, sorted by state.
type PinErrors []*PinError

func (e PinErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single errors to errors.As.
func (e PinErrors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}

// PinDefinition rewrites every reference to a Lambda function in a state machine definition into the ARN of the exact
// version that r has for it, and lists the pins by state path. References are: a Task's Resource that is a function (ARN,
// name or placeholder), and FunctionName with its Qualifier in the Parameters or Arguments of lambda:invoke and
// aws-sdk:lambda:invoke, in Parallel and Map states too. They may be unqualified or qualified by $LATEST or by the alias
// of the release. ${Key} and ${Key.Arn} in them stand for a function of the manifest. A reference that names a version
// itself is left, and recorded as External when the version is not one of the release. All other bytes of the definition
// stay as they are, and pinning what is pinned changes nothing.
//
// In states that are not pinned, only what AWS could not read is rewritten: placeholders and bare names of the release's
// functions become the ARN of the function's alias.
//
// What cannot be pinned is never left: the error is then PinErrors, which names every such state.
func PinDefinition(definition json.RawMessage, r Resolver, o PinOptions) (json.RawMessage, []Pin, error) {
	p := pinner{r: r, exact: o.UseExactVersion, dynamic: map[string]bool{}, seen: map[string]bool{}}
	for _, s := range o.DynamicStates {
		p.dynamic[s] = true
	}
	root, err := parseText(definition)
	if err != nil {
		return nil, nil, PinErrors{{Message: err.Error()}}
	}
	if root.kind != kindObject || root.get("States") == nil {
		return nil, nil, PinErrors{{Message: "the definition has no States", Hint: "write an object with StartAt and States"}}
	}
	p.machine(root, "")
	for _, s := range o.DynamicStates {
		if !p.seen[s] {
			p.fail(s, &PinError{
				Message: "dynamicStates names it, but the definition has no such state",
				Hint:    `write the path of the state's names, such as "Fan out/Work"`,
			})
		}
	}
	if len(p.errs) > 0 {
		sort.SliceStable(p.errs, func(i, j int) bool {
			if p.errs[i].State != p.errs[j].State {
				return p.errs[i].State < p.errs[j].State
			}
			return p.errs[i].Message < p.errs[j].Message
		})
		return nil, nil, p.errs
	}
	sort.SliceStable(p.pins, func(i, j int) bool { return p.pins[i].State < p.pins[j].State })
	return apply(definition, p.edits), p.pins, nil
}

// ScanPins lists the exact versions that a definition calls, by state path. It knows no release: External is never set,
// and what is not exact, or cannot be read, is passed over.
func ScanPins(definition json.RawMessage) []Pin {
	root, err := parseText(definition)
	if err != nil {
		return nil
	}
	p := pinner{dynamic: map[string]bool{}, seen: map[string]bool{}}
	p.machine(root, "")
	for i := range p.pins {
		p.pins[i].External = false
	}
	sort.SliceStable(p.pins, func(i, j int) bool { return p.pins[i].State < p.pins[j].State })
	return p.pins
}

// pinner walks one definition.
type pinner struct {
	r       Resolver
	exact   bool
	dynamic map[string]bool
	seen    map[string]bool // every state's path

	edits []edit
	pins  []Pin
	errs  PinErrors
}

func (p *pinner) fail(path string, e *PinError) {
	p.errs = append(p.errs, &PinError{State: path, Message: e.Message, Hint: e.Hint})
}

// machine walks the States of a state machine, a branch or an item processor.
func (p *pinner) machine(m *span, path string) {
	states := m.get("States")
	if states == nil {
		return
	}
	for _, s := range states.members {
		at := s.name
		if path != "" {
			at = path + "/" + s.name
		}
		p.seen[at] = true
		if t := s.value.get("Type"); t.isString() && t.text == "Task" {
			p.task(s.value, at)
		}
		if b := s.value.get("Branches"); b != nil {
			for _, branch := range b.items {
				p.machine(branch, at)
			}
		}
		for _, inner := range []string{"ItemProcessor", "Iterator"} {
			if n := s.value.get(inner); n != nil {
				p.machine(n, at)
			}
		}
	}
}

const dynamicHint = "name the function here, or list the state in the workflow's dynamicStates to leave it unpinned"

// task pins the one reference that a Task state may hold.
func (p *pinner) task(state *span, path string) {
	res := state.get("Resource")
	if !res.isString() {
		return
	}
	pinned := p.exact && !p.dynamic[path]
	if isExpression(res.text) {
		p.fail(path, &PinError{Message: "Resource is an expression, which Step Functions does not evaluate", Hint: "write a function's ARN or arn:aws:states:::lambda:invoke"})
		return
	}
	text, bad := p.r.expand(res.text)
	if bad != nil {
		p.fail(path, bad)
		return
	}
	a, err := arn.Parse(text)
	switch {
	case err != nil || a.Service == "lambda":
		p.reference(path, res, text, nil, true, pinned)
		return
	case a.Service == "states" && isInvoke(a.Resource):
		p.invoke(state, path, pinned)
	case a.Service == "states" && strings.HasPrefix(a.Resource, "aws-sdk:lambda:invoke"):
		p.fail(path, &PinError{Message: strings.TrimPrefix(a.Resource, "aws-sdk:") + " cannot be pinned", Hint: "call arn:aws:states:::lambda:invoke, with InvocationType Event where no answer is awaited"})
		return
	}
	if text != res.text {
		p.replace(res, text)
	}
}

// isInvoke reports whether an integration calls a function: the optimized one or the SDK's, waiting for a task token or not.
func isInvoke(resource string) bool {
	switch strings.TrimSuffix(resource, ".waitForTaskToken") {
	case "lambda:invoke", "aws-sdk:lambda:invoke":
		return true
	}
	return false
}

// isExpression reports whether s is a JSONata expression.
func isExpression(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), "{%") }

// invoke pins FunctionName, and Qualifier with it, of a lambda:invoke.
func (p *pinner) invoke(state *span, path string, pinned bool) {
	in, member := state.get("Arguments"), "Arguments"
	if in == nil {
		in, member = state.get("Parameters"), "Parameters"
	}
	if in.isString() && isExpression(in.text) {
		if pinned {
			p.fail(path, &PinError{Message: member + " is an expression, so the function is known only while it runs", Hint: dynamicHint})
		}
		return
	}
	for _, name := range []string{"FunctionName", "Qualifier"} {
		v := in.get(name)
		if in.get(name+".$") != nil || (v.isString() && isExpression(v.text)) {
			if pinned {
				p.fail(path, &PinError{Message: name + " is chosen while it runs", Hint: dynamicHint})
			}
			return
		}
	}
	fn := in.get("FunctionName")
	if !fn.isString() {
		if pinned {
			p.fail(path, &PinError{Message: "lambda:invoke has no FunctionName in its " + member, Hint: `write "FunctionName": "${Key}" with the key of a function in the manifest`})
		}
		return
	}
	text, bad := p.r.expand(fn.text)
	if bad != nil {
		p.fail(path, bad)
		return
	}
	p.reference(path, fn, text, in.get("Qualifier"), false, pinned)
}

// reference pins one reference whose placeholders are expanded to text. As a Resource it must end as an ARN.
func (p *pinner) reference(path string, s *span, text string, qualifier *span, resource, pinned bool) {
	f, full, ok := p.r.parseReference(text)
	if !ok {
		p.fail(path, &PinError{Message: fmt.Sprintf("%q is no reference to a function", text), Hint: "write ${Key} with the key of a function in the manifest, a function's name, or its ARN"})
		return
	}
	if qualifier.isString() {
		q, bad := p.r.expand(qualifier.text)
		if bad != nil {
			p.fail(path, bad)
			return
		}
		if f.Qualifier != "" && f.Qualifier != q {
			p.fail(path, &PinError{Message: fmt.Sprintf("FunctionName is qualified by %s and Qualifier is %s", f.Qualifier, q), Hint: "leave Qualifier out"})
			return
		}
		f.Qualifier = q
	}
	if !pinned {
		p.loose(path, s, text, f, full, resource, qualifier != nil)
		return
	}
	pin, bad := p.r.pin(f)
	if bad == nil && pin.External && resource && !full {
		if _, mine := p.r.byName[f.Name]; !mine {
			bad = &PinError{Message: fmt.Sprintf("Resource %q is no ARN", text), Hint: "write " + f.String()}
		}
	}
	if bad != nil {
		p.fail(path, bad)
		return
	}
	pin.State = path
	p.pins = append(p.pins, pin)
	switch {
	case !pin.External || (resource && !full):
		p.replace(s, pin.ARN)
		if qualifier != nil {
			p.replace(qualifier, pin.Version)
		}
	case text != s.text:
		p.replace(s, text)
	}
}

// loose rewrites a reference that is not to be pinned only as far as AWS could not read it otherwise.
func (p *pinner) loose(path string, s *span, text string, f arn.Function, full, resource, qualified bool) {
	if isVersion(f.Qualifier) {
		p.pins = append(p.pins, Pin{State: path, Function: f.Name, Version: f.Qualifier, ARN: f.String(), External: true})
	}
	if text == s.text && (full || !resource) {
		return
	}
	if live, ok := p.r.live(f); ok {
		p.replace(s, live)
		return
	}
	if _, mine := p.r.byName[f.Name]; resource && !full && !mine {
		p.fail(path, &PinError{Message: fmt.Sprintf("Resource %q is no ARN and no function of this release", text), Hint: "write the function's ARN"})
		return
	}
	switch {
	case qualified || (!full && !resource):
		p.replace(s, text)
	default:
		p.replace(s, f.String())
	}
}

// replace puts a string in the place of another, unless they are equal.
func (p *pinner) replace(s *span, with string) {
	if s.text == with {
		return
	}
	quoted, err := json.Marshal(with)
	if err != nil { // a string always can be
		panic("release: " + err.Error())
	}
	p.edits = append(p.edits, edit{s.start, s.end, string(quoted)})
}

// WorkflowError is what is wrong with one workflow.
type WorkflowError struct {
	Workflow string // key
	Err      error
}

func (e *WorkflowError) Error() string {
	return "workflow " + e.Workflow + ":\n  " + strings.ReplaceAll(e.Err.Error(), "\n", "\n  ")
}

// Unwrap gives the cause.
func (e *WorkflowError) Unwrap() error { return e.Err }

// WorkflowErrors are the faults of several workflows, in the order of the Spec.
type WorkflowErrors []*WorkflowError

func (e WorkflowErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single errors to errors.As.
func (e WorkflowErrors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}
