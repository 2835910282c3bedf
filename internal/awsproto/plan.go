package awsproto

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/aws/smithy-go/traits"
)

// kind is what a value is in the protocols' terms.
type kind uint8

const (
	kindPointer kind = iota
	kindString       // and enums
	kindBool
	kindInt
	kindFloat
	kindBlob
	kindTime
	kindList
	kindMap // keys are strings
	kindStruct
	kindUnion
	kindStream // io.Reader, only as the whole body
)

// plan says how one Go type looks on the wire. Plans are shared, recursive, and never change once built.
type plan struct {
	kind   kind
	typ    reflect.Type
	elem   *plan // of a pointer, list or map
	bits   int   // of an integer or float
	time   timeRule
	fields []field        // of a struct
	byWire map[string]int // wire name → index in fields
	byForm map[string]int // name in the Query protocol → index in fields; nil where that is not spoken
	union  []variant      // of a union
	schema *smithy.Schema // of a struct whose module has schemas; may be nil
	target map[string]int // lower-cased Go name → index in fields, for bindings
}

// timeRule is a timestamp's format in JSON, and whether the model demands it in every protocol.
type timeRule struct {
	format   TimeFormat
	explicit bool
}

type field struct {
	name  string // Go name
	wire  string
	index int
	plan  *plan
	// enum members and strings that are no pointers are absent when empty; other plain scalars are always written,
	// since the SDK drops the pointer only where the model gives a default.
	emptyAbsent bool
	xml         string         // name in XML and in forms; wire where the model has no other
	item        string         // element of a list's items in XML; "" means the list's own name, without a wrapper
	entry       entryNames     // of a map, in the Query protocol
	schema      *smithy.Schema // of the member; may be nil
}

// entryNames says how a map's entries look in the Query protocol: flat in the parent, each under the map's own name, or as
// "entry" within it.
type entryNames struct {
	flat       bool
	key, value string
}

type variant struct {
	typ  reflect.Type // struct type XMemberY; its pointer implements the union interface
	wire string
	plan *plan // of its Value
}

// codec builds and caches the plans of one service's types.
type codec struct {
	naming Naming
	time   TimeFormat
	names  map[string]string
	lists  map[string]string // [Service.Lists]
	unions []reflect.Type
	query  bool // plans are for the Query protocol, too
	sdk    bool // names are the SDK's, whatever the wire has: for [Direct]

	mu    sync.RWMutex
	plans map[reflect.Type]*plan
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	metadataType = reflect.TypeFor[middleware.Metadata]()
	readerType   = reflect.TypeFor[io.Reader]()
	closerType   = reflect.TypeFor[io.ReadCloser]()
	errorType    = reflect.TypeFor[error]()
)

// UnsupportedTypeError tells that a type has no form on the wire here.
type UnsupportedTypeError struct {
	Type   reflect.Type
	Member string // path of the member that has the type, from the operation's input or output
	Reason string
}

func (e *UnsupportedTypeError) Error() string {
	return fmt.Sprintf("%s has type %s, which has no wire form: %s", e.Member, e.Type, e.Reason)
}

// newCodec makes the codec that a service's table asks for.
func (s *Service) newCodec() (*codec, error) {
	c := &codec{naming: s.Naming, time: s.BodyTime, names: s.Names, lists: s.Lists, query: s.speaks(AWSQuery)}
	for _, u := range s.Unions {
		t := reflect.TypeOf(u)
		if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
			return nil, fmt.Errorf("union variant %T must be a pointer to a struct", u)
		}
		c.unions = append(c.unions, t.Elem())
	}
	return c, nil
}

// plan returns the plan of t, building it and what it needs on first use.
func (c *codec) plan(t reflect.Type) (*plan, error) {
	c.mu.RLock()
	p := c.plans[t]
	c.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Built aside, so that a type that fails leaves no half-built plan behind.
	fresh := map[reflect.Type]*plan{}
	p, err := c.build(t, t.String(), fresh)
	if err != nil {
		return nil, err
	}
	if c.plans == nil {
		c.plans = map[reflect.Type]*plan{}
	}
	for t, p := range fresh {
		c.plans[t] = p
	}
	return p, nil
}

