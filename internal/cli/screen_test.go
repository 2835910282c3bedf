//go:build unix

package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// screen is a terminal, as far as the live view makes use of one. What it does not know it notes, so that a test of what is
// seen does not go by a picture that no terminal would show.
type screen struct {
	rows    [][]rune
	columns int
	x, y    int
	pending []byte
	modes   map[string]bool // DEC's private modes by number, and keyboard for modes of the keyboard
	unknown []string
}

func newScreen(rows, columns int) *screen {
	s := &screen{columns: columns, modes: map[string]bool{"25": true}}
	for range rows {
		s.rows = append(s.rows, s.blank())
	}
	return s
}

func (s *screen) blank() []rune { return []rune(strings.Repeat(" ", s.columns)) }

// text is what is seen, without what is blank at the end of lines.
func (s *screen) text() string {
	var b strings.Builder
	for _, row := range s.rows {
		fmt.Fprintln(&b, strings.TrimRight(string(row), " "))
	}
	return strings.TrimRight(b.String(), "\n")
}

// Write takes what a program sends to its terminal. Sequences may be cut anywhere.
func (s *screen) Write(p []byte) (int, error) {
	s.pending = append(s.pending, p...)
	for len(s.pending) > 0 {
		n := s.take(s.pending)
		if n == 0 {
			break
		}
		s.pending = s.pending[n:]
	}
	return len(p), nil
}

// take draws one character or obeys one sequence, and gives its length; 0 when the rest is still to come.
func (s *screen) take(b []byte) int {
	switch c := b[0]; {
	case c == 0x1b:
		return s.escape(b)
	case c == '\n':
		s.down()
	case c == '\r':
		s.x = 0
	case c == '\b':
		s.x = max(0, s.x-1)
	case c == '\t':
		s.x = min(s.columns-1, s.x/8*8+8)
	case c < ' ':
		s.note("%q", c)
	case c < 0x80:
		s.put(rune(c))
	default:
		n := 2
		if c >= 0xf0 {
			n = 4
		} else if c >= 0xe0 {
			n = 3
		}
		if len(b) < n {
			return 0
		}
		s.put([]rune(string(b[:n]))[0])
		return n
	}
	return 1
}

func (s *screen) note(format string, args ...any) {
	s.unknown = append(s.unknown, fmt.Sprintf(format, args...))
}

func (s *screen) put(r rune) {
	if s.x == s.columns {
		s.x = 0
		s.down()
	}
	s.rows[s.y][s.x] = r
	s.x++
}

func (s *screen) down() {
	if s.y++; s.y == len(s.rows) {
		s.rows, s.y = append(s.rows[1:], s.blank()), len(s.rows)-1
	}
}

// escape obeys the sequence at the beginning of b: ESC and a letter, or ESC [ parameters letter.
func (s *screen) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != '[' {
		if b[1] == 'M' { // reverse index
			s.y = max(0, s.y-1)
		} else {
			s.note("ESC %c", b[1])
		}
		return 2
	}
	end := slices.IndexFunc(b[2:], func(c byte) bool { return c >= '@' && c <= '~' })
	if end < 0 {
		return 0
	}
	parameters, letter := string(b[2:2+end]), b[2+end]
	n, _ := strconv.Atoi(parameters)
	one := max(1, n)
	row := s.rows[s.y]
	at := min(s.x, s.columns-1)
	switch {
	case strings.HasPrefix(parameters, "?") && (letter == 'h' || letter == 'l'):
		s.modes[parameters[1:]] = letter == 'h'
	case letter == 'u' && strings.HasPrefix(parameters, ">"), letter == 'm' && parameters == ">4;2":
		s.modes["keyboard "+string(letter)] = true
	case letter == 'u' && strings.HasPrefix(parameters, "<"), letter == 'm' && parameters == ">4":
		s.modes["keyboard "+string(letter)] = false
	case letter == 'm', letter == 'p', parameters == "?5" && letter == 'W', parameters == "?" && letter == 'u': // colours, questions, tab stops
	case letter == 'A':
		s.y = max(0, s.y-one)
	case letter == 'B':
		s.y = min(len(s.rows)-1, s.y+one)
	case letter == 'C':
		s.x = min(s.columns-1, s.x+one)
	case letter == 'D':
		s.x = max(0, s.x-one)
	case letter == 'G':
		s.x = min(s.columns, one) - 1
	case letter == 'Z': // tabs back
		for range one {
			s.x = max(0, (s.x-1)/8*8)
		}
	case letter == 'b' && at > 0: // repeat
		for range one {
			s.put(row[at-1])
		}
	case letter == 'X': // erase
		for i := at; i < min(s.columns, at+one); i++ {
			row[i] = ' '
		}
	case letter == 'P': // delete
		copy(row[at:], row[min(s.columns, at+one):])
		copy(row[max(at, s.columns-one):], s.blank())
	case letter == '@': // insert
		s.rows[s.y] = append(slices.Clone(row[:at]), append([]rune(strings.Repeat(" ", one)), row[at:]...)...)[:s.columns]
	case letter == 'K' && n == 0:
		copy(row[at:], s.blank())
	case letter == 'J' && n == 0:
		copy(row[at:], s.blank())
		for i := s.y + 1; i < len(s.rows); i++ {
			s.rows[i] = s.blank()
		}
	default:
		s.note("CSI %s %c", parameters, letter)
	}
	return 3 + end
}

// Why: the tests of the live view on a terminal believe it.
func TestScreen(t *testing.T) {
	s := newScreen(5, 10)
	for _, part := range []string{"0\t8\x1b[Z1\r\none\r\ntwo\r\nthree\r\nfo", "u\xe2\x96", "\x88r\x1b[2", "A!\b\x1b[K\r\nabcdef\x1b[4D\x1b[P\x1b[2@xy\x1b[?25l\x1b[1;2H"} {
		_, _ = s.Write([]byte(part))
	}
	if got, want := s.text(), "0       1\none\ntwo\nabxydef\nfou█r"; got != want {
		t.Errorf("seen:\n%s\nwant:\n%s", got, want)
	}
	if s.modes["25"] || !slices.Equal(s.unknown, []string{"CSI 1;2 H"}) {
		t.Errorf("modes %v, unknown %q", s.modes, s.unknown)
	}
}
