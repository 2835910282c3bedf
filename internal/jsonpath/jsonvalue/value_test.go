package jsonvalue

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRoundTrip(t *testing.T) {
	for text, want := range map[string]string{
		` { "b" : 1 , "a" : [ true , null , "x" ] } `: `{"b":1,"a":[true,null,"x"]}`,
		`{"a":1,"b":2,"a":3}`:                         `{"a":3,"b":2}`,
		`1.0`:                                         `1.0`,
		`1.50`:                                        `1.5`,
		`1e2`:                                         `100.0`,
		`1E10`:                                        `1.0E10`,
		`123456789.125`:                               `1.23456789125E8`,
		`0.00012`:                                     `1.2E-4`,
		`-0`:                                          `0`,
		`-0.0`:                                        `-0.0`,
		`12345678901234567890123`:                     `12345678901234567890123`,
		`"<>&\u00e9\u0001\ud83c\udd97\/\n"`:           `"<>&é\u0001🆗/\n"`,
		`"\ud83c"`:                                    "\"\uFFFD\"",
	} {
		v, err := ParseString(text)
		if got := string(Marshal(v)); err != nil || got != want {
			t.Errorf("%s gives %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for text, want := range map[string]string{
		"not a definition": "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false') at line 1, column 4",
		"":                 "Unexpected end-of-input: was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false') at line 1, column 1",
		"{\n \"a\" 1}":     "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value at line 2, column 7",
		"[1 2]":            "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries at line 1, column 5",
		`{"a":1,}`:         "Unexpected character ('}' (code 125)): was expecting double-quote to start field name at line 1, column 9",
		`[1,]`:             "Unexpected character (']' (code 93)): was expecting JSON String, Number, Array, Object or token 'null', 'true' or 'false' at line 1, column 5",
		`"a`:               "Unexpected end-of-input: was expecting closing quote for a string value at line 1, column 3",
		`1 2`:              "Unexpected character ('2' (code 50)): was expecting end of the text at line 1, column 4",
	} {
		_, err := ParseString(text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := ParseString(strings.Repeat("[", 2000)); err == nil || !strings.Contains(err.Error(), "nesting depth") {
		t.Error(err)
	}
}

func TestNumbers(t *testing.T) {
	for _, test := range []struct {
		a, b Number
		want int
	}{{"1", "1.0", 0}, {"2", "10", -1}, {"12345678901234567890", "12345678901234567891", -1}, {"1.5", "1", 1}, {"-1.0E10", "1", -1}} {
		if got := test.a.Cmp(test.b); got != test.want || test.b.Cmp(test.a) != -test.want {
			t.Errorf("%s to %s: %d", test.a, test.b, got)
		}
	}
	for n, want := range map[Number]int64{"1.49": 1, "1.5": 2, "-1.5": -1, "-1.51": -2, "-0.5": 0, "7": 7, "1.0E300": 1<<63 - 1, "-1.0E300": -1 << 63} {
		if got := n.Round(); got != want {
			t.Errorf("%s rounds to %d, want %d", n, got, want)
		}
	}
}

// Objects behave alike below and above the size from which on they are indexed.
func TestObject(t *testing.T) {
	for _, n := range []int{3, 40} {
		o := NewObject(0)
		for i := range n {
			o.Set(fmt.Sprint("k", i), Int(int64(i)))
		}
		c := o.With("k1", "new").With("extra", nil)
		o.Set("k2", true)
		if v, ok := c.Get("k2"); !ok || v != Int(2) {
			t.Error("a copy changes with its original:", v)
		}
		if v, _ := o.Get("k1"); v != Int(1) {
			t.Error("an original changes with its copy:", v)
		}
		if v, ok := c.Get("extra"); !ok || v != nil || c.Len() != n+1 || o.Len() != n {
			t.Error(v, ok, c.Len())
		}
		if _, ok := c.Get("none"); ok {
			t.Error("found what is not there")
		}
	}
}

func TestEqual(t *testing.T) {
	a, _ := ParseString(`{"x":[1,{"y":null}],"z":1.0}`)
	b, _ := ParseString(`{"z":1,"x":[1.0,{"y":null}]}`)
	c, _ := ParseString(`{"z":1,"x":[1.0,{"y":0}]}`)
	if !Equal(a, b) || Equal(a, c) || Equal(a, nil) {
		t.Error("wrong")
	}
}

// The order is that of the Java program whose outputs Step Functions shows.
func TestHashOrder(t *testing.T) {
	got := HashOrder(strings.Fields("simpleArray partitionedArray containsElement numberRange thirdElement arraySize uniqueValues"))
	if want := strings.Fields("uniqueValues simpleArray thirdElement partitionedArray arraySize containsElement numberRange"); !slices.Equal(got, want) {
		t.Error(got)
	}
}

// FuzzParse compares with encoding/json: the same texts are JSON, and they mean the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"\u00e9\n"],"b":{}}`, `[]`, `-0.0`, `"\ud83c\udd97"`, `nul`, `01`, "\"\x01\"", `{"a":1,"a":2}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseString(s)
		if valid := json.Valid([]byte(s)); valid != (err == nil) && !strings.Contains(fmt.Sprint(err), "nesting depth") {
			t.Fatalf("%q: encoding/json says %v, we say %v", s, valid, err)
		}
		if err != nil {
			return
		}
		text := Marshal(v)
		if len(text) != Size(v) {
			t.Fatalf("%s has %d bytes, Size says %d", text, len(text), Size(v))
		}
		back, err := Parse(text)
		if err != nil || !Equal(v, back) || string(Marshal(back)) != string(text) {
			t.Fatalf("%q: %s does not come back: %v", s, text, err)
		}
		var a, b any
		errA, errB := json.Unmarshal([]byte(s), &a), json.Unmarshal(text, &b)
		if utf8.ValidString(s) && errA == nil && (errB != nil || !reflect.DeepEqual(a, b)) {
			t.Fatalf("%q means %v, %s means %v", s, a, text, b)
		}
	})
}
