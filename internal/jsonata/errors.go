package jsonata

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error is why an expression could not be compiled or evaluated. Codes are JSONata's own: S… for syntax, T… for types,
// D… for values, U1001 for a limit that was exceeded, S0500 and D3150 to D3154 for what only this package knows.
type Error struct {
	Code     string
	Position int    // characters from the start of the expression, just behind the token that the error is about
	Token    string // the token or function that the error is about; may be empty
	Index    int    // number of the argument, from 1; 0 where the error is not about an argument
	Value    any    // the offending value, where there is one and it is not too large
	Message  string // what happened, without the code
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// CodeFunction is the code of an evaluation whose result is or holds a function, which is not data.
const CodeFunction = "D3154"

// failure is an error under way: position and token are filled in by the calls that it passes, the message by finish.
type failure struct {
	code   string
	pos    int // bytes
	placed bool
	token  string
	index  int
	value  any
	value2 any
	text   string // the message, where it is not that of the code
}

func (f *failure) Error() string { return f.code }

// placeAt gives an error that has no place yet the one of a token.
func placeAt(err error, pos int, token string) error {
	if err == nil {
		return nil
	}
	var f *failure
	if errors.As(err, &f) && !f.placed {
		f.placed, f.pos, f.token = true, pos, token
	}
	return err
}

// fail makes an evaluation error about a value.
func fail(code string, value any) *failure { return &failure{code: code, value: value} }

// failAt makes an error at a byte offset.
func failAt(code string, pos int, token string, value any) *failure {
	return &failure{code: code, pos: pos, placed: true, token: token, value: value}
}

// failArg makes an evaluation error about an argument, counted from 1.
func failArg(code string, index int, value any) *failure {
	return &failure{code: code, value: value, index: index}
}

// limit makes the error for a limit that was exceeded.
func limit(text string) *failure { return &failure{code: "U1001", value: undefined, text: text} }

// finish turns an error of the engine into the exported form.
func finish(err error, src string) *Error {
	var f *failure
	if !errors.As(err, &f) {
		return &Error{Code: "U1001", Message: err.Error()}
	}
	e := &Error{Code: f.code, Token: f.token, Index: f.index, Message: f.text}
	e.Position = utf8.RuneCountInString(src[:min(max(f.pos, 0), len(src))])
	if f.value != nil && f.value != undefined {
		if v, _, err := newEvaluator(Options{MaxSteps: describeSteps}).export(f.value, 0); err == nil {
			e.Value = v
		}
	}
	if e.Message == "" {
		e.Message = strings.NewReplacer("{token}", f.token, "{value}", describe(f.value), "{value2}", describe(f.value2),
			"{index}", strconv.Itoa(f.index)).Replace(messages[f.code])
	}
	return e
}

// describeSteps bounds the work on the value of an error; one that takes more is told by its type.
const describeSteps = 5000

// describe writes a value for a message, shortened when long.
func describe(v any) string {
	if v == undefined {
		return "nothing"
	}
	s, err := newEvaluator(Options{MaxSteps: describeSteps}).toJSON(v, false)
	if err != nil {
		s = typeName(v)
	}
	if len(s) > 200 {
		cut := 200
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return s
}

// messages are the sentences of the codes; {token}, {value}, {value2} and {index} stand for the parts of the error.
var messages = map[string]string{
	"S0101": "the string has no closing quote",
	"S0102": "the number {token} is out of range",
	"S0103": "\\{token} is not an escape sequence",
	"S0104": "\\u needs four hexadecimal digits",
	"S0105": "the quoted name has no closing backquote",
	"S0106": "the comment is not closed",
	"S0201": "syntax error at {token}",
	"S0202": "{value} is missing before {token}",
	"S0203": "the expression ends where {value} is missing",
	"S0204": "{token} is not an operator",
	"S0206": "{token} cannot be evaluated",
	"S0207": "the expression ends too early",
	"S0208": "parameter {value} of a function must be a variable name, starting with $",
	"S0209": "a predicate cannot follow a grouping in a step",
	"S0210": "a step can have only one grouping",
	"S0211": "{token} needs something on its left",
	"S0212": "the left side of := must be a variable name, starting with $",
	"S0213": "the literal {value} cannot be a step of a path",
	"S0214": "the right side of {token} must be a variable name, starting with $",
	"S0215": "@ must come before the predicates of its step",
	"S0216": "@ must come before the ordering of its step",
	"S0217": "what % should be the parent of cannot be told",
	"S0301": "a regular expression cannot be empty",
	"S0302": "the regular expression has no closing /",
	"S0303": "the regular expression {value} is not valid",
	"S0401": "only functions and arrays can have type parameters, not {value}",
	"S0402": "a choice of types cannot hold parameterised types: {value}",
	"S0500": "the expression is nested too deeply or too long",

	"T0410": "argument {index} of ${token} does not match its signature",
	"T0411": "the context value cannot stand for argument {index} of ${token}",
	"T0412": "argument {index} of ${token} must be an array whose members are of one type: {value2}",
	"T1003": "the key of an object must be a string, not {value}",
	"T1005": "{token} is not a function; did you mean ${token}?",
	"T1006": "{token} is not a function and cannot be called",
	"T1007": "{token} is not a function; did you mean ${token}?",
	"T1008": "{token} is not a function and cannot be applied",
	"T1010": "the matcher passed to ${token} does not return a match",
	"T2001": "the left side of {token} must be a number, not {value}",
	"T2002": "the right side of {token} must be a number, not {value}",
	"T2003": "the left side of .. must be an integer, not {value}",
	"T2004": "the right side of .. must be an integer, not {value}",
	"T2006": "the right side of ~> must be a function, not {value}",
	"T2007": "cannot order {value} and {value2}: their types differ",
	"T2008": "can only order by numbers or strings, not by {value}",
	"T2009": "cannot compare {value} and {value2} by {token}: their types differ",
	"T2010": "{token} compares numbers or strings, not {value}",
	"T2011": "the update of a transform must be an object, not {value}",
	"T2012": "the deletion of a transform must be a string or an array of strings, not {value}",

	"D1001": "a number is out of range",
	"D1002": "cannot negate {value}: it is not a number",
	"D1004": "the regular expression matches an empty string",
	"D1009": "more than one definition gives the key {value}",
	"D2014": "the range would have {value} members; at most 10000000 are allowed",
	"D3001": "cannot make a string of an infinite number",
	"D3010": "the pattern of $replace cannot be an empty string",
	"D3011": "the limit of $replace cannot be negative: {value}",
	"D3012": "the replacement must be a string, not {value}",
	"D3020": "the limit of $split cannot be negative: {value}",
	"D3030": "cannot make a number of {value}",
	"D3040": "the limit of $match cannot be negative: {value}",
	"D3050": "the function given to $reduce must take at least two arguments",
	"D3060": "a negative number has no square root: {value}",
	"D3061": "{value} to the power of {value2} is not a number",
	"D3070": "$sort needs a comparing function unless the array holds only strings or only numbers",
	"D3080": "a number picture has at most two parts",
	"D3081": "a part of a number picture has at most one decimal separator",
	"D3082": "a part of a number picture has at most one percent sign",
	"D3083": "a part of a number picture has at most one per-mille sign",
	"D3084": "a part of a number picture cannot have both a percent and a per-mille sign",
	"D3085": "a part of a number picture needs at least one digit",
	"D3086": "a number picture cannot have other characters between its digits",
	"D3087": "a number picture cannot have a grouping separator next to the decimal separator",
	"D3088": "the integer part of a number picture cannot end with a grouping separator",
	"D3089": "a number picture cannot have two grouping separators side by side",
	"D3090": "the integer part of a number picture has an optional digit behind a mandatory one",
	"D3091": "the fraction of a number picture has a mandatory digit behind an optional one",
	"D3092": "a number picture cannot have both a percent or per-mille sign and an exponent",
	"D3093": "the exponent of a number picture can only hold mandatory digits",
	"D3100": "the radix of $formatBase must be from 2 to 36, not {value}",
	"D3110": "$toMillis needs an ISO 8601 timestamp, not {value}",
	"D3130": "numbering that starts with {value} is not supported",
	"D3131": "all digits of a picture must be of one script",
	"D3132": "{value} is not a component of a date and time picture",
	"D3133": "only months, days and am/pm have names, not {value}",
	"D3134": "the format of a timezone has at most four digits",
	"D3135": "a [ in the date and time picture is not closed",
	"D3136": "the date and time picture lacks parts that are needed to tell the time",
	"D3138": "$single found more than one match",
	"D3139": "$single found no match",

	"D3150": "argument {index} of ${token} is out of range: {value}",
	"D3151": "{value} is not valid JSON",
	"D3152": "{value} is not a hash algorithm: use MD5, SHA-1, SHA-256, SHA-384 or SHA-512",
	"D3154": "the result is or holds a function, which is not data",
	"D3153": "the regular expression took too long",
}
