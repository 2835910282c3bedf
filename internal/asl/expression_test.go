package asl

import (
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// testScope knows the variable v and a small context object.
type testScope struct{}

func (testScope) Context() any {
	v, _ := jsonvalue.ParseString(`{"Execution":{"Name":"run"},"StateMachine":{"Id":"i","Name":"n"}}`)
	return v
}

func (testScope) Variable(name string) (any, bool) {
	v, _ := jsonvalue.ParseString(`{"a":[1,2]}`)
	return v, name == "v"
}

func env(input string) *Env {
	return &Env{Input: NewPayload(input), Scope: testScope{}, Random: NewRandom(1)}
}

func TestIntrinsicFunctions(t *testing.T) {
	input := `{"a":[3,1,3,"x",null],"s":"Hello","n":-1.5,"o":{"k":[1.0,{"z":true}]},"e":""}`
	for call, want := range map[string]string{
		`States.Array()`: `[]`,
		`States.Array($.s, 1, 'q', true, null, $$.Execution.Name, $v.a[1])`:         `["Hello",1,"q",true,null,"run",2]`,
		`States.ArrayPartition($.a, 2)`:                                             `[[3,1],[3,"x"],[null]]`,
		`States.ArrayContains($.a, null)`:                                           `true`,
		`States.ArrayContains($.a, 3.0)`:                                            `true`,
		`States.ArrayRange(5, 1, -2)`:                                               `[5,3,1]`,
		`States.ArrayGetItem($.a, 3)`:                                               `"x"`,
		`States.ArrayLength($.a)`:                                                   `5`,
		`States.ArrayUnique($.a)`:                                                   `[3,1,"x",null]`,
		`States.Base64Encode($.s)`:                                                  `"SGVsbG8="`,
		`States.Base64Decode('SGVsbG8=')`:                                           `"Hello"`,
		`States.Hash('input data', 'MD5')`:                                          `"812f45842bc6d66ee14572ce20db8e86"`,
		`States.JsonMerge($.o, States.StringToJson('{"k":2,"l":[]}'), false)`:       `{"k":2,"l":[]}`,
		`States.StringToJson($.e)`:                                                  `null`,
		`States.JsonToString($.o)`:                                                  `"{\"k\":[1.0,{\"z\":true}]}"`,
		`States.MathAdd($.n, 0.5)`:                                                  `0`,
		`States.StringSplit('a.b+,c', '.+,')`:                                       `["a","b","c"]`,
		`States.Format('{} is {}: \{\} it\'s \\', $.s, $.o)`:                        `"Hello is {k=[1.0, {z=true}]}: {} it's \\"`,
		`States.Format($.s)`:                                                        `"Hello"`,
		`States.MathRandom(5, 6)`:                                                   `5`,
		`States.MathRandom(0, 1000, 42)`:                                            `727`,
		`States.ArrayGetItem(States.StringSplit('a,b', ','), States.MathAdd(0, 1))`: `"b"`,
		`States.ArrayLength($.a[?(@ == 3)])`:                                        `2`,
		`States.ArrayLength($['a'])`:                                                `5`,
	} {
		e, err := compileExpression(call)
		if err != nil {
			t.Errorf("%s: %v", call, err)
			continue
		}
		v, err := e.eval(env(input), "x.$")
		if got := string(jsonvalue.Marshal(v)); err != nil || got != want {
			t.Errorf("%s = %s, %v; want %s", call, got, err, want)
		}
	}
}

func TestIntrinsicFailures(t *testing.T) {
	for call, want := range map[string]string{
		`States.ArrayGetItem($.a, 9)`:            "States.IntrinsicFailure: The function 'States.ArrayGetItem($.a, 9)' had the following error: Index 9 out of bounds for length 1",
		`States.ArrayPartition($.a, 0)`:          "not positive",
		`States.ArrayRange(0, 2000, 1)`:          "more than 1000 elements",
		`States.ArrayRange(0, 1, 0)`:             "the step is zero",
		`States.ArrayLength($.s)`:                "must be an array, it is of type string",
		`States.Base64Decode('%')`:               "not valid Base64",
		`States.Hash('x', 'md5')`:                "is not one of",
		`States.JsonMerge($.o, $.o, true)`:       "must be false",
		`States.MathAdd(9223372036854775807, 1)`: "out of range",
		`States.MathRandom(2, 2)`:                "not greater than",
		`States.Format('{}', 1, 2)`:              "1 placeholders, but there are 2 arguments",
		`States.StringToJson('{')`:               "Unexpected end-of-input",
		`States.ArrayLength($.missing)`:          "States.Runtime: The JsonPath argument for the field '$.missing' could not be found in the input",
	} {
		e, err := compileExpression(call)
		if err != nil {
			t.Errorf("%s: %v", call, err)
			continue
		}
		if v, err := e.eval(env(`{"a":[1],"s":"x","o":{}}`), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s = %v, %v; want %s", call, v, err, want)
		}
	}
	for _, bad := range []string{
		"", "States.Nope()", "States.UUID", "States.UUID(", "States.UUID(1)", "States.Format()", "States.Format('a' 'b')", "States.Format('a)",
		"States.Array($.)", "States.Array(1.)", "States.Array(tru)", "States.UUID() x", "$x[", "states.UUID()",
		strings.Repeat("States.Array(", 11) + strings.Repeat(")", 11),
	} {
		if _, err := compileExpression(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestUUID(t *testing.T) {
	a, b := uuid(NewRandom(1)), uuid(NewRandom(2))
	if a == b || len(a) != 36 || a[14] != '4' || strings.IndexByte("89ab", a[19]) < 0 {
		t.Errorf("%s %s", a, b)
	}
	if a != uuid(NewRandom(1)) {
		t.Error("the same seed gives another UUID")
	}
}

// The order of a template's members is the service's: first the fixed ones, then the others as a Java HashMap has them.
func TestTemplateOrder(t *testing.T) {
	v, _ := jsonvalue.ParseString(`{"original_input.$":"$","iteration_input_value.$":"$.a","iteration_index.$":"$.a","from_input_constant.$":"$.a",
		"constant":{"b.$":"$.a","list":[{"c.$":"$v.a[0]"},"$.a"]}}`)
	template := compileTemplate(v, "", func(loc, message string) { t.Fatal(loc, message) })
	got, err := template.eval(env(`{"a":1}`))
	want := `{"constant":{"list":[{"c":1},"$.a"],"b":1},"iteration_input_value":1,"from_input_constant":1,"iteration_index":1,"original_input":{"a":1}}`
	if s := string(jsonvalue.Marshal(got)); err != nil || s != want {
		t.Errorf("got %s, %v", s, err)
	}
}

func TestWildcardMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"log-*.txt", "log-1.txt", true},
		{"log-*.txt", "log-.txt", true},
		{"log-*.txt", "log.txt", false},
		{"*", "", true},
		{"", "x", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{`a\*b`, "a*b", true},
		{`a\*b`, "axb", false},
		{`a\\*`, `a\x`, true},
		{"**", "x", true},
		{strings.Repeat("a*", 30) + "b", strings.Repeat("a", 200), false},
	} {
		if got := wildcardMatch(test.pattern, test.s); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.s, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	for s, want := range map[string]bool{
		"2016-03-14T01:59:00Z": true, "2016-03-05T21:29:29.243167252Z": true, "2016-03-14T01:59:00+01:00": true,
		"2016-03-14t01:59:00Z": false, "2016-03-14T01:59:00z": false, "2016-03-14T01:59:00": false, "2016-03-14 01:59:00Z": false, "2016-13-14T01:59:00Z": false, "": false,
	} {
		if _, ok := ParseTime(s); ok != want {
			t.Errorf("%s: %v", s, ok)
		}
	}
}

func FuzzIntrinsic(f *testing.F) {
	f.Add(`States.Format('{} \'{}\'', $.a[0], States.MathAdd(1, -2))`, `{"a":[1,{"b":null}]}`)
	f.Add(`States.ArrayRange(1, 9, 2)`, `1`)
	f.Fuzz(func(t *testing.T, call, input string) {
		e, err := compileExpression(call)
		if err != nil {
			return
		}
		if _, err := jsonvalue.ParseString(input); err != nil {
			return
		}
		a, err := e.eval(env(input), "x.$")
		b, again := e.eval(env(input), "x.$")
		if (err == nil) != (again == nil) || !jsonvalue.Equal(a, b) {
			t.Fatalf("%s gives %v (%v), then %v (%v)", call, a, err, b, again)
		}
	})
}
