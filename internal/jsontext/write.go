// Package jsontext is JSON by hand, for what is written and read too often to go through reflection: strings are written as JSON,
// and documents that are known to be valid are walked where they lie.
package jsontext

import "unicode/utf8"

// AppendString writes s as a JSON string; what is no UTF-8 becomes U+FFFD.
func AppendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	b = AppendEscaped(b, s)
	return append(b, '"')
}

// AppendEscaped writes s as the inside of a JSON string.
func AppendEscaped[T string | []byte](b []byte, s T) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			end := min(i+utf8.UTFMax, len(s))
			if r, n := utf8.DecodeRuneInString(string(s[i:end])); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(b, s[from:i]...)
			b = append(b, "\ufffd"...)
			i++
			from = i
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
		i++
		from = i
	}
	return append(b, s[from:]...)
}

// AppendMember writes the name of an object's i-th member.
func AppendMember(b []byte, i int, name string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = AppendString(b, name)
	return append(b, ':')
}
