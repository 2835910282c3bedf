package awsproto

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/fault"
)

// match finds the service's operation for a request; a host that stands for the first segment of the path is read as
// that segment.
func (s *Service) match(r *http.Request, signed bool) (*operation, []string) {
	if s.ready() != nil {
		return nil, nil // ServeHTTP tells
	}
	u := r.URL
	if s.VirtualHost != nil {
		if label, ok := s.VirtualHost(r.Host, signed); ok && label != "" {
			moved := *u
			moved.RawPath = "/" + url.PathEscape(label) + u.EscapedPath()
			moved.Path = "/" + label + u.Path
			u = &moved
		}
	}
	return s.routes.matchAsked(r.Method, u, r.Header)
}

// needsRoot tells whether a REST-XML answer has a document whose element has no name yet.
func (op *operation) needsRoot() bool {
	rp := op.rest
	if op.root != "" {
		return false
	}
	if rp.outPayload != nil {
		return rp.outPayload.plan.scalar().kind == kindString
	}
	return len(op.outPlan.fields) > 0 && (rp.outMembers == nil || contains(rp.outMembers))
}

func contains(members []bool) bool {
	for _, m := range members {
		if m {
			return true
		}
	}
	return false
}

// Body is the stream that a REST-XML handler reads a payload from: the content, with the transfer's aws-chunked
// encoding taken off. Reading to its end checks the length, the content's SHA-256 and the signatures of chunks where
// the request has them; the read that finds them wrong fails with a *fault.Error, so content is good only after io.EOF.
// It must be read by one goroutine at a time.
type Body struct {
	src      io.Reader
	rc       io.Closer
	promised []string
	trailer  http.Header
}

func (b *Body) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = streamError(err)
	}
	return n, err
}

// Close ends the stream early; it is idempotent.
func (b *Body) Close() error { return b.rc.Close() }

// Promised lists the trailers that the request announces (X-Amz-Trailer), in lower case.
func (b *Body) Promised() []string { return b.promised }

// Trailer returns a trailing header; "" before the end of the stream, and when there is none.
func (b *Body) Trailer(name string) string { return b.trailer.Get(name) }

// streamError says in S3's words that a body ended too early.
func streamError(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.New("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.")
}

// openBody makes the stream of the request's payload and tells its length after decoding, -1 when unknown.
func (q *request) openBody() (*Body, int64, error) {
	rc := q.r.Body
	if rc == nil {
		rc = http.NoBody
	}
	b := &Body{src: rc, rc: rc, trailer: http.Header{}}
	for _, value := range q.r.Header.Values("X-Amz-Trailer") {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				b.promised = append(b.promised, name)
			}
		}
	}
	declared := q.contentHash()
	if !strings.HasPrefix(declared, "STREAMING-") {
		if isHexHash(declared) {
			b.src = newHashedReader(rc, declared)
		}
		return b, q.r.ContentLength, nil
	}
	length, err := strconv.ParseInt(q.r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return nil, 0, &fault.Error{
			Code: "MissingContentLength", Status: http.StatusLengthRequired,
			Message: "You must provide the Content-Length HTTP header.",
		}
	}
	c := newChunkedReader(rc, length, b.trailer)
	switch declared {
	case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		c.trailers = true
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
		c.trailers = strings.HasSuffix(declared, "-TRAILER")
		c.signer = q.chunks
		c.signed = true
	default:
		return nil, 0, &fault.Error{
			Code: "NotImplemented", Status: http.StatusNotImplemented,
			Message: "Payloads signed as " + declared + " are not implemented by this endpoint: use AWS4-HMAC-SHA256",
		}
	}
	b.src = c
	return b, length, nil
}

// decodeXML fills the input of a REST-XML operation. A stream is handed on as a [*Body].
func (q *request) decodeXML(v reflect.Value) error {
	rp := q.op.rest
	body, length, err := q.openBody()
	if err != nil {
		return err
	}
	r := q.withoutTransfer(length)
	if err := rp.decodeHead(v, q.labels, r); err != nil {
		return recoded(err, "InvalidArgument")
	}
	if f := rp.inPayload; f != nil && f.plan.kind == kindStream {
		v.Field(f.index).Set(reflect.ValueOf(body))
		return nil
	}
	if rp.inPayload == nil && !rp.inBody {
		return nil
	}
	if length > q.maxBody() {
		return q.tooLong()
	}
	doc, err := readAll(&boundedBody{rc: body, left: q.maxBody(), err: q.tooLong}, length)
	if err != nil {
		return streamError(err)
	}
	if err := checkMD5(r.Header.Get("Content-Md5"), doc); err != nil {
		return err
	}
	if len(bytes.TrimSpace(doc)) == 0 {
		return nil
	}
	if f := rp.inPayload; f != nil {
		fv := v.Field(f.index)
		switch f.plan.scalar().kind {
		case kindStruct:
			return decodeXMLDocument(f.plan, doc, fv, nil)
		default:
			return decodePayload(f, fv, doc)
		}
	}
	return decodeXMLDocument(q.op.inPlan, doc, v, rp.inMembers)
}

