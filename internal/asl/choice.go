package asl

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/jsonpath"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

type (
	allOf []Condition
	anyOf []Condition
	not   struct{ Condition }
)

func (c allOf) Holds(env *Env) (bool, error) {
	for _, x := range c {
		if ok, err := x.Holds(env); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (c anyOf) Holds(env *Env) (bool, error) {
	for _, x := range c {
		if ok, err := x.Holds(env); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (c not) Holds(env *Env) (bool, error) {
	ok, err := c.Condition.Holds(env)
	return !ok && err == nil, err
}

// comparison is one data test: Variable, an operator and its operand.
type comparison struct {
	variable *Path
	test     func(variable, operand any) bool
	operand  any
	path     *Path // of the operand, for the operators that end in Path
}

func (c *comparison) Holds(env *Env) (bool, error) {
	v, err := choiceValue(env, c.variable)
	if err != nil {
		return false, err
	}
	operand := c.operand
	if c.path != nil {
		if operand, err = choiceValue(env, c.path); err != nil {
			return false, err
		}
	}
	return c.test(v, operand), nil
}

func choiceValue(env *Env, p *Path) (any, error) {
	v, err := p.Find(env)
	if err != nil {
		return nil, runtimeError("Invalid path '%s': The choice state's condition path references an invalid value.", p)
	}
	return v.Value(), nil
}

// present is IsPresent.
type present struct {
	variable *Path
	want     bool
}

func (c *present) Holds(env *Env) (bool, error) {
	_, err := c.variable.Find(env)
	var lost *jsonpath.NotFoundError
	if err != nil && !errors.As(err, &lost) {
		return false, runtimeError("Invalid path '%s': The choice state's condition path references an invalid value.", c.variable)
	}
	return (err == nil) == c.want, nil
}

// operandKind says what an operator is compared with in the definition.
type operandKind uint8

const (
	operandText operandKind = iota
	operandNumber
	operandBool
	operandTime
)

type choiceOperator struct {
	kind operandKind
	test func(variable, operand any) bool
	path bool // there is a variant whose name ends in Path
}

// choiceOperators lists the data tests but IsPresent.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
var choiceOperators map[string]choiceOperator

func init() {
	choiceOperators = map[string]choiceOperator{
		"BooleanEquals": {operandBool, func(v, o any) bool {
			a, ok := v.(bool)
			b, bok := o.(bool)
			return ok && bok && a == b
		}, true},
		"StringMatches": {operandText, func(v, o any) bool {
			s, ok := v.(string)
			pattern, pok := o.(string)
			return ok && pok && wildcardMatch(pattern, s)
		}, false},
	}
	orders := map[string]func(int) bool{
		"Equals":            func(c int) bool { return c == 0 },
		"LessThan":          func(c int) bool { return c < 0 },
		"GreaterThan":       func(c int) bool { return c > 0 },
		"LessThanEquals":    func(c int) bool { return c <= 0 },
		"GreaterThanEquals": func(c int) bool { return c >= 0 },
	}
	for name, ok := range orders {
		choiceOperators["String"+name] = choiceOperator{operandText, func(v, o any) bool {
			a, aok := v.(string)
			b, bok := o.(string)
			return aok && bok && ok(cmp.Compare(a, b))
		}, true}
		choiceOperators["Numeric"+name] = choiceOperator{operandNumber, func(v, o any) bool {
			a, aok := v.(jsonvalue.Number)
			b, bok := o.(jsonvalue.Number)
			return aok && bok && ok(a.Cmp(b))
		}, true}
		choiceOperators["Timestamp"+name] = choiceOperator{operandTime, func(v, o any) bool {
			a, aok := timeOf(v)
			b, bok := timeOf(o)
			return aok && bok && ok(a.Compare(b))
		}, true}
	}
	for name, is := range map[string]func(any) bool{
		"IsNull":      func(v any) bool { return v == nil },
		"IsNumeric":   func(v any) bool { _, ok := v.(jsonvalue.Number); return ok },
		"IsString":    func(v any) bool { _, ok := v.(string); return ok },
		"IsBoolean":   func(v any) bool { _, ok := v.(bool); return ok },
		"IsTimestamp": func(v any) bool { _, ok := timeOf(v); return ok },
	} {
		choiceOperators[name] = choiceOperator{operandBool, func(v, o any) bool { return is(v) == o }, false}
	}
}

func timeOf(v any) (time.Time, bool) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, false
	}
	return ParseTime(s)
}

// ParseTime reads a time of the States Language: RFC 3339 with an upper-case T and, without an offset, an upper-case Z.
func ParseTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil && !strings.ContainsAny(s, ",tz")
}

// wildcardMatch matches * against any text; \* stands for an asterisk and \\ for a backslash.
func wildcardMatch(pattern, s string) bool {
	type unit struct {
		c   byte
		any bool
	}
	var units []unit
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern) && (pattern[i+1] == '*' || pattern[i+1] == '\\'):
			i++
			units = append(units, unit{c: pattern[i]})
		case c == '*':
			units = append(units, unit{any: true})
		default:
			units = append(units, unit{c: c})
		}
	}
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(units) && units[p].any:
			star, mark = p, i
			p++
		case p < len(units) && units[p].c == s[i]:
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(units) && units[p].any {
		p++
	}
	return p == len(units)
}
