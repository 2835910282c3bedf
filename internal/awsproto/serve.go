package awsproto

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"runtime/debug"
	"strings"

	"github.com/tealdeploy/teal/internal/fault"
)

// request is one AWS call on its way through a mux.
type request struct {
	mux   *Mux
	w     http.ResponseWriter
	r     *http.Request
	id    string
	proto Protocol
	svc   *Service // nil when the service is not served
	name  string   // operation as the caller names it; "" for REST until matched
	scope scope

	op     *operation
	call   Call
	labels []string
	form   url.Values // Query protocol
	// formErr is why the form could not be read.
	formErr error
	body    []byte // when read already
	read    bool
	limit   int64 // of the body in bytes; 0 means the service's

	chunks *chunkSigner // of a signed chunked body, when signatures are checked

	queryMode bool // the caller wants the Query protocol's error codes too

	// Of what every request needs, so that it is made once.
	ids [1]string
	raw rawWriter
	ctx callContext
}

// callContext is the context of a handler: that of the request, with the Call.
type callContext struct {
	context.Context
	call *Call
}

// Value knows the Call.
func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.call
	}
	return c.Context.Value(key)
}

// maxTraceID bounds a trace header, in bytes.
const maxTraceID = 1024

// serve answers a call whose service and protocol are known.
func (q *request) serve() {
	if q.mux.cfg.Verify != nil {
		if err := q.verify(); err != nil {
			q.fail(q.signatureError(err))
			return
		}
	}
	if q.formErr != nil {
		q.fail(q.formErr)
		return
	}
	if q.op == nil {
		q.op = q.svc.byName[q.name]
	}
	if q.op == nil || q.op.raw != nil && q.proto != RESTJSON {
		q.fail(q.unknown())
		return
	}
	if err := q.op.ready(); err != nil {
		q.fail(err)
		return
	}
	q.call = Call{RequestID: q.id, AccessKeyID: q.scope.accessKey, Region: q.scope.region, Host: q.r.Host, log: q.mux.log}
	if trace := Header(q.r.Header, "X-Amzn-Trace-Id"); len(trace) <= maxTraceID {
		q.call.TraceID = trace
	}
	q.ctx = callContext{q.r.Context(), &q.call}
	if q.op.raw != nil {
		q.serveRaw(&q.ctx)
		return
	}
	if err := q.perform(&q.ctx); err != nil {
		q.fail(err)
	}
}

// perform reads the input, calls the handler and writes the output. With an error nothing has been written; a panic
// becomes an error that is logged with its stack.
func (q *request) perform(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	if q.op.refused {
		return &fault.Error{
			Code: "NotImplemented", Status: http.StatusNotImplemented,
			Message: q.op.name + " is not implemented by this endpoint",
		}
	}
	in := q.op.newIn()
	if err := q.decode(reflect.ValueOf(in).Elem()); err != nil {
		return err
	}
	out, err := q.op.call(ctx, in)
	if err != nil {
		return err
	}
	return q.answer(reflect.ValueOf(out).Elem())
}

func panicked(p any) error {
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
		panic(p)
	}
	return fmt.Errorf("panic: %v\n%s", p, debug.Stack())
}

func (q *request) serveRaw(ctx context.Context) {
	r := q.r.WithContext(ctx)
	q.call.names, q.call.labels = q.op.rest.labels, q.labels
	if q.read {
		r.Body = restored(q.body)
	} else if r.Body != nil && r.Body != http.NoBody && (r.ContentLength < 0 || r.ContentLength > q.maxBody()) {
		r.Body = &boundedBody{rc: r.Body, left: q.maxBody(), err: q.tooLarge}
	}
	w := &q.raw
	w.ResponseWriter = q.w
	defer func() {
		p := recover()
		switch {
		case p == nil:
		case w.wrote:
			q.logFailure(panicked(p))
			panic(http.ErrAbortHandler) // half an answer must not look like a whole one
		default:
			q.fail(panicked(p))
		}
	}()
	q.op.raw(w, r)
}

// rawWriter notes whether a raw operation has begun its answer.
type rawWriter struct {
	http.ResponseWriter
	wrote bool
}