func (q *request) tooLong() error {
	return &fault.Error{Code: "MaxMessageLengthExceeded", Message: "Your request was too large."}
}

// recoded gives an error of reading the codes that XML services have.
func recoded(err error, code string) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Code == "SerializationException" {
		return fault.New(code, f.Message)
	}
	return err
}

// withoutTransfer is the request as its handler should see it: the length and encoding of the content rather than the
// transfer's, and headers that a presigned URL carries in its query.
func (q *request) withoutTransfer(length int64) *http.Request {
	r := *q.r
	r.Header = q.r.Header.Clone()
	if length >= 0 && (length > 0 || r.Header.Get("Content-Length") != "") {
		r.Header.Set("Content-Length", strconv.FormatInt(length, 10))
	} else {
		r.Header.Del("Content-Length")
	}
	if enc := r.Header.Get("Content-Encoding"); strings.Contains(enc, "aws-chunked") {
		var rest []string
		for part := range strings.SplitSeq(enc, ",") {
			if part = strings.TrimSpace(part); part != "aws-chunked" && part != "" {
				rest = append(rest, part)
			}
		}
		if r.Header.Del("Content-Encoding"); len(rest) > 0 {
			r.Header.Set("Content-Encoding", strings.Join(rest, ","))
		}
	}
	if q.scope.presigned {
		for k, values := range r.URL.Query() {
			if len(k) > 6 && strings.EqualFold(k[:6], "x-amz-") && r.Header.Get(k) == "" {
				r.Header[http.CanonicalHeaderKey(k)] = values
			}
		}
	}
	return &r
}

// answerXML writes the output of a REST-XML operation: headers, and a document, a string or a stream. An answer with a
// Content-Range has status 206.
func (q *request) answerXML(p *plan, v reflect.Value) (err error) {
	rp := q.op.rest
	var doc []byte
	var stream io.Reader
	switch f := rp.outPayload; {
	case f == nil:
		if q.op.root != "" {
			doc = q.openRoot()
			if doc, err = appendXMLMembers(doc, p, v, 0, rp.outMembers); err != nil {
				return err
			}
			doc = append(doc, "</"+q.op.root+">"...)
		}
	case f.plan.kind == kindStream:
		stream, _ = v.Field(f.index).Interface().(io.Reader)
		if c, ok := stream.(io.Closer); ok {
			defer c.Close()
		}
	case f.plan.scalar().kind == kindString:
		doc = q.openRoot()
		if fv := v.Field(f.index); !absent(f, fv) {
			doc = appendXMLText(doc, textOf(f.plan, fv))
		}
		doc = append(doc, "</"+q.op.root+">"...)
	default:
		if fv := v.Field(f.index); !absent(f, fv) {
			if doc, err = appendXML([]byte(xmlHead), f.wire, f.plan, fv, 0); err != nil {
				return err
			}
		}
	}
	h := q.w.Header()
	rp.writeExactHeaders(h, v)
	status := q.op.http.status
	if status == 0 {
		status = http.StatusOK
	}
	if h.Get("Content-Range") != "" {
		status = http.StatusPartialContent
	}
	if stream == nil {
		kind := ""
		if len(doc) > 0 {
			kind = "application/xml"
		}
		q.write(status, kind, doc)
		return nil
	}
	q.w.WriteHeader(status)
	if q.r.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(q.w, stream); err != nil {
		if q.r.Context().Err() == nil {
			q.logFailure(err)
		}
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	return nil
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func (q *request) openRoot() []byte {
	b := append([]byte(xmlHead), "<"+q.op.root...)
	if q.svc.Namespace != "" {
		b = append(b, " xmlns=\""...)
		b = appendXMLText(b, q.svc.Namespace)
		b = append(b, '"')
	}
	return append(b, '>')
}

// writeExactHeaders puts the output's header members into h with the names that the table gives: clients read the
// names of metadata as they are written.
func (rp *restPlan) writeExactHeaders(h http.Header, v reflect.Value) {
	for i := range rp.outHeaders {
		b := &rp.outHeaders[i]
		fv := v.Field(b.field.index)
		if absent(b.field, fv) {
			continue
		}
		if b.place == placeHeaderMap {
			for _, k := range sortedKeys(fv) {
				h[strings.ToLower(b.wire)+oneLine.Replace(k.String())] = []string{oneLine.Replace(fv.MapIndex(k).String())}
			}
			continue
		}
		h.Set(b.wire, headerText(b.field.plan, fv))
	}
}

// failXML writes a REST-XML error.
func (q *request) failXML(we wireError) {
	if we.status == http.StatusNotModified {
		q.write(we.status, "", nil)
		return
	}
	if q.svc != nil && q.svc.WrappedErrors {
		q.write(we.status, "application/xml", appendErrorXML([]byte(xmlHead), q, we))
		return
	}
	q.write(we.status, "application/xml", appendBareErrorXML(nil, q, we))
}
