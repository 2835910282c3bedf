package jsonvalue

import (
	"slices"
	"unicode/utf8"
)

// Marshal writes a value compactly, in the order of its members.
func Marshal(v any) []byte { return Append(nil, v) }

// Append appends the compact JSON text of v. Characters beyond ASCII and <, > and & stand as they are.
func Append(dst []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		if x {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case string:
		return AppendString(dst, x)
	case Number:
		return append(dst, x...)
	case []any:
		dst = append(dst, '[')
		for i, e := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = Append(dst, e)
		}
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		for i, k := range x.keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, k)
			dst = append(dst, ':')
			dst = Append(dst, x.vals[i])
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

const hexDigits = "0123456789ABCDEF"

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// JavaString writes a value as the service's States.Format does, which is Java's toString: strings without quotes,
// objects as {a=1, b=[x, y]}.
func JavaString(v any) string { return string(appendJava(nil, v)) }

func appendJava(dst []byte, v any) []byte {
	switch x := v.(type) {
	case string:
		return append(dst, x...)
	case []any:
		dst = append(dst, '[')
		for i, e := range x {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendJava(dst, e)
		}
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		for i, k := range x.keys {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(dst, k...)
			dst = append(dst, '=')
			dst = appendJava(dst, x.vals[i])
		}
		return append(dst, '}')
	}
	return Append(dst, v)
}

// HashOrder sorts names into the order in which a java.util.HashMap that received them one by one gives them back. The
// service resolves the dynamic fields of a payload template in such a map, and the order shows in its outputs.
func HashOrder(names []string) []string {
	capacity := 16
	for float64(len(names)) > 0.75*float64(capacity) {
		capacity *= 2
	}
	slot := func(s string) uint32 {
		var h uint32
		for _, r := range s {
			if r >= 0x10000 { // two UTF-16 units
				r -= 0x10000
				h = 31*h + uint32(0xD800+(r>>10))
				r = 0xDC00 + r&0x3FF
			}
			h = 31*h + uint32(r)
		}
		h ^= h >> 16
		return h & uint32(capacity-1)
	}
	sorted := slices.Clone(names)
	slices.SortStableFunc(sorted, func(a, b string) int { return int(slot(a)) - int(slot(b)) })
	return sorted
}

// Size returns the number of bytes of v's compact JSON text.
func Size(v any) int {
	switch x := v.(type) {
	case string:
		return sizeString(x)
	case Number:
		return len(x)
	case []any:
		n := 2 + max(0, len(x)-1)
		for _, e := range x {
			n += Size(e)
		}
		return n
	case *Object:
		n := 2 + max(0, x.Len()-1)
		for i, k := range x.keys {
			n += sizeString(k) + 1 + Size(x.vals[i])
		}
		return n
	case bool:
		if !x {
			return 5
		}
	}
	return 4
}

func sizeString(s string) int {
	n := 2 + len(s)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
		case c == '"', c == '\\', c == '\b', c == '\f', c == '\n', c == '\r', c == '\t':
			n++
		case c < 0x20:
			n += 5
		}
	}
	return n
}
