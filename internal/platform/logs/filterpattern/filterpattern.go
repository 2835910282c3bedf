// Package filterpattern reads CloudWatch Logs' filter patterns and matches log events with them: terms, JSON properties,
// and fields between spaces. It does no I/O; a compiled pattern may be used from any number of goroutines.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
package filterpattern

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// MaxLength is the longest pattern, in bytes, as FilterLogEvents has it.
const MaxLength = 1024

// Pattern is a compiled pattern.
type Pattern struct{ match func(message string) bool }

// Match reports whether message is one that the pattern is for.
func (p *Pattern) Match(message string) bool { return p.match(message) }

// Compile reads a pattern. The empty one matches everything. Its error says what cannot be read, and where.
func Compile(text string) (*Pattern, error) {
	if len(text) > MaxLength {
		return nil, fmt.Errorf("a pattern has at most %d characters", MaxLength)
	}
	text = strings.TrimSpace(text)
	var match func(string) bool
	var err error
	switch {
	case text == "":
		match = func(string) bool { return true }
	case text[0] == '{':
		match, err = compileJSON(text)
	case text[0] == '[':
		match, err = compileFields(text)
	default:
		match, err = compileTerms(text)
	}
	if err != nil {
		return nil, err
	}
	return &Pattern{match}, nil
}

// compileTerms reads words, "phrases" and %expressions%. All must be in the message; -term must not be; of ?terms one
// must be, but they are passed over beside others, as AWS does.
func compileTerms(text string) (func(string) bool, error) {
	var all, none, some []func(string) bool
	for s := (scanner{text: text}); ; {
		s.space()
		if s.done() {
			break
		}
		into := &all
		switch s.peek() {
		case '-':
			into = &none
			s.at++
		case '?':
			into = &some
			s.at++
		}
		term, err := s.term()
		if err != nil {
			return nil, err
		}
		*into = append(*into, term)
	}
	if len(all)+len(none) > 0 {
		some = nil
	}
	return func(m string) bool {
		for _, f := range all {
			if !f(m) {
				return false
			}
		}
		for _, f := range none {
			if f(m) {
				return false
			}
		}
		for _, f := range some {
			if f(m) {
				return true
			}
		}
		return len(some) == 0
	}, nil
}

// scanner goes through a pattern's text.
type scanner struct {
	text string
	at   int
}

func (s *scanner) done() bool { return s.at >= len(s.text) }
func (s *scanner) peek() byte {
	if s.done() {
		return 0
	}
	return s.text[s.at]
}

func (s *scanner) space() {
	for !s.done() && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// take goes over prefix if it is next.
func (s *scanner) take(prefix string) bool {
	if strings.HasPrefix(s.text[s.at:], prefix) {
		s.at += len(prefix)
		return true
	}
	return false
}

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%s at character %d", what, s.at+1)
}

// term reads a word, a phrase or an expression, and gives what tests for it.
func (s *scanner) term() (func(string) bool, error) {
	switch s.peek() {
	case '"':
		phrase, err := s.quoted()
		if err != nil {
			return nil, err
		}
		return func(m string) bool { return strings.Contains(m, phrase) }, nil
	case '%':
		e, err := s.expression()
		if err != nil {
			return nil, err
		}
		return e.MatchString, nil
	}
	from := s.at
	for !s.done() && strings.IndexByte(" \t\r\n\"", s.text[s.at]) < 0 {
		s.at++
	}
	if s.at == from {
		return nil, s.fail("a term is missing")
	}
	word := s.text[from:s.at]
	return func(m string) bool { return strings.Contains(m, word) }, nil
}

// quoted reads a text between double quotes; a backslash keeps a quote or a backslash.
func (s *scanner) quoted() (string, error) {
	var b strings.Builder
	for s.at++; !s.done(); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return b.String(), nil
		case c == '\\' && s.at+1 < len(s.text) && (s.text[s.at+1] == '"' || s.text[s.at+1] == '\\'):
			s.at++
			b.WriteByte(s.text[s.at])
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New(`a closing " is missing`)
}

// expression reads a regular expression between percent signs.
func (s *scanner) expression() (*regexp.Regexp, error) {
	s.at++
	end := strings.IndexByte(s.text[s.at:], '%')
	if end < 0 {
		return nil, errors.New("a closing % is missing")
	}
	text := s.text[s.at : s.at+end]
	e, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("the expression %%%s%%: %w", text, err)
	}
	s.at += end + 1
	return e, nil
}
