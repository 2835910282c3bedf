package awsproto

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"reflect"
	"strings"
	"sync"

	"github.com/tealdeploy/teal/internal/fault"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// Direct calls operations of services without HTTP, in the JSON form of Step Functions' AWS SDK integrations: members are
// named in PascalCase, times are RFC 3339 texts, blobs are base64. It runs the handlers of the very tables that a Mux
// serves. It is safe for concurrent use.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
type Direct struct{ services map[string]*directService }

// NewDirect makes a caller of the services, by the names that SDK integrations have for them, such as cloudwatch and sfn.
// Raw and refused operations, and those whose members have no form in JSON, are not served.
func NewDirect(services map[string]*Service) *Direct {
	d := &Direct{services: map[string]*directService{}}
	for name, s := range services {
		ds := &directService{codec: &codec{sdk: true, time: DateTime}, byAction: map[string]*operation{}}
		for _, u := range s.Unions {
			ds.codec.unions = append(ds.codec.unions, reflect.TypeOf(u).Elem())
		}
		for _, o := range s.Operations {
			if o.op.call != nil {
				ds.byAction[actionName(o.op.name)] = o.op
			}
		}
		d.services[name] = ds
	}
	return d
}

// Module is the name of the SDK's module whose types the operations have, such as sfn or cloudwatchlogs: that is also what
// SDK integrations call the service. It is "" for a service of raw operations only.
func (s *Service) Module() string {
	for _, o := range s.Operations {
		if o.op.in != nil {
			return path.Base(o.op.in.PkgPath())
		}
	}
	return ""
}

// actionName is an operation's name in a resource: camel case with a small first letter.
func actionName(operation string) string { return strings.ToLower(operation[:1]) + operation[1:] }

type directService struct {
	codec    *codec
	byAction map[string]*operation
	plans    sync.Map // *operation → *directPlans
}

type directPlans struct {
	in, out *plan
	err     error
}

// Serves tells whether Call knows the action of the service.
func (d *Direct) Serves(service, action string) bool {
	s := d.services[service]
	if s == nil {
		return false
	}
	op := s.byAction[action]
	return op != nil && s.plansOf(op).err == nil
}

func (s *directService) plansOf(op *operation) *directPlans {
	if p, ok := s.plans.Load(op); ok {
		return p.(*directPlans)
	}
	p := &directPlans{}
	if p.in, p.err = s.codec.plan(op.in); p.err == nil {
		p.out, p.err = s.codec.plan(op.out)
	}
	kept, _ := s.plans.LoadOrStore(op, p)
	return kept.(*directPlans)
}

// Call performs an action, such as describeExecution of sfn, with its parameters as a JSON object, and returns the answer
// as one. The error is the service's own, a SerializationException for parameters that do not fit, or UnknownOperation.
func (d *Direct) Call(ctx context.Context, service, action string, input json.RawMessage) (json.RawMessage, error) {
	if !d.Serves(service, action) {
		return nil, fault.New("UnknownOperationException", fmt.Sprintf("%s:%s is not served by this endpoint", service, action))
	}
	s := d.services[service]
	op := s.byAction[action]
	p := s.plansOf(op)
	in := op.newIn()
	input, err := takeStream(p.in, input, reflect.ValueOf(in).Elem())
	if err != nil {
		return nil, err
	}
	if err := decodeJSON(p.in, input, reflect.ValueOf(in).Elem()); err != nil {
		return nil, err
	}
	call := CallOf(ctx)
	call.Document = input
	out, err := op.call(context.WithValue(ctx, callKey{}, &call), in)
	if err != nil {
		return nil, err
	}
	return appendAnswer(p.out, reflect.ValueOf(out).Elem())
}

// maxStream bounds the body that a call takes as one text, in bytes: more does not fit into a state's output.
const maxStream = 256 << 10

func (p *plan) stream() *field {
	for i := range p.fields {
		if p.fields[i].plan.kind == kindStream {
			return &p.fields[i]
		}
	}
	return nil
}

// takeStream sets the member that is a stream from its text, or from the JSON of what is no text, and returns the rest.
func takeStream(p *plan, input json.RawMessage, v reflect.Value) (json.RawMessage, error) {
	f := p.stream()
	if f == nil {
		return input, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(input, &members); err != nil {
		return nil, serialization("The parameters are no JSON object")
	}
	body, ok := members[f.wire]
	if !ok {
		return input, nil
	}
	delete(members, f.wire)
	var text string
	if err := json.Unmarshal(body, &text); err != nil {
		text = string(body)
	}
	v.Field(f.index).Set(reflect.ValueOf(io.NopCloser(strings.NewReader(text))))
	return json.Marshal(members)
}

// appendAnswer writes an output; a stream in it becomes a text.
func appendAnswer(p *plan, v reflect.Value) (json.RawMessage, error) {
	f := p.stream()
	if f == nil || v.Field(f.index).IsNil() {
		return appendJSON(nil, p, v, 0)
	}
	r := v.Field(f.index).Interface().(io.Reader)
	if c, ok := r.(io.Closer); ok {
		defer func() { _ = c.Close() }()
	}
	body, err := io.ReadAll(io.LimitReader(r, maxStream+1))
	if err != nil {
		return nil, err
	}
	only := make([]bool, len(p.fields))
	for i := range p.fields {
		only[i] = p.fields[i].plan.kind != kindStream
	}
	b, err := appendJSONStruct(nil, p, v, 0, only)
	if err != nil {
		return nil, err
	}
	b = b[:len(b)-1]
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(jsontext.AppendString(b, f.wire), ':')
	return append(jsontext.AppendString(b, strings.ToValidUTF8(string(body), "\uFFFD")), '}'), nil
}
