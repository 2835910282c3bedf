package asl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// parser collects what it finds about one definition.
type parser struct {
	express bool
	serves  func(service, action string) bool
	diags   []Diagnostic
	byName  map[string]*State
	links   []link
	// language is the machine's query language.
	language string
	// lone is the workflow of a state that is read by itself: its transitions lead to states that need not exist.
	lone *Workflow
}

func (p *parser) report(code, location, format string, args ...any) {
	p.diags = append(p.diags, Diagnostic{SeverityError, code, fmt.Sprintf(format, args...), location})
}

func (p *parser) schema(location, format string, args ...any) {
	p.report(CodeSchema, location, format, args...)
}

// index writes an array index of a location.
func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// declaration reads the fields of one object of the definition.
type declaration struct {
	*parser
	o   *jsonvalue.Object
	loc string // without a trailing slash; the root is ""
	// jsonata says that the object belongs to a state in JSONata, and within where it stands below that state: "" for the
	// state itself.
	jsonata bool
	within  string
}

// inner is the declaration of an object that stands at field.
func (d declaration) inner(o *jsonvalue.Object, field string) declaration {
	return declaration{d.parser, o, d.at(field), d.jsonata, d.below(field)}
}

// place is the location of the object itself.
func (d declaration) place() string {
	if d.loc == "" {
		return "/"
	}
	return d.loc
}

func (d declaration) at(field string) string { return d.loc + "/" + field }

func (d declaration) has(field string) bool { _, ok := d.o.Get(field); return ok }

// only reports every field that is not allowed.
func (d declaration) only(allowed ...string) {
	for _, k := range d.o.Keys() {
		switch {
		case slices.Contains(allowed, k):
		case d.jsonata && slices.Contains(pathFields, k):
			d.schema(d.place(), "The QueryLanguage is set to 'JSONata', but field '%s' is only supported for the 'JSONPath' QueryLanguage", k)
		case !d.jsonata && slices.Contains(jsonataFields, k):
			d.schema(d.place(), "The QueryLanguage is set to 'JSONPath', but field '%s' is only supported for the 'JSONata' QueryLanguage", k)
		default:
			d.schema(d.place(), "Field '%s' is not supported", k)
		}
	}
}

// jsonataFields and pathFields belong to one query language each.
var (
	jsonataFields = []string{"Arguments", "Output", "Items", "Condition"}
	pathFields    = []string{
		"InputPath", "OutputPath", "Parameters", "Result", "ResultPath", "ResultSelector", "ItemsPath", "SecondsPath", "TimestampPath",
		"TimeoutSecondsPath", "HeartbeatSecondsPath", "ErrorPath", "CausePath", "MaxConcurrencyPath", "ToleratedFailureCountPath",
		"ToleratedFailurePercentagePath", "MaxItemsPerBatchPath", "MaxInputBytesPerBatchPath", "MaxItemsPath", "Variable", "And", "Or", "Not",
	}
)

// require reports the fields that are missing and whether all are there.
func (d declaration) require(fields ...string) bool {
	var missing []string
	for _, f := range fields {
		if !d.has(f) {
			missing = append(missing, f)
		}
	}
	if missing != nil {
		d.schema(d.place(), "These fields are required: [%s]", strings.Join(missing, ", "))
	}
	return missing == nil
}

// one reports unless exactly one of the fields is there, or none where that is allowed.
func (d declaration) one(orNone bool, fields ...string) bool {
	n := 0
	for _, f := range fields {
		if d.has(f) {
			n++
		}
	}
	switch {
	case n > 1:
		d.schema(d.place(), "Only one of these fields can be specified: [%s]", strings.Join(fields, ", "))
	case n == 0 && !orNone:
		d.schema(d.place(), "Exactly one of these fields is required: [%s]", strings.Join(fields, ", "))
	}
	return n == 1
}

func (d declaration) wrongType(field, want string) {
	d.schema(d.at(field), "Expected value of type [%s]", want)
}

// text reads a string field; ok is false when it is absent or wrong.
func (d declaration) text(field string) (s string, ok bool) {
	v, found := d.o.Get(field)
	if s, ok = v.(string); found && !ok {
		d.wrongType(field, "STRING")
	}
	return s, ok
}

func (d declaration) boolean(field string) (b, ok bool) {
	v, found := d.o.Get(field)
	if b, ok = v.(bool); found && !ok {
		d.wrongType(field, "BOOLEAN")
	}
	return b, ok
}

func (d declaration) object(field string) (o *jsonvalue.Object, ok bool) {
	v, found := d.o.Get(field)
	if o, ok = v.(*jsonvalue.Object); found && !ok {
		d.wrongType(field, "OBJECT")
	}
	return o, ok
}

func (d declaration) array(field string) (a []any, ok bool) {
	v, found := d.o.Get(field)
	if a, ok = v.([]any); found && !ok {
		d.wrongType(field, "ARRAY")
	}
	return a, ok
}

// maxSeconds is the largest number of seconds, and of attempts, that the language takes.
const maxSeconds = 99_999_999

// integer reads a whole number between low and high.
func (d declaration) integer(field string, low, high int64) (int64, bool) {
	v, found := d.o.Get(field)
	if !found {
		return 0, false
	}
	n, ok := v.(jsonvalue.Number)
	i, whole := n.Int64()
	switch {
	case !ok || !whole:
		d.wrongType(field, "INTEGER")
	case i < low || i > high:
		d.schema(d.at(field), "Value must be between %d and %d", low, high)
	default:
		return i, true
	}
	return 0, false
}

// path reads a field that holds a path.
func (d declaration) path(field string) *Path {
	s, ok := d.text(field)
	if !ok {
		return nil
	}
	p, err := CompilePath(s)
	if err != nil {
		d.schema(d.at(field), "Value is not a valid JSONPath: %s", err)
		return nil
	}
	return p
}

// reference reads a path that Choice, Wait and the dynamic fields take.
func (d declaration) reference(field string) *Path {
	s, ok := d.text(field)
	if !ok {
		return nil
	}
	p, err := CompilePath(s)
	if err != nil {
		d.schema(d.at(field), "Value is not a Reference Path: %s", err)
		return nil
	}
	return p
}

// template reads a payload template.
func (d declaration) template(field string) *Template {
	v, ok := d.o.Get(field)
	if !ok {
		return nil
	}
	return compileTemplate(v, d.at(field), func(loc, message string) { d.schema(loc, "%s", message) })
}

// elements reads an array of objects, each as a declaration of its own.
func (d declaration) elements(field string) []declaration {
	a, ok := d.array(field)
	if !ok {
		return nil
	}
	var ds []declaration
	for i, v := range a {
		o, ok := v.(*jsonvalue.Object)
		if !ok {
			d.schema(d.at(field)+index(i), "Expected value of type [OBJECT]")
			continue
		}
		ds = append(ds, d.inner(o, field+index(i)))
	}
	return ds
}
