package awsproto

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/tealdeploy/teal/internal/fault"
)

// Bounds of a document in every protocol: how deep it may nest, and how many list members and map entries it may have
// in all, since a few bytes of text can become a large structure.
const (
	maxDepth    = 100
	maxElements = 1 << 18
)

func tooManyElements() error {
	return serialization("The document has more than " + strconv.Itoa(maxElements) + " list members and map entries")
}

// serialization is the error with which AWS refuses a document that it cannot read.
func serialization(message string) error { return fault.New("SerializationException", message) }

// decodeJSON reads one JSON document into v. An empty document leaves v as it is.
func decodeJSON(p *plan, data []byte, v reflect.Value) error {
	return decodeJSONMembers(p, data, v, nil)
}

// decodeJSONMembers reads only the top-level members that are marked in only; nil means all.
func decodeJSONMembers(p *plan, data []byte, v reflect.Value, only []bool) error {
	if !utf8.Valid(data) {
		return serialization("The request body is not valid UTF-8")
	}
	r := jsonReader{data: data, only: only}
	r.space()
	if r.pos == len(data) {
		return nil
	}
	if err := r.value(p, v, 0); err != nil {
		return err
	}
	r.space()
	if r.pos != len(data) {
		return r.malformed()
	}
	return nil
}

// mismatch tells, in AWS's words, that the value at hand cannot become what the member is.
func (r *jsonReader) mismatch(want string) error {
	found := "STRING_VALUE"
	switch c := r.peek(); {
	case c == '{':
		return serialization("Start of structure or map found where not expected.")
	case c == '[':
		return serialization("Start of list found where not expected")
	case c == 't':
		found = "TRUE_VALUE"
	case c == 'f':
		found = "FALSE_VALUE"
	case c == '-' || c >= '0' && c <= '9':
		found = "NUMBER_VALUE"
	case c == 'n':
		found = "NULL_VALUE"
	case c != '"':
		return r.malformed()
	}
	return serialization(found + " can not be converted to " + want)
}

// value reads the next value into v. A null leaves v as it is.
func (r *jsonReader) value(p *plan, v reflect.Value, depth int) error {
	if depth > maxDepth {
		return serialization("The JSON document is nested deeper than " + strconv.Itoa(maxDepth) + " levels")
	}
	r.space()
	if r.peek() == 'n' {
		if r.literal("null") {
			return nil
		}
		return r.malformed()
	}
	switch p.kind {
	case kindPointer:
		n := reflect.New(p.elem.typ)
		if err := r.value(p.elem, n.Elem(), depth); err != nil {
			return err
		}
		v.Set(n)
		return nil
	case kindString:
		if r.peek() != '"' {
			return r.mismatch("a String")
		}
		s, err := r.text()
		if err != nil {
			return err
		}
		v.SetString(string(s))
		return nil
	case kindBool:
		switch {
		case r.literal("true"):
			v.SetBool(true)
		case r.literal("false"):
			v.SetBool(false)
		default:
			return r.mismatch("a Boolean")
		}
		return nil
	case kindInt:
		return r.integer(p, v)
	case kindFloat:
		return r.float(p, v)
	case kindBlob:
		return r.blob(v)
	case kindTime:
		return r.timestamp(p, v)
	case kindList:
		return r.list(p, v, depth)
	case kindMap:
		return r.mapping(p, v, depth)
	case kindStruct:
		return r.structure(p, v, depth)
	case kindUnion:
		return r.union(p, v, depth)
	}
	return serialization("A stream can only be the whole body")
}

func intName(bits int) string {
	switch bits {
	case 8:
		return "a Byte"
	case 16:
		return "a Short"
	case 64:
		return "a Long"
	}
	return "an Integer"
}

func (r *jsonReader) integer(p *plan, v reflect.Value) error {
	if !r.atNumber() {
		return r.mismatch(intName(p.bits))
	}
	text, isInt, err := r.number()
	if err != nil {
		return err
	}
	n, ok := parseInteger(text, isInt, p.bits)
	if !ok {
		return serialization("NUMBER_VALUE can not be converted to " + intName(p.bits))
	}
	v.SetInt(n)
	return nil
}

