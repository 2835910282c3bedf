package jsonata

import (
	"math"
	"time"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// Limits where Options names none.
const (
	DefaultMaxSteps = 10_000_000 // of the order of a second
	DefaultMaxDepth = 5_000
)

// textPerStep is how many bytes of text a step pays for.
const textPerStep = 16

// interruptEvery is after how many steps Options.Interrupt is asked.
const interruptEvery = 1024

// Expression is a compiled expression. It is immutable and safe for concurrent use.
type Expression struct {
	src   string
	root  *node
	facts facts
}

// Options are what an evaluation may know and use. The zero value evaluates at the year 1 with the seed 0, without
// variables and within the default limits.
type Options struct {
	Bindings map[string]any // variables by their names without $, with values as for the input; not changed
	Now      time.Time      // what $now and $millis tell, the same throughout an evaluation
	Seed     uint64         // of $random(), $shuffle and $uuid
	// MaxSteps bounds the work: a step is a node of the expression evaluated, a member of an array or of an object
	// visited, or 16 bytes of text made. 0 means DefaultMaxSteps.
	MaxSteps int
	// MaxDepth bounds how deep evaluation nests; a call of a function takes a few levels, one in tail position none.
	// 0 means DefaultMaxDepth, and no more than 20,000 is used.
	MaxDepth int
	// Interrupt, if set, is asked every thousand steps or so; when it returns true the evaluation ends with U1001.
	Interrupt func() bool
}

// Compile reads an expression. The error, if any, is an *Error with a code S….
func Compile(src string) (*Expression, error) {
	root, err := parse(src)
	if err == nil {
		root, err = resolve(root)
	}
	if err != nil {
		return nil, finish(err, src)
	}
	prepare(root)
	return &Expression{src: src, root: root, facts: gather(root)}, nil
}

// Source returns the text that the expression was compiled from.
func (e *Expression) Source() string { return e.src }

// Eval evaluates the expression over an input. The result is nil, a bool, a string, a jsonvalue.Number, an []any or a
// *jsonvalue.Object; defined is false, and the result nil, where the expression gives nothing. The error, if any, is an
// *Error: T… or D… for what the expression did wrong, U1001 for a limit, CodeFunction where the result is or holds a
// function.
//
// Input and bindings are of the same types; float64 is taken, too. For other Go values see Value.
func (e *Expression) Eval(input any, o Options) (result any, defined bool, err error) {
	ev := newEvaluator(o)
	ev.input = input
	if items, ok := input.([]any); ok {
		input = &array{items: []any{items}, sequence: true, outer: true}
	}
	v, err := ev.eval(e.root, input, &frame{})
	if err == nil {
		result, defined, err = ev.export(v, 0)
	}
	if err != nil {
		return nil, false, finish(err, e.src)
	}
	return result, defined, nil
}

// evaluator is one evaluation.
type evaluator struct {
	Options
	input  any
	steps  int // left until the limit
	check  int // steps left at which Interrupt is asked next
	depth  int
	random uint64
}

func newEvaluator(o Options) *evaluator {
	if o.MaxSteps <= 0 {
		o.MaxSteps = DefaultMaxSteps
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = DefaultMaxDepth
	}
	o.MaxDepth = min(o.MaxDepth, 20_000)
	return &evaluator{Options: o, steps: o.MaxSteps, check: o.MaxSteps - interruptEvery, random: o.Seed}
}

// spend pays for n steps of work.
func (ev *evaluator) spend(n int) error {
	if ev.steps -= n; ev.steps < ev.check {
		return ev.pause()
	}
	return nil
}

func (ev *evaluator) pause() error {
	if ev.steps < 0 {
		return limit("the evaluation takes too many steps: look for a function that calls itself without end")
	}
	ev.check = ev.steps - interruptEvery
	if ev.Interrupt != nil && ev.Interrupt() {
		return limit("the evaluation was interrupted")
	}
	return nil
}

// spendText pays for n bytes of text.
func (ev *evaluator) spendText(n int) error { return ev.spend(n / textPerStep) }

// export turns a value of the engine into one for the caller. It copies only where something changes.
func (ev *evaluator) export(v any, nesting int) (out any, defined bool, err error) {
	if nesting > maxNesting {
		return nil, false, limit("the result is nested too deeply")
	}
	switch x := v.(type) {
	case nil, bool, string, jsonvalue.Number:
		return v, true, nil
	case undefinedType:
		return nil, false, nil
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return nil, false, fail("D1001", undefined)
		}
		return exportNumber(x), true, nil
	case *array:
		if x.outer && len(x.items) == 1 {
			return ev.export(x.items[0], nesting)
		}
		out, err = ev.exportItems(x.items, nesting)
		return out, true, err
	case []any:
		out, err = ev.exportItems(x, nesting)
		return out, true, err
	case *object:
		out, err = ev.exportObject(x, nesting)
		return out, true, err
	}
	return nil, false, fail(CodeFunction, undefined)
}

// exportNumber gives a double the canonical text of its value: integers in plain digits.
func exportNumber(f float64) jsonvalue.Number {
	if f == math.Trunc(f) && math.Abs(f) < 1e21 {
		return jsonvalue.Number(formatNumber(f))
	}
	return jsonvalue.Float(f)
}

// plain tells values that are the same inside and outside.
func plain(v any) bool {
	switch v.(type) {
	case nil, bool, string, jsonvalue.Number:
		return true
	}
	return false
}

// sameArray tells whether exporting an array gave the very same one back.
func sameArray(a, b []any) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

func (ev *evaluator) exportItems(items []any, nesting int) ([]any, error) {
	if err := ev.spend(len(items)); err != nil {
		return nil, err
	}
	if items == nil {
		return []any{}, nil
	}
	var changed []any
	for i, item := range items {
		if plain(item) {
			continue
		}
		out, _, err := ev.export(item, nesting+1) // nothing within an array shows as null
		if err != nil {
			return nil, err
		}
		if unchanged(item, out) {
			continue
		}
		if changed == nil {
			changed = append([]any(nil), items...)
		}
		changed[i] = out
	}
	if changed != nil {
		return changed, nil
	}
	return items[:len(items):len(items)], nil
}

func unchanged(before, after any) bool {
	switch x := before.(type) {
	case []any:
		y, ok := after.([]any)
		return ok && sameArray(x, y)
	case *object:
		return after == any(x)
	}
	return false
}

func (ev *evaluator) exportObject(o *object, nesting int) (*object, error) {
	if err := ev.spend(o.Len()); err != nil {
		return nil, err
	}
	var changed *object
	for i := range o.Len() {
		k, v := o.At(i)
		if plain(v) {
			if changed != nil {
				changed.Set(k, v)
			}
			continue
		}
		out, defined, err := ev.export(v, nesting+1)
		if err != nil {
			return nil, err
		}
		if changed == nil {
			if defined && unchanged(v, out) {
				continue
			}
			changed = jsonvalue.NewObject(o.Len())
			for j := range i {
				changed.Set(o.At(j))
			}
		}
		if defined {
			changed.Set(k, out)
		}
	}
	if changed != nil {
		return changed, nil
	}
	return o, nil
}
