package awsproto

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/tealdeploy/teal/internal/jsontext"
)

// appendJSON writes v by its plan. Members that are nil are left out.
func appendJSON(b []byte, p *plan, v reflect.Value, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("a %s is nested deeper than %d levels", p.typ, maxDepth)
	}
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		return appendJSON(b, p.elem, v.Elem(), depth)
	case kindString:
		return jsontext.AppendString(b, v.String()), nil
	case kindBool:
		return strconv.AppendBool(b, v.Bool()), nil
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case kindFloat:
		return appendJSONFloat(b, v.Float(), p.bits), nil
	case kindBlob:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"'), nil
	case kindTime:
		t := timeOf(v)
		if p.time.format == EpochSeconds {
			return appendEpoch(b, t), nil
		}
		b = append(b, '"')
		b = appendTime(b, t, p.time.format)
		return append(b, '"'), nil
	case kindList:
		return appendJSONList(b, p, v, depth)
	case kindMap:
		return appendJSONMap(b, p, v, depth)
	case kindStruct:
		return appendJSONStruct(b, p, v, depth, nil)
	case kindUnion:
		return appendJSONUnion(b, p, v, depth)
	}
	return nil, fmt.Errorf("a %s has no place inside a JSON document", p.typ)
}

func appendJSONList(b []byte, p *plan, v reflect.Value, depth int) (_ []byte, err error) {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, p.elem, v.Index(i), depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendJSONMap(b []byte, p *plan, v reflect.Value, depth int) (_ []byte, err error) {
	b = append(b, '{')
	for i, k := range sortedKeys(v) {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendString(b, k.String())
		b = append(b, ':')
		if b, err = appendJSON(b, p.elem, v.MapIndex(k), depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// sortedKeys makes the answers of one output the same bytes each time.
func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch x, y := a.String(), b.String(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return keys
}

// appendJSONStruct writes the members that are set and, when only is given, in it.
func appendJSONStruct(b []byte, p *plan, v reflect.Value, depth int, only []bool) (_ []byte, err error) {
	b = append(b, '{')
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		if only != nil && !only[i] {
			continue
		}
		fv := v.Field(f.index)
		if absent(f, fv) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = jsontext.AppendString(b, f.wire)
		b = append(b, ':')
		if b, err = appendJSON(b, f.plan, fv, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// absent tells whether a member is not set and so left out.
func absent(f *field, v reflect.Value) bool {
	switch f.plan.kind {
	case kindPointer, kindBlob, kindList, kindMap, kindUnion, kindStream:
		return v.IsNil()
	case kindString:
		return f.emptyAbsent && v.Len() == 0
	case kindTime:
		return timeOf(v).IsZero()
	}
	return false
}

func appendJSONUnion(b []byte, p *plan, v reflect.Value, depth int) ([]byte, error) {
	if v.IsNil() {
		return append(b, "null"...), nil
	}
	u, value, err := chosenVariant(p, v)
	if err != nil {
		return nil, err
	}
	b = append(b, '{')
	b = jsontext.AppendString(b, u.wire)
	b = append(b, ':')
	if b, err = appendJSON(b, u.plan, value, depth+1); err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

func chosenVariant(p *plan, v reflect.Value) (*variant, reflect.Value, error) {
	at := v.Elem()
	if at.Kind() == reflect.Pointer && !at.IsNil() {
		for i := range p.union {
			if at.Elem().Type() == p.union[i].typ {
				return &p.union[i], at.Elem().FieldByName("Value"), nil
			}
		}
	}
	return nil, reflect.Value{}, fmt.Errorf("the service does not list the variant %s of union %s", at.Type(), p.typ)
}

func appendJSONFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}
