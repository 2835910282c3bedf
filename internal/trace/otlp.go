package trace

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The part of OTLP's messages that is sent, in the JSON of Protocol Buffers as OTLP has it: IDs in hex, numbers of 64
// bits as text.
//
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
type (
	request struct {
		ResourceSpans [1]resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resource      `json:"resource"`
		ScopeSpans [1]scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []attribute `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope      `json:"scope"`
		Spans []wireSpan `json:"spans"`
	}
	scope struct {
		Name string `json:"name"`
	}
	wireSpan struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		ParentID   string      `json:"parentSpanId,omitempty"`
		State      string      `json:"traceState,omitempty"`
		Flags      int         `json:"flags"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
		Status     status      `json:"status"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string `json:"stringValue,omitempty"`
		Int    *string `json:"intValue,omitempty"`
		Bool   *bool   `json:"boolValue,omitempty"`
	}
	status struct {
		Code int `json:"code,omitempty"`
	}
)

const (
	flagSampled = 1
	statusError = 2
)

// encode writes the body of a post.
func encode(cfg *Config, spans []span) []byte {
	own := maps.Clone(cfg.Resource)
	if own == nil {
		own = map[string]string{}
	}
	own["service.name"] = cfg.Service
	own["telemetry.sdk.language"], own["telemetry.sdk.name"] = "go", "teal"
	var r request
	rs := &r.ResourceSpans[0]
	for _, k := range slices.Sorted(maps.Keys(own)) {
		rs.Resource.Attributes = append(rs.Resource.Attributes, attribute{k, valueOf(own[k])})
	}
	ss := &rs.ScopeSpans[0]
	ss.Scope.Name = "github.com/tealdeploy/teal"
	ss.Spans = make([]wireSpan, len(spans))
	for i := range spans {
		ss.Spans[i] = spans[i].wire()
	}
	b, err := json.Marshal(r)
	if err != nil { // text, numbers and truths can always be written
		panic(err)
	}
	return b
}

func (s *span) wire() wireSpan {
	if s.end.Before(s.begin) {
		s.end = s.begin
	}
	w := wireSpan{
		TraceID: hex.EncodeToString(s.at.Trace[:]), SpanID: hex.EncodeToString(s.at.Span[:]), Flags: flagSampled,
		State: strings.ToValidUTF8(s.at.State, "\uFFFD"),
		Name:  s.name, Kind: s.kind, Start: nanos(s.begin), End: nanos(s.end),
	}
	if s.parent != [8]byte{} {
		w.ParentID = hex.EncodeToString(s.parent[:])
	}
	for i := 0; i+1 < len(s.attributes); i += 2 {
		if k, ok := s.attributes[i].(string); ok && s.attributes[i+1] != "" {
			w.Attributes = append(w.Attributes, attribute{k, valueOf(s.attributes[i+1])})
		}
	}
	if s.failure != "" {
		w.Status.Code = statusError
		w.Attributes = append(w.Attributes, attribute{"error.type", valueOf(s.failure)})
	}
	return w
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// maxText bounds the text of an attribute, in bytes.
const maxText = 1024

func valueOf(v any) (out value) {
	switch v := v.(type) {
	case string:
		if len(v) > maxText {
			v = v[:maxText]
		}
		v = strings.ToValidUTF8(v, "\uFFFD")
		out.String = &v
	case bool:
		out.Bool = &v
	case int:
		n := strconv.Itoa(v)
		out.Int = &n
	case int64:
		n := strconv.FormatInt(v, 10)
		out.Int = &n
	}
	return out
}