// parseInteger reads an integer of the given width; 5.0 and 5e0 are integers too.
func parseInteger(text string, isInt bool, bits int) (int64, bool) {
	if isInt {
		n, err := strconv.ParseInt(text, 10, bits)
		return n, err == nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	n := int64(f)
	limit := int64(1) << (bits - 1)
	if bits < 64 && (n >= limit || n < -limit) {
		return 0, false
	}
	return n, true
}

func (r *jsonReader) float(p *plan, v reflect.Value) error {
	if r.peek() == '"' {
		at := r.pos
		s, err := r.text()
		if err != nil {
			return err
		}
		f, ok := specialFloat(string(s))
		if !ok {
			r.pos = at
			return r.mismatch("a Double")
		}
		v.SetFloat(f)
		return nil
	}
	if !r.atNumber() {
		return r.mismatch("a Double")
	}
	text, _, err := r.number()
	if err != nil {
		return err
	}
	f, err := strconv.ParseFloat(text, p.bits)
	if err != nil {
		return serialization("NUMBER_VALUE can not be converted to a Double")
	}
	v.SetFloat(f)
	return nil
}

func specialFloat(s string) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	return 0, false
}

func (r *jsonReader) blob(v reflect.Value) error {
	if r.peek() != '"' {
		return r.mismatch("a Blob")
	}
	s, err := r.text()
	if err != nil {
		return err
	}
	b, err := decodeBase64(s)
	if err != nil {
		return err
	}
	v.SetBytes(b)
	return nil
}

func decodeBase64(s []byte) ([]byte, error) {
	b := make([]byte, base64.RawStdEncoding.DecodedLen(len(s))+3)
	n, err := base64.StdEncoding.Decode(b, s)
	if err != nil {
		// Some clients leave the padding out.
		if n, err = base64.RawStdEncoding.Decode(b, s); err != nil {
			return nil, serialization("A blob is not valid base64")
		}
	}
	return b[:n], nil
}

func (r *jsonReader) timestamp(p *plan, v reflect.Value) error {
	switch {
	case r.atNumber():
		text, _, err := r.number()
		if err != nil {
			return err
		}
		t, ok := parseEpoch(text)
		if !ok {
			return serialization("NUMBER_VALUE can not be converted to a Timestamp")
		}
		v.Set(reflect.ValueOf(t))
	case r.peek() == '"':
		at := r.pos
		s, err := r.text()
		if err != nil {
			return err
		}
		t, ok := parseTime(string(s), p.time.format)
		if !ok {
			r.pos = at
			return r.mismatch("a Timestamp")
		}
		v.Set(reflect.ValueOf(t))
	default:
		return r.mismatch("a Timestamp")
	}
	return nil
}

func (r *jsonReader) list(p *plan, v reflect.Value, depth int) error {
	if r.peek() != '[' {
		return r.wrongCollection("list")
	}
	r.pos++
	out := reflect.MakeSlice(p.typ, 0, 0)
	for first := true; ; first = false {
		r.space()
		if r.peek() == ']' && first {
			r.pos++
			break
		}
		if r.elements++; r.elements > maxElements {
			return tooManyElements()
		}
		item := reflect.New(p.elem.typ).Elem()
		if err := r.value(p.elem, item, depth+1); err != nil {
			return err
		}
		out = reflect.Append(out, item)
		more, err := r.next(']')
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	v.Set(out)
	return nil
}

func (r *jsonReader) wrongCollection(want string) error {
	switch r.peek() {
	case '{', '[':
		return r.mismatch(want)
	case '"', 't', 'f', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return serialization("Expected " + want + " or null")
	}
	return r.malformed()
}

func (r *jsonReader) mapping(p *plan, v reflect.Value, depth int) error {
	out := reflect.MakeMap(p.typ)
	err := r.members("map", func(key []byte) error {
		if r.elements++; r.elements > maxElements {
			return tooManyElements()
		}
		item := reflect.New(p.elem.typ).Elem()
		if err := r.value(p.elem, item, depth+1); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(string(key)).Convert(p.typ.Key()), item)
		return nil
	})
	if err != nil {
		return err
	}
	v.Set(out)
	return nil
}

func (r *jsonReader) structure(p *plan, v reflect.Value, depth int) error {
	return r.members("structure", func(key []byte) error {
		i, ok := p.byWire[string(key)]
		if !ok || depth == 0 && r.only != nil && !r.only[i] {
			return r.skip(depth + 1)
		}
		f := &p.fields[i]
		return r.value(f.plan, v.Field(f.index), depth+1)
	})
}

func (r *jsonReader) union(p *plan, v reflect.Value, depth int) error {
	set := false
	err := r.members("structure", func(key []byte) error {
		r.space()
		if r.peek() == 'n' {
			return r.skip(depth + 1)
		}
		for i := range p.union {
			u := &p.union[i]
			if u.wire != string(key) {
				continue
			}
			if set {
				return serialization("Only one member of union " + p.typ.Name() + " may be set")
			}
			set = true
			n := reflect.New(u.typ)
			if err := r.value(u.plan, n.Elem().FieldByName("Value"), depth+1); err != nil {
				return err
			}
			v.Set(n)
			return nil
		}
		return serialization("Union " + p.typ.Name() + " has no member " + strconv.Quote(string(key)) + " here")
	})
	return err
}
