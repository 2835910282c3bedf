package jsonata

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// FuzzEval: any text compiles or not without a panic, evaluation ends, and gives the same twice.
func FuzzEval(f *testing.F) {
	for _, test := range results {
		f.Add(test.expr, document)
	}
	f.Add("a[b]", "[1]")
	f.Add("$", `{"1":[[]]}`)
	f.Fuzz(func(t *testing.T, expr, data string) {
		e, err := Compile(expr)
		if err != nil {
			if failed := new(Error); !errors.As(err, &failed) {
				t.Fatalf("%q: a %T", expr, err)
			}
			return
		}
		input, err := jsonvalue.ParseString(data)
		if err != nil {
			input = nil
		}
		before := string(jsonvalue.Marshal(input))
		run := func() string {
			v, defined, err := e.Eval(input, Options{MaxSteps: 20_000, MaxDepth: 300, Seed: 1})
			if defined && err == nil {
				if _, err := jsonvalue.Parse(jsonvalue.Marshal(v)); err != nil && !strings.Contains(err.Error(), "nesting depth") {
					t.Fatalf("%q gives what is not JSON: %v", expr, err)
				}
			}
			return fmt.Sprintf("%s %v %v", jsonvalue.Marshal(v), defined, err)
		}
		first := run()
		if second := run(); second != first {
			t.Fatalf("%q gives %s, then %s", expr, first, second)
		}
		if after := string(jsonvalue.Marshal(input)); after != before {
			t.Fatalf("%q changed its input", expr)
		}
	})
}
