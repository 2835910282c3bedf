package asl

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// Options tells Parse where the machine is to run. The zero value is a standard workflow with lambda:invoke as its only
// service integration.
type Options struct {
	Express bool
	// Integration reports whether arn:aws:states:::service:action can be called; nil means lambda:invoke only. The action
	// comes without a pattern such as .sync.
	Integration func(service, action string) bool
}

// MaxDefinition is the largest definition, in bytes.
//
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
const MaxDefinition = 1 << 20

// Parse reads a definition. The machine is nil exactly when a diagnostic is an error; a definition without errors may
// still have warnings.
func Parse(definition []byte, o Options) (*StateMachine, []Diagnostic) {
	p := &parser{express: o.Express, serves: o.Integration, byName: map[string]*State{}}
	if p.serves == nil {
		p.serves = func(service, action string) bool { return service == "lambda" && action == "invoke" }
	}
	m := p.machine(string(definition))
	if HasErrors(p.diags) {
		return nil, p.diags
	}
	return m, p.diags
}

func (p *parser) machine(text string) *StateMachine {
	if len(text) > MaxDefinition {
		p.schema("", "Definition must not be larger than %d bytes", MaxDefinition)
		return nil
	}
	v, err := jsonvalue.ParseString(text)
	var syntax *jsonvalue.SyntaxError
	if errors.As(err, &syntax) && strings.TrimSpace(text) != "" {
		at := source(text, syntax)
		p.report(CodeJSON, at, "%s\n at %s", syntax.Message, at)
		return nil
	}
	root, ok := v.(*jsonvalue.Object)
	if !ok {
		p.schema("", "Definition must be a valid JSON object")
		return nil
	}
	d := declaration{p, root, ""}
	m := &StateMachine{QueryLanguage: "JSONPath", byName: p.byName}
	if lang, ok := d.queryLanguage(); ok && lang != "JSONPath" {
		p.report(CodeUnsupported, "/QueryLanguage", "The query language '%s' is not supported by this platform yet", lang)
		p.downgrades(root)
		return nil
	}
	d.only("Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version")
	m.Comment, _ = d.text("Comment")
	m.Version, _ = d.text("Version")
	m.TimeoutSeconds, _ = d.integer("TimeoutSeconds", 1, maxSeconds)
	m.Workflow = d.workflow(1)
	if !HasErrors(p.diags) {
		p.resolve(m.Workflow)
	}
	return m
}

// source names a place in the text as the service does: the first 500 characters, line and column.
func source(text string, e *jsonvalue.SyntaxError) string {
	cut := ""
	if n := utf8.RuneCountInString(text); n > 500 {
		text = string([]rune(text)[:500])
		cut = fmt.Sprintf("[truncated %d chars]", n-500)
	}
	return fmt.Sprintf(`[Source: (String)"%s"%s; line: %d, column: %d]`, text, cut, e.Line, e.Column)
}

// queryLanguage reads QueryLanguage; ok is false when it is absent or wrong.
func (d declaration) queryLanguage() (string, bool) {
	s, ok := d.text("QueryLanguage")
	if ok && s != "JSONPath" && s != "JSONata" {
		d.schema(d.at("QueryLanguage"), "Value should be one of the following: [JSONPath, JSONata]")
		return "", false
	}
	return s, ok
}

// downgrades reports the states of a JSONata machine that ask for JSONPath.
func (p *parser) downgrades(root *jsonvalue.Object) {
	states, _ := root.Get("States")
	o, ok := states.(*jsonvalue.Object)
	if !ok {
		return
	}
	for i := range o.Len() {
		name, v := o.At(i)
		if s, ok := v.(*jsonvalue.Object); ok {
			if lang, _ := s.Get("QueryLanguage"); lang == "JSONPath" {
				p.schema("/States/"+name, "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
			}
		}
	}
}

// maxNesting is how deep Parallel and Map states may be nested here.
const maxNesting = 50

// workflow reads States and StartAt of the machine, of a branch or of an item processor.
func (d declaration) workflow(depth int) *Workflow {
	if depth > maxNesting {
		d.report(CodeTooDeep, d.place(), "States are nested deeper than %d levels", maxNesting)
		return nil
	}
	if !d.require("States", "StartAt") {
		return nil
	}
	w := &Workflow{}
	w.StartAt, _ = d.text("StartAt")
	states, ok := d.object("States")
	if !ok {
		return nil
	}
	if states.Len() == 0 {
		d.schema(d.at("States"), "There must be at least one state")
	}
	for i := range states.Len() {
		name, v := states.At(i)
		loc := d.at("States") + "/" + name
		if n := utf8.RuneCountInString(name); n == 0 || n > 80 {
			d.report(CodeStateName, loc, "State name must have between 1 and 80 characters")
		}
		o, ok := v.(*jsonvalue.Object)
		if !ok {
			d.schema(loc, "Expected value of type [OBJECT]")
			continue
		}
		if _, taken := d.byName[name]; taken {
			d.report(CodeDuplicateName, loc, "Duplicate State name: %s", name)
			continue
		}
		s := &State{Name: name, Location: loc}
		d.byName[name] = s
		w.States = append(w.States, s)
		(declaration{d.parser, o, loc}).state(s, w, depth)
	}
	d.link(w, nil, &w.Start, w.StartAt, d.at("StartAt"))
	return w
}
