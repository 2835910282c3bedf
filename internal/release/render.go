package release

import (
	"encoding/json"
	"fmt"
)

// Rendered is what a release would send, with every pin resolved. Versions that are still to be published are NewVersion.
type Rendered struct {
	App       string             `json:"app"`
	Functions []RenderedFunction `json:"functions"`
	Workflows []RenderedWorkflow `json:"workflows"`
	Routes    []Route            `json:"routes,omitempty"`
}

// RenderedFunction is a function with the version that the release would use.
type RenderedFunction struct {
	Function
	Version string `json:"version"`
	Digest  string `json:"digest"`
}

// RenderedWorkflow is a workflow with its definition as it would be sent.
type RenderedWorkflow struct {
	Key        string          `json:"key"`
	Name       string          `json:"name"`
	Alias      string          `json:"alias"`
	Role       string          `json:"role"`
	Type       string          `json:"type"`
	Definition json.RawMessage `json:"definition"`
	Pins       []Pin           `json:"pins"`
}

// Render says what a release of s would send, given what exists. Values of environment variables may be secrets: they are
// replaced by stars unless values is set. It fails as a deploy would, with every reference that cannot be pinned.
func Render(s Spec, o Observed, values bool) (Rendered, error) {
	out := Rendered{App: s.App, Routes: s.Routes}
	versions := make([]FunctionVersion, 0, len(s.Functions))
	for _, f := range s.Functions {
		d := DecideFunction(f, o.Functions[f.Name])
		v := FunctionVersion{Key: f.Key, Name: f.Name, Version: d.Version, ARN: d.ARN}
		if d.Action == Publish {
			v.Version = NewVersion
			v.ARN = fmt.Sprintf("arn:%s:lambda:%s:%s:function:%s:%s", o.Identity.Partition, o.Identity.Region, o.Identity.Account, f.Name, NewVersion)
		}
		versions = append(versions, v)
		r := RenderedFunction{Function: f.WithDefaults(), Version: v.Version, Digest: f.Digest()}
		if !values && len(r.Environment) > 0 {
			r.Environment = map[string]string{}
			for name := range f.Environment {
				r.Environment[name] = "***"
			}
		}
		out.Functions = append(out.Functions, r)
	}
	resolver, err := NewResolver(o.Identity, s.Functions, versions)
	if err != nil {
		return Rendered{}, err
	}
	var failed WorkflowErrors
	for _, w := range s.Workflows {
		pinned, pins, err := PinDefinition(w.Definition, resolver, w.PinOptions())
		if err != nil {
			failed = append(failed, &WorkflowError{Workflow: w.Key, Err: err})
			continue
		}
		w = w.WithDefaults()
		out.Workflows = append(out.Workflows, RenderedWorkflow{Key: w.Key, Name: w.Name, Alias: w.Alias, Role: w.Role, Type: w.Type, Definition: pinned, Pins: pins})
	}
	if len(failed) > 0 {
		return Rendered{}, failed
	}
	return out, nil
}
