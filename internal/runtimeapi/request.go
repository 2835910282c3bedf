package runtimeapi

import (
	"bytes"
	"errors"
	"math"
	"strconv"
)

// Bounds of what a runtime may send. A header may be large: aws-lambda-go puts up to 1 MiB of X-Ray cause into one.
const (
	maxLine    = 4 << 10   // bytes kept of one line; the rest of a longer header line is passed over
	maxTrailer = 512 << 10 // the same of a trailer, which may hold an error document
	maxHeaders = 2 << 20   // bytes of all header lines of one request
	maxPath    = 512       // bytes
	maxBody    = 1 << 30   // bytes of a body that are read at all; what is kept of it is bounded by parser.limit
)

// operation is an endpoint of the Runtime API.
type operation uint8

const (
	opUnknown     operation = iota
	opNext                  // GET  /2018-06-01/runtime/invocation/next
	opResponse              // POST /2018-06-01/runtime/invocation/{id}/response
	opError                 // POST /2018-06-01/runtime/invocation/{id}/error
	opInitError             // POST /2018-06-01/runtime/init/error
	opExtension             // /2020-01-01/extension/…, /2022-07-01/telemetry, /2020-08-15/logs
	opRestore               // /2018-06-01/runtime/restore/…, of SnapStart
	opWrongMethod           // a known path with another method
)

// request is one request of a runtime, as far as the Runtime API looks at it.
type request struct {
	op          operation
	id          []byte // of the invocation, for opResponse and opError
	path        string
	errorType   string // Lambda-Runtime-Function-Error-Type, as header or trailer
	errorBody   []byte // Lambda-Runtime-Function-Error-Body, a trailer in base64
	contentType string
	close       bool // the client closes the connection after the answer
	expect      bool // the client waits for 100 Continue before it sends the body
	streaming   bool // Lambda-Runtime-Function-Response-Mode: the body is sent as it is made
	body        []byte
	tooLarge    bool // the body was larger than the limit; body holds its beginning
}

// phase is what the parser reads next.
type phase uint8

const (
	phaseLine    phase = iota // the request line
	phaseHeader               // header lines up to the empty one
	phaseBody                 // remain bytes of body
	phaseSize                 // the size line of a chunk
	phaseChunk                // remain bytes of a chunk
	phaseCRLF                 // the line end after a chunk
	phaseTrailer              // trailer lines up to the empty one
	phaseDone
)

var (
	errMalformed = errors.New("runtimeapi: malformed request")
	errTooLong   = errors.New("runtimeapi: request headers too long")
	errBodySize  = errors.New("runtimeapi: request body too long")
)

// parser reads one HTTP/1.1 request from bytes as they arrive, in pieces of any size; it does no I/O. It keeps what the
// Runtime API needs and passes over the rest. The zero value with a limit is ready; reset makes it ready again.
type parser struct {
	limit   int // bytes of body kept
	phase   phase
	skip    bool   // the rest of the current line is passed over
	line    []byte // the beginning of a line whose end has not arrived
	headers int    // bytes of header lines so far
	remain  int64  // bytes of body or chunk to come
	read    int64  // bytes of body so far
	length  int64  // Content-Length, -1 for none
	chunked bool
	req     request

	// begin is asked at the start of a streamed response where its body goes; nil keeps it as any other.
	begin func(*request) func([]byte)
	write func([]byte) // of the request under way
}

// streamPiece is how much of a streamed body is read at once, in bytes.
const streamPiece = 32 << 10

func (p *parser) reset() {
	*p = parser{limit: p.limit, begin: p.begin, line: p.line[:0], length: -1, req: request{id: p.req.id[:0]}}
}

// done reports whether req is complete.
func (p *parser) done() bool { return p.phase == phaseDone }

// feed takes bytes from b and returns how many. It stops at the end of a request, and after the headers of one that
// expects 100 Continue. After an error the connection is of no more use.
func (p *parser) feed(b []byte) (int, error) {
	n := 0
	for n < len(b) && p.phase != phaseDone {
		switch p.phase {
		case phaseBody, phaseChunk:
			k := int(min(p.remain, int64(len(b)-n)))
			if err := p.keep(b[n : n+k]); err != nil {
				return n, err
			}
			n += k
		default:
			k, line, whole := p.cut(b[n:])
			n += k
			if p.phase == phaseHeader || p.phase == phaseTrailer {
				if p.headers += k; p.headers > maxHeaders {
					return n, errTooLong
				}
			}
			if !whole {
				if p.skip && p.phase != phaseHeader && p.phase != phaseTrailer {
					return n, errTooLong
				}
				continue
			}
			wasHeader := p.phase == phaseHeader
			if err := p.take(line); err != nil {
				return n, err
			}
			p.line, p.skip = p.line[:0], false
			if wasHeader && p.phase != phaseHeader && p.req.expect {
				return n, nil
			}
		}
	}
	return n, nil
}

