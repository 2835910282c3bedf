package awsproto

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the protocol's
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"reflect"

	"github.com/tealdeploy/teal/internal/fault"
)

func malformedXML() error {
	return fault.New("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

// checkMD5 compares a document with its Content-MD5 header; "" passes.
func checkMD5(given string, doc []byte) error {
	if given == "" {
		return nil
	}
	want, err := base64.StdEncoding.DecodeString(given)
	if err != nil || len(want) != md5.Size {
		return fault.New("InvalidDigest", "The Content-MD5 you specified is not valid.")
	}
	if sum := md5.Sum(doc); !bytes.Equal(sum[:], want) { //nolint:gosec // the protocol's
		return fault.New("BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	return nil
}

// decodeXMLDocument reads a document's root element, whatever its name, into the struct v or what it points at. When
// only is given, other members are passed over; unknown elements always are.
func decodeXMLDocument(p *plan, doc []byte, v reflect.Value, only []bool) error {
	if p.kind == kindPointer {
		v.Set(reflect.New(p.elem.typ))
		p, v = p.elem, v.Elem()
	}
	d := &xmlReader{xml.NewDecoder(bytes.NewReader(doc))}
	for {
		t, err := d.Token()
		if err != nil {
			return malformedXML()
		}
		if _, ok := t.(xml.StartElement); ok {
			if err := d.structure(p, v, only, 0); err != nil {
				return recoded(err, "MalformedXML")
			}
			return d.end()
		}
	}
}

type xmlReader struct{ *xml.Decoder }

// end makes sure that nothing but space and comments follows the root.
func (d *xmlReader) end() error {
	for {
		t, err := d.Token()
		switch t := t.(type) {
		case nil:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return malformedXML()
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return malformedXML()
			}
		case xml.Comment, xml.ProcInst:
		default:
			return malformedXML()
		}
	}
}

// children calls child for every element inside the one that was just opened, to its end tag.
func (d *xmlReader) children(depth int, child func(name string) error) error {
	if depth > maxDepth {
		return malformedXML()
	}
	for {
		t, err := d.Token()
		if err != nil {
			return malformedXML()
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := child(t.Name.Local); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return malformedXML()
			}
		}
	}
}

func (d *xmlReader) structure(p *plan, v reflect.Value, only []bool, depth int) error {
	return d.children(depth, func(name string) error {
		i, ok := p.byWire[name]
		if !ok || only != nil && !only[i] {
			return d.skip()
		}
		f := &p.fields[i]
		fv := v.Field(f.index)
		if f.plan.kind == kindList {
			if f.item == "" {
				return d.item(f.plan, fv, depth+1)
			}
			fv.Set(reflect.MakeSlice(f.plan.typ, 0, 4))
			return d.children(depth+1, func(name string) error {
				if name != f.item {
					return d.skip()
				}
				return d.item(f.plan, fv, depth+2)
			})
		}
		return d.value(f.plan, fv, depth+1)
	})
}

func (d *xmlReader) skip() error {
	if d.Skip() != nil {
		return malformedXML()
	}
	return nil
}

func (d *xmlReader) item(p *plan, list reflect.Value, depth int) error {
	item := reflect.New(p.elem.typ).Elem()
	if err := d.value(p.elem, item, depth); err != nil {
		return err
	}
	list.Set(reflect.Append(list, item))
	return nil
}

// value reads the element that was just opened.
func (d *xmlReader) value(p *plan, v reflect.Value, depth int) error {
	switch p.kind {
	case kindPointer:
		item := reflect.New(p.elem.typ)
		if err := d.value(p.elem, item.Elem(), depth); err != nil {
			return err
		}
		v.Set(item)
		return nil
	case kindStruct:
		return d.structure(p, v, nil, depth)
	case kindList:
		return d.children(depth, func(name string) error {
			if name != "member" {
				return d.skip()
			}
			return d.item(p, v, depth+1)
		})
	case kindString, kindBool, kindInt, kindFloat, kindTime, kindBlob:
		text, err := d.text()
		if err != nil {
			return err
		}
		if p.kind != kindString {
			text = string(bytes.TrimSpace([]byte(text)))
		}
		return setText(p, v, text, DateTime)
	}
	return &UnsupportedTypeError{Type: p.typ, Member: p.typ.String(), Reason: "it is not read from XML here"}
}

// text reads the character data of the element that was just opened.
func (d *xmlReader) text() (string, error) {
	var b []byte
	for {
		t, err := d.Token()
		if err != nil {
			return "", malformedXML()
		}
		switch t := t.(type) {
		case xml.CharData:
			b = append(b, t...)
		case xml.StartElement:
			return "", malformedXML()
		case xml.EndElement:
			return string(b), nil
		}
	}
}