// WriteHeader begins the answer.
func (w *rawWriter) WriteHeader(status int) {
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *rawWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// Flush sends what has been written so far, for streams.
func (w *rawWriter) Flush() {
	w.wrote = true
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *rawWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// restored is a body that has been read already.
func restored(body []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }

// boundedBody gives the error with which AWS refuses a large request once the limit is passed.
type boundedBody struct {
	rc   io.ReadCloser
	left int64
	err  func() error
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, b.err()
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.rc.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.err()
	}
	return n, err
}

func (b *boundedBody) Close() error { return b.rc.Close() }

func (q *request) maxBody() int64 {
	if q.limit > 0 && (q.svc == nil || q.limit < q.svc.maxLen) {
		return q.limit
	}
	return q.svc.maxLen
}

func (q *request) tooLarge() error {
	name := q.name
	if q.op != nil {
		name = q.op.name
	}
	if name == "" {
		name = "requested"
	}
	return &fault.Error{
		Code:    "RequestEntityTooLargeException",
		Message: fmt.Sprintf("Request must be smaller than %d bytes for the %s operation", q.maxBody(), name),
		Status:  http.StatusRequestEntityTooLarge,
	}
}

// slurp reads the body as it was sent, once, within the service's bound.
func (q *request) slurp() error {
	if q.read {
		return nil
	}
	q.read = true
	if q.r.Body == nil || q.r.Body == http.NoBody {
		return nil
	}
	if q.r.ContentLength > q.maxBody() {
		return q.tooLarge()
	}
	body, err := readAll(&boundedBody{rc: q.r.Body, left: q.maxBody(), err: q.tooLarge}, q.r.ContentLength)
	if err != nil {
		return bodyError(err)
	}
	q.body = body
	return nil
}

// readAll is io.ReadAll that trusts an announced length up to one MiB.
func readAll(r io.Reader, announced int64) ([]byte, error) {
	size := min(max(announced, 0), 1<<20) + 512
	b := make([]byte, 0, size)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return b, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

func bodyError(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return serialization("The request body could not be read to its end")
}

// document reads the body and takes its compression off.
func (q *request) document() ([]byte, error) {
	if err := q.slurp(); err != nil {
		return nil, err
	}
	switch enc := strings.ToLower(strings.TrimSpace(q.r.Header.Get("Content-Encoding"))); enc {
	case "", "identity":
		return q.body, nil
	case "gzip":
		zr, err := gzip.NewReader(bytes.NewReader(q.body))
		if err != nil {
			return nil, serialization("The request body is not valid gzip")
		}
		b, err := readAll(&boundedBody{rc: zr, left: q.maxBody(), err: q.tooLarge}, int64(len(q.body))*2)
		if err != nil {
			var f *fault.Error
			if errors.As(err, &f) {
				return nil, f
			}
			return nil, serialization("The request body is not valid gzip")
		}
		return b, nil
	default:
		return nil, &fault.Error{
			Code: "SerializationException", Status: http.StatusUnsupportedMediaType,
			Message: fmt.Sprintf("Content-Encoding %q is not supported: send gzip or none", enc),
		}
	}
}

func (q *request) decode(v reflect.Value) error {
	if q.proto == AWSQuery && q.form != nil {
		if m := q.svc.URLMember; m != "" && !q.form.Has(m) && q.r.URL.Path != "/" {
			q.form.Set(m, "http://"+q.r.Host+q.r.URL.EscapedPath())
		}
		root, err := decodeForm(q.op.inPlan, q.form, v)
		if err != nil {
			return err
		}
		q.call.Document, err = json.Marshal(root.document(q.op.inPlan))
		return err
	}
	if q.proto == RESTXML {
		return q.decodeXML(v)
	}
	body, err := q.document()
	if err != nil {
		return err
	}
	switch q.proto {
	case RESTJSON:
		return q.op.rest.decode(q.op.inPlan, v, q.labels, q.r, body)
	case RPCV2CBOR:
		return decodeCBOR(q.op.inPlan, body, v)
	}
	q.call.Document = body
	return decodeJSON(q.op.inPlan, body, v)
}

// unknown refuses an operation that is not in the service's table.
func (q *request) unknown() error {
	switch q.proto {
	case AWSQuery:
		return fault.New("InvalidAction", fmt.Sprintf("Could not find operation %s for version %s: %s does not serve it here", q.name, q.form.Get("Version"), q.svc.Name))
	case RESTJSON:
		return unknownOperation(http.StatusNotFound, fmt.Sprintf("Service %s serves no operation at %s %s here", q.svc.Name, q.r.Method, q.r.URL.EscapedPath()))
	case RESTXML:
		return &fault.Error{
			Code: "NotImplemented", Status: http.StatusNotImplemented,
			Message: fmt.Sprintf("Service %s serves no operation at %s %s here", q.svc.Name, q.r.Method, q.r.URL.RequestURI()),
		}
	case RPCV2CBOR:
		return unknownOperation(http.StatusNotFound, fmt.Sprintf("Service %s does not serve the operation %s here", q.svc.Name, q.name))
	}
	if q.name == "" {
		return unknownOperation(http.StatusBadRequest, fmt.Sprintf("Service %s cannot tell the operation: the request has no X-Amz-Target", q.svc.Name))
	}
	return unknownOperation(http.StatusBadRequest, fmt.Sprintf("Service %s does not serve the operation %s here", q.svc.Name, q.name))
}

// answer writes a handler's output. An error means that nothing has been written.
func (q *request) answer(v reflect.Value) error {
	p := q.op.outPlan
	switch q.proto {
	case RESTJSON:
		return q.answerREST(p, v)
	case RESTXML:
		return q.answerXML(p, v)
	case AWSQuery:
		body, err := appendResponseXML(nil, q, p, v)
		if err != nil {
			return err
		}
		q.write(http.StatusOK, "text/xml", body)
	case RPCV2CBOR:
		body, err := appendCBOR(nil, p, v, 0)
		if err != nil {
			return err
		}
		q.write(http.StatusOK, "application/cbor", body)
	default:
		body, err := appendJSON(nil, p, v, 0)
		if err != nil {
			return err
		}
		q.write(http.StatusOK, q.jsonType(), body)
	}
	return nil
}

func (q *request) answerREST(p *plan, v reflect.Value) (err error) {
	rp := q.op.rest
	status := q.op.http.status
	if f := rp.outStatus; f != nil {
		fv := v.Field(f.index)
		if f.plan.kind == kindPointer && !fv.IsNil() {
			fv = fv.Elem()
		}
		if fv.Kind() != reflect.Pointer && fv.Int() >= 100 && fv.Int() <= 999 {
			status = int(fv.Int())
		}
	}
	if status == 0 {
		status = http.StatusOK
	}
	var body []byte
	kind := "application/json"
	switch {
	case rp.outPayload != nil:
		f := rp.outPayload
		kind = rp.outType
		if body, err = payloadBytes(f, v.Field(f.index)); err != nil {
			return err
		}
	case status == http.StatusNoContent || status == http.StatusNotModified:
	default:
		if body, err = appendJSONStruct(nil, p, v, 0, rp.outMembers); err != nil {
			return err
		}
	}
	rp.writeHeaders(q.w.Header(), v)
	if q.w.Header()["Content-Type"] != nil {
		kind = "" // a member of the output says what the payload is
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		kind, body = "", nil
	}
	q.write(status, kind, body)
	return nil
}

func payloadBytes(f *field, v reflect.Value) ([]byte, error) {
	if absent(f, v) {
		return nil, nil
	}
	switch f.plan.scalar().kind {
	case kindBlob:
		return v.Bytes(), nil
	case kindStream:
		rd, _ := v.Interface().(io.Reader)
		if c, ok := rd.(io.Closer); ok {
			defer c.Close()
		}
		return io.ReadAll(rd)
	case kindString:
		return []byte(textOf(f.plan, v)), nil
	}
	return appendJSON(nil, f.plan, v, 0)
}

func (q *request) jsonType() string {
	if q.proto == AWSJSON11 {
		return "application/x-amz-json-1.1"
	}
	return "application/x-amz-json-1.0"
}

func (q *request) write(status int, contentType string, body []byte) {
	h := q.w.Header()
	if contentType != "" {
		h["Content-Type"] = []string{contentType}
	}
	if q.proto == RPCV2CBOR {
		h.Set("Smithy-Protocol", "rpc-v2-cbor")
	}
	q.w.WriteHeader(status)
	if len(body) > 0 && q.r.Method != http.MethodHead {
		_, _ = q.w.Write(body) // the client is gone when this fails
	}
}
