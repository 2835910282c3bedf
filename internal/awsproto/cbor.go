package awsproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// RPC v2 CBOR: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html. Documents are read by fxamacker/cbor
// into plain values, within bounds, and then taken over by plan; they are written directly.

const (
	cborMapOpen  = 0xbf // map of indefinite length
	cborListOpen = 0x9f
	cborBreak    = 0xff
	cborNull     = 0xf6

	cborUint  = 0 << 5
	cborNeg   = 1 << 5
	cborBytes = 2 << 5
	cborText  = 3 << 5
)

var cborReader = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyQuiet,
		TimeTag:          cbor.DecTagIgnored,
		MaxNestedLevels:  maxDepth,
		MaxArrayElements: maxElements,
		MaxMapPairs:      1 << 16,
		IntDec:           cbor.IntDecConvertNone,
		DefaultMapType:   reflect.TypeFor[map[string]any](),
		UTF8:             cbor.UTF8RejectInvalid,
		// Tags are kept: timestamps are tag 1.
		UnrecognizedTagToAny: cbor.UnrecognizedTagNumAndContentToAny,
		TimeTagToAny:         cbor.TimeTagToTime,
	}.DecMode()
	if err != nil {
		panic(err) // the options above are constant
	}
	return m
}()

// decodeCBOR reads a document into the struct v. An empty one leaves v as it is.
func decodeCBOR(p *plan, data []byte, v reflect.Value) error {
	if len(data) == 0 {
		return nil
	}
	var doc any
	if err := cborReader.Unmarshal(data, &doc); err != nil {
		var extra *cbor.ExtraneousDataError
		if errors.As(err, &extra) {
			return serialization("The CBOR document is followed by other data")
		}
		return serialization("The request body is not a valid CBOR document")
	}
	var s cborSetter
	return s.set(p, doc, v)
}

// cborSetter takes a document over into typed values.
type cborSetter struct {
	elements int // list members and map entries so far
}

func (s *cborSetter) count(n int) error {
	if s.elements += n; s.elements > maxElements {
		return tooManyElements()
	}
	return nil
}

func (s *cborSetter) set(p *plan, doc any, v reflect.Value) error {
	if doc == nil {
		return nil
	}
	switch p.kind {
	case kindPointer:
		n := reflect.New(p.elem.typ)
		if err := s.set(p.elem, doc, n.Elem()); err != nil {
			return err
		}
		v.Set(n)
		return nil
	case kindString:
		if text, ok := doc.(string); ok {
			v.SetString(text)
			return nil
		}
	case kindBool:
		if b, ok := doc.(bool); ok {
			v.SetBool(b)
			return nil
		}
	case kindInt:
		if n, ok := cborInteger(doc, p.bits); ok {
			v.SetInt(n)
			return nil
		}
	case kindFloat:
		switch f := doc.(type) {
		case float64:
			v.SetFloat(f)
			return nil
		case uint64:
			v.SetFloat(float64(f))
			return nil
		case int64:
			v.SetFloat(float64(f))
			return nil
		}
	case kindBlob:
		if b, ok := doc.([]byte); ok {
			v.SetBytes(b)
			return nil
		}
	case kindTime:
		if t, ok := cborTime(doc); ok {
			v.Set(reflect.ValueOf(t))
			return nil
		}
	case kindList:
		items, ok := doc.([]any)
		if !ok {
			return serialization("Expected list or null")
		}
		if err := s.count(len(items)); err != nil {
			return err
		}
		out := reflect.MakeSlice(p.typ, len(items), len(items))
		for i, item := range items {
			if err := s.set(p.elem, item, out.Index(i)); err != nil {
				return err
			}
		}
		v.Set(out)
		return nil
	case kindMap:
		members, ok := doc.(map[string]any)
		if !ok {
			return serialization("Expected map or null")
		}
		if err := s.count(len(members)); err != nil {
			return err
		}
		out := reflect.MakeMapWithSize(p.typ, len(members))
		for k, item := range members {
			val := reflect.New(p.elem.typ).Elem()
			if err := s.set(p.elem, item, val); err != nil {
				return err
			}
			out.SetMapIndex(reflect.ValueOf(k).Convert(p.typ.Key()), val)
		}
		v.Set(out)
		return nil
	case kindStruct:
		members, ok := doc.(map[string]any)
		if !ok {
			return serialization("Expected structure or null")
		}
		for i := range p.fields {
			f := &p.fields[i]
			if item, ok := members[f.wire]; ok {
				if err := s.set(f.plan, item, v.Field(f.index)); err != nil {
					return err
				}
			}
		}
		return nil
	case kindUnion:
		return s.union(p, doc, v)
	}
	return cborMismatch(p, doc)
}

func (s *cborSetter) union(p *plan, doc any, v reflect.Value) error {
	members, ok := doc.(map[string]any)
	if !ok {
		return serialization("Expected structure or null")
	}
	set := 0
	for i := range p.union {
		u := &p.union[i]
		item, ok := members[u.wire]
		if !ok || item == nil {
			continue
		}
		set++
		n := reflect.New(u.typ)
		if err := s.set(u.plan, item, n.Elem().FieldByName("Value")); err != nil {
			return err
		}
		v.Set(n)
	}
	if set != 1 {
		return serialization("Exactly one known member of union " + p.typ.Name() + " must be set")
	}
	return nil
}

