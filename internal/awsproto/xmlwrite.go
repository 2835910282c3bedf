package awsproto

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// appendResponseXML writes the Query protocol's answer:
// <XResponse><XResult>members</XResult><ResponseMetadata><RequestId/></ResponseMetadata></XResponse>.
func appendResponseXML(b []byte, q *request, p *plan, v reflect.Value) (_ []byte, err error) {
	name := q.op.name
	b = append(b, "<"+name+"Response xmlns=\""...)
	b = appendXMLText(b, q.svc.Namespace)
	b = append(b, "\"><"+name+"Result>"...)
	if b, err = appendXMLMembers(b, p, v, 0, nil); err != nil {
		return nil, err
	}
	b = append(b, "</"+name+"Result><ResponseMetadata><RequestId>"+q.id+"</RequestId></ResponseMetadata></"+name+"Response>"...)
	return b, nil
}

// appendErrorXML writes the Query protocol's error document.
func appendErrorXML(b []byte, q *request, we wireError) []byte {
	b = append(b, "<ErrorResponse"...)
	if q.svc != nil && q.svc.Namespace != "" {
		b = append(b, " xmlns=\""...)
		b = appendXMLText(b, q.svc.Namespace)
		b = append(b, '"')
	}
	b = append(b, "><Error><Type>"+we.sender()+"</Type><Code>"...)
	b = appendXMLText(b, we.queryCode)
	b = append(b, "</Code><Message>"...)
	b = appendXMLText(b, we.message)
	b = append(b, "</Message>"...)
	if we.plan != nil {
		if members, err := appendXMLMembers(nil, we.plan, we.value, 0, we.messageless()); err == nil {
			b = append(b, members...)
		}
	}
	return append(b, "</Error><RequestId>"+q.id+"</RequestId></ErrorResponse>"...)
}

// appendBareErrorXML writes an error document without an envelope, as S3 does; a fault's members follow the message.
func appendBareErrorXML(b []byte, q *request, we wireError) []byte {
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<Error><Code>"...)
	b = appendXMLText(b, we.code)
	b = append(b, "</Code><Message>"...)
	b = appendXMLText(b, we.message)
	b = append(b, "</Message>"...)
	for _, k := range memberNames(we.members) {
		b = append(b, "<"+k+">"...)
		b = appendXMLText(b, fmt.Sprint(we.members[k]))
		b = append(b, "</"+k+">"...)
	}
	b = append(b, "<Resource>"...)
	b = appendXMLText(b, q.r.URL.Path)
	return append(b, "</Resource><RequestId>"+q.id+"</RequestId><HostId>"+q.id+"</HostId></Error>"...)
}

// appendXMLMembers writes the members of a struct that are set and, when only is given, in it.
func appendXMLMembers(b []byte, p *plan, v reflect.Value, depth int, only []bool) (_ []byte, err error) {
	for i := range p.fields {
		f := &p.fields[i]
		fv := v.Field(f.index)
		if only != nil && !only[i] || absent(f, fv) {
			continue
		}
		switch {
		case f.plan.kind == kindList && f.item != "member":
			b, err = appendXMLItems(b, f, fv, depth+1)
		case f.plan.kind == kindMap && f.entry.flat:
			b, err = appendXMLEntries(b, f.xml, f.entry, f.plan.elem, fv, depth+1)
		default:
			b, err = appendXML(b, f.xml, f.plan, fv, depth+1)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// appendXMLItems writes a list whose items have a name of their own, or stand in the parent without a wrapper.
func appendXMLItems(b []byte, f *field, v reflect.Value, depth int) (_ []byte, err error) {
	item := f.item
	if item == "" {
		item = f.xml
	} else {
		b = append(b, "<"+f.xml+">"...)
	}
	for i := range v.Len() {
		if b, err = appendXML(b, item, f.plan.elem, v.Index(i), depth+1); err != nil {
			return nil, err
		}
	}
	if f.item != "" {
		b = append(b, "</"+f.xml+">"...)
	}
	return b, nil
}

// appendXMLEntries writes the entries of a map, each as an element of its own.
func appendXMLEntries(b []byte, tag string, names entryNames, elem *plan, v reflect.Value, depth int) (_ []byte, err error) {
	for _, k := range sortedKeys(v) {
		b = append(b, "<"+tag+"><"+names.key+">"...)
		b = appendXMLText(b, k.String())
		b = append(b, "</"+names.key+">"...)
		if b, err = appendXML(b, names.value, elem, v.MapIndex(k), depth+1); err != nil {
			return nil, err
		}
		b = append(b, "</"+tag+">"...)
	}
	return b, nil
}

func appendXML(b []byte, tag string, p *plan, v reflect.Value, depth int) (_ []byte, err error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("a %s is nested deeper than %d levels", p.typ, maxDepth)
	}
	if p.kind == kindPointer {
		if v.IsNil() {
			return append(b, "<"+tag+"/>"...), nil
		}
		return appendXML(b, tag, p.elem, v.Elem(), depth)
	}
	b = append(b, "<"+tag+">"...)
	switch p.kind {
	case kindString:
		b = appendXMLText(b, v.String())
	case kindBool:
		b = strconv.AppendBool(b, v.Bool())
	case kindInt:
		b = strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		b = append(b, strings.Trim(string(appendJSONFloat(nil, v.Float(), p.bits)), `"`)...)
	case kindBlob:
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
	case kindTime:
		format := DateTime
		if p.time.explicit {
			format = p.time.format
		}
		b = appendTime(b, timeOf(v), format)
	case kindList:
		for i := range v.Len() {
			if b, err = appendXML(b, "member", p.elem, v.Index(i), depth+1); err != nil {
				return nil, err
			}
		}
	case kindMap:
		if b, err = appendXMLEntries(b, "entry", entryNames{key: "key", value: "value"}, p.elem, v, depth); err != nil {
			return nil, err
		}
	case kindStruct:
		if b, err = appendXMLMembers(b, p, v, depth, nil); err != nil {
			return nil, err
		}
	case kindUnion:
		if v.IsNil() {
			break
		}
		u, value, err := chosenVariant(p, v)
		if err != nil {
			return nil, err
		}
		if b, err = appendXML(b, u.wire, u.plan, value, depth+1); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("a %s has no place in an XML document", p.typ)
	}
	return append(b, "</"+tag+">"...), nil
}

// appendXMLText escapes text for elements and attributes; what XML 1.0 cannot hold becomes U+FFFD.
func appendXMLText(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\r':
			b = append(b, "&#xD;"...)
		case r == '\n' || r == '\t':
			b = append(b, byte(r))
		case r < ' ' || r == 0xfffe || r == 0xffff:
			b = append(b, "\ufffd"...)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