// cut takes the rest of a line off b. The line is given without its end; it may point into b or p.line.
func (p *parser) cut(b []byte) (n int, line []byte, whole bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		p.carry(b)
		return len(b), nil, false
	}
	line = b[:i]
	if len(p.line) > 0 || p.skip {
		p.carry(line)
		line = p.line
	} else if keep := p.keepOfLine(); len(line) > keep {
		line, p.skip = line[:keep], true
	}
	if k := len(line); k > 0 && line[k-1] == '\r' {
		line = line[:k-1]
	}
	return i + 1, line, true
}

func (p *parser) carry(b []byte) {
	if room := p.keepOfLine() - len(p.line); len(b) > room {
		b, p.skip = b[:room], true
	}
	p.line = append(p.line, b...)
}

// keepOfLine is how much is kept of a line in the current phase.
func (p *parser) keepOfLine() int {
	if p.phase == phaseTrailer {
		return maxTrailer
	}
	return maxLine
}

// direct returns room for body bytes that can be read without a detour through a buffer, or nil; advance tells how many
// of them were read.
func (p *parser) direct() []byte {
	if p.phase != phaseBody && p.phase != phaseChunk {
		return nil
	}
	if p.write != nil {
		return p.req.body[:min(int64(cap(p.req.body)), p.remain)]
	}
	room := p.req.body[len(p.req.body):cap(p.req.body)]
	return room[:min(int64(len(room)), p.remain, int64(p.limit-len(p.req.body)))]
}

func (p *parser) advance(n int) error {
	if p.write != nil {
		if n > 0 {
			p.write(p.req.body[:n])
		}
		return p.count(n)
	}
	p.req.body = p.req.body[:len(p.req.body)+n]
	return p.count(n)
}

// keep takes b, the next bytes of the body.
func (p *parser) keep(b []byte) error {
	n := len(b)
	if p.write != nil {
		p.write(b)
		return p.count(n)
	}
	if room := p.limit - len(p.req.body); n > room {
		b, p.req.tooLarge = b[:room], true
	}
	p.req.body = append(p.req.body, b...)
	return p.count(n)
}

// count goes on by n bytes of body.
func (p *parser) count(n int) error {
	p.remain -= int64(n)
	if p.read += int64(n); p.read > maxBody {
		return errBodySize
	}
	if p.remain == 0 {
		if p.phase == phaseBody {
			p.phase = phaseDone
		} else {
			p.phase = phaseCRLF
		}
	}
	return nil
}

// take reads a whole line in the current phase.
func (p *parser) take(line []byte) error {
	switch p.phase {
	case phaseLine:
		if len(line) == 0 && !p.skip { // an empty line before a request is passed over, as RFC 9112 asks
			return nil
		}
		return p.requestLine(line)
	case phaseHeader:
		if len(line) == 0 && !p.skip {
			return p.endHeaders()
		}
		return p.header(line)
	case phaseSize:
		return p.chunkSize(line)
	case phaseCRLF:
		if len(line) != 0 {
			return errMalformed
		}
		p.phase = phaseSize
	case phaseTrailer:
		if len(line) == 0 && !p.skip {
			p.phase = phaseDone
			return nil
		}
		return p.header(line)
	}
	return nil
}

func (p *parser) requestLine(line []byte) error {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	path, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 || p.skip || len(path) == 0 || len(path) > maxPath || !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return errMalformed
	}
	if bytes.Equal(version, []byte("HTTP/1.0")) {
		p.req.close = true
	}
	p.length = -1
	p.route(method, path)
	p.phase = phaseHeader
	return nil
}

