package awsproto

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// restPlan says where the members of a REST operation's input and output travel.
type restPlan struct {
	segments []segment
	query    url.Values // parameters that a request must have
	labels   []string   // label names in the path's order

	inLabels  []*field // in the path's order
	inQuery   []bound
	inHeaders []bound
	inPayload *field
	inBody    bool   // some member travels in a JSON body
	inMembers []bool // which ones

	outHeaders []bound
	outStatus  *field
	outPayload *field
	outMembers []bool // which members the JSON body has; nil means all
	outType    string // content type of the payload
}

type bound struct {
	field *field
	place place
	wire  string
}

// newRestPlan reads the path; bind does the rest.
func newRestPlan(op *operation) (*restPlan, error) {
	segs, query, err := parsePath(op.http.path)
	if err != nil {
		return nil, err
	}
	rp := &restPlan{segments: segs, query: query}
	for _, s := range segs {
		if s.label {
			rp.labels = append(rp.labels, s.text)
		}
	}
	if len(rp.labels) > maxLabels {
		return nil, fmt.Errorf("path %q has more than %d labels", op.http.path, maxLabels)
	}
	return rp, nil
}

func (rp *restPlan) bind(op *operation) error {
	if err := rp.bindInput(op); err != nil {
		return err
	}
	return rp.bindOutput(op)
}

func (rp *restPlan) bindInput(op *operation) error {
	isLabel := map[*field]bool{}
	for _, l := range rp.labels {
		f, ok := op.inPlan.field(l)
		if !ok {
			return fmt.Errorf("path label %s is no member of %s", l, op.in)
		}
		rp.inLabels = append(rp.inLabels, f)
		isLabel[f] = true
	}
	explicit := map[*field]Member{}
	for _, m := range op.http.members {
		f, ok := op.inPlan.field(m.goName)
		if ok && m.side == sideOut {
			continue
		}
		if ok {
			explicit[f] = m
		} else if _, ok := op.outPlan.field(m.goName); !ok {
			return fmt.Errorf("bound member %s is neither in %s nor in %s", m.goName, op.in, op.out)
		}
	}
	rp.inMembers = make([]bool, len(op.inPlan.fields))
	for i := range op.inPlan.fields {
		f := &op.inPlan.fields[i]
		pl, wire := placeOf(f.schema)
		if m, ok := explicit[f]; ok {
			pl, wire = m.place, m.wire
		}
		if isLabel[f] {
			pl = placeLabel
		}
		if pl == placeHeader && f.plan.kind == kindMap {
			pl = placeHeaderMap
		}
		if pl == placeQuery && f.plan.kind == kindMap {
			pl = placeQueryMap
		}
		switch pl {
		case placeLabel:
			if !isLabel[f] {
				return fmt.Errorf("member %s is a label, but the path %q has none of that name", f.name, op.http.path)
			}
			if !textual(f.plan, false) {
				return &UnsupportedTypeError{Type: f.plan.typ, Member: f.name, Reason: "a label must be a scalar"}
			}
		case placeQuery, placeHeader:
			if !textual(f.plan, true) {
				return &UnsupportedTypeError{Type: f.plan.typ, Member: f.name, Reason: "a query parameter or header must be a scalar or a list of scalars"}
			}
			if pl == placeQuery {
				rp.inQuery = append(rp.inQuery, bound{f, pl, wire})
			} else {
				rp.inHeaders = append(rp.inHeaders, bound{f, pl, wire})
			}
		case placeQueryMap, placeHeaderMap:
			if f.plan.kind != kindMap || f.plan.elem.kind != kindString && (f.plan.elem.kind != kindList || f.plan.elem.elem.kind != kindString) {
				return &UnsupportedTypeError{Type: f.plan.typ, Member: f.name, Reason: "it must be a map of strings"}
			}
			if pl == placeQueryMap {
				rp.inQuery = append(rp.inQuery, bound{f, pl, wire})
			} else {
				rp.inHeaders = append(rp.inHeaders, bound{f, pl, wire})
			}
		case placePayload:
			rp.inPayload = f
		default: // a status is the output's alone: an input member of that name travels in the body
			if f.plan.kind == kindStream {
				return &UnsupportedTypeError{Type: f.plan.typ, Member: f.name, Reason: "a stream must be the payload"}
			}
			rp.inMembers[i], rp.inBody = true, true
		}
	}
	if rp.inPayload != nil && rp.inBody {
		return fmt.Errorf("%s is the whole body, yet other members of %s travel there too", rp.inPayload.name, op.in)
	}
	return nil
}

