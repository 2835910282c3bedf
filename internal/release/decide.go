package release

import (
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Observed is what exists at the target of the things that a Spec names. What does not exist has no entry.
type Observed struct {
	Identity  Identity
	Functions map[string]ObservedFunction // by name in AWS
	Workflows map[string]ObservedWorkflow // by name in AWS
	// Router is what there is of the application's router; nil where it has none. The routings of functions and workflows are
	// then those of the slot that serves.
	Router *ObservedRouter
}

// ObservedRouter is a router's record sets, and the aliases of its idle slot.
type ObservedRouter struct {
	Routing AliasRouting
	Live    Slot
	Idle    Slot
	Aliases []AliasRouting // of the idle slot; Routing is zero where one does not exist
	Notes   []string       // what a person should know of the record sets
}

// ObservedFunction is a function as AWS answers it.
type ObservedFunction struct {
	ARN        string // unqualified
	Version    string // the newest published version; "" when none is
	VersionARN string
	Config     Function     // of Version; Key, Alias and Code are not set
	Routing    AliasRouting // of the alias that the Spec names; its Routing is zero when the alias does not exist
}

// ObservedWorkflow is a state machine as AWS answers it.
type ObservedWorkflow struct {
	ARN        string // unqualified
	VersionARN string // the newest published version; "" when none is
	Config     Workflow
	Routing    AliasRouting    // of the alias that the Spec names; its Routing is zero when the alias does not exist
	Serving    json.RawMessage // the definition of the version that the alias sends most traffic to; nil when there is none
}

// Action is what a release does about one function or workflow.
type Action string

// The actions of a release.
const (
	Publish  Action = "publish"  // a new version
	TakeOver Action = "takeOver" // the newest version, which has the same content already
)

// Decision says what is done about one function or workflow, and why. Version and ARN are set for TakeOver only.
type Decision struct {
	Action  Action `json:"action"`
	Reason  string `json:"reason"`
	Version string `json:"version,omitempty"`
	ARN     string `json:"arn,omitempty"`
}

// DecideFunction compares f with the newest published version of its function. Only what a manifest can set is compared;
// $LATEST plays no part, as no alias can route to it. Reasons name environment variables, and never show their values.
func DecideFunction(f Function, o ObservedFunction) Decision {
	switch {
	case o.ARN == "":
		return Decision{Action: Publish, Reason: "new function"}
	case o.Version == "":
		return Decision{Action: Publish, Reason: "no version has been published yet"}
	}
	if d := f.Differences(o.Config); len(d) > 0 {
		return Decision{Action: Publish, Reason: strings.Join(d, ", ")}
	}
	return Decision{Action: TakeOver, Reason: "unchanged since version " + o.Version, Version: o.Version, ARN: o.VersionARN}
}

// Differences lists in words how f differs from what was, code first; it is empty exactly when the digests are equal.
func (f Function) Differences(was Function) []string {
	f, was = f.WithDefaults(), was.WithDefaults()
	var out []string
	if f.CodeSHA256 != was.CodeSHA256 {
		out = append(out, "code changed")
	}
	change := func(field, from, to string) {
		if from != to {
			out = append(out, field+" "+orNone(from)+" → "+orNone(to))
		}
	}
	change("runtime", was.Runtime, f.Runtime)
	change("handler", was.Handler, f.Handler)
	change("role", was.Role, f.Role)
	change("architectures", strings.Join(was.Architectures, "+"), strings.Join(f.Architectures, "+"))
	change("memorySize", fmt.Sprint(was.MemorySize), fmt.Sprint(f.MemorySize))
	change("timeout", fmt.Sprint(was.Timeout), fmt.Sprint(f.Timeout))
	if f.Description != was.Description {
		out = append(out, "description changed")
	}
	out = append(out, f.Settings.differences(was.Settings)...)
	return append(out, environmentDifferences(was.Environment, f.Environment)...)
}

// environmentDifferences lists the names whose values differ, sorted; values may be secrets and are not shown.
func environmentDifferences(was, is map[string]string) []string {
	var out []string
	for name, v := range is {
		if old, ok := was[name]; !ok {
			out = append(out, "environment "+name+" added")
		} else if old != v {
			out = append(out, "environment "+name+" changed")
		}
	}
	for name := range was {
		if _, ok := is[name]; !ok {
			out = append(out, "environment "+name+" removed")
		}
	}
	sort.Strings(out)
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// DecideWorkflow compares w with its pinned definition to the newest published version of its state machine. It fails
// when a definition is no JSON text, and when the type differs, which AWS cannot change.
func DecideWorkflow(w Workflow, pinned json.RawMessage, o ObservedWorkflow) (Decision, error) {
	return decideWorkflow(w, pinned, ScanPins(pinned), o)
}

// decideWorkflow is DecideWorkflow with the pins given, as those of a plan cannot be read from the definition.
func decideWorkflow(w Workflow, pinned json.RawMessage, pins []Pin, o ObservedWorkflow) (Decision, error) {
	is, err := w.Digest(pinned)
	if err != nil {
		return Decision{}, err
	}
	if o.ARN == "" {
		return Decision{Action: Publish, Reason: "new workflow"}, nil
	}
	w, was := w.WithDefaults(), o.Config.WithDefaults()
	if w.Type != was.Type {
		return Decision{}, fmt.Errorf("state machine %s is of type %s and cannot become %s; give the workflow another name or put its type back",
			w.Name, was.Type, w.Type)
	}
	if o.VersionARN == "" {
		return Decision{Action: Publish, Reason: "no version has been published yet"}, nil
	}
	before, err := was.Digest(was.Definition)
	if err != nil { // what cannot be read is not what is wanted
		return Decision{Action: Publish, Reason: "the newest version's definition cannot be read"}, nil //nolint:nilerr // the decision says it
	}
	if before == is {
		return Decision{Action: TakeOver, Reason: "unchanged since version " + lastPart(o.VersionARN), Version: lastPart(o.VersionARN), ARN: o.VersionARN}, nil
	}
	var reasons []string
	if apartFromPins(pinned) != apartFromPins(was.Definition) {
		reasons = append(reasons, "definition changed")
	}
	for _, c := range PinChanges(ScanPins(was.Definition), pins) {
		if c.Before != "" && c.After != "" && c.Before != c.After {
			reasons = append(reasons, "pin "+c.String())
		}
	}
	if w.Role != was.Role {
		reasons = append(reasons, "role "+orNone(was.Role)+" → "+orNone(w.Role))
	}
	if len(reasons) == 0 {
		reasons = append(reasons, "definition changed")
	}
	return Decision{Action: Publish, Reason: strings.Join(reasons, ", ")}, nil
}

// PinChange is how the pin of one state differs between two definitions; Before or After is "" where there is none.
type PinChange struct {
	State    string `json:"state"`
	Function string `json:"function"`
	Before   string `json:"before,omitempty"` // version
	After    string `json:"after,omitempty"`
}

func (c PinChange) String() string {
	return c.State + ": " + c.Function + " " + orNone(c.Before) + " → " + orNone(c.After)
}

// PinChanges pairs the pins of two definitions by state and function, in the order of the states' paths. Pins that stayed
// the same are listed too.
func PinChanges(before, after []Pin) []PinChange {
	type at struct{ state, function string }
	all := map[at]*PinChange{}
	get := func(p Pin) *PinChange {
		k := at{p.State, p.Function}
		if all[k] == nil {
			all[k] = &PinChange{State: p.State, Function: p.Function}
		}
		return all[k]
	}
	for _, p := range before {
		get(p).Before = p.Version
	}
	for _, p := range after {
		get(p).After = p.Version
	}
	out := make([]PinChange, 0, len(all))
	for _, c := range all {
		out = append(out, *c)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].State != out[j].State {
			return out[i].State < out[j].State
		}
		return out[i].Function < out[j].Function
	})
	return out
}

var qualifiedFunction = regexp.MustCompile(`(arn:[a-z-]+:lambda:[a-z0-9-]*:[0-9]*:function:[A-Za-z0-9_-]+):[A-Za-z0-9_-]+`)

// apartFromPins gives a definition's canonical text without the versions of the functions that it calls.
func apartFromPins(definition json.RawMessage) string {
	c, err := canonical(definition)
	if err != nil {
		return string(definition)
	}
	return qualifiedFunction.ReplaceAllString(string(c), "$1")
}

func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }
