package front

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// errNotHere means that the request is net/http's business. Nothing of it has been used.
var errNotHere = errors.New("front: a request for net/http")

var endOfHead = []byte("\r\n\r\n")

// next reads the next request whole. last says that the client wants the connection closed after the answer.
func (c *conn) next() (req *http.Request, last bool, err error) {
	end, err := c.readHead()
	if err != nil {
		return nil, false, err
	}
	// Names and values are parts of this one string.
	last, ok := c.head.parse(string(c.buf[c.r:end]))
	req = &c.head.req
	if !ok || req.ContentLength > maxBody {
		return nil, false, errNotHere
	}
	req.RemoteAddr = c.remote
	if !c.server.Hot(req) {
		return nil, false, errNotHere
	}
	c.idle.Store(false)
	c.r = end
	return req, last, c.readBody(req)
}

// readHead reads up to the end of a head and tells where that is in the buffer. The first bytes may take their time.
func (c *conn) readHead() (end int, err error) {
	for begun := false; ; {
		if i := bytes.Index(c.buf[c.r:c.w], endOfHead); i >= 0 {
			if begun {
				err = c.nc.SetReadDeadline(time.Time{})
			}
			return c.r + i + len(endOfHead), err
		}
		if c.w-c.r >= maxHead {
			return 0, errNotHere
		}
		if c.r > 0 {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		}
		if c.w == len(c.buf) {
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
		if c.w > 0 && !begun {
			begun = true
			if err := c.nc.SetReadDeadline(time.Now().Add(headTimeout)); err != nil {
				return 0, err
			}
		}
		n, err := c.nc.Read(c.buf[c.w:])
		if c.w += n; n == 0 && err != nil {
			return 0, err
		}
	}
}

// readBody reads the body of req into memory.
func (c *conn) readBody(req *http.Request) error {
	if req.ContentLength == 0 {
		req.Body = http.NoBody
		return nil
	}
	body := make([]byte, req.ContentLength)
	n := copy(body, c.buf[c.r:c.w])
	c.r += n
	if n < len(body) {
		if err := c.nc.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
			return err
		}
		if _, err := io.ReadFull(c.nc, body[n:]); err != nil {
			return err
		}
		if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
	}
	c.head.body.whole = body
	c.head.body.Reset(body)
	req.Body = &c.head.body
	return nil
}

// memory is a body that has been read.
type memory struct {
	bytes.Reader
	whole []byte
}

// Close does nothing.
func (*memory) Close() error { return nil }

// Bytes is the whole body. It is the handler's to keep.
func (m *memory) Bytes() []byte { return m.whole }

// head is what a connection's requests are made of, one after the other.
type head struct {
	req    http.Request
	url    url.URL
	header http.Header
	body   memory
}

// parse makes the request of a head, empty line included. It refuses whatever is not entirely usual: net/http then finds out
// whether it is well-formed.
func (h *head) parse(text string) (last, ok bool) {
	line, rest, _ := strings.Cut(text, "\r\n")
	method, line, ok := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(line, " ")
	if !ok || !ok2 || version != "HTTP/1.1" || !usualMethod(method) || !h.parseTarget(target) {
		return false, false
	}
	n := strings.Count(rest, "\r\n") - 1
	if h.header == nil {
		h.header = make(http.Header, n)
	}
	clear(h.header)
	values := make([]string, n) // of all headers, one to each; a handler may pass them on to who is still writing when it has returned
	h.req = http.Request{
		Method: method, URL: &h.url, Proto: version, ProtoMajor: 1, ProtoMinor: 1, RequestURI: target, Header: h.header,
	}
	req, length := &h.req, false
	for i := range n {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		usual := canonical(name)
		if !ok || usual == "" {
			return false, false
		}
		value = strings.Trim(value, " \t")
		if !visible(value) {
			return false, false
		}
		switch usual {
		case "Host":
			if req.Host != "" || value == "" || !hostname(value) {
				return false, false
			}
			req.Host = value
			continue
		case "Content-Length":
			if length {
				return false, false
			}
			size, err := strconv.ParseUint(value, 10, 63)
			if err != nil || value[0] == '+' {
				return false, false
			}
			length, req.ContentLength = true, int64(size)
		case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te":
			return false, false
		case "Connection":
			switch {
			case strings.EqualFold(value, "close"):
				req.Close, last = true, true
			case !strings.EqualFold(value, "keep-alive"):
				return false, false
			}
		}
		if old := req.Header[usual]; old != nil {
			req.Header[usual] = append(old, value)
			continue
		}
		values[i] = value
		req.Header[usual] = values[i : i+1 : i+1]
	}
	return last, req.Host != ""
}

func usualMethod(m string) bool {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead, http.MethodOptions:
		return true
	}
	return false
}

// parseTarget reads a path with its query. What net/url would have to look at twice is left to it.
func (h *head) parseTarget(target string) bool {
	if target[0:min(1, len(target))] != "/" || strings.HasPrefix(target, "//") {
		return false
	}
	path, query, _ := strings.Cut(target, "?")
	if all(path, inPath) && visible(query) && !strings.Contains(query, " ") && !strings.HasSuffix(target, "?") {
		h.url = url.URL{Path: path, RawQuery: query}
		return true
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return false
	}
	h.url = *u
	return true
}

// Sets that a byte may be in.
const (
	inToken uint8 = 1 << iota // https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
	inPath                    // a path of these is its own decoded and encoded form
	inHost                    // what names, addresses and ports are made of
)

var sets = func() (t [256]uint8) {
	add := func(chars string, set uint8) {
		for i := range len(chars) {
			t[chars[i]] |= set
		}
	}
	add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", inToken|inPath|inHost)
	add("!#$%&'*+-.^_`|~", inToken)
	add("-_.~/:$@&=+,;", inPath)
	add("-._:[]", inHost)
	return t
}()

// all reports whether every byte of s is in a set.
func all(s string, set uint8) bool {
	for i := range len(s) {
		if sets[s[i]]&set == 0 {
			return false
		}
	}
	return true
}

// token reports whether a header's name is one.
func token(s string) bool { return s != "" && all(s, inToken) }

// canonical is the usual form of a header's name, "" for what is no name.
func canonical(name string) string {
	usual, first := true, true
	for i := range len(name) {
		b := name[i]
		if sets[b]&inToken == 0 {
			return ""
		}
		if first && 'a' <= b && b <= 'z' || !first && 'A' <= b && b <= 'Z' {
			usual = false
		}
		first = b == '-'
	}
	if usual {
		return name
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// visible reports whether a value has no control character but the tab.
func visible(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

// hostname reports whether a Host header is made of what names, addresses and ports are made of.
func hostname(s string) bool { return all(s, inHost) }