// route is the table of the Runtime API.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
func (p *parser) route(method, path []byte) {
	const root = "/2018-06-01/runtime/"
	want := "POST"
	rest, ours := bytes.CutPrefix(path, []byte(root))
	switch {
	case !ours && (bytes.HasPrefix(path, []byte("/2020-01-01/extension/")) || bytes.HasPrefix(path, []byte("/2022-07-01/telemetry")) || bytes.HasPrefix(path, []byte("/2020-08-15/logs"))):
		p.req.op, want = opExtension, string(method)
	case !ours:
	case string(rest) == "invocation/next":
		p.req.op, want = opNext, "GET"
	case string(rest) == "init/error":
		p.req.op = opInitError
	case bytes.HasPrefix(rest, []byte("restore/")):
		p.req.op, want = opRestore, string(method)
	default:
		rest, ok := bytes.CutPrefix(rest, []byte("invocation/"))
		id, verb, ok2 := bytes.Cut(rest, []byte("/"))
		switch {
		case !ok || !ok2 || len(id) == 0:
		case string(verb) == "response":
			p.req.op, p.req.id = opResponse, append(p.req.id, id...)
		case string(verb) == "error":
			p.req.op, p.req.id = opError, append(p.req.id, id...)
		}
	}
	if p.req.op == opUnknown || p.req.op == opExtension || p.req.op == opRestore {
		p.req.path = string(path)
	} else if string(method) != want {
		p.req.op, p.req.path = opWrongMethod, string(path)
	}
}

func (p *parser) header(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(name) == 0 {
		return errMalformed
	}
	if p.skip { // cut short: none of the headers that matter is as long
		if len(name) > 64 {
			return errMalformed
		}
		value = nil
	}
	value = bytes.TrimSpace(value)
	switch len(name) {
	case 6:
		if bytes.EqualFold(name, []byte("Expect")) && bytes.EqualFold(value, []byte("100-continue")) && p.phase == phaseHeader {
			p.req.expect = true
		}
	case 10:
		if bytes.EqualFold(name, []byte("Connection")) {
			switch {
			case bytes.EqualFold(value, []byte("close")):
				p.req.close = true
			case bytes.EqualFold(value, []byte("keep-alive")):
				p.req.close = false
			}
		}
	case 12:
		if bytes.EqualFold(name, []byte("Content-Type")) {
			p.req.contentType = intern(value)
		}
	case 14:
		if bytes.EqualFold(name, []byte("Content-Length")) && p.phase == phaseHeader {
			n, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil || n > math.MaxInt64 || (p.length >= 0 && p.length != int64(n)) {
				return errMalformed
			}
			p.length = int64(n)
		}
	case 17:
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) && p.phase == phaseHeader {
			if !bytes.EqualFold(value, []byte("chunked")) {
				return errMalformed
			}
			p.chunked = true
		}
	case 34:
		switch {
		case bytes.EqualFold(name, []byte("Lambda-Runtime-Function-Error-Type")):
			p.req.errorType = string(value)
		case bytes.EqualFold(name, []byte("Lambda-Runtime-Function-Error-Body")):
			p.req.errorBody = append([]byte(nil), value...)
		}
	case 37:
		if bytes.EqualFold(name, []byte("Lambda-Runtime-Function-Response-Mode")) && p.phase == phaseHeader {
			p.req.streaming = bytes.EqualFold(value, []byte("streaming"))
		}
	}
	return nil
}

// endHeaders decides how the body is framed.
func (p *parser) endHeaders() error {
	// aws-lambda-go streams without saying so
	if (p.req.streaming || p.chunked) && p.req.op == opResponse && p.begin != nil {
		if p.write = p.begin(&p.req); p.write != nil {
			p.req.body = make([]byte, 0, streamPiece)
		}
	}
	switch {
	case p.chunked && p.length >= 0: // ambiguous framing is refused, as RFC 9112 section 6.3 asks of a careful server
		return errMalformed
	case p.chunked:
		p.phase = phaseSize
	case p.length > maxBody:
		return errBodySize
	case p.length > 0:
		p.phase, p.remain = phaseBody, p.length
		p.room(p.length)
	default:
		p.phase = phaseDone
	}
	return nil
}

func (p *parser) chunkSize(line []byte) error {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 32)
	switch {
	case err != nil || p.skip:
		return errMalformed
	case n == 0:
		p.phase = phaseTrailer
	case int64(n) > maxBody:
		return errBodySize
	default:
		p.phase, p.remain = phaseChunk, int64(n)
		p.room(int64(n))
	}
	return nil
}

// room makes place for n further bytes of body, as far as they are kept, at once instead of by steps.
func (p *parser) room(n int64) {
	if p.write != nil {
		return
	}
	want := int(min(int64(len(p.req.body))+n, int64(p.limit)))
	if want <= cap(p.req.body) {
		return
	}
	if p.req.body != nil {
		want = min(max(want, 2*cap(p.req.body)), p.limit)
	}
	grown := make([]byte, len(p.req.body), want)
	copy(grown, p.req.body)
	p.req.body = grown
}

// intern spares an allocation for the content types that the official clients send.
func intern(value []byte) string {
	switch string(value) {
	case "application/json":
		return "application/json"
	case "application/octet-stream":
		return "application/octet-stream"
	}
	return string(value)
}
