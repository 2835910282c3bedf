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
	req, last = parseHead(string(c.buf[c.r:end]))
	if req == nil || req.ContentLength > maxBody {
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
	req.Body = &memory{*bytes.NewReader(body)}
	return nil
}

// memory is a body that has been read.
type memory struct{ bytes.Reader }

// Close does nothing.
func (*memory) Close() error { return nil }

// parseHead makes a request of a head, empty line included. It gives nil for whatever is not entirely usual: net/http then
// finds out whether it is well-formed.
func parseHead(head string) (req *http.Request, last bool) {
	line, rest, _ := strings.Cut(head, "\r\n")
	method, line, ok := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(line, " ")
	if !ok || !ok2 || version != "HTTP/1.1" || !usualMethod(method) {
		return nil, false
	}
	u := parseTarget(target)
	if u == nil {
		return nil, false
	}
	req = &http.Request{Method: method, URL: u, Proto: version, ProtoMajor: 1, ProtoMinor: 1, RequestURI: target}
	n := strings.Count(rest, "\r\n") - 1
	req.Header = make(http.Header, n)
	values := make([]string, n) // of all headers, one to each
	length := false
	for i := range n {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if !ok || !token(name) {
			return nil, false
		}
		value = strings.Trim(value, " \t")
		if !visible(value) {
			return nil, false
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch name {
		case "Host":
			if req.Host != "" || value == "" || !hostname(value) {
				return nil, false
			}
			req.Host = value
			continue
		case "Content-Length":
			if length {
				return nil, false
			}
			size, err := strconv.ParseUint(value, 10, 63)
			if err != nil || value[0] == '+' {
				return nil, false
			}
			length, req.ContentLength = true, int64(size)
		case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te":
			return nil, false
		case "Connection":
			switch {
			case strings.EqualFold(value, "close"):
				req.Close, last = true, true
			case !strings.EqualFold(value, "keep-alive"):
				return nil, false
			}
		}
		if old := req.Header[name]; old != nil {
			req.Header[name] = append(old, value)
			continue
		}
		values[i] = value
		req.Header[name] = values[i : i+1 : i+1]
	}
	if req.Host == "" {
		return nil, false
	}
	return req, last
}

func usualMethod(m string) bool {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead, http.MethodOptions:
		return true
	}
	return false
}

// parseTarget reads a path with its query. What net/url would have to look at twice is left to it.
func parseTarget(target string) *url.URL {
	if target[0:min(1, len(target))] != "/" || strings.HasPrefix(target, "//") {
		return nil
	}
	path, query, _ := strings.Cut(target, "?")
	if plain(path) && visible(query) && !strings.Contains(query, " ") && !strings.HasSuffix(target, "?") {
		return &url.URL{Path: path, RawQuery: query}
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	return u
}

// plain reports whether a path is its own decoded and encoded form.
func plain(path string) bool {
	for i := range len(path) {
		switch b := path[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("-_.~/:$@&=+,;", b) >= 0:
		default:
			return false
		}
	}
	return true
}

// token reports whether a header's name is one.
// https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
func token(s string) bool {
	for i := range len(s) {
		switch b := s[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0:
		default:
			return false
		}
	}
	return s != ""
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
func hostname(s string) bool {
	for i := range len(s) {
		switch b := s[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("-._:[]", b) >= 0:
		default:
			return false
		}
	}
	return true
}
