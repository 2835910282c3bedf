package manifest

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// Diagnostic is one thing that is wrong with a manifest or a file that it names, with its place and what to write instead.
type Diagnostic struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`   // from 1; 0 when the whole file is meant
	Column  int    `json:"column,omitempty"` // from 1, in characters
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	source  string // the line itself
}

// Error gives the diagnostic as a compiler does: place and message, the line with a caret, and what to write instead.
func (d *Diagnostic) Error() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Column)
	}
	b.WriteString(": " + d.Message)
	if d.Line > 0 && d.source != "" {
		line, column := clip(d.source, d.Column)
		fmt.Fprintf(&b, "\n%5d | %s\n      | %s^", d.Line, line, indent(line, column))
	}
	if d.Hint != "" {
		b.WriteString("\n      → " + d.Hint)
	}
	return b.String()
}

// clip keeps a long line readable: at most 120 characters around the column.
func clip(line string, column int) (string, int) {
	r := []rune(line)
	for i, c := range r {
		if c < ' ' && c != '\t' {
			r[i] = utf8.RuneError
		}
	}
	column = min(max(column, 1), len(r)+1)
	if len(r) <= 120 {
		return string(r), column
	}
	from := max(0, column-60)
	to := min(len(r), from+120)
	return string(r[from:to]), column - from
}

// indent gives the space before the caret, with the line's own tabs so that it stands below its character.
func indent(line string, column int) string {
	var b strings.Builder
	for i, c := range []rune(line) {
		if i >= column-1 {
			break
		}
		if c == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Diagnostics is everything that is wrong, sorted by place. It is the error of Load and Package for a manifest that
// cannot be used.
type Diagnostics []*Diagnostic

// maxShown bounds how many diagnostics are printed at once.
const maxShown = 20

func (d Diagnostics) Error() string {
	var parts []string
	for i, one := range d {
		if i == maxShown {
			parts = append(parts, fmt.Sprintf("and %d more", len(d)-maxShown))
			break
		}
		parts = append(parts, one.Error())
	}
	return strings.Join(parts, "\n")
}

// Unwrap gives the single diagnostics to errors.As.
func (d Diagnostics) Unwrap() []error {
	out := make([]error, len(d))
	for i, one := range d {
		out[i] = one
	}
	return out
}

// sorted gives d as an error, or nil when nothing is wrong.
func (d Diagnostics) sorted() error {
	if len(d) == 0 {
		return nil
	}
	sort.SliceStable(d, func(i, j int) bool {
		if d[i].File != d[j].File {
			return d[i].File < d[j].File
		}
		if d[i].Line != d[j].Line {
			return d[i].Line < d[j].Line
		}
		return d[i].Column < d[j].Column
	})
	return d
}

// source is a file whose lines diagnostics can show.
type source struct {
	name  string // as a person named it
	lines []string
}

func newSource(name string, text []byte) *source {
	return &source{name: name, lines: strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")}
}

// at makes a diagnostic at a place of the file; line 0 means the file as a whole.
func (s *source) at(line, column int, message, hint string) *Diagnostic {
	d := &Diagnostic{File: s.name, Line: line, Column: column, Message: message, Hint: hint}
	if line > 0 && line <= len(s.lines) {
		d.source = s.lines[line-1]
	}
	return d
}

// closest finds the word of known that was most likely meant: at most a third of its letters differ.
func closest(word string, known []string) (string, bool) {
	best, bestDistance := "", 1+max(1, len(word)/3)
	for _, k := range known {
		if strings.EqualFold(k, word) {
			return k, true
		}
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best, best != ""
}

// distance is the optimal string alignment distance: insertions, deletions, substitutions, and swaps of neighbours.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// meant gives the hint for a name that is not known: the likely one, or all of them.
func meant(word string, known []string) string {
	if k, ok := closest(word, known); ok {
		return fmt.Sprintf("did you mean %s?", k)
	}
	if len(known) == 0 {
		return ""
	}
	return "it takes " + strings.Join(known, ", ")
}
