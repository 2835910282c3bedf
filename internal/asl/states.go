package asl

import (
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// fieldsOf lists the fields of each type of state beside Type, Comment and QueryLanguage.
var fieldsOf = map[Type][]string{
	TypePass:    {"InputPath", "OutputPath", "Parameters", "Result", "ResultPath", "Assign", "Next", "End"},
	TypeChoice:  {"InputPath", "OutputPath", "Choices", "Default", "Assign"},
	TypeWait:    {"InputPath", "OutputPath", "Seconds", "SecondsPath", "Timestamp", "TimestampPath", "Assign", "Next", "End"},
	TypeSucceed: {"InputPath", "OutputPath"},
	TypeFail:    {"Error", "ErrorPath", "Cause", "CausePath"},
	TypeTask: {
		"Resource", "InputPath", "OutputPath", "Parameters", "ResultSelector", "ResultPath", "Assign", "Retry", "Catch",
		"TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath", "Credentials", "Next", "End",
	},
	TypeParallel: {
		"Branches", "InputPath", "OutputPath", "Parameters", "ResultSelector", "ResultPath", "Assign", "Retry", "Catch",
		"Next", "End",
	},
	TypeMap: {
		"ItemProcessor", "Iterator", "ItemsPath", "ItemSelector", "Parameters", "MaxConcurrency", "MaxConcurrencyPath",
		"InputPath", "OutputPath", "ResultSelector", "ResultPath", "Assign", "Retry", "Catch", "Next", "End",
	},
}

// state reads one state of w.
func (d declaration) state(s *State, w *Workflow, depth int) {
	if !d.require("Type") {
		return
	}
	typ, ok := d.text("Type")
	if !ok {
		return
	}
	s.Type = Type(typ)
	fields, ok := fieldsOf[s.Type]
	if !ok {
		d.schema(d.at("Type"), "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]")
		return
	}
	if lang, ok := d.queryLanguage(); ok && lang != "JSONPath" {
		d.report(CodeUnsupported, d.at("QueryLanguage"), "The query language '%s' is not supported by this platform yet", lang)
		return
	}
	if s.Type == TypeMap && d.distributed() {
		return
	}
	d.only(append([]string{"Type", "Comment", "QueryLanguage"}, fields...)...)
	s.Comment, _ = d.text("Comment")
	data := d.dataFlow(s.Type)
	s.Data = data
	d.transition(s, w)
	d.retriers(s)
	d.catchers(s, w)
	switch s.Type {
	case TypePass:
		s.Pass = &Pass{}
		if v, ok := d.o.Get("Result"); ok {
			s.Pass.Result = PayloadOf(v)
			s.Pass.Result.Text() // made now, as the machine is shared between goroutines
		}
	case TypeTask:
		d.task(s)
	case TypeChoice:
		d.choice(s, w, data)
	case TypeWait:
		d.wait(s)
	case TypeFail:
		s.Fail = &Fail{Error: d.failText("Error"), Cause: d.failText("Cause")}
	case TypeParallel:
		d.parallel(s, depth)
	case TypeMap:
		d.mapState(s, data, depth)
	}
}

func (d declaration) transition(s *State, w *Workflow) {
	switch s.Type {
	case TypeChoice, TypeSucceed, TypeFail:
		return
	}
	end, _ := d.boolean("End")
	s.ends = end
	if !d.has("Next") {
		if !end {
			d.schema(d.place(), "Exactly one of these fields is required: [Next, End]")
		}
		return
	}
	if end {
		d.schema(d.place(), "Only one of these fields can be specified: [Next, End]")
	}
	if next, ok := d.text("Next"); ok {
		d.link(w, s, &s.Next, next, d.at("Next"))
	}
}

// dataFlow reads the fields of a state's JSONPath data flow.
func (d declaration) dataFlow(t Type) *pathData {
	data := &pathData{
		input:    d.pathField("InputPath"),
		output:   d.pathField("OutputPath"),
		selector: d.selectorTemplate("ResultSelector"),
		result:   d.resultPath(),
		assign:   d.assignment(),
	}
	if t != TypeMap { // a Map's Parameters make the items' inputs
		data.parameters = d.template("Parameters")
	}
	return data
}

// selectorTemplate reads a payload template that must be an object.
func (d declaration) selectorTemplate(field string) *Template {
	if _, ok := d.object(field); !ok {
		return nil
	}
	return d.template(field)
}

func (d declaration) pathField(field string) pathField {
	v, ok := d.o.Get(field)
	switch {
	case !ok:
		return pathField{}
	case v == nil:
		return pathField{null: true}
	}
	return pathField{path: d.path(field)}
}

func (d declaration) resultPath() resultPath {
	v, ok := d.o.Get("ResultPath")
	switch {
	case !ok:
		return resultPath{}
	case v == nil:
		return resultPath{null: true}
	}
	p := d.reference("ResultPath")
	if p == nil {
		return resultPath{}
	}
	steps, ok := p.path.Reference()
	if !ok || p.context || p.variable != "" {
		d.schema(d.at("ResultPath"), "Value is not a Reference Path: it must name a single place in the state's input")
	}
	return resultPath{text: p.text, steps: steps}
}

func (d declaration) assignment() *Template {
	o, ok := d.object("Assign")
	if !ok {
		return nil
	}
	for _, k := range o.Keys() {
		name := k
		if len(name) > 2 && name[len(name)-2:] == ".$" {
			name = name[:len(name)-2]
		}
		if n := nameLength(name); n == 0 || n != len(name) || n > 80 || name == "states" {
			d.schema(d.at("Assign"), "'%s' is not a valid variable name", name)
		}
	}
	return d.template("Assign")
}

func (d declaration) task(s *State) {
	t := &Task{}
	s.Task = t
	if d.require("Resource") {
		arn, ok := d.text("Resource")
		if ok {
			d.resource(t, arn)
		}
	}
	t.Timeout = d.seconds("TimeoutSeconds", 1)
	t.Heartbeat = d.seconds("HeartbeatSeconds", 1)
	timeout, hasTimeout := Literal(t.Timeout)
	if beat, ok := Literal(t.Heartbeat); ok && hasTimeout && beat >= timeout {
		d.schema(d.at("HeartbeatSeconds"), "HeartbeatSeconds must be smaller than TimeoutSeconds")
	}
	if v, ok := d.o.Get("Credentials"); ok {
		if _, object := v.(*jsonvalue.Object); !object {
			d.wrongType("Credentials", "OBJECT")
		}
	}
}

func (d declaration) resource(t *Task, arn string) {
	r, schema, ok := parseResource(arn, d.express, d.serves)
	switch {
	case !ok:
		d.schema(d.at("Resource"), "Value is not a valid resource ARN")
	case schema != "":
		d.schema(d.at("Resource"), "%s", schema)
	case r.unsupported != "":
		d.report(CodeUnsupported, d.at("Resource"), "%s", r.unsupported)
	}
	t.Resource, t.Kind, t.Service, t.Action = arn, r.kind, r.service, r.action
	if t.Kind == TaskFunction {
		t.Function, t.functionField = arn, "/Resource"
		return
	}
	if t.Service != "lambda" {
		return
	}
	parameters, ok := d.o.Get("Parameters")
	o, object := parameters.(*jsonvalue.Object)
	if ok && object {
		if name, ok := o.Get("FunctionName"); ok {
			t.Function, _ = name.(string)
			t.functionField = "/Parameters/FunctionName"
			return
		}
		if _, ok := o.Get("FunctionName.$"); ok {
			t.functionField = "/Parameters/FunctionName.$"
			return
		}
	}
	if ok && !object {
		return // a whole-template expression is not part of the language; the type error is reported elsewhere
	}
	d.schema(d.at("Parameters"), "The field 'FunctionName' is required but was missing")
}

// seconds reads a number of seconds, or the path to it in the field that ends in Path.
func (d declaration) seconds(field string, low int64) Integer {
	if d.has(field) && d.has(field+"Path") {
		d.schema(d.place(), "Only one of these fields can be specified: [%s, %sPath]", field, field)
	}
	if n, ok := d.integer(field, low, maxSeconds); ok {
		return literalInt(n)
	}
	if p := d.reference(field + "Path"); p != nil {
		return &pathInt{field + "Path", p}
	}
	return nil
}

func (d declaration) wait(s *State) {
	s.Wait = &Wait{}
	if !d.one(false, "Seconds", "SecondsPath", "Timestamp", "TimestampPath") {
		return
	}
	s.Wait.Seconds = d.seconds("Seconds", 0)
	if t, ok := d.text("Timestamp"); ok {
		if _, valid := ParseTime(t); !valid {
			d.schema(d.at("Timestamp"), "Expected a valid ISO-8601 extended offset date-time format string")
		}
		s.Wait.Timestamp = literalText(t)
	}
	if p := d.reference("TimestampPath"); p != nil {
		s.Wait.Timestamp = timestampPath{p}
	}
}

// failText reads Error or Cause, or the field that ends in Path.
func (d declaration) failText(field string) Text {
	d.one(true, field, field+"Path")
	if t, ok := d.text(field); ok {
		return literalText(t)
	}
	t, ok := d.text(field + "Path")
	if !ok {
		return nil
	}
	e, err := compileExpression(t)
	if err != nil {
		d.schema(d.at(field+"Path"), "The value for the field '%sPath' must be a valid JSONPath or a valid intrinsic function call", field)
		return nil
	}
	return &textExpression{field + "Path", t, e}
}

func (d declaration) parallel(s *State, depth int) {
	s.Parallel = &Parallel{}
	if !d.require("Branches") {
		return
	}
	branches := d.elements("Branches")
	if a, ok := d.array("Branches"); ok && len(a) == 0 {
		d.schema(d.at("Branches"), "There must be at least one branch")
	}
	for _, b := range branches {
		b.only("Comment", "StartAt", "States")
		if w := b.workflow(depth + 1); w != nil {
			s.Parallel.Branches = append(s.Parallel.Branches, w)
		}
	}
}

// distributed reports a Map in distributed mode as unsupported.
func (d declaration) distributed() bool {
	for _, field := range []string{"ItemProcessor", "Iterator"} {
		v, _ := d.o.Get(field)
		o, ok := v.(*jsonvalue.Object)
		if !ok {
			continue
		}
		v, _ = o.Get("ProcessorConfig")
		if c, ok := v.(*jsonvalue.Object); ok {
			if mode, _ := c.Get("Mode"); mode == "DISTRIBUTED" {
				d.report(CodeUnsupported, d.at(field)+"/ProcessorConfig/Mode", "Map states in DISTRIBUTED mode are not supported by this platform yet")
				return true
			}
		}
	}
	return false
}

func (d declaration) mapState(s *State, data *pathData, depth int) {
	s.Map = &Map{Processor: &Workflow{}}
	field := "ItemProcessor"
	if d.has("Iterator") && !d.has(field) {
		field = "Iterator"
	}
	if !d.require(field) {
		return
	}
	d.one(false, "ItemProcessor", "Iterator")
	d.one(true, "ItemSelector", "Parameters")
	if o, ok := d.object(field); ok {
		b := declaration{d.parser, o, d.at(field)}
		b.only("Comment", "StartAt", "States", "ProcessorConfig")
		if c, ok := b.object("ProcessorConfig"); ok {
			c := declaration{d.parser, c, b.at("ProcessorConfig")}
			c.only("Mode", "ExecutionType")
			if mode, ok := c.text("Mode"); ok && mode != "INLINE" {
				d.schema(c.at("Mode"), "Value should be one of the following: [INLINE, DISTRIBUTED]")
			}
			if c.has("ExecutionType") {
				d.schema(c.place(), "Field 'ExecutionType' is not supported")
			}
		}
		if w := b.workflow(depth + 1); w != nil {
			s.Map.Processor = w
		}
	}
	items := &pathItems{items: d.path("ItemsPath"), selector: d.template("ItemSelector")}
	if items.selector == nil {
		items.selector = d.template("Parameters")
	}
	s.Map.Items = items
	s.Map.MaxConcurrency = d.seconds("MaxConcurrency", 0)
}
