package executeapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/jsontext"
)

// envelope is what a function returns to choose status, headers and body.
type Envelope struct {
	HasStatus bool
	Status    int
	Header    http.Header // canonical names, checked
	Body      []byte
	Base64    bool // Body came in base64
	Foreign   bool // it has a member that format 1.0 does not have
}

// read takes the members of a valid JSON object. It reports false when one of them is not what it must be; hasStatus
// is right in any case. Numbers and booleans are taken where text is wanted, and numbers in quotes as a status.
func (e *Envelope) Read(payload []byte, version1 bool) bool {
	payload = bytes.TrimSpace(payload)
	if !json.Valid(payload) {
		return false
	}
	var status, headers, multi, cookies, body, encoded []byte
	if !jsontext.Members(payload, func(name, value []byte) {
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
			if version1 {
				e.Foreign = true
			} else {
				cookies = value
			}
		case "body":
			body = value
		case "isBase64Encoded":
			encoded = value
		default:
			e.Foreign = true
		}
	}) {
		return false
	}
	e.HasStatus = status != nil
	e.Header = make(http.Header)
	return e.readStatus(status) && e.readHeaders(headers, false) && e.readHeaders(multi, true) && e.readCookies(cookies) && e.readBody(body, encoded)
}

func (e *Envelope) readStatus(v []byte) bool {
	if v == nil {
		return true
	}
	s, ok := jsontext.Scalar(v)
	if !ok {
		return false
	}
	var err error
	e.Status, err = strconv.Atoi(string(s))
	return err == nil && e.Status >= 200 && e.Status <= 599
}

// readHeaders takes an object of values or, with lists, of lists of values.
func (e *Envelope) readHeaders(v []byte, lists bool) bool {
	if v == nil || jsontext.IsNull(v) {
		return true
	}
	ok := true
	add := func(name, value []byte) {
		s, scalar := jsontext.Scalar(value)
		ok = ok && scalar && e.addHeader(string(name), string(s))
	}
	object := jsontext.Members(v, func(name, value []byte) {
		if !lists {
			if !jsontext.IsNull(value) {
				add(name, value)
			}
			return
		}
		if value[0] != '[' {
			ok = false
			return
		}
		jsontext.Elements(value, func(value []byte) { add(name, value) })
	})
	return object && ok
}

// addHeader adds one header; it reports false for a name or a value that HTTP does not allow.
func (e *Envelope) addHeader(name, value string) bool {
	if !Token(name) || strings.ContainsAny(value, "\r\n\x00") {
		return false
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	if ConnectionHeader(name) || name == "Content-Length" {
		return true // the gateway's own business
	}
	e.Header[name] = append(e.Header[name], value)
	return true
}

func (e *Envelope) readCookies(v []byte) bool {
	if v == nil || jsontext.IsNull(v) {
		return true
	}
	if v[0] != '[' {
		return false
	}
	ok := true
	jsontext.Elements(v, func(value []byte) {
		s, scalar := jsontext.Scalar(value)
		ok = ok && scalar && e.addHeader("Set-Cookie", string(s))
	})
	return ok
}

func (e *Envelope) readBody(v, encoded []byte) bool {
	if v == nil || jsontext.IsNull(v) {
		return true
	}
	s, ok := jsontext.Scalar(v)
	if !ok {
		return false
	}
	e.Body = s
	if encoded == nil || jsontext.IsNull(encoded) {
		return true
	}
	flag, ok := jsontext.Scalar(encoded)
	switch {
	case ok && string(flag) == "false":
		return true
	case !ok || string(flag) != "true":
		return false
	}
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Decode(decoded, s)
	e.Body, e.Base64 = decoded[:n], true
	return err == nil
}

// Token tells whether s can be the name of a header (RFC 9110, 5.6.2).
func Token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
