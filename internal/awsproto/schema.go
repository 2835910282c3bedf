package awsproto

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// schemaProbe learns a type's schema: generated Serialize methods begin by announcing it.
type schemaProbe struct {
	smithy.ShapeSerializer
	schema *smithy.Schema
}

type probed struct{}

// WriteStruct notes the schema and ends the probe.
func (p *schemaProbe) WriteStruct(s *smithy.Schema) {
	p.schema = s
	panic(probed{})
}

// schemaOf returns the schema of an SDK struct type, or nil where its module has none. It is used when plans are
// built, never per request.
func schemaOf(t reflect.Type) (schema *smithy.Schema) {
	v, ok := reflect.New(t).Interface().(smithy.Serializable)
	if !ok {
		return nil
	}
	p := &schemaProbe{}
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(probed); !ours {
				panic(r)
			}
			schema = p.schema
		}
	}()
	v.Serialize(p)
	return nil
}

// memberSchema finds the member that a Go field stands for: the SDK's Go name is the member's with a capital first
// letter.
func memberSchema(s *smithy.Schema, goName string) *smithy.Schema {
	if s == nil {
		return nil
	}
	if m := s.Member(goName); m != nil {
		return m
	}
	if m := s.Member(strings.ToLower(goName[:1]) + goName[1:]); m != nil {
		return m
	}
	for name, m := range s.Members() {
		if strings.EqualFold(name, goName) {
			return m
		}
	}
	return nil
}

// bindingFromSchema reads an operation's method, path and status; members are bound by the schemas of the types.
func bindingFromSchema(s *smithy.Schema) *httpBinding {
	h, ok := smithy.SchemaTrait[*traits.HTTP](s)
	if !ok {
		name := "nil"
		if s != nil {
			name = s.ID().String()
		}
		return &httpBinding{err: fmt.Errorf("schema %s has no HTTP binding", name)}
	}
	return &httpBinding{method: h.Method, path: h.URI, status: h.Code}
}

// placeOf reads from a member's schema where it travels.
func placeOf(m *smithy.Schema) (place, string) {
	if m == nil {
		return placeBody, ""
	}
	if _, ok := smithy.SchemaTrait[*traits.HTTPLabel](m); ok {
		return placeLabel, m.MemberName()
	}
	if q, ok := smithy.SchemaTrait[*traits.HTTPQuery](m); ok {
		return placeQuery, q.Name
	}
	if _, ok := smithy.SchemaTrait[*traits.HTTPQueryParams](m); ok {
		return placeQueryMap, ""
	}
	if h, ok := smithy.SchemaTrait[*traits.HTTPHeader](m); ok {
		return placeHeader, h.Name
	}
	if h, ok := smithy.SchemaTrait[*traits.HTTPPrefixHeaders](m); ok {
		return placeHeaderMap, h.Prefix
	}
	if _, ok := smithy.SchemaTrait[*traits.HTTPPayload](m); ok {
		return placePayload, ""
	}
	if _, ok := smithy.SchemaTrait[*traits.HTTPResponseCode](m); ok {
		return placeStatus, ""
	}
	return placeBody, ""
}