func (c *codec) build(t reflect.Type, path string, fresh map[reflect.Type]*plan) (*plan, error) {
	if p := c.plans[t]; p != nil {
		return p, nil
	}
	if p := fresh[t]; p != nil {
		return p, nil
	}
	p := &plan{typ: t}
	fresh[t] = p
	var err error
	switch t {
	case timeType:
		p.kind, p.time = kindTime, timeRule{format: c.time}
	case readerType, closerType:
		p.kind = kindStream
	default:
		err = c.buildKind(p, t, path, fresh)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (c *codec) buildKind(p *plan, t reflect.Type, path string, fresh map[reflect.Type]*plan) (err error) {
	unsupported := func(reason string) error { return &UnsupportedTypeError{Type: t, Member: path, Reason: reason} }
	switch t.Kind() {
	case reflect.Pointer:
		p.kind = kindPointer
		p.elem, err = c.build(t.Elem(), path, fresh)
	case reflect.String:
		p.kind = kindString
	case reflect.Bool:
		p.kind = kindBool
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.kind, p.bits = kindInt, t.Bits()
	case reflect.Float32, reflect.Float64:
		p.kind, p.bits = kindFloat, t.Bits()
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			p.kind = kindBlob
			return nil
		}
		p.kind = kindList
		p.elem, err = c.build(t.Elem(), path+"[]", fresh)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return unsupported("map keys must be strings")
		}
		p.kind = kindMap
		p.elem, err = c.build(t.Elem(), path+"{}", fresh)
	case reflect.Struct:
		return c.buildStruct(p, t, path, fresh)
	case reflect.Interface:
		return c.buildUnion(p, t, path, fresh)
	default:
		return unsupported("no protocol has such a value")
	}
	return err
}

func (c *codec) buildStruct(p *plan, t reflect.Type, path string, fresh map[reflect.Type]*plan) error {
	p.kind = kindStruct
	p.schema = schemaOf(t)
	p.byWire, p.target = map[string]int{}, map[string]int{}
	if _, ok := reflect.PointerTo(t).MethodByName("GetStream"); ok {
		return &UnsupportedTypeError{Type: t, Member: path, Reason: "event streams need a raw operation"}
	}
	isError := reflect.PointerTo(t).Implements(errorType)
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Anonymous || f.Type == metadataType || isError && f.Name == "ErrorCodeOverride" {
			continue
		}
		member := memberSchema(p.schema, f.Name)
		if p.schema != nil && member == nil {
			return &UnsupportedTypeError{Type: f.Type, Member: path + "." + f.Name, Reason: "the SDK's schema has no such member"}
		}
		fp, err := c.build(f.Type, path+"."+f.Name, fresh)
		if err != nil {
			return err
		}
		if tf, ok := smithy.SchemaTrait[*traits.TimestampFormat](member); ok && !c.sdk {
			if fp, err = withTimeFormat(fp, tf.Format); err != nil {
				return fmt.Errorf("%s.%s: %w", path, f.Name, err)
			}
		}
		fd := field{
			name: f.Name, wire: c.wireName(t, f.Name, member), index: i, plan: fp, schema: member,
			emptyAbsent: fp.kind == kindString, item: "member",
		}
		fd.xml = fd.wire
		if c.query {
			fd.readForm(member)
			if p.byForm == nil {
				p.byForm = map[string]int{}
			}
			p.byForm[fd.xml] = len(p.fields)
		}
		if item, ok := c.lists[t.Name()+"."+f.Name]; ok {
			fd.item = item
		}
		if at, dup := p.byWire[fd.wire]; dup {
			return fmt.Errorf("%s: members %s and %s have the same wire name %q", path, p.fields[at].name, f.Name, fd.wire)
		}
		p.byWire[fd.wire] = len(p.fields)
		p.target[strings.ToLower(f.Name)] = len(p.fields)
		p.fields = append(p.fields, fd)
	}
	return nil
}

