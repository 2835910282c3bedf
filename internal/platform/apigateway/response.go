package apigateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// envelope is what a function returns to choose status, headers and body.
type envelope struct {
	hasStatus bool
	status    int
	header    http.Header // canonical names, checked
	body      []byte
}

// respond2 answers with what the function returned in format 2.0. Without a statusCode the whole payload is the body of
// a 200 application/json: a JSON string without its quotes, anything else, even what is no JSON, as it is. With a
// statusCode, what cannot be read as a response is answered with 500.
func (x *exchange) respond2(payload []byte) int {
	trimmed := bytes.TrimSpace(payload)
	if len(trimmed) > 0 && json.Valid(trimmed) {
		switch trimmed[0] {
		case '"':
			payload = text(trimmed)
		case '{':
			var e envelope
			ok := e.read(trimmed, false)
			if e.hasStatus && ok {
				return x.write(&e)
			}
			if e.hasStatus {
				return x.message(http.StatusInternalServerError, messageInternal)
			}
		}
	}
	return x.message(http.StatusOK, payload)
}

// write sends e.
func (x *exchange) write(e *envelope) int {
	h := x.w.Header()
	for name, values := range e.header {
		if name == "Apigw-Requestid" || name == executedVersionHeader || (x.cors && strings.HasPrefix(name, "Access-Control-")) {
			continue // the gateway's own
		}
		h[name] = values
	}
	if e.status == http.StatusNoContent || e.status == http.StatusNotModified {
		x.w.WriteHeader(e.status)
		return e.status
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = plainType
	}
	h["Content-Length"] = []string{strconv.Itoa(len(e.body))}
	x.w.WriteHeader(e.status)
	_, _ = x.w.Write(e.body) // the client has gone: nobody to tell
	return e.status
}

// plainType is the type of a body for which the function gave none.
var plainType = []string{"text/plain; charset=utf-8"}

// read takes the members of a valid JSON object. It reports false when one of them is not what it must be; hasStatus
// is right in any case. Numbers and booleans are taken where text is wanted, and numbers in quotes as a status.
func (e *envelope) read(payload []byte, version1 bool) bool {
	payload = bytes.TrimSpace(payload)
	if !json.Valid(payload) {
		return false
	}
	var status, headers, multi, cookies, body, encoded []byte
	if !members(payload, func(name, value []byte) {
		switch string(name) {
		case "statusCode":
			status = value
		case "headers":
			headers = value
		case "multiValueHeaders": // of format 1.0 only
			if version1 {
				multi = value
			}
		case "cookies": // of format 2.0 only
			if !version1 {
				cookies = value
			}
		case "body":
			body = value
		case "isBase64Encoded":
			encoded = value
		}
	}) {
		return false
	}
	e.hasStatus = status != nil
	e.header = make(http.Header)
	return e.readStatus(status) && e.readHeaders(headers, false) && e.readHeaders(multi, true) && e.readCookies(cookies) && e.readBody(body, encoded)
}

func (e *envelope) readStatus(v []byte) bool {
	s, ok := scalar(v)
	if !ok {
		return false
	}
	var err error
	e.status, err = strconv.Atoi(string(s))
	return err == nil && e.status >= 200 && e.status <= 599
}

// readHeaders takes an object of values or, with lists, of lists of values.
func (e *envelope) readHeaders(v []byte, lists bool) bool {
	if v == nil || isNull(v) {
		return true
	}
	ok := true
	add := func(name, value []byte) {
		s, scalar := scalar(value)
		ok = ok && scalar && e.addHeader(string(name), string(s))
	}
	object := members(v, func(name, value []byte) {
		if !lists {
			if !isNull(value) {
				add(name, value)
			}
			return
		}
		if value[0] != '[' {
			ok = false
			return
		}
		elements(value, func(value []byte) { add(name, value) })
	})
	return object && ok
}

