package trace

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// Context is a place in a trace: the span that what comes next is below. The zero value is no place at all.
type Context struct {
	Trace [16]byte // all zero for none
	Span  [8]byte  // all zero at the root
	// Sampled tells whether spans of the trace are kept. It means nothing until Decided: an X-Ray header may leave the
	// decision to whom it reaches.
	Sampled, Decided bool
	// State is what others keep in tracestate; it goes on as it came.
	State string
}

func (c Context) valid() bool { return c.Trace != [16]byte{} }

// Begin draws a new trace that begins at a time, in seconds, and nobody has decided on.
func Begin(unix int64) (c Context) {
	binary.BigEndian.PutUint32(c.Trace[:4], uint32(unix)) // as X-Ray has it
	binary.BigEndian.PutUint32(c.Trace[4:8], rand.Uint32())
	binary.BigEndian.PutUint64(c.Trace[8:], rand.Uint64()|1) // never zero
	return c
}

// FromTraceparent reads the header of W3C Trace Context. Versions that are yet to come are read as version 00, as the
// specification wants.
//
// https://www.w3.org/TR/trace-context/#traceparent-header
func FromTraceparent(h string) (c Context, ok bool) {
	const length = len("00-00000000000000000000000000000000-0000000000000000-00")
	if len(h) < length || h[2] != '-' || h[35] != '-' || h[52] != '-' {
		return Context{}, false
	}
	version, flags := h[:2], [1]byte{}
	var v [1]byte
	if !digits(v[:], version) || version == "ff" || version == "00" && len(h) != length || len(h) > length && h[length] != '-' {
		return Context{}, false
	}
	if !digits(c.Trace[:], h[3:35]) || !digits(c.Span[:], h[36:52]) || !digits(flags[:], h[53:55]) || !c.valid() || c.Span == [8]byte{} {
		return Context{}, false
	}
	c.Sampled, c.Decided = flags[0]&1 == 1, true
	return c, true
}

// maxState is how long a tracestate may be that is passed on, in bytes: as long as the specification wants at least.
//
// https://www.w3.org/TR/trace-context/#tracestate-limits
const maxState = 512

// Traceparent writes c, which must be decided, as the header of W3C Trace Context.
func (c Context) Traceparent() string {
	b := hex.AppendEncode(append(make([]byte, 0, 55), "00-"...), c.Trace[:])
	b = hex.AppendEncode(append(b, '-'), c.Span[:])
	if c.Sampled {
		return string(append(b, "-01"...))
	}
	return string(append(b, "-00"...))
}

// maxHeader bounds what is read of an X-Ray header; AWS's own are a quarter as long.
const maxHeader = 1024

// FromXRay reads AWS's trace header: X-Amzn-Trace-Id, and the traceHeader of an execution. The 96 bits behind the time
// and the time's 32 are the trace ID of W3C, one for one. Fields that are not known are passed over.
//
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func FromXRay(h string) (c Context, ok bool) {
	if len(h) > maxHeader {
		return Context{}, false
	}
	for h != "" {
		var field string
		field, h, _ = strings.Cut(h, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Root":
			if len(value) != len("1-00000000-000000000000000000000000") || value[:2] != "1-" || value[10] != '-' ||
				!digits(c.Trace[:4], value[2:10]) || !digits(c.Trace[4:], value[11:]) {
				return Context{}, false
			}
		case "Parent":
			if !digits(c.Span[:], value) {
				return Context{}, false
			}
		case "Sampled":
			c.Sampled, c.Decided = value == "1", value == "0" || value == "1"
		}
	}
	return c, c.valid()
}

// xrayLen is how long AWS's trace header is at most.
const xrayLen = len("Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0")

// XRay writes c as AWS's trace header.
func (c Context) XRay() string { return string(c.AppendXRay(make([]byte, 0, xrayLen))) }

// AppendXRay is XRay at the end of b.
func (c Context) AppendXRay(b []byte) []byte {
	b = hex.AppendEncode(append(b, "Root=1-"...), c.Trace[:4])
	b = hex.AppendEncode(append(b, '-'), c.Trace[4:])
	if c.Span != [8]byte{} {
		b = hex.AppendEncode(append(b, ";Parent="...), c.Span[:])
	}
	switch {
	case !c.Decided:
	case c.Sampled:
		b = append(b, ";Sampled=1"...)
	default:
		b = append(b, ";Sampled=0"...)
	}
	return b
}

// digits reads text, lower-case hex digits that must fill to.
func digits(to []byte, text string) bool {
	if len(text) != 2*len(to) || strings.ContainsAny(text, "ABCDEF") {
		return false
	}
	_, err := hex.Decode(to, []byte(text))
	return err == nil
}
