package jsonata

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
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
	// literal is the token where it is no string, for the message.
	literal string
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
		e.Message = strings.NewReplacer("{token}", f.token, "{quoted}", f.quoted(), "{value}", describe(f.value), "{value2}", describe(f.value2),
			"{index}", strconv.Itoa(f.index)).Replace(messages[f.code])
	}
	return e
}

// quoted is the token as the message shows it.
func (f *failure) quoted() string {
	switch {
	case f.literal != "":
		return f.literal
	case f.token == "":
		return describe(undefined)
	}
	return describe(f.token)
}

// describeSteps bounds the work on the value of an error; one that takes more is told by its type.
const describeSteps = 5000

// maxDescribed is how many bytes of a value a message shows.
const maxDescribed = 4096

// describe writes a value for a message, shortened when long.
func describe(v any) string {
	if v == undefined {
		return "undefined"
	}
	out, defined, err := newEvaluator(Options{MaxSteps: describeSteps}).export(v, 0)
	if err == nil && !defined {
		return "undefined"
	}
	s := typeName(v)
	if err == nil {
		s = string(jsonvalue.Marshal(out))
	}
	if len(s) > maxDescribed {
		cut := maxDescribed
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return s
}

// messages are the sentences of the codes, as the reference implementation, version 2.0.6, was seen to answer them
// (testdata/messages.json): Step Functions passes them on, so they are what callers meet. {token}, {quoted}, {value},
// {value2} and {index} stand for the parts of the error; {quoted} is the token as a JSON string.
var messages = map[string]string{
	"S0101": "String literal must be terminated by a matching quote",
	"S0102": "Number out of range: {quoted}",
	"S0103": `Unsupported escape sequence: \{quoted}`,
	"S0104": `The escape sequence \u must be followed by 4 hex digits`,
	"S0105": "Quoted property name must be terminated with a backquote (`)",
	"S0106": "Comment has no closing tag",
	"S0201": "Syntax error: {quoted}",
	"S0202": "Expected {value}, got {quoted}",
	"S0203": "Expected {value} before end of expression",
	"S0204": "Unknown operator: {quoted}",
	"S0206": "Unknown expression type: {value}",
	"S0207": "Unexpected end of expression",
	"S0208": "Parameter {value} of function definition must be a variable name (start with $)",
	"S0209": "A predicate cannot follow a grouping expression in a step",
	"S0210": "Each step can only have one grouping expression",
	"S0211": "The symbol {quoted} cannot be used as a unary operator",
	"S0212": "The left side of := must be a variable name (start with $)",
	"S0213": "The literal value {value} cannot be used as a step within a path expression",
	"S0214": "The right side of {quoted} must be a variable name (start with $)",
	"S0215": "A context variable binding must precede any predicates on a step",
	"S0216": "A context variable binding must precede the 'order-by' clause on a step",
	"S0217": "The object representing the 'parent' cannot be derived from this expression",
	"S0301": "Empty regular expressions are not allowed",
	"S0302": "No terminating / in regular expression",
	"S0303": "Invalid regular expression: {value}",
	"S0401": "Type parameters can only be applied to functions and arrays",
	"S0402": "Choice groups containing parameterized types are not supported",

	"T0410": "Argument {index} of function {quoted} does not match function signature",
	"T0411": "Context value is not a compatible type with argument {index} of function {quoted}",
	"T0412": "Argument {index} of function {quoted} must be an array of {value2}",
	"T1003": "Key in object structure must evaluate to a string; got: {value}",
	"T1005": "Attempted to invoke a non-function. Did you mean ${token}?",
	"T1006": "Attempted to invoke a non-function",
	"T1007": "Attempted to partially apply a non-function. Did you mean ${token}?",
	"T1008": "Attempted to partially apply a non-function",
	"T1010": "The matcher function argument passed to function {quoted} does not return the correct object structure",
	"T2001": "The left side of the {quoted} operator must evaluate to a number",
	"T2002": "The right side of the {quoted} operator must evaluate to a number",
	"T2003": "The left side of the range operator (..) must evaluate to an integer",
	"T2004": "The right side of the range operator (..) must evaluate to an integer",
	"T2006": "The right side of the function application operator ~> must be a function",
	"T2007": "Type mismatch when comparing values {value} and {value2} in order-by clause",
	"T2008": "The expressions within an order-by clause must evaluate to numeric or string values",
	"T2009": "The values {value} and {value2} either side of operator {quoted} must be of the same data type",
	"T2010": "The expressions either side of operator {quoted} must evaluate to numeric or string values",
	"T2011": "The insert/update clause of the transform expression must evaluate to an object: {value}",
	"T2012": "The delete clause of the transform expression must evaluate to a string or array of strings: {value}",

	"D1001": "Number out of range: null",
	"D1002": "Cannot negate a non-numeric value: {value}",
	"D1004": "Regular expression matches zero length string",
	"D1009": "Multiple key definitions evaluate to same key: {value}",
	"D2014": "The size of the sequence allocated by the range operator (..) must not exceed 1e6.  Attempted to allocate {value}.",
	"D3001": "Attempting to invoke string function on Infinity or NaN",
	"D3010": "Second argument of replace function cannot be an empty string",
	"D3011": "Fourth argument of replace function must evaluate to a positive number",
	"D3012": "Attempted to replace a matched string with a non-string value",
	"D3020": "Third argument of split function must evaluate to a positive number",
	"D3030": "Unable to cast value to a number: {value}",
	"D3040": "Third argument of match function must evaluate to a positive number",
	"D3050": "The second argument of reduce function must be a function with at least two arguments",
	"D3060": "The sqrt function cannot be applied to a negative number: {value}",
	"D3061": "The power function has resulted in a value that cannot be represented as a JSON number: base={value}, exponent={value2}",
	"D3070": "The single argument form of the sort function can only be applied to an array of strings or an array of numbers.  Use the second argument to specify a comparison function",
	"D3080": "The picture string must only contain a maximum of two sub-pictures",
	"D3081": "The sub-picture must not contain more than one instance of the 'decimal-separator' character",
	"D3082": "The sub-picture must not contain more than one instance of the 'percent' character",
	"D3083": "The sub-picture must not contain more than one instance of the 'per-mille' character",
	"D3084": "The sub-picture must not contain both a 'percent' and a 'per-mille' character",
	"D3085": "The mantissa part of a sub-picture must contain at least one character that is either an 'optional digit character' or a member of the 'decimal digit family'",
	"D3086": "The sub-picture must not contain a passive character that is preceded by an active character and that is followed by another active character",
	"D3087": "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a 'decimal-separator' character",
	"D3088": "The sub-picture must not contain a 'grouping-separator' at the end of the integer part",
	"D3089": "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character",
	"D3090": "The integer part of the sub-picture must not contain a member of the 'decimal digit family' that is followed by an instance of the 'optional digit character'",
	"D3091": "The fractional part of the sub-picture must not contain an instance of the 'optional digit character' that is followed by a member of the 'decimal digit family'",
	"D3092": "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character treated as an 'exponent-separator'",
	"D3093": "The exponent part of the sub-picture must comprise only of one or more characters that are members of the 'decimal digit family'",
	"D3100": "The radix of the formatBase function must be between 2 and 36.  It was given {value}",
	"D3110": "The argument of the toMillis function must be an ISO 8601 formatted timestamp. Given {value}",
	"D3130": "Formatting or parsing an integer as a sequence starting with {value} is not supported by this implementation",
	"D3131": "In a decimal digit pattern, all digits must be from the same decimal group",
	"D3132": "Unknown component specifier {value} in date/time picture string",
	"D3133": "The 'name' modifier can only be applied to months and days in the date/time picture string, not {value}",
	"D3134": "The timezone integer format specifier cannot have more than four digits",
	"D3135": "No matching closing bracket ']' in date/time picture string",
	"D3136": "The date/time picture string is missing specifiers required to parse the timestamp",
	"D3138": "The $single() function expected exactly 1 matching result.  Instead it matched more.",
	"D3139": "The $single() function expected exactly 1 matching result.  Instead it matched 0.",
	"D3140": "Malformed URL passed to ${token}(): {value}",

	"S0500": "the expression is nested too deeply or too long",
	"D3150": "argument {index} of ${token} is out of range: {value}",
	"D3151": "{value} is not valid JSON",
	"D3152": "{value} is not a hash algorithm: use MD5, SHA-1, SHA-256, SHA-384 or SHA-512",
	"D3154": "the result is or holds a function, which is not data",
	"D3153": "the regular expression took too long",
}