func cborMismatch(p *plan, doc any) error {
	found := "NUMBER_VALUE"
	switch d := doc.(type) {
	case map[string]any:
		return serialization("Start of structure or map found where not expected.")
	case []any:
		return serialization("Start of list found where not expected")
	case string:
		found = "STRING_VALUE"
	case []byte:
		found = "BYTES_VALUE"
	case bool:
		found = "FALSE_VALUE"
		if d {
			found = "TRUE_VALUE"
		}
	case time.Time, cbor.Tag:
		found = "TIMESTAMP_VALUE"
	}
	want := "a Timestamp"
	switch p.kind {
	case kindString:
		want = "a String"
	case kindBool:
		want = "a Boolean"
	case kindInt:
		want = intName(p.bits)
	case kindFloat:
		want = "a Double"
	case kindBlob:
		want = "a Blob"
	}
	return serialization(found + " can not be converted to " + want)
}

func cborInteger(doc any, bits int) (int64, bool) {
	var n int64
	switch d := doc.(type) {
	case uint64:
		if d > math.MaxInt64 {
			return 0, false
		}
		n = int64(d)
	case int64:
		n = d
	case float64:
		if d != math.Trunc(d) || math.Abs(d) > 1<<53 {
			return 0, false
		}
		n = int64(d)
	default:
		return 0, false
	}
	limit := int64(1) << (bits - 1)
	return n, bits == 64 || n >= -limit && n < limit
}

func cborTime(doc any) (time.Time, bool) {
	switch d := doc.(type) {
	case time.Time:
		return epochTime(float64(d.UnixMilli()) / 1000)
	case uint64:
		return epochTime(float64(d))
	case int64:
		return epochTime(float64(d))
	case float64:
		return epochTime(d)
	}
	return time.Time{}, false
}

// appendCBOR writes v by its plan.
func appendCBOR(b []byte, p *plan, v reflect.Value, depth int) (_ []byte, err error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("a %s is nested deeper than %d levels", p.typ, maxDepth)
	}
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return append(b, cborNull), nil
		}
		return appendCBOR(b, p.elem, v.Elem(), depth)
	case kindString:
		return appendCBORText(b, v.String()), nil
	case kindBool:
		if v.Bool() {
			return append(b, 0xf5), nil
		}
		return append(b, 0xf4), nil
	case kindInt:
		return appendCBORInt(b, v.Int()), nil
	case kindFloat:
		return appendCBORFloat(b, v.Float()), nil
	case kindBlob:
		b = appendCBORHead(b, cborBytes, uint64(v.Len()))
		return append(b, v.Bytes()...), nil
	case kindTime:
		b = append(b, 0xc1) // tag 1: seconds since 1970
		ms := timeOf(v).UnixMilli()
		if ms%1000 == 0 {
			return appendCBORInt(b, ms/1000), nil
		}
		return appendCBORFloat(b, float64(ms)/1000), nil
	case kindList:
		b = append(b, cborListOpen)
		for i := range v.Len() {
			if b, err = appendCBOR(b, p.elem, v.Index(i), depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, cborBreak), nil
	case kindMap:
		b = append(b, cborMapOpen)
		for _, k := range sortedKeys(v) {
			b = appendCBORText(b, k.String())
			if b, err = appendCBOR(b, p.elem, v.MapIndex(k), depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, cborBreak), nil
	case kindStruct:
		b = append(b, cborMapOpen)
		if b, err = appendCBORMembers(b, p, v, depth); err != nil {
			return nil, err
		}
		return append(b, cborBreak), nil
	case kindUnion:
		if v.IsNil() {
			return append(b, cborNull), nil
		}
		u, value, err := chosenVariant(p, v)
		if err != nil {
			return nil, err
		}
		b = append(b, cborMapOpen)
		b = appendCBORText(b, u.wire)
		if b, err = appendCBOR(b, u.plan, value, depth+1); err != nil {
			return nil, err
		}
		return append(b, cborBreak), nil
	}
	return nil, fmt.Errorf("a %s has no place in a CBOR document", p.typ)
}

func appendCBORMembers(b []byte, p *plan, v reflect.Value, depth int) (_ []byte, err error) {
	for i := range p.fields {
		f := &p.fields[i]
		fv := v.Field(f.index)
		if absent(f, fv) {
			continue
		}
		b = appendCBORText(b, f.wire)
		if b, err = appendCBOR(b, f.plan, fv, depth+1); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendCBORHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendCBORInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendCBORHead(b, cborNeg, uint64(-(n + 1)))
	}
	return appendCBORHead(b, cborUint, uint64(n))
}

func appendCBORFloat(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0xfb), math.Float64bits(f))
}

func appendCBORText(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	b = appendCBORHead(b, cborText, uint64(len(s)))
	return append(b, s...)
}