// readForm takes the names of the Query protocol from the member's schema, which may be nil.
func (f *field) readForm(member *smithy.Schema) {
	f.xml = xmlName(member, f.wire)
	_, f.entry.flat = smithy.SchemaTrait[*traits.XMLFlattened](member)
	if f.plan.kind == kindMap {
		f.entry.key, f.entry.value = "key", "value"
		if member != nil {
			f.entry.key, f.entry.value = xmlName(member.MapKey(), "key"), xmlName(member.MapValue(), "value")
		}
	} else if f.entry.flat {
		f.item = ""
	}
}

func xmlName(member *smithy.Schema, otherwise string) string {
	if n, ok := smithy.SchemaTrait[*traits.XMLName](member); ok {
		return n.Name
	}
	return otherwise
}

func (c *codec) buildUnion(p *plan, t reflect.Type, path string, fresh map[reflect.Type]*plan) error {
	p.kind = kindUnion
	prefix := t.Name() + "Member"
	for _, vt := range c.unions {
		if !reflect.PointerTo(vt).Implements(t) || !strings.HasPrefix(vt.Name(), prefix) {
			continue
		}
		value, ok := vt.FieldByName("Value")
		if !ok {
			return &UnsupportedTypeError{Type: vt, Member: path, Reason: "a union variant needs a Value"}
		}
		vp, err := c.build(value.Type, path+"."+vt.Name(), fresh)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(vt.Name(), prefix)
		wire, given := c.names[vt.Name()+".Value"]
		if !given {
			wire = c.naming.wire(name)
		}
		p.union = append(p.union, variant{typ: vt, wire: wire, plan: vp})
	}
	if len(p.union) == 0 {
		return &UnsupportedTypeError{Type: t, Member: path, Reason: "the service lists no variants of this union, or it is a document"}
	}
	return nil
}

// wireName gives a member's wire name: the table's, else the schema's, else what the naming makes of it.
func (c *codec) wireName(t reflect.Type, goName string, member *smithy.Schema) string {
	if c.sdk {
		return goName
	}
	if w, ok := c.names[t.Name()+"."+goName]; ok {
		return w
	}
	if member != nil {
		if jn, ok := smithy.SchemaTrait[*traits.JSONName](member); ok {
			return jn.Name
		}
		return member.MemberName()
	}
	return c.naming.wire(goName)
}

func (n Naming) wire(goName string) string {
	if n == LowerCamel && goName != "" && goName[0] >= 'A' && goName[0] <= 'Z' {
		return string(goName[0]+'a'-'A') + goName[1:]
	}
	return goName
}

// withTimeFormat returns the plan of a timestamp, or of a pointer to one, with the format that the model demands.
func withTimeFormat(p *plan, format string) (*plan, error) {
	if p.kind == kindPointer {
		elem, err := withTimeFormat(p.elem, format)
		if err != nil {
			return nil, err
		}
		return &plan{kind: kindPointer, typ: p.typ, elem: elem}, nil
	}
	if p.kind != kindTime {
		return p, nil
	}
	q := &plan{kind: kindTime, typ: p.typ, time: timeRule{explicit: true}}
	switch format {
	case "date-time":
		q.time.format = DateTime
	case "epoch-seconds":
		q.time.format = EpochSeconds
	case "http-date":
		q.time.format = HTTPDate
	default:
		return nil, fmt.Errorf("timestamp format %q is not known", format)
	}
	return q, nil
}

// field returns the field that a binding names, whatever the case of its letters.
func (p *plan) field(name string) (*field, bool) {
	i, ok := p.target[strings.ToLower(name)]
	if !ok {
		return nil, false
	}
	return &p.fields[i], true
}

// scalar returns what p points at, or p itself.
func (p *plan) scalar() *plan {
	if p.kind == kindPointer {
		return p.elem
	}
	return p
}