func (rp *restPlan) bindOutput(op *operation) error {
	explicit := map[*field]Member{}
	for _, m := range op.http.members {
		if f, ok := op.outPlan.field(m.goName); ok && m.side != sideIn {
			// A header or payload of the input is not the output's when both have the member and a schema disagrees.
			explicit[f] = m
		}
	}
	members, inBody := make([]bool, len(op.outPlan.fields)), 0
	for i := range op.outPlan.fields {
		f := &op.outPlan.fields[i]
		pl, wire := placeOf(f.schema)
		if m, ok := explicit[f]; ok {
			pl, wire = m.place, m.wire
		}
		switch pl {
		case placeHeader, placeHeaderMap:
			if f.plan.kind == kindMap {
				pl = placeHeaderMap
			}
			if pl == placeHeader && !textual(f.plan, true) || pl == placeHeaderMap && (f.plan.kind != kindMap || f.plan.elem.kind != kindString) {
				return &UnsupportedTypeError{Type: f.plan.typ, Member: f.name, Reason: "it cannot be written as a header"}
			}
			rp.outHeaders = append(rp.outHeaders, bound{f, pl, wire})
		case placeStatus:
			if f.plan.scalar().kind != kindInt {
				return &UnsupportedTypeError{Type: f.plan.typ, Member: f.name, Reason: "a status must be an integer"}
			}
			rp.outStatus = f
		case placePayload:
			rp.outPayload = f
			rp.outType = payloadType(f)
		default:
			if f.plan.kind == kindStream {
				return &UnsupportedTypeError{Type: f.plan.typ, Member: f.name, Reason: "a stream must be the payload"}
			}
			members[i] = true
			inBody++
		}
	}
	if rp.outPayload != nil && inBody > 0 {
		return fmt.Errorf("%s is the whole body, yet other members of %s travel there too", rp.outPayload.name, op.out)
	}
	if inBody != len(members) {
		rp.outMembers = members
	}
	return nil
}

func payloadType(f *field) string {
	if mt, ok := smithy.SchemaTrait[*traits.MediaType](f.schema); ok {
		return mt.Type
	}
	switch f.plan.scalar().kind {
	case kindBlob, kindStream:
		return "application/octet-stream"
	case kindString:
		return "text/plain"
	}
	return "application/json"
}

// textual tells whether values of p can be written outside of a body.
func textual(p *plan, lists bool) bool {
	switch p.kind {
	case kindPointer:
		return textual(p.elem, false)
	case kindString, kindBool, kindInt, kindFloat, kindTime:
		return true
	case kindList:
		return lists && textual(p.elem, false)
	}
	return false
}

// decode fills the input from the request.
func (rp *restPlan) decode(p *plan, v reflect.Value, labels []string, r *http.Request, body []byte) error {
	if err := rp.decodeHead(v, labels, r); err != nil {
		return err
	}
	if rp.inPayload != nil {
		return decodePayload(rp.inPayload, v.Field(rp.inPayload.index), body)
	}
	if !rp.inBody {
		return nil
	}
	// A body must not overwrite what the path, the query or a header says.
	return decodeJSONMembers(p, body, v, rp.inMembers)
}

// decodeHead fills what travels outside of the body.
func (rp *restPlan) decodeHead(v reflect.Value, labels []string, r *http.Request) error {
	for i, f := range rp.inLabels {
		if err := setText(f.plan, v.Field(f.index), labels[i], DateTime); err != nil {
			return err
		}
	}
	if len(rp.inQuery) > 0 && r.URL.RawQuery != "" {
		if err := rp.decodeQuery(v, r.URL.RawQuery); err != nil {
			return err
		}
	}
	for i := range rp.inHeaders {
		if err := decodeHeader(&rp.inHeaders[i], v, r.Header); err != nil {
			return err
		}
	}
	return nil
}

func (rp *restPlan) decodeQuery(v reflect.Value, raw string) error {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return serialization("The query string is malformed")
	}
	for i := range rp.inQuery {
		b := &rp.inQuery[i]
		fv := v.Field(b.field.index)
		if b.place == placeQueryMap {
			if err := setStringMap(b.field.plan, fv, q, func(k string) (string, bool) { return k, !rp.queryTaken(k) }); err != nil {
				return err
			}
			continue
		}
		values, ok := q[b.wire]
		if !ok {
			continue
		}
		if b.field.plan.kind == kindList {
			if err := setList(b.field.plan, fv, values, DateTime); err != nil {
				return err
			}
			continue
		}
		if err := setText(b.field.plan, fv, values[0], DateTime); err != nil {
			return err
		}
	}
	return nil
}

func (rp *restPlan) queryTaken(name string) bool {
	for i := range rp.inQuery {
		if rp.inQuery[i].place == placeQuery && rp.inQuery[i].wire == name {
			return true
		}
	}
	return false
}

func decodeHeader(b *bound, v reflect.Value, h http.Header) error {
	fv := v.Field(b.field.index)
	if b.place == placeHeaderMap {
		prefix := http.CanonicalHeaderKey(b.wire)
		return setStringMap(b.field.plan, fv, h, func(k string) (string, bool) {
			if len(k) > len(prefix) && strings.EqualFold(k[:len(prefix)], prefix) {
				return k[len(prefix):], true
			}
			return "", false
		})
	}
	values := h.Values(b.wire)
	if len(values) == 0 {
		return nil
	}
	if b.field.plan.kind == kindList {
		var parts []string
		for _, value := range values {
			for part := range strings.SplitSeq(value, ",") {
				parts = append(parts, strings.TrimSpace(part))
			}
		}
		return setList(b.field.plan, fv, parts, HTTPDate)
	}
	return setText(b.field.plan, fv, values[0], HTTPDate)
}

