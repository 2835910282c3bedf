package jsontext

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// AppendString writes what encoding/json reads back, for any bytes.
func TestAppendString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "s"))
		var got string
		if err := json.Unmarshal(AppendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); got != want && len([]rune(got)) != len([]rune(s)) {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

// Members gives what encoding/json gives, for any object.
func TestMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(rapid.String(), rapid.OneOf(rapid.Just("1"), rapid.Just(`{"a":[1,"}"]}`), rapid.Just(`"\"]"`), rapid.Just("null"))).Draw(t, "object")
		raw := make(map[string]json.RawMessage, len(want))
		for k, v := range want {
			raw[k] = json.RawMessage(v)
		}
		text, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		var read map[string]json.RawMessage
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		if !Members(text, func(name, value []byte) { got[string(name)] = string(value) }) {
			t.Fatalf("%s is no object", text)
		}
		for k, v := range read {
			if got[k] != string(v) {
				t.Fatalf("%s: member %q is %q", text, k, got[k])
			}
		}
		if len(got) != len(read) {
			t.Fatalf("%s has %v", text, got)
		}
	})
}
