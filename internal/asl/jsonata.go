package asl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonata"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// query is one JSONata expression of a state, {% … %}.
type query struct {
	text  string // between the braces, without the space around it
	field string // where it stands below the state, such as Arguments/FunctionName
	expr  *jsonata.Expression
	names []string // the variables that it reads, without $ and without states
	uses  statesPart
}

// statesPart says which parts of $states an expression may read, so that only these are made.
type statesPart uint8

const (
	partInput statesPart = 1 << iota
	partContext
	partResult
	partErrorOutput
	partAll = partInput | partContext | partResult | partErrorOutput
)

// partNames are the members of $states, in AWS's order.
var partNames = []struct {
	name string
	part statesPart
}{{"input", partInput}, {"context", partContext}, {"result", partResult}, {"errorOutput", partErrorOutput}}

// cutQuery takes {% and %} off a string. wrong means that only one of them is there.
func cutQuery(s string) (text string, isQuery, wrong bool) {
	open, shut := strings.HasPrefix(s, "{%"), strings.HasSuffix(s, "%}")
	if !open || !shut || len(s) < 4 {
		return "", false, open || shut
	}
	return strings.TrimSpace(s[2 : len(s)-2]), true, false
}

// CodeInvalidQuery and CodeUnsupportedQuery mark expressions that are no JSONata, or read what Step Functions does not
// offer.
const (
	CodeInvalidQuery     = "INVALID_JSONATA_EXPRESSION"
	CodeUnsupportedQuery = "UNSUPPORTED_JSONATA_EXPRESSION"
)

// query compiles an expression that stands at loc; field is loc below the state. offers says which parts of $states there
// are. It reports what is wrong, and then gives nil.
func (p *parser) query(text, loc, field string, offers statesPart) *query {
	expr, err := jsonata.Compile(text)
	if err != nil {
		message := err.Error()
		var e *jsonata.Error
		if errors.As(err, &e) {
			message = e.Message
		}
		p.report(CodeInvalidQuery, loc, "%s", message)
		return nil
	}
	q := &query{text: text, field: field, expr: expr}
	if name := expr.Reference(); name != "" {
		p.report(CodeUnsupportedQuery, loc, "Reference to '%s' at the top level is not supported.", name)
	}
	q.scan()
	for _, n := range partNames {
		if n.part&(partResult|partErrorOutput) != 0 && q.uses&n.part != 0 && q.uses != partAll && offers&n.part == 0 {
			p.report(CodeUnsupportedQuery, loc, "Reference to '$states.%s' is not supported in this field.", n.name)
		}
	}
	return q
}

// scan finds which variables the expression reads, and which parts of $states.
func (q *query) scan() {
	for _, name := range q.expr.Variables() {
		if name != "states" {
			q.names = append(q.names, name)
			continue
		}
		fields, all := q.expr.Members(name)
		if all {
			q.uses = partAll
		}
		for _, f := range fields {
			for _, p := range partNames {
				if f == p.name {
					q.uses |= p.part
				}
			}
		}
	}
}

// bind gives the variables that the expression can see.
func (q *query) bind(env *Env) map[string]any {
	b := make(map[string]any, len(q.names)+1)
	if q.uses != 0 {
		states := jsonvalue.NewObject(3)
		if q.uses&partInput != 0 {
			states.Set("input", env.Input.Value())
		}
		if q.uses&partContext != 0 {
			states.Set("context", env.Scope.Context())
		}
		if q.uses&partResult != 0 && env.Result != nil {
			states.Set("result", env.Result.Value())
		}
		if q.uses&partErrorOutput != 0 && env.ErrorOutput != nil {
			states.Set("errorOutput", env.ErrorOutput.Value())
		}
		b["states"] = states
	}
	for _, name := range q.names {
		if v, ok := env.Scope.Variable(name); ok {
			b[name] = v
		}
	}
	return b
}

// eval gives the expression's value; that it has none is an error.
func (q *query) eval(env *Env) (any, error) {
	v, defined, err := q.expr.Eval(nil, jsonata.Options{Bindings: q.bind(env), Now: env.Now, Seed: env.Random.Uint64()})
	if err != nil {
		var e *jsonata.Error
		if !errors.As(err, &e) {
			return nil, q.failed("threw an error during evaluation: %s", err)
		}
		if e.Code == "D3154" { // the value is or holds a function
			return nil, q.failed("returned an unsupported result type.")
		}
		return nil, q.failed("threw an error during evaluation. %s: %s", e.Code, e.Message)
	}
	if !defined {
		return nil, q.failed("returned nothing (undefined).")
	}
	return v, nil
}

