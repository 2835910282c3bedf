package asl

import (
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

func (d declaration) choice(s *State, w *Workflow, data Language) {
	s.Choice = &Choice{}
	if next, ok := d.text("Default"); ok {
		d.link(w, s, &s.Choice.Default, next, d.at("Default"))
	}
	if !d.require("Choices") {
		return
	}
	if a, ok := d.array("Choices"); ok && len(a) == 0 {
		d.schema(d.at("Choices"), "There must be at least one choice rule")
	}
	rules := d.elements("Choices")
	s.Choice.Rules = make([]Rule, len(rules))
	for i, r := range rules {
		rule := &s.Choice.Rules[i]
		if r.require("Next") {
			if next, ok := r.text("Next"); ok {
				d.link(w, s, &rule.Next, next, r.at("Next"))
			}
		}
		switch data := data.(type) {
		case *pathData:
			own := *data // a rule that matches assigns its own variables, not the state's
			own.assign = r.assignment()
			rule.Data = &own
			rule.Condition = r.condition(true, 1)
		case *queryData:
			r.only("Comment", "Condition", "Next", "Output", "Assign")
			rule.Data = r.queryFlow(s.Type)
			rule.Condition = r.queryCondition()
		}
	}
}

// queryCondition reads Condition of a rule in JSONata.
func (d declaration) queryCondition() Condition {
	if !d.require("Condition") {
		return constant(false)
	}
	if q, ok := d.queryField("Condition"); ok {
		if q == nil {
			return constant(false)
		}
		return queryCondition{q}
	}
	v, _ := d.o.Get("Condition")
	b, ok := v.(bool)
	if !ok {
		d.wrongType("Condition", "BOOLEAN")
	}
	return constant(b)
}

// condition reads a rule's condition; the outermost also has Next and Assign.
func (d declaration) condition(outer bool, depth int) Condition {
	allowed := []string{"Comment"}
	if outer {
		allowed = append(allowed, "Next", "Assign")
	}
	if depth > maxNesting {
		d.report(CodeTooDeep, d.place(), "Choice rules are nested deeper than %d levels", maxNesting)
		return allOf{}
	}
	for _, field := range []string{"And", "Or", "Not"} {
		if !d.has(field) {
			continue
		}
		d.only(append(allowed, field)...)
		if field == "Not" {
			if o, ok := d.object(field); ok {
				return not{d.inner(o, field).condition(false, depth+1)}
			}
			return allOf{}
		}
		var parts []Condition
		for _, e := range d.elements(field) {
			parts = append(parts, e.condition(false, depth+1))
		}
		if len(parts) == 0 {
			d.schema(d.at(field), "There must be at least one condition")
		}
		if field == "And" {
			return allOf(parts)
		}
		return anyOf(parts)
	}
	return d.comparison(allowed)
}

// comparison reads a data test: Variable and exactly one operator.
func (d declaration) comparison(allowed []string) Condition {
	operators := []string{}
	for _, k := range d.o.Keys() {
		base, ok := strings.CutSuffix(k, "Path")
		op, known := choiceOperators[k]
		if !known && ok {
			op, known = choiceOperators[base]
			known = known && op.path
		}
		if known || k == "IsPresent" {
			operators = append(operators, k)
		}
	}
	d.only(append(append(allowed, "Variable"), operators...)...)
	if !d.require("Variable") {
		return allOf{}
	}
	variable := d.reference("Variable")
	if len(operators) != 1 {
		d.schema(d.place(), "A choice rule must have exactly one comparison operator, it has %d", len(operators))
		return allOf{}
	}
	name := operators[0]
	if name == "IsPresent" {
		want, _ := d.boolean(name)
		return &present{variable, want}
	}
	if op, ok := choiceOperators[name]; ok {
		return &comparison{variable: variable, test: op.test, operand: d.operand(name, op.kind)}
	}
	op := choiceOperators[strings.TrimSuffix(name, "Path")]
	return &comparison{variable: variable, test: op.test, path: d.reference(name)}
}

// operand reads what an operator compares with.
func (d declaration) operand(field string, kind operandKind) any {
	v, _ := d.o.Get(field)
	switch kind {
	case operandNumber:
		if _, ok := v.(jsonvalue.Number); !ok {
			d.wrongType(field, "NUMBER")
		}
	case operandBool:
		d.boolean(field)
	case operandTime:
		if s, ok := d.text(field); ok {
			if _, valid := ParseTime(s); !valid {
				d.schema(d.at(field), "Expected a valid ISO-8601 extended offset date-time format string")
			}
		}
	default:
		d.text(field)
	}
	return v
}

// errorEquals reads the error names of a retrier or catcher; last tells whether it is the last one, where States.ALL may
// stand.
func (d declaration) errorEquals(last bool) []string {
	if !d.require("ErrorEquals") {
		return nil
	}
	a, ok := d.array("ErrorEquals")
	if !ok {
		return nil
	}
	var names []string
	for i, v := range a {
		s, ok := v.(string)
		if !ok {
			d.schema(d.at("ErrorEquals")+index(i), "Expected value of type [STRING]")
			continue
		}
		names = append(names, s)
	}
	if len(a) == 0 {
		d.schema(d.at("ErrorEquals"), "There must be at least one error name")
	}
	for _, n := range names {
		if n == ErrAll && (len(a) > 1 || !last) {
			d.schema(d.at("ErrorEquals"), "States.ALL must appear alone, and only in the last entry")
			break
		}
	}
	return names
}

// maxDelay is the longest MaxDelaySeconds: 366 days.
const maxDelay = 31_622_400

func (d declaration) retriers(s *State) {
	entries := d.elements("Retry")
	for i, r := range entries {
		r.only("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment")
		x := Retrier{ErrorEquals: r.errorEquals(i == len(entries)-1), IntervalSeconds: 1, MaxAttempts: 3, BackoffRate: 2}
		if n, ok := r.integer("IntervalSeconds", 1, maxSeconds); ok {
			x.IntervalSeconds = n
		}
		if n, ok := r.integer("MaxAttempts", 0, maxSeconds); ok {
			x.MaxAttempts = n
		}
		if v, ok := r.o.Get("BackoffRate"); ok {
			n, number := v.(jsonvalue.Number)
			switch {
			case !number:
				r.wrongType("BackoffRate", "NUMBER")
			case n.Float64() < 1:
				r.schema(r.at("BackoffRate"), "Value must be at least 1.0")
			default:
				x.BackoffRate = n.Float64()
			}
		}
		if n, ok := r.integer("MaxDelaySeconds", 1, maxDelay); ok {
			x.MaxDelaySeconds = n
			if n < x.IntervalSeconds {
				r.schema(r.at("MaxDelaySeconds"), "MaxDelaySeconds must not be smaller than IntervalSeconds")
			}
		}
		if j, ok := r.text("JitterStrategy"); ok {
			if j != "FULL" && j != "NONE" {
				r.schema(r.at("JitterStrategy"), "Value should be one of the following: [FULL, NONE]")
			}
			x.FullJitter = j == "FULL"
		}
		s.Retry = append(s.Retry, x)
	}
}

func (d declaration) catchers(s *State, w *Workflow) {
	entries := d.elements("Catch")
	s.Catch = make([]Catcher, len(entries))
	for i, c := range entries {
		s.Catch[i].ErrorEquals = c.errorEquals(i == len(entries)-1)
		if d.jsonata {
			c.only("ErrorEquals", "Next", "Output", "Assign", "Comment")
			offers := partInput | partContext | partErrorOutput
			s.Catch[i].Data = &queryData{output: c.values("Output", offers), assign: c.assignments(offers), caught: true}
		} else {
			c.only("ErrorEquals", "Next", "ResultPath", "Assign", "Comment")
			s.Catch[i].Data = &pathData{result: c.resultPath(), assign: c.assignment()}
		}
		if c.require("Next") {
			if next, ok := c.text("Next"); ok {
				d.link(w, s, &s.Catch[i].Next, next, c.at("Next"))
			}
		}
	}
}
