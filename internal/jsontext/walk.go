package jsontext

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions below walk JSON that json.Valid has accepted, without space around it; what they do with other text is open. Values
// come without the space around them, and are parts of the document.

// Members calls f for each member of an object; it reports false for any other value.
func Members(v []byte, f func(name, value []byte)) bool {
	if len(v) == 0 || v[0] != '{' {
		return false
	}
	for i := skipSpace(v, 1); v[i] != '}'; {
		end := valueEnd(v, i)
		name := Text(v[i:end])
		i = skipSpace(v, skipSpace(v, end)+1) // over the colon
		end = valueEnd(v, i)
		f(name, v[i:end])
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return true
}

// Elements calls f for each element of a list.
func Elements(v []byte, f func(value []byte)) {
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

// IsNull tells whether v is null.
func IsNull(v []byte) bool { return string(v) == "null" }

// Scalar gives a string's text, or a number or boolean as it is written; it reports false for null, an object or a list.
func Scalar(v []byte) ([]byte, bool) {
	if len(v) == 0 || v[0] == '{' || v[0] == '[' || IsNull(v) {
		return nil, false
	}
	if v[0] == '"' {
		return Text(v), true
	}
	return v, true
}

// Text gives the text of a JSON string.
func Text(v []byte) []byte {
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
