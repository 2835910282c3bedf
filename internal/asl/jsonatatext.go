package asl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// withoutStrings blanks out the string literals, the quoted names and the comments of a JSONata expression, so that what
// is left can be searched for names. The rest keeps its place.
func withoutStrings(text string) string {
	b := []byte(text)
	for i := 0; i < len(b); i++ {
		var end int
		switch c := b[i]; {
		case c == '"' || c == '\'':
			for end = i + 1; end < len(b) && b[end] != c; end++ {
				if b[end] == '\\' {
					end++
				}
			}
		case c == '`':
			for end = i + 1; end < len(b) && b[end] != c; end++ {
			}
		case c == '/' && i+1 < len(b) && b[i+1] == '*':
			end = len(b)
			if n := strings.Index(text[i+2:], "*/"); n >= 0 {
				end = i + 2 + n + 1
			}
		default:
			continue
		}
		for ; i <= end && i < len(b); i++ {
			b[i] = ' '
		}
		i--
	}
	return string(b)
}

// firstReference is what an expression that refers to its input at the top level refers to first: a field, $ or $$. What
// stands in brackets or braces is searched last, for there the context is mostly another.
func firstReference(text string) string {
	plain := withoutStrings(text)
	inner := ""
	depth := 0
	previous := byte(0) // the last byte that is no space
	for i := 0; i < len(plain); {
		r, size := utf8.DecodeRuneInString(plain[i:])
		word := plain[i:][:nameLength(plain[i:])]
		switch {
		case r == '[' || r == '{':
			depth++
		case r == ']' || r == '}':
			depth--
		case r == '$':
			name := plain[i+1:][:nameLength(plain[i+1:])]
			if strings.HasPrefix(plain[i+1:], "$") {
				return "$$"
			}
			if name == "" && depth == 0 {
				return "$"
			}
			size = 1 + len(name)
		case word != "":
			size = len(word)
			if previous != '.' && !keyword(word) {
				if depth == 0 {
					return word
				}
				if inner == "" {
					inner = word
				}
			}
		case unicode.IsDigit(r):
			for i+size < len(plain) && (plain[i+size] == '.' || plain[i+size] >= '0' && plain[i+size] <= '9' || plain[i+size]|0x20 == 'e') {
				size++
			}
		}
		if !unicode.IsSpace(r) {
			previous = plain[i+size-1]
		}
		i += size
	}
	if inner == "" {
		return "$"
	}
	return inner
}

func keyword(word string) bool {
	switch word {
	case "and", "or", "in", "true", "false", "null", "function":
		return true
	}
	return false
}
