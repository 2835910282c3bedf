package asl

import (
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// fieldsOf lists the fields of each type of state in JSONPath beside Type, Comment and QueryLanguage.
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
		"ToleratedFailureCount", "ToleratedFailureCountPath", "ToleratedFailurePercentage", "ToleratedFailurePercentagePath",
		"ItemReader", "ItemBatcher", "ResultWriter", "Label",
		"InputPath", "OutputPath", "ResultSelector", "ResultPath", "Assign", "Retry", "Catch", "Next", "End",
	},
}

// queryFieldsOf is the same in JSONata.
var queryFieldsOf = map[Type][]string{
	TypePass:    {"Output", "Assign", "Next", "End"},
	TypeChoice:  {"Choices", "Default", "Output", "Assign"},
	TypeWait:    {"Seconds", "Timestamp", "Output", "Assign", "Next", "End"},
	TypeSucceed: {"Output"},
	TypeFail:    {"Error", "Cause"},
	TypeTask: {
		"Resource", "Arguments", "Output", "Assign", "Retry", "Catch", "TimeoutSeconds", "HeartbeatSeconds", "Credentials", "Next", "End",
	},
	TypeParallel: {"Branches", "Arguments", "Output", "Assign", "Retry", "Catch", "Next", "End"},
	TypeMap: {
		"ItemProcessor", "Iterator", "Items", "ItemSelector", "MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage",
		"ItemReader", "ItemBatcher", "ResultWriter", "Label", "Output", "Assign", "Retry", "Catch", "Next", "End",
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
	s.QueryLanguage = d.language
	if lang, ok := d.queryLanguage(); ok {
		if s.QueryLanguage = lang; lang != d.language && d.language == languageQuery {
			d.schema(d.place(), "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
		}
	}
	if d.jsonata = s.QueryLanguage == languageQuery; d.jsonata {
		fields = queryFieldsOf[s.Type]
	}
	d.only(append([]string{"Type", "Comment", "QueryLanguage"}, fields...)...)
	s.Comment, _ = d.text("Comment")
	if d.jsonata {
		s.Data = d.queryFlow(s.Type)
	} else {
		s.Data = d.dataFlow(s.Type)
	}
	d.transition(s, w)
	d.retriers(s)
	d.catchers(s, w)
	switch s.Type {
	case TypePass:
		s.Pass = &Pass{}
		if v, ok := d.o.Get("Result"); ok && !d.jsonata {
			s.Pass.Result = PayloadOf(v)
			s.Pass.Result.Text() // made now, as the machine is shared between goroutines
		}
	case TypeTask:
		d.task(s)
	case TypeChoice:
		d.choice(s, w, s.Data)
	case TypeWait:
		d.wait(s)
	case TypeFail:
		s.Fail = &Fail{Error: d.failText("Error"), Cause: d.failText("Cause")}
	case TypeParallel:
		d.parallel(s, depth)
	case TypeMap:
		d.mapState(s, depth)
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
		d.variableName(name)
	}
	return d.template("Assign")
}

// variableName checks the name of a variable that Assign sets.
func (d declaration) variableName(name string) {
	if n := nameLength(name); n == 0 || n != len(name) || n > 80 || name == "states" {
		d.schema(d.at("Assign"), "'%s' is not a valid variable name", name)
	}
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
	if o, ok := d.object("Credentials"); ok {
		c := d.inner(o, "Credentials")
		switch {
		case d.jsonata:
			c.only("RoleArn")
			t.Role = c.roleText("RoleArn")
		default:
			c.only("RoleArn", "RoleArn.$")
			t.Role = c.roleText("RoleArn")
			if path, ok := c.text("RoleArn.$"); ok {
				e, err := compileExpression(path)
				if err != nil {
					c.schema(c.at("RoleArn.$"), "The value for the field 'RoleArn.$' must be a valid JSONPath or a valid intrinsic function call")
				}
				t.Role = &textExpression{"RoleArn.$", path, e}
			}
		}
	}
}

// roleText reads the ARN of a role, which may be an expression.
func (d declaration) roleText(field string) Text {
	if d.jsonata {
		if q, ok := d.queryField(field); ok {
			return queryText{q}
		}
	}
	if s, ok := d.text(field); ok {
		return literalText(s)
	}
	return nil
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
	t.Resource, t.Kind, t.Service, t.Action, t.Pattern = arn, r.kind, r.service, r.action, r.pattern
	if t.Kind == TaskFunction {
		t.Function, t.functionField = arn, "/Resource"
		return
	}
	name := ""
	switch t.Service {
	case "lambda":
		name = "FunctionName"
	case "states":
		name = "StateMachineArn"
	default:
		return
	}
	field := "Parameters"
	if d.jsonata {
		field = "Arguments"
	}
	given, ok := d.o.Get(field)
	o, object := given.(*jsonvalue.Object)
	if ok && object {
		if v, ok := o.Get(name); ok {
			text, _ := v.(string)
			if _, dynamic, _ := cutQuery(text); dynamic && d.jsonata {
				text = ""
			}
			if t.functionField = "/" + field + "/" + name; name == "FunctionName" {
				t.Function = text
			}
			return
		}
		if _, ok := o.Get(name + ".$"); ok && !d.jsonata {
			t.functionField = "/" + field + "/" + name + ".$"
			return
		}
	}
	if ok && !object { // an expression for all of them, or a type error, which is reported elsewhere
		t.functionField = "/" + field
		return
	}
	d.schema(d.at(field), "The field '%s' is required but was missing", name)
}

// seconds reads a number of seconds, or the path to it in the field that ends in Path, or the expression for it.
func (d declaration) seconds(field string, low int64) Integer {
	if d.jsonata {
		if q, ok := d.queryField(field); ok {
			return queryInt{q}
		}
	} else if d.has(field) && d.has(field+"Path") {
		d.schema(d.place(), "Only one of these fields can be specified: [%s, %sPath]", field, field)
	}
	if n, ok := d.integer(field, low, maxSeconds); ok {
		return literalInt(n)
	}
	if d.jsonata {
		return nil
	}
	if p := d.reference(field + "Path"); p != nil {
		return &pathInt{field + "Path", p}
	}
	return nil
}

func (d declaration) wait(s *State) {
	s.Wait = &Wait{}
	choices := []string{"Seconds", "SecondsPath", "Timestamp", "TimestampPath"}
	if d.jsonata {
		choices = []string{"Seconds", "Timestamp"}
	}
	if !d.one(false, choices...) {
		return
	}
	s.Wait.Seconds = d.seconds("Seconds", 0)
	if d.jsonata {
		if q, ok := d.queryField("Timestamp"); ok {
			s.Wait.Timestamp = queryTime{queryText{q}}
			return
		}
	}
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

// failText reads Error or Cause, or the field that ends in Path, or the expression for it.
func (d declaration) failText(field string) Text {
	if d.jsonata {
		if q, ok := d.queryField(field); ok {
			return queryText{q}
		}
	} else {
		d.one(true, field, field+"Path")
	}
	if t, ok := d.text(field); ok {
		return literalText(t)
	}
	t, ok := d.text(field + "Path")
	if !ok || d.jsonata {
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