func setStringMap(p *plan, v reflect.Value, from map[string][]string, key func(string) (string, bool)) error {
	out := reflect.MakeMap(p.typ)
	for k, values := range from {
		name, ok := key(k)
		if !ok || len(values) == 0 {
			continue
		}
		item := reflect.New(p.elem.typ).Elem()
		if p.elem.kind == kindList {
			if err := setList(p.elem, item, values, DateTime); err != nil {
				return err
			}
		} else {
			item.SetString(values[0])
		}
		out.SetMapIndex(reflect.ValueOf(name).Convert(p.typ.Key()), item)
	}
	if out.Len() > 0 {
		v.Set(out)
	}
	return nil
}

func setList(p *plan, v reflect.Value, values []string, format TimeFormat) error {
	out := reflect.MakeSlice(p.typ, len(values), len(values))
	for i, s := range values {
		if err := setText(p.elem, out.Index(i), s, format); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// setText sets a scalar from its text outside of a body, where timestamps have the given format unless the model
// says otherwise.
func setText(p *plan, v reflect.Value, s string, format TimeFormat) error {
	refuse := func(want string) error { return serialization("STRING_VALUE can not be converted to " + want) }
	switch p.kind {
	case kindPointer:
		n := reflect.New(p.elem.typ)
		if err := setText(p.elem, n.Elem(), s, format); err != nil {
			return err
		}
		v.Set(n)
	case kindString:
		v.SetString(s)
	case kindBool:
		if s != "true" && s != "false" {
			return refuse("a Boolean")
		}
		v.SetBool(s == "true")
	case kindInt:
		n, err := strconv.ParseInt(s, 10, p.bits)
		if err != nil {
			return refuse(intName(p.bits))
		}
		v.SetInt(n)
	case kindFloat:
		f, ok := specialFloat(s)
		if !ok {
			var err error
			if f, err = strconv.ParseFloat(s, p.bits); err != nil || strings.ContainsAny(s, "xXnN_") {
				return refuse("a Double")
			}
		}
		v.SetFloat(f)
	case kindTime:
		if p.time.explicit {
			format = p.time.format
		}
		t, ok := parseTime(s, format)
		if !ok {
			return refuse("a Timestamp")
		}
		v.Set(reflect.ValueOf(t))
	case kindBlob:
		b, err := decodeBase64([]byte(s))
		if err != nil {
			return err
		}
		v.SetBytes(b)
	default:
		return refuse("a structure or list")
	}
	return nil
}

func decodePayload(f *field, v reflect.Value, body []byte) error {
	p := f.plan
	switch p.scalar().kind {
	case kindBlob:
		if len(body) > 0 {
			v.SetBytes(body)
		}
		return nil
	case kindStream:
		var rd io.Reader = bytes.NewReader(body)
		if p.typ == closerType {
			rd = io.NopCloser(rd)
		}
		v.Set(reflect.ValueOf(rd))
		return nil
	case kindString:
		if len(body) > 0 {
			return setText(p, v, string(body), DateTime)
		}
		return nil
	}
	if len(body) == 0 {
		return nil
	}
	if p.kind == kindPointer {
		v.Set(reflect.New(p.elem.typ))
		p, v = p.elem, v.Elem()
	}
	return decodeJSON(p, body, v)
}

// textOf writes a scalar for a header.
func textOf(p *plan, v reflect.Value) string {
	switch p.kind {
	case kindPointer:
		return textOf(p.elem, v.Elem())
	case kindString:
		return v.String()
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindInt:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return strings.Trim(string(appendJSONFloat(nil, v.Float(), p.bits)), `"`)
	case kindTime:
		format := HTTPDate
		if p.time.explicit {
			format = p.time.format
		}
		return string(appendTime(nil, timeOf(v), format))
	case kindBlob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case kindList:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = textOf(p.elem, v.Index(i))
		}
		return strings.Join(parts, ", ")
	}
	return ""
}

// oneLine keeps a value from ending its header.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

func headerText(p *plan, v reflect.Value) string { return oneLine.Replace(textOf(p, v)) }

// writeHeaders puts the output's header members into h.
func (rp *restPlan) writeHeaders(h http.Header, v reflect.Value) {
	for i := range rp.outHeaders {
		b := &rp.outHeaders[i]
		fv := v.Field(b.field.index)
		if absent(b.field, fv) {
			continue
		}
		if b.place == placeHeaderMap {
			for _, k := range sortedKeys(fv) {
				h.Set(b.wire+k.String(), oneLine.Replace(fv.MapIndex(k).String()))
			}
			continue
		}
		h.Set(b.wire, headerText(b.field.plan, fv))
	}
}
