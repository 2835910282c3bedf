package awsproto

import (
	"log/slog"
	"net/http"
	"reflect"
	"slices"

	"github.com/tealdeploy/teal/internal/jsontext"
)

// fail answers with an error in the request's protocol. What is no AWS error is logged and told as InternalFailure.
func (q *request) fail(err error) {
	we, known := q.svc.wireErrorOf(err)
	if !known {
		q.logFailure(err)
	}
	h := q.w.Header()
	if q.queryMode {
		h.Set("X-Amzn-Query-Error", we.queryCode+";"+we.sender())
	}
	switch q.proto {
	case RESTJSON:
		q.failREST(we)
	case AWSQuery:
		q.write(we.status, "text/xml", appendErrorXML(nil, q, we))
	case RESTXML:
		if !known {
			we.code, we.message = "InternalError", "We encountered an internal error. Please try again."
		}
		q.failXML(we)
	case RPCV2CBOR:
		q.write(we.status, "application/cbor", appendErrorCBOR(nil, we))
	default:
		q.write(we.status, q.jsonType(), appendErrorJSON(nil, we, true))
	}
}

func (q *request) failREST(we wireError) {
	h := q.w.Header()
	h.Set("X-Amzn-Errortype", we.code)
	we.only = errorHeaders(h, we)
	q.write(we.status, "application/json", appendErrorJSON(nil, we, false))
}

// errorHeaders writes the exception's members that travel as headers (Retry-After), and returns which do not; nil means
// all.
func errorHeaders(h http.Header, we wireError) (only []bool) {
	if we.plan == nil {
		return nil
	}
	for i := range we.plan.fields {
		f := &we.plan.fields[i]
		if pl, name := placeOf(f.schema); pl == placeHeader && textual(f.plan, true) {
			if only == nil {
				only = slices.Repeat([]bool{true}, len(we.plan.fields))
			}
			only[i] = false
			if v := we.value.Field(f.index); !absent(f, v) {
				h.Set(name, headerText(f.plan, v))
			}
		}
	}
	return only
}

func (q *request) logFailure(err error) {
	service, name := "", q.name
	if q.svc != nil {
		service = q.svc.Name
	}
	if q.op != nil {
		name = q.op.name
	}
	level := slog.LevelError
	if q.r.Context().Err() != nil {
		level = slog.LevelDebug // the caller went away; its handler was right to stop
	}
	q.mux.log.Log(q.r.Context(), level, "AWS operation failed", "service", service, "operation", name, "requestId", q.id, "error", err)
}

// appendErrorJSON writes an error document: the exception's own members, or message and the fault's members.
func appendErrorJSON(b []byte, we wireError, typed bool) []byte {
	start := len(b)
	b = append(b, '{')
	if typed {
		b = append(b, `"__type":`...)
		b = jsontext.AppendString(b, we.code)
	}
	if we.plan != nil {
		inner, err := appendJSONStruct(nil, we.plan, we.value, 0, we.only)
		if err == nil {
			if inner = inner[1:]; len(inner) > 1 && len(b) > start+1 {
				b = append(b, ',')
			}
			return append(b, inner...)
		}
	}
	if len(b) > start+1 {
		b = append(b, ',')
	}
	for _, k := range memberNames(we.members) {
		if s, err := EncodeJSON(Capitals, we.members[k]); err == nil {
			b = jsontext.AppendString(b, k)
			b = append(b, ':')
			b = append(b, s...)
			b = append(b, ',')
		}
	}
	b = append(b, `"message":`...)
	b = jsontext.AppendString(b, we.message)
	return append(b, '}')
}

// memberNames lists a fault's members in order; nil values and the message, which has its own place, are left out.
func memberNames(members map[string]any) []string {
	var names []string
	for k, v := range members {
		if k != "message" && k != "__type" && v != nil {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

func appendErrorCBOR(b []byte, we wireError) []byte {
	b = append(b, cborMapOpen)
	b = appendCBORText(b, "__type")
	b = appendCBORText(b, we.id)
	if we.plan != nil {
		if members, err := appendCBORMembers(nil, we.plan, we.value, 0); err == nil {
			b = append(b, members...)
			return append(b, cborBreak)
		}
	}
	for _, k := range memberNames(we.members) {
		v := reflect.ValueOf(we.members[k])
		p, err := plainPlan(Capitals, v.Type())
		if err != nil {
			continue
		}
		if item, err := appendCBOR(nil, p, v, 0); err == nil {
			b = appendCBORText(b, k)
			b = append(b, item...)
		}
	}
	b = appendCBORText(b, "message")
	b = appendCBORText(b, we.message)
	return append(b, cborBreak)
}

// WriteError answers a raw operation with an error, as typed operations do: SDK exceptions and *fault.Error as AWS
// writes them, anything else as InternalFailure, which is logged. Nothing may have been written to w.
func (s *Service) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	we, known := s.wireErrorOf(err)
	if !known {
		call := CallOf(r.Context())
		if call.log == nil {
			call.log = slog.Default()
		}
		call.log.ErrorContext(r.Context(), "AWS operation failed", "service", s.Name, "requestId", call.RequestID, "path", r.URL.Path, "error", err)
	}
	q := request{w: w, r: r, proto: RESTJSON, svc: s}
	q.failREST(we)
}
