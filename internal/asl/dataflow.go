package asl

import (
	"fmt"

	"github.com/tealdeploy/teal/internal/jsonpath"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// pathField is InputPath or OutputPath: a path, or null, which stands for an empty object. The zero value is $.
type pathField struct {
	path *Path
	null bool
}

func (f pathField) apply(env *Env) (*Payload, error) {
	switch {
	case f.null:
		return PayloadOf(jsonvalue.NewObject(0)), nil
	case f.path == nil:
		return env.Input, nil
	}
	v, err := f.path.Find(env)
	if err != nil {
		return nil, runtimeError("Invalid path '%s' : %v", f.path, err)
	}
	return v, nil
}

// resultPath is ResultPath: the zero value is $, which replaces the input; null keeps the input.
type resultPath struct {
	text  string
	steps []jsonpath.Step
	null  bool
}

func (r resultPath) apply(input, result *Payload) (*Payload, error) {
	switch {
	case r.null:
		return input, nil
	case len(r.steps) == 0:
		return result, nil
	}
	v, ok := put(input.Value(), r.steps, result.Value())
	if !ok {
		return nil, &Error{Name: ErrResultPath, Cause: fmt.Sprintf("Unable to apply ReferencePath %s to input %s", r.text, input.Text())}
	}
	return PayloadOf(v), nil
}

// put returns a copy of doc with value at the place of steps; names that are missing become objects. It is not ok when a
// step does not fit what is there.
func put(doc any, steps []jsonpath.Step, value any) (any, bool) {
	if len(steps) == 0 {
		return value, true
	}
	s := steps[0]
	if s.IsIndex {
		a, ok := doc.([]any)
		if !ok || s.Index >= len(a) {
			return nil, false
		}
		v, ok := put(a[s.Index], steps[1:], value)
		if !ok {
			return nil, false
		}
		c := append([]any(nil), a...)
		c[s.Index] = v
		return c, true
	}
	o, ok := doc.(*jsonvalue.Object)
	if !ok {
		return nil, false
	}
	old, found := o.Get(s.Name)
	if !found {
		old = jsonvalue.NewObject(1)
	}
	v, ok := put(old, steps[1:], value)
	if !ok {
		return nil, false
	}
	return o.With(s.Name, v), true
}

// pathData is the data flow of a state in JSONPath.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-input-output-filtering.html
type pathData struct {
	input, output pathField
	parameters    *Template // nil for none
	selector      *Template // ResultSelector; nil for none
	result        resultPath
	assign        *Template // nil for none
}

var _ Language = (*pathData)(nil)

// Arguments applies InputPath and Parameters.
func (d *pathData) Arguments(env *Env) (*Payload, error) {
	in, err := d.input.apply(env)
	if err != nil {
		return nil, err
	}
	env.trace(AfterInputPath, in)
	if d.parameters != nil {
		v, err := d.parameters.eval(env.with(in))
		if err != nil {
			return nil, err
		}
		in = PayloadOf(v)
	}
	env.trace(AfterParameters, in)
	return in, nil
}

// Output applies ResultSelector, ResultPath and OutputPath. Assign sees the selected result, and all of them see the
// variables as they were when the state began.
func (d *pathData) Output(env *Env, result *Payload) (*Payload, []Variable, error) {
	if d.selector != nil {
		v, err := d.selector.eval(env.with(result))
		if err != nil {
			return nil, nil, err
		}
		result = PayloadOf(v)
	}
	env.trace(AfterResultSelector, result)
	var assigned []Variable
	if d.assign != nil {
		v, err := d.assign.eval(env.with(result))
		if err != nil {
			return nil, nil, err
		}
		if o, ok := v.(*jsonvalue.Object); ok {
			for i := range o.Len() {
				name, value := o.At(i)
				assigned = append(assigned, Variable{name, value})
			}
		}
	}
	out, err := d.result.apply(env.Input, result)
	if err != nil {
		return nil, nil, err
	}
	env.trace(AfterResultPath, out)
	out, err = d.output.apply(env.with(out))
	return out, assigned, err
}
