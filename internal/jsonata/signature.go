package jsonata

import "strings"

// parameter is one parameter of a signature: the type letters that it takes, and how many arguments.
type parameter struct {
	types    string // letters of typeLetter
	array    bool   // takes an array, and makes one of a single value
	subtype  string // of an array's members; empty where any will do
	optional bool
	many     bool
	context  bool // the context value stands in when it is missing
}

func (p *parameter) takes(letter byte) bool { return strings.IndexByte(p.types, letter) >= 0 }

// signature is the types of a function's parameters, written <s-nn?:s>.
// See https://docs.jsonata.org/programming#function-signatures.
type signature struct{ params []parameter }

func mustSignature(text string) *signature {
	s, err := parseSignature(text)
	if err != nil {
		panic("jsonata: the signature " + text + " of the package is wrong: " + err.code)
	}
	return s
}

// parseSignature reads a signature. The error's position is an offset within text.
func parseSignature(text string) (*signature, *failure) {
	s := &signature{}
	for i := 1; i < len(text) && text[i] != ':'; i++ {
		c := text[i]
		var last *parameter
		if n := len(s.params); n > 0 {
			last = &s.params[n-1]
		}
		switch c {
		case 's', 'n', 'b', 'l', 'o':
			s.params = append(s.params, parameter{types: string(c) + "m"})
		case 'a':
			s.params = append(s.params, parameter{types: "asnblfom", array: true})
		case 'f':
			s.params = append(s.params, parameter{types: "f"})
		case 'j':
			s.params = append(s.params, parameter{types: "asnblom"})
		case 'x':
			s.params = append(s.params, parameter{types: "asnblfom"})
		case '-', '?', '+':
			if last == nil {
				break
			}
			last.optional = last.optional || c != '+'
			last.many = last.many || c == '+'
			last.context = last.context || c == '-'
		case '(':
			end := closing(text, i, '(', ')')
			choice := text[i+1 : end]
			if strings.Contains(choice, "<") {
				return nil, &failure{code: "S0402", pos: i, value: choice}
			}
			s.params = append(s.params, parameter{types: choice + "m"})
			i = end
		case '<':
			if last == nil || !last.array && last.types != "f" {
				kind := ""
				if last != nil {
					kind = strings.TrimSuffix(last.types, "m")
				}
				return nil, &failure{code: "S0401", pos: i, value: kind}
			}
			end := closing(text, i, '<', '>')
			last.subtype = text[i+1 : end]
			i = end
		}
	}
	return s, nil
}

// closing finds the bracket that closes the one at from; without one, the end of the text.
func closing(text string, from int, open, close byte) int {
	depth := 0
	for i := from; i < len(text); i++ {
		switch text[i] {
		case open:
			depth++
		case close:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(text)
}

// validate checks arguments against the signature, puts the context value where one is missing that it may stand for, and
// makes arrays of single values where arrays are wanted.
func (s *signature) validate(args []any, context any) ([]any, error) {
	if s.fits(args) {
		return args, nil
	}
	var counts [8]int
	taken := counts[:0]
	ok := s.match(args, 0, &taken)
	if !ok {
		return nil, s.mismatch(args)
	}
	out := make([]any, 0, len(s.params)+1)
	at := 0
	for i := range s.params {
		p := &s.params[i]
		if taken[i] == 0 {
			if p.context {
				if !p.takes(typeLetter(context)) {
					return nil, failArg("T0411", at+1, context)
				}
				out = append(out, context)
			} else {
				arg := undefined
				if at < len(args) {
					arg = args[at]
				}
				out = append(out, arg)
				at++
			}
			continue
		}
		first := args[at]
		for range taken[i] {
			arg := first // of several arguments to one parameter, the reference passes on the first
			if p.array {
				arg = args[at]
				var err error
				if arg, err = p.wrap(arg, at); err != nil {
					return nil, err
				}
			}
			out = append(out, arg)
			at++
		}
	}
	return out, nil
}

// fits tells whether every parameter takes one argument as it is.
func (s *signature) fits(args []any) bool {
	if len(args) != len(s.params) {
		return false
	}
	for i := range s.params {
		p := &s.params[i]
		if p.many || !p.takes(typeLetter(args[i])) {
			return false
		}
		if !p.array || isUndefined(args[i]) {
			continue
		}
		items, ok := elements(args[i])
		if !ok {
			return false
		}
		if p.subtype == "" {
			continue
		}
		for _, item := range items {
			if typeLetter(item) != p.subtype[0] {
				return false
			}
		}
	}
	return true
}

// wrap makes an array of an argument where one is wanted, and checks its members.
func (p *parameter) wrap(arg any, at int) (any, error) {
	if isUndefined(arg) {
		return arg, nil
	}
	items, isArray := elements(arg)
	if p.subtype != "" {
		good := true
		if !isArray {
			good = len(p.subtype) == 1 && typeLetter(arg) == p.subtype[0]
		} else if len(items) > 0 {
			want := typeLetter(items[0])
			good = want == p.subtype[0]
			for _, item := range items {
				good = good && typeLetter(item) == want
			}
		}
		if !good {
			f := failArg("T0412", at+1, arg)
			f.value2 = subtypeNames[p.subtype[0]]
			return nil, f
		}
	}
	if !isArray {
		return newPlain(arg), nil
	}
	return arg, nil
}

func newPlain(items ...any) *array { return &array{items: items} }

var subtypeNames = map[byte]any{'s': "strings", 'n': "numbers", 'b': "booleans", 'l': "nulls", 'a': "arrays", 'o': "objects", 'f': "functions"}

// match finds how many arguments each parameter takes, as many as possible for the first ones.
func (s *signature) match(args []any, i int, taken *[]int) bool {
	if i == len(s.params) {
		return len(args) == 0
	}
	p := &s.params[i]
	least, most := 1, 1
	if p.optional {
		least = 0
	}
	if p.many {
		most = len(args)
	}
	n := 0
	for n < most && n < len(args) && p.takes(typeLetter(args[n])) {
		n++
	}
	for ; n >= least; n-- {
		*taken = append((*taken)[:i], n)
		if s.match(args[n:], i+1, taken) {
			return true
		}
	}
	return false
}

// mismatch tells which argument does not fit: the first behind those that the longest run of parameters can take.
func (s *signature) mismatch(args []any) error {
	good := 0
	for i := range s.params {
		head := &signature{params: s.params[:i+1]}
		n, ok := head.prefix(args)
		if !ok {
			break
		}
		good = n
	}
	value := undefined
	if good < len(args) {
		value = args[good]
	}
	return failArg("T0410", good+1, value)
}

// prefix finds how many of the first arguments the parameters take.
func (s *signature) prefix(args []any) (int, bool) {
	for n := len(args); n >= 0; n-- {
		taken := make([]int, 0, len(s.params))
		if s.match(args[:n], 0, &taken) {
			return n, true
		}
	}
	return 0, false
}