// failed makes the error of an expression.
func (q *query) failed(format string, args ...any) error {
	return queryError(q.field, "The JSONata expression '"+q.text+"' specified for the field '"+q.field+"' "+fmt.Sprintf(format, args...))
}

// wrongType is the error of an expression whose value has another type than the field takes.
func (q *query) wrongType(want string, v any) error {
	return q.failed("returned an unexpected result type. Expected '%s', but was '%s' for value: %s", want, jsonvalue.TypeName(v), jsonvalue.Marshal(v))
}

func queryError(field, cause string) *Error {
	return &Error{Name: ErrQuery, Cause: cause, Field: field}
}

// queryTemplate is a JSON value in which the strings {% … %} are replaced by what their expressions give.
type queryTemplate struct {
	static any
	query  *query
	array  []*queryTemplate
	names  []string // of the fields
	fields []*queryTemplate
}

func (t *queryTemplate) isStatic() bool { return t.query == nil && t.array == nil && t.fields == nil }

// queryTemplate compiles a value that stands at loc.
func (p *parser) queryTemplate(v any, loc, field string, offers statesPart) *queryTemplate {
	switch v := v.(type) {
	case string:
		text, is, wrong := cutQuery(v)
		if wrong {
			p.schema(loc, "JSONata string must begin with '{%%' and end with '%%}'")
		}
		if is {
			if q := p.query(text, loc, field, offers); q != nil {
				return &queryTemplate{query: q}
			}
		}
	case []any:
		t := &queryTemplate{array: make([]*queryTemplate, len(v))}
		plain := true
		for i, e := range v {
			t.array[i] = p.queryTemplate(e, loc+index(i), field+index(i), offers)
			plain = plain && t.array[i].isStatic()
		}
		if !plain {
			return t
		}
	case *jsonvalue.Object:
		t := &queryTemplate{names: v.Keys(), fields: make([]*queryTemplate, v.Len())}
		plain := true
		for i := range v.Len() {
			k, e := v.At(i)
			t.fields[i] = p.queryTemplate(e, loc+"/"+k, field+"/"+k, offers)
			plain = plain && t.fields[i].isStatic()
		}
		if !plain {
			return t
		}
	}
	return &queryTemplate{static: v}
}

// eval fills the template in.
func (t *queryTemplate) eval(env *Env) (any, error) {
	switch {
	case t.query != nil:
		return t.query.eval(env)
	case t.array != nil:
		a := make([]any, len(t.array))
		for i, e := range t.array {
			v, err := e.eval(env)
			if err != nil {
				return nil, err
			}
			a[i] = v
		}
		return a, nil
	case t.fields != nil:
		o := jsonvalue.NewObject(len(t.fields))
		for i, f := range t.fields {
			v, err := f.eval(env)
			if err != nil {
				return nil, err
			}
			o.Set(t.names[i], v)
		}
		return o, nil
	}
	return t.static, nil
}

// queryData is the data flow of a state in JSONata.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
type queryData struct {
	arguments *queryTemplate // nil for none: the input
	output    *queryTemplate // nil for none: the result
	assign    *queryTemplate // nil for none
	caught    bool           // the result is an error output
}

var _ Language = (*queryData)(nil)

// Arguments evaluates Arguments.
func (d *queryData) Arguments(env *Env) (*Payload, error) {
	if d.arguments == nil {
		return env.Input, nil
	}
	v, err := d.arguments.eval(env)
	if err != nil {
		return nil, err
	}
	in := PayloadOf(v)
	env.trace(AfterArguments, in)
	return in, nil
}

// Output evaluates Assign and Output, which both see the variables as they were when the state began.
func (d *queryData) Output(env *Env, result *Payload) (*Payload, []Variable, error) {
	if d.output == nil && d.assign == nil {
		return result, nil, nil
	}
	at := *env
	if d.caught {
		at.Result, at.ErrorOutput = nil, result
	} else {
		at.Result, at.ErrorOutput = result, nil
	}
	var assigned []Variable
	if d.assign != nil {
		v, err := d.assign.eval(&at)
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
	if d.output == nil {
		return result, assigned, nil
	}
	v, err := d.output.eval(&at)
	if err != nil {
		return nil, nil, err
	}
	return PayloadOf(v), assigned, nil
}
