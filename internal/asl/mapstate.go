package asl

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

func (d declaration) mapState(s *State, depth int) {
	s.Map = &Map{Processor: &Workflow{}}
	field := "ItemProcessor"
	if d.has("Iterator") && !d.has(field) {
		field = "Iterator"
	}
	if !d.require(field) {
		return
	}
	d.one(false, "ItemProcessor", "Iterator")
	if o, ok := d.object(field); ok {
		d.processor(s.Map, d.inner(o, field), depth)
	}
	s.Map.MaxConcurrency = d.seconds("MaxConcurrency", 0)
	s.Map.Selects = d.has("ItemSelector") || d.has("Parameters")
	s.Map.ToleratedCount = d.toleratedCount()
	s.Map.ToleratedPercentage = d.toleratedPercentage()
	distributed := s.Map.Distributed != nil
	if d.jsonata {
		s.Map.Items = &queryItems{
			items: d.values("Items", partInput|partContext), selector: d.values("ItemSelector", partInput|partContext), entries: distributed,
		}
	} else {
		d.one(true, "ItemSelector", "Parameters")
		items := &pathItems{items: d.path("ItemsPath"), selector: d.template("ItemSelector"), entries: distributed}
		if items.selector == nil {
			items.selector = d.template("Parameters")
		}
		s.Map.Items = items
	}
	d.distributed(s.Map)
}

// processor reads ItemProcessor, or the older Iterator.
func (d declaration) processor(m *Map, b declaration, depth int) {
	b.only("Comment", "StartAt", "States", "ProcessorConfig")
	express := d.express
	if o, ok := b.object("ProcessorConfig"); ok {
		c := b.inner(o, "ProcessorConfig")
		c.only("Mode", "ExecutionType")
		switch mode, _ := c.text("Mode"); mode {
		case "", "INLINE":
			if c.has("ExecutionType") {
				c.schema(c.place(), "Field 'ExecutionType' is not supported")
			}
		case "DISTRIBUTED":
			m.Distributed = &Distributed{}
			if d.express {
				c.schema(c.at("Mode"), "Express state machine does not support Map states in DISTRIBUTED mode")
			}
			switch kind, _ := c.text("ExecutionType"); {
			case !c.has("ExecutionType"):
				c.schema(c.place(), "These fields are required: [ExecutionType]")
			case kind == "EXPRESS":
				m.Distributed.Express, d.express = true, true
			case kind != "STANDARD":
				c.schema(c.at("ExecutionType"), "Value should be one of the following: [STANDARD, EXPRESS]")
			}
		default:
			c.schema(c.at("Mode"), "Value should be one of the following: [INLINE, DISTRIBUTED]")
		}
	}
	w := b.workflow(depth + 1)
	d.express = express // the parser's: the states after this one belong to the machine again
	if w == nil {
		return
	}
	m.Processor = w
	if m.Distributed != nil {
		m.Distributed.machine = &StateMachine{QueryLanguage: d.language, Workflow: w, byName: d.byName}
	}
}

func (d declaration) toleratedCount() Integer {
	if d.jsonata {
		if q, ok := d.queryField("ToleratedFailureCount"); ok {
			return queryInt{q}
		}
	} else {
		d.one(true, "ToleratedFailureCount", "ToleratedFailureCountPath")
	}
	if n, ok := d.integer("ToleratedFailureCount", 0, maxSeconds); ok {
		return literalInt(n)
	}
	if d.jsonata {
		return nil
	}
	if p := d.reference("ToleratedFailureCountPath"); p != nil {
		return &pathCount{pathNumber{"ToleratedFailureCountPath", p}}
	}
	return nil
}

func (d declaration) toleratedPercentage() Number {
	const field = "ToleratedFailurePercentage"
	if d.jsonata {
		if q, ok := d.queryField(field); ok {
			return queryNumber{q}
		}
	} else {
		d.one(true, field, field+"Path")
	}
	if v, ok := d.o.Get(field); ok {
		n, number := v.(jsonvalue.Number)
		switch {
		case !number:
			d.wrongType(field, "NUMBER")
		case n.Float64() < 0 || n.Float64() > 100:
			d.schema(d.at(field), "Value must be between 0 and 100")
		}
		return literalNumber(n.Float64())
	}
	if d.jsonata {
		return nil
	}
	if p := d.reference(field + "Path"); p != nil {
		return &pathNumber{field + "Path", p}
	}
	return nil
}

// maxLabel is the longest Label, in characters.
const maxLabel = 40

// distributed reads the fields that only a Map in distributed mode has.
func (d declaration) distributed(m *Map) {
	x := m.Distributed
	if x == nil {
		for _, field := range []string{"ItemReader", "ItemBatcher", "ResultWriter", "Label"} {
			if d.has(field) {
				d.schema(d.place(), "Field '%s' is not supported", field)
			}
		}
		return
	}
	if label, ok := d.text("Label"); ok {
		if n := utf8.RuneCountInString(label); n == 0 || n > maxLabel || strings.ContainsFunc(label, wrongInLabel) {
			d.schema(d.at("Label"), "Label must have between 1 and %d characters, without white space and without any of ? * < > { } [ ] : ; , \\ | ^ ~ $ # %% & ` \"", maxLabel)
		}
		x.Label = label
	}
	if o, ok := d.object("ItemReader"); ok {
		r := d.inner(o, "ItemReader")
		x.Reader = r.integration("ReaderConfig", true)
		if d.has("ItemsPath") || d.has("Items") {
			d.schema(d.place(), "Only one of these fields can be specified: [ItemReader, %s]", map[bool]string{false: "ItemsPath", true: "Items"}[d.jsonata])
		}
	}
	if o, ok := d.object("ResultWriter"); ok {
		x.Writer = d.inner(o, "ResultWriter").integration("WriterConfig", false)
	}
	if o, ok := d.object("ItemBatcher"); ok {
		x.Batcher = d.inner(o, "ItemBatcher").batcher()
	}
}