// addHeader adds one header; it reports false for a name or a value that HTTP does not allow.
func (e *envelope) addHeader(name, value string) bool {
	if !token(name) || strings.ContainsAny(value, "\r\n\x00") {
		return false
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	if connectionHeader(name) || name == "Content-Length" {
		return true // the gateway's own business
	}
	e.header[name] = append(e.header[name], value)
	return true
}

func (e *envelope) readCookies(v []byte) bool {
	if v == nil || isNull(v) {
		return true
	}
	if v[0] != '[' {
		return false
	}
	ok := true
	elements(v, func(value []byte) {
		s, scalar := scalar(value)
		ok = ok && scalar && e.addHeader("Set-Cookie", string(s))
	})
	return ok
}

func (e *envelope) readBody(v, encoded []byte) bool {
	if v == nil || isNull(v) {
		return true
	}
	s, ok := scalar(v)
	if !ok {
		return false
	}
	e.body = s
	if encoded == nil || isNull(encoded) {
		return true
	}
	flag, ok := scalar(encoded)
	switch {
	case ok && string(flag) == "false":
		return true
	case !ok || string(flag) != "true":
		return false
	}
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Decode(decoded, s)
	e.body = decoded[:n]
	return err == nil
}

// token tells whether s can be the name of a header (RFC 9110, 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// The functions below walk JSON that json.Valid has accepted; values come without the space around them.

// members calls f for each member of an object; it reports false for any other value.
func members(v []byte, f func(name, value []byte)) bool {
	if len(v) == 0 || v[0] != '{' {
		return false
	}
	for i := skipSpace(v, 1); v[i] != '}'; {
		end := valueEnd(v, i)
		name := text(v[i:end])
		i = skipSpace(v, skipSpace(v, end)+1) // over the colon
		end = valueEnd(v, i)
		f(name, v[i:end])
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return true
}

// elements calls f for each element of a list.
func elements(v []byte, f func(value []byte)) {
	for i := skipSpace(v, 1); v[i] != ']'; {
		end := valueEnd(v, i)
		f(v[i:end])
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
}

func skipSpace(v []byte, i int) int {
	for v[i] == ' ' || v[i] == '\n' || v[i] == '\t' || v[i] == '\r' {
		i++
	}
	return i
}

// valueEnd returns where the value that begins at i ends.
func valueEnd(v []byte, i int) int {
	switch v[i] {
	case '"':
		for i++; v[i] != '"'; i++ {
			if v[i] == '\\' {
				i++
			}
		}
		return i + 1
	case '{', '[':
		for depth := 0; ; i++ {
			switch v[i] {
			case '"':
				i = valueEnd(v, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(v) && strings.IndexByte(",]} \n\t\r", v[i]) < 0 {
		i++
	}
	return i
}

func isNull(v []byte) bool { return string(v) == "null" }

// scalar gives a string's text, or a number or boolean as it is written.
func scalar(v []byte) ([]byte, bool) {
	if len(v) == 0 || v[0] == '{' || v[0] == '[' || isNull(v) {
		return nil, false
	}
	if v[0] == '"' {
		return text(v), true
	}
	return v, true
}

// text gives the text of a JSON string.
func text(v []byte) []byte {
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return inner
	}
	return unescape(make([]byte, 0, len(inner)+utf8.UTFMax), inner)
}

// unescape appends the text of a JSON string's inside. Half surrogates and what is no UTF-8 become U+FFFD.
func unescape(b, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\\' && s[i+1] == 'u':
			r := hex4(s[i+2:])
			i += 6
			if utf16.IsSurrogate(r) {
				second := rune(-1)
				if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
					second = hex4(s[i+2:])
				}
				if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
					i += 6
				}
			}
			b = utf8.AppendRune(b, r)
		case c == '\\':
			e := s[i+1]
			switch e {
			case 'b':
				e = '\b'
			case 'f':
				e = '\f'
			case 'n':
				e = '\n'
			case 'r':
				e = '\r'
			case 't':
				e = '\t'
			}
			b = append(b, e)
			i += 2
		case c < utf8.RuneSelf:
			from := i
			for i < len(s) && s[i] < utf8.RuneSelf && s[i] != '\\' {
				i++
			}
			b = append(b, s[from:i]...)
		default:
			r, n := utf8.DecodeRune(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
		}
	}
	return b
}

// hex4 reads four hexadecimal digits.
func hex4(s []byte) rune {
	var r rune
	for _, c := range s[:4] {
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		r = r<<4 | rune(c)
	}
	return r
}
