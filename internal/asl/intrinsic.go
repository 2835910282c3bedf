package asl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// maxCallDepth is how deep calls of intrinsic functions may be nested.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
const maxCallDepth = 10

// call is a compiled call of an intrinsic function.
type call struct {
	text string
	fn   *intrinsic
	args []argument
}

// argument is a literal, a path or another call; exactly one of path and call is set, or none for a literal.
type argument struct {
	literal any
	raw     string // of a string literal: as written, its escapes unresolved
	path    *Path
	call    *call
}

// compileCall reads a call such as States.Format('{} of {}', $.a, 3).
func compileCall(text string) (*call, error) {
	p := &callParser{s: text}
	c, err := p.call(1)
	if err != nil {
		return nil, err
	}
	if p.space(); p.i < len(p.s) {
		return nil, fmt.Errorf("%q follows the call", p.s[p.i:])
	}
	return c, nil
}

type callParser struct {
	s string
	i int
}

func (p *callParser) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

func (p *callParser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *callParser) call(depth int) (*call, error) {
	if depth > maxCallDepth {
		return nil, fmt.Errorf("intrinsic functions are nested deeper than %d", maxCallDepth)
	}
	p.space()
	start := p.i
	for c := p.peek(); c == '.' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'; c = p.peek() {
		p.i++
	}
	name := p.s[start:p.i]
	fn, ok := intrinsics[name]
	if !ok {
		return nil, fmt.Errorf("there is no intrinsic function %q", name)
	}
	if p.space(); p.peek() != '(' {
		return nil, fmt.Errorf("%s lacks its arguments", name)
	}
	p.i++
	c := &call{fn: fn}
	for p.space(); p.peek() != ')'; p.space() {
		if len(c.args) > 0 {
			if p.peek() != ',' {
				return nil, fmt.Errorf("a comma or ) is missing in the arguments of %s", name)
			}
			p.i++
		}
		a, err := p.argument(depth)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, a)
	}
	p.i++
	c.text = p.s[start:p.i]
	if n := len(c.args); n < fn.min || fn.max >= 0 && n > fn.max {
		return nil, fmt.Errorf("%s does not take %d arguments", name, n)
	}
	return c, nil
}

func (p *callParser) argument(depth int) (argument, error) {
	p.space()
	switch c := p.peek(); {
	case c == '\'':
		return p.text()
	case c == '$':
		return p.path()
	case c == '-' || c >= '0' && c <= '9':
		start := p.i
		for p.i < len(p.s) && strings.IndexByte("+-.eE0123456789", p.s[p.i]) >= 0 {
			p.i++
		}
		n, ok := jsonvalue.ParseNumber(p.s[start:p.i])
		if !ok {
			return argument{}, fmt.Errorf("%q is no number", p.s[start:p.i])
		}
		return argument{literal: n}, nil
	}
	for word, v := range map[string]any{"true": true, "false": false, "null": nil} {
		if rest, ok := strings.CutPrefix(p.s[p.i:], word); ok && (rest == "" || strings.IndexByte(" \t\r\n,)", rest[0]) >= 0) {
			p.i += len(word)
			return argument{literal: v}, nil
		}
	}
	c, err := p.call(depth + 1)
	return argument{call: c}, err
}

// text reads a literal in single quotes. A backslash stands before ', {, } and itself; before anything else it is kept.
func (p *callParser) text() (argument, error) {
	p.i++
	start := p.i
	for ; p.i < len(p.s); p.i++ {
		switch p.s[p.i] {
		case '\\':
			p.i++
		case '\'':
			raw := p.s[start:p.i]
			p.i++
			return argument{literal: unescapeLiteral(raw), raw: raw}, nil
		}
	}
	return argument{}, errors.New("a string literal has no closing '")
}

func unescapeLiteral(raw string) string {
	if !strings.Contains(raw, `\`) {
		return raw
	}
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) && strings.IndexByte(`'{}\`, raw[i+1]) >= 0 {
			i++
		}
		b = append(b, raw[i])
	}
	return string(b)
}

// path reads up to the comma or parenthesis that ends the argument.
func (p *callParser) path() (argument, error) {
	start, depth := p.i, 0
	var quote byte
	for ; p.i < len(p.s); p.i++ {
		c := p.s[p.i]
		switch {
		case quote != 0:
			switch c {
			case '\\':
				p.i++
			case quote:
				quote = 0
			}
			continue
		case (c == '\'' || c == '"') && depth > 0:
			quote = c
			continue
		case c == '[' || c == '(':
			depth++
			continue
		case (c == ']' || c == ')') && depth > 0:
			depth--
			continue
		case depth > 0 || c != ',' && c != ')':
			continue
		}
		break
	}
	path, err := CompilePath(strings.TrimRight(p.s[start:min(p.i, len(p.s))], " \t\r\n"))
	return argument{path: path}, err
}

// eval calls the function; field is not needed, the call's own text is in the messages.
func (c *call) eval(env *Env, _ string) (any, error) {
	args := make([]any, len(c.args))
	for i, a := range c.args {
		switch {
		case a.path != nil:
			v, err := a.path.Find(env)
			if err != nil {
				return nil, runtimeError("The JsonPath argument for the field '%s' could not be found in the input '%s'", a.path, env.Input.Text())
			}
			args[i] = v.Value()
		case a.call != nil:
			v, err := a.call.eval(env, "")
			if err != nil {
				return nil, err
			}
			args[i] = v
		default:
			args[i] = a.literal
		}
	}
	v, err := c.fn.run(env, c, args)
	if err == nil && jsonvalue.Size(v) > MaxPayload {
		err = fmt.Errorf("the result is larger than %d bytes", MaxPayload)
	}
	if err != nil {
		return nil, &Error{Name: ErrIntrinsic, Cause: fmt.Sprintf("The function '%s' had the following error: %v", c.text, err)}
	}
	return v, nil
}

// MaxPayload is the largest input, output or result of a state, in bytes of its JSON text.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const MaxPayload = 256 * 1024