func wrongInLabel(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("?*<>{}[]:;,\\|^~$#%&`\"", r)
}

// integration reads ItemReader or ResultWriter; needed says that it must call something.
func (d declaration) integration(config string, needed bool) *Integration {
	arguments := "Parameters"
	if d.jsonata {
		arguments = "Arguments"
	}
	d.only("Resource", arguments, config)
	i := &Integration{}
	if arn, ok := d.text("Resource"); ok {
		i.Resource = arn
		r, schema, valid := parseResource(arn, false, d.serves)
		switch {
		case !valid || r.kind != TaskService || r.pattern != "":
			d.schema(d.at("Resource"), "Value is not a valid resource ARN")
		case schema != "":
			d.schema(d.at("Resource"), "%s", schema)
		case r.unsupported != "":
			d.report(CodeUnsupported, d.at("Resource"), "%s", r.unsupported)
		}
	} else if needed {
		d.require("Resource")
	}
	if _, ok := d.o.Get(arguments); ok {
		i.Arguments = d.value(arguments)
	}
	o, ok := d.object(config)
	if !ok {
		return i
	}
	c := d.inner(o, config)
	if config == "WriterConfig" {
		c.only("Transformation", "OutputType")
		c.oneOf("Transformation", "NONE", "COMPACT", "FLATTEN")
		c.oneOf("OutputType", "JSON", "JSONL")
		i.Config = d.value(config)
		return i
	}
	c.only("InputType", "Transformation", "CSVHeaderLocation", "CSVHeaders", "CSVDelimiter", "MaxItems", "MaxItemsPath",
		"ItemsPointer", "ManifestType")
	c.oneOf("InputType", "CSV", "JSON", "JSONL", "PARQUET", "MANIFEST")
	if format, _ := c.text("InputType"); format == "PARQUET" && !d.serves("itemReader", format) {
		c.report(CodeUnsupported, c.at("InputType"), "The InputType %s is not supported by this platform", format)
	}
	c.oneOf("ManifestType", "S3_INVENTORY", "ATHENA_DATA")
	c.oneOf("Transformation", "NONE", "LOAD_AND_FLATTEN")
	c.oneOf("CSVHeaderLocation", "FIRST_ROW", "GIVEN")
	c.oneOf("CSVDelimiter", "COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB")
	if p := c.reference("MaxItemsPath"); p != nil && !d.jsonata {
		i.Config = &readerConfig{o, &pathInt{"MaxItemsPath", p}}
		return i
	}
	i.Config = d.value(config)
	return i
}

// oneOf reports a text that is none of the values.
func (d declaration) oneOf(field string, values ...string) {
	s, ok := d.text(field)
	if !ok {
		return
	}
	if _, dynamic, _ := cutQuery(s); dynamic && d.jsonata {
		return
	}
	for _, v := range values {
		if s == v {
			return
		}
	}
	d.schema(d.at(field), "Value should be one of the following: [%s]", strings.Join(values, ", "))
}

// value reads a payload template or a value with expressions.
func (d declaration) value(field string) Value {
	if d.jsonata {
		return d.values(field, partInput|partContext)
	}
	return d.template(field)
}

// Value fills the template in.
func (t *Template) Value(env *Env) (any, error) { return t.eval(env) }

// Value fills the template in.
func (t *queryTemplate) Value(env *Env) (any, error) { return t.eval(env) }

// readerConfig is ReaderConfig with MaxItemsPath.
type readerConfig struct {
	config   *jsonvalue.Object
	maxItems *pathInt
}

// Value gives the configuration with MaxItems in the place of MaxItemsPath.
func (r *readerConfig) Value(env *Env) (any, error) {
	n, err := r.maxItems.Int(env)
	if err != nil {
		return nil, err
	}
	o := jsonvalue.NewObject(r.config.Len())
	for i := range r.config.Len() {
		if k, v := r.config.At(i); k != "MaxItemsPath" {
			o.Set(k, v)
		}
	}
	o.Set("MaxItems", jsonvalue.Int(n))
	return o, nil
}

func (d declaration) batcher() *Batcher {
	d.only("MaxItemsPerBatch", "MaxItemsPerBatchPath", "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath", "BatchInput")
	b := &Batcher{MaxItems: d.seconds("MaxItemsPerBatch", 1), MaxBytes: d.seconds("MaxInputBytesPerBatch", 1)}
	if n, ok := Literal(b.MaxBytes); ok && n > MaxPayload {
		d.schema(d.at("MaxInputBytesPerBatch"), "Value must be between 1 and %d", MaxPayload)
	}
	if b.MaxItems == nil && b.MaxBytes == nil {
		d.schema(d.place(), "At least one of these fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch]")
	}
	if d.has("BatchInput") {
		b.Input = d.value("BatchInput")
	}
	return b
}
