package asl

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// Options tells Parse where the machine is to run. The zero value is a standard workflow with lambda:invoke as its only
// service integration.
type Options struct {
	Express bool
	// Integration reports whether arn:aws:states:::service:action can be called; nil means lambda:invoke only. The action
	// comes with .sync or .sync:2 where the definition says so, and without .waitForTaskToken. The service of an SDK
	// integration is such as aws-sdk:lambda. It is also asked for what an ItemReader or a ResultWriter calls, and, as
	// itemReader:PARQUET, whether an ItemReader reads a format beside the JSON, JSONL, CSV and MANIFEST that all do.
	Integration func(service, action string) bool
}

// MaxDefinition is the largest definition, in bytes.
//
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
const MaxDefinition = 1 << 20

// Parse reads a definition. The machine is nil exactly when a diagnostic is an error; a definition without errors may
// still have warnings.
func Parse(definition []byte, o Options) (*StateMachine, []Diagnostic) {
	p := newParser(o)
	m := p.machine(string(definition))
	if HasErrors(p.diags) {
		return nil, p.diags
	}
	return m, p.diags
}

// ParseState reads the definition of one state, as TestState takes it, and gives a machine of this state only, whose name
// is "". The states that it goes on to need not exist: they have a name only.
func ParseState(definition []byte, o Options) (*StateMachine, []Diagnostic) {
	p := newParser(o)
	root := p.object(string(definition))
	if root == nil {
		return nil, p.diags
	}
	p.language = languagePath
	s := &State{}
	w := &Workflow{Start: s, States: []*State{s}}
	m := &StateMachine{QueryLanguage: p.language, Workflow: w, byName: p.byName}
	p.byName[""] = s
	p.lone = w
	declaration{parser: p, o: root}.state(s, w, 1)
	if !HasErrors(p.diags) {
		p.resolve(w)
	}
	if HasErrors(p.diags) {
		return nil, p.diags
	}
	return m, p.diags
}

func newParser(o Options) *parser {
	p := &parser{express: o.Express, serves: o.Integration, byName: map[string]*State{}}
	if p.serves == nil {
		p.serves = func(service, action string) bool { return service == "lambda" && action == "invoke" }
	}
	return p
}

// object reads a definition as far as to a JSON object; nil when it is none, which it reports.
func (p *parser) object(text string) *jsonvalue.Object {
	if len(text) > MaxDefinition {
		p.schema("", "Definition must not be larger than %d bytes", MaxDefinition)
		return nil
	}
	v, err := jsonvalue.ParseString(text)
	var syntax *jsonvalue.SyntaxError
	if errors.As(err, &syntax) && strings.TrimSpace(text) != "" {
		at := syntax.Source(text)
		p.report(CodeJSON, at, "%s\n at %s", syntax.Message, at)
		return nil
	}
	root, ok := v.(*jsonvalue.Object)
	if !ok {
		p.schema("", "Definition must be a valid JSON object")
		return nil
	}
	return root
}

func (p *parser) machine(text string) *StateMachine {
	root := p.object(text)
	if root == nil {
		return nil
	}
	d := declaration{parser: p, o: root}
	p.language = languagePath
	if lang, ok := d.queryLanguage(); ok {
		p.language = lang
	}
	m := &StateMachine{QueryLanguage: p.language, byName: p.byName}
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

// queryLanguage reads QueryLanguage; ok is false when it is absent or wrong.
func (d declaration) queryLanguage() (string, bool) {
	s, ok := d.text("QueryLanguage")
	if ok && s != languagePath && s != languageQuery {
		d.schema(d.at("QueryLanguage"), "Value should be one of the following: [JSONPath, JSONata]")
		return "", false
	}
	return s, ok
}

// The query languages.
const (
	languagePath  = "JSONPath"
	languageQuery = "JSONata"
)

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
		(declaration{parser: d.parser, o: o, loc: loc}).state(s, w, depth)
	}
	d.link(w, nil, &w.Start, w.StartAt, d.at("StartAt"))
	return w
}
