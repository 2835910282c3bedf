package jsonata

import (
	_ "embed"
	"testing"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// observed is what npm jsonata 2.0.6 answered, under Node: expressions, with their input where they have one, the code and
// the sentence of the error.
//
//go:embed testdata/messages.json
var observed []byte

// Step Functions passes the sentences of JSONata's errors on, so they are part of what callers meet.
func TestMessages(t *testing.T) {
	cases, err := jsonvalue.Parse(observed)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases.([]any) {
		c := c.(*jsonvalue.Object)
		expr := get(c, "expr").(string)
		got := evaluate(expr, get(c, "input"), Options{})
		code, _ := get(c, "code").(string)
		message := get(c, "message").(string)
		switch {
		case got.code != code:
			t.Errorf("%s: %v\nthe reference answers %s: %s", expr, got, code, message)
		case got.err != nil && got.err.Message != message:
			t.Errorf("%s: %s: %s\nthe reference says %s", expr, code, got.err.Message, message)
		}
	}
}
