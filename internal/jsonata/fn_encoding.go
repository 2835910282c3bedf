package jsonata

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// fnBase64Encode encodes characters as bytes, as the reference does: the low eight bits of each.
func fnBase64Encode(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xFFFF { // two UTF-16 units
			r -= 0x10000
			b = append(b, byte(r>>10))
			r &= 0x3FF
		}
		b = append(b, byte(r))
	}
	return base64.StdEncoding.EncodeToString(b), ev.spendText(len(s))
}

// fnBase64Decode decodes leniently: what is not of the alphabet is passed over.
func fnBase64Decode(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	clean := make([]byte, 0, len(s))
	for i := 0; i < len(s) && s[i] != '='; i++ {
		c := s[i]
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' {
			clean = append(clean, c)
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	b, _ := base64.RawStdEncoding.DecodeString(string(clean))
	var out strings.Builder
	for _, c := range b {
		out.WriteRune(rune(c))
	}
	return out.String(), ev.spendText(len(s))
}

// Characters that stand for themselves in a URL, and in a part of one.
const (
	urlPart  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
	urlMarks = ";/?:@&=+$,#"
)

func fnEncodeURLComponent(ev *evaluator, args []any) (any, error) {
	return encodeURL(ev, args[0], urlPart, "encodeUrlComponent")
}

func fnEncodeURL(ev *evaluator, args []any) (any, error) {
	return encodeURL(ev, args[0], urlPart+urlMarks, "encodeUrl")
}

func encodeURL(ev *evaluator, v any, kept, name string) (any, error) {
	s, ok := text(v)
	if !ok {
		return undefined, nil
	}
	if !utf8.ValidString(s) {
		return nil, malformed(name, s)
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(kept, s[i]) >= 0 {
			b.WriteByte(s[i])
			continue
		}
		const hex = "0123456789ABCDEF"
		b.Write([]byte{'%', hex[s[i]>>4], hex[s[i]&15]})
	}
	return b.String(), ev.spendText(3 * len(s))
}

func fnDecodeURLComponent(ev *evaluator, args []any) (any, error) {
	return decodeURL(ev, args[0], "", "decodeUrlComponent")
}

func fnDecodeURL(ev *evaluator, args []any) (any, error) {
	return decodeURL(ev, args[0], urlMarks, "decodeUrl")
}

// decodeURL decodes %XX, but not for the characters of kept.
func decodeURL(ev *evaluator, v any, kept, name string) (any, error) {
	s, ok := text(v)
	if !ok {
		return undefined, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return nil, malformed(name, s)
		}
		high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
		if high < 0 || low < 0 {
			return nil, malformed(name, s)
		}
		c := byte(high<<4 | low)
		if strings.IndexByte(kept, c) >= 0 {
			b = append(b, s[i:i+3]...)
		} else {
			b = append(b, c)
		}
		i += 2
	}
	if utf8.ValidString(s) && !utf8.Valid(b) {
		return nil, malformed(name, s)
	}
	return string(b), ev.spendText(len(s))
}

func hexDigit(c byte) int { return strings.IndexByte("0123456789abcdef", c|0x20) }

func malformed(name, s string) error {
	f := fail("D3140", s)
	f.text = "Malformed URL passed to $" + name + "(): " + string(appendJSONString(nil, s))
	return f
}
