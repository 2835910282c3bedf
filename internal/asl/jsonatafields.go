package asl

import (
	"math"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// queryInt is a whole number that an expression gives.
type queryInt struct{ query *query }

func (n queryInt) Int(env *Env) (int64, error) {
	v, err := n.query.eval(env)
	if err != nil {
		return 0, err
	}
	number, ok := v.(jsonvalue.Number)
	if !ok {
		return 0, n.query.wrongType("number", v)
	}
	i, whole := number.Int64()
	if f := number.Float64(); !whole && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		i, whole = int64(f), true
	}
	if !whole {
		return 0, n.query.wrongType("integer", v)
	}
	if i < 0 {
		return 0, n.query.failed("returned a negative value: %d", i)
	}
	return i, nil
}

// queryNumber is a number that an expression gives.
type queryNumber struct{ query *query }

func (n queryNumber) Number(env *Env) (float64, error) {
	v, err := n.query.eval(env)
	if err != nil {
		return 0, err
	}
	number, ok := v.(jsonvalue.Number)
	if !ok {
		return 0, n.query.wrongType("number", v)
	}
	return number.Float64(), nil
}

// queryText is a text that an expression gives.
type queryText struct{ query *query }

func (t queryText) Text(env *Env) (string, error) {
	v, err := t.query.eval(env)
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", t.query.wrongType("string", v)
	}
	return s, nil
}

// queryTime is Timestamp of a Wait state.
type queryTime struct{ queryText }

func (t queryTime) Text(env *Env) (string, error) {
	s, err := t.queryText.Text(env)
	if err != nil {
		return "", err
	}
	if _, valid := ParseTime(s); !valid {
		e := queryError("Timestamp", "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: "+s)
		e.Follows = true
		return "", e
	}
	return s, nil
}

// queryCondition is Condition of a rule of a Choice state.
type queryCondition struct{ query *query }

func (c queryCondition) Holds(env *Env) (bool, error) {
	v, err := c.query.eval(env)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, c.query.wrongType("boolean", v)
	}
	return b, nil
}

// constant is a Condition that stands in the definition.
type constant bool

func (c constant) Holds(*Env) (bool, error) { return bool(c), nil }

// queryItems is the items of a Map in JSONata: Items and ItemSelector.
type queryItems struct {
	items    *queryTemplate // nil for the input
	selector *queryTemplate
	entries  bool // the members of an object are items, too
}

func (m *queryItems) List(env *Env) ([]Item, error) {
	v := env.Input.Value()
	if m.items != nil {
		var err error
		if v, err = m.items.eval(env); err != nil {
			return nil, err
		}
	}
	switch v := v.(type) {
	case []any:
		return listed(v), nil
	case *jsonvalue.Object:
		if m.entries {
			return entries(v), nil
		}
	}
	if m.items != nil && m.items.query != nil {
		return nil, m.items.query.wrongType("array", v)
	}
	return nil, queryError("Items", "The value specified for the field 'Items' has an unexpected type. Expected 'array', but was '"+
		jsonvalue.TypeName(v)+"' for value: "+string(jsonvalue.Marshal(v)))
}

func (m *queryItems) Input(env *Env, item Item) (*Payload, error) {
	if m.selector == nil {
		return item.payload(), nil
	}
	v, err := m.selector.eval(env)
	if err != nil {
		return nil, err
	}
	return PayloadOf(v), nil
}

// The fields of a state that is in JSONata.

// queryField reads a field that may be an expression; ok is false when it is none.
func (d declaration) queryField(field string) (q *query, ok bool) {
	s, _ := d.o.Get(field)
	text, isText := s.(string)
	if !isText {
		return nil, false
	}
	text, is, wrong := cutQuery(text)
	if wrong {
		d.schema(d.at(field), "JSONata string must begin with '{%%' and end with '%%}'")
		return nil, true
	}
	if !is {
		return nil, false
	}
	return d.query(text, d.at(field), d.below(field), partInput|partContext), true
}

// below is where a field stands below its state, for messages.
func (d declaration) below(field string) string {
	if d.within == "" {
		return field
	}
	return d.within + "/" + field
}

// values reads a field whose value may hold expressions anywhere.
func (d declaration) values(field string, offers statesPart) *queryTemplate {
	v, ok := d.o.Get(field)
	if !ok {
		return nil
	}
	return d.queryTemplate(v, d.at(field), d.below(field), offers)
}

// queryFlow reads the fields of a state's JSONata data flow.
func (d declaration) queryFlow(t Type) *queryData {
	offers := partInput | partContext
	switch t {
	case TypeTask, TypeParallel, TypeMap:
		offers |= partResult
	}
	return &queryData{
		arguments: d.values("Arguments", partInput|partContext),
		output:    d.values("Output", offers),
		assign:    d.assignments(offers),
	}
}

// assignments reads Assign in JSONata.
func (d declaration) assignments(offers statesPart) *queryTemplate {
	o, ok := d.object("Assign")
	if !ok {
		return nil
	}
	for _, name := range o.Keys() {
		d.variableName(name)
	}
	return d.values("Assign", offers)
}
