package jsonata

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// recordings is the folder of the recorded answers of the reference, beside the repository.
const recordings = "../../../shared/conformance/jsonata"

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(recordings, name))
	if os.IsNotExist(err) {
		t.Skipf("no recordings at %s", recordings)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustParse(t *testing.T, b []byte) *jsonvalue.Object {
	t.Helper()
	v, err := jsonvalue.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	o, ok := v.(*jsonvalue.Object)
	if !ok {
		t.Fatal("not an object")
	}
	return o
}

func get(o *jsonvalue.Object, name string) any {
	v, _ := o.Get(name)
	return v
}

// outcome is what an expression gave, in a form that can be compared.
type outcome struct {
	result  any
	defined bool
	code    string
	err     *Error
}

func evaluate(src string, input any, o Options) outcome {
	e, err := Compile(src)
	var failed *Error
	if errors.As(err, &failed) {
		return outcome{code: failed.Code, err: failed}
	}
	v, defined, err := e.Eval(input, o)
	if errors.As(err, &failed) {
		return outcome{code: failed.Code, err: failed}
	}
	return outcome{result: v, defined: defined}
}

func (o outcome) String() string {
	switch {
	case o.code != "":
		return o.err.Error()
	case !o.defined:
		return "nothing"
	}
	return string(jsonvalue.Marshal(o.result))
}

// sameButOrder compares arrays without regard to the order of their members.
func sameButOrder(a, b any) bool {
	x, ok := a.([]any)
	y, ok2 := b.([]any)
	if !ok || !ok2 {
		return jsonvalue.Equal(a, b)
	}
	if len(x) != len(y) {
		return false
	}
	used := make([]bool, len(y))
next:
	for _, v := range x {
		for i, w := range y {
			if !used[i] && jsonvalue.Equal(v, w) {
				used[i] = true
				continue next
			}
		}
		return false
	}
	return true
}

// The official suite of JSONata 2.0.6: at least 99.5 % must agree, but for what this dialect refuses, which is $eval.
func TestSuite(t *testing.T) {
	text := recorded(t, "suite-2.0.6.json")
	// Half a surrogate pair cannot stand in JSON text that Go reads: let the expression's own escape make it.
	text = bytes.ReplaceAll(text, []byte(`'\ud800'`), []byte(`'\\ud800'`))
	suite := mustParse(t, text)
	datasets := get(suite, "datasets").(*jsonvalue.Object)
	total, bad, refused := 0, 0, 0
	for _, c := range get(suite, "cases").([]any) {
		c := c.(*jsonvalue.Object)
		expr := get(c, "expr").(string)
		name := get(c, "group").(string) + "/" + get(c, "case").(string)
		input := get(c, "data")
		defined := true
		if _, ok := c.Get("data"); !ok {
			if s, ok := get(c, "dataset").(string); ok {
				input = get(datasets, s)
			} else {
				defined = false
			}
		}
		if !defined {
			input = undefined
		}
		o := Options{Now: time.Date(2024, 3, 5, 10, 11, 12, 345e6, time.UTC), Bindings: map[string]any{}, MaxSteps: 50_000_000, MaxDepth: 5000}
		if b, ok := get(c, "bindings").(*jsonvalue.Object); ok {
			for i := range b.Len() {
				k, v := b.At(i)
				o.Bindings[k] = v
			}
		}
		if d, ok := get(c, "depth").(jsonvalue.Number); ok {
			o.MaxDepth = int(d.Float64())
			if get(c, "code") == "U1001" {
				o.MaxSteps = 1_000_000
			}
		}
		got := evaluate(expr, input, o)
		if e, err := Compile(expr); err == nil {
			for _, f := range e.Calls() {
				if f == "eval" {
					if got.code != "T1006" && got.defined {
						t.Errorf("%s: $eval is not refused: %s", name, got)
					}
					refused++
					got.code = "refused"
				}
			}
		}
		if got.code == "refused" {
			continue
		}
		total++
		ok := false
		want := ""
		switch {
		case has(c, "code"):
			want = get(c, "code").(string)
			ok = got.code == want
		case has(c, "error"):
			e := get(c, "error").(*jsonvalue.Object)
			want = string(jsonvalue.Marshal(e))
			ok = got.code == get(e, "code")
			if m, has := get(e, "message").(string); ok && has {
				ok = got.err.Message == m
			}
			if m, has := get(e, "token").(string); ok && has {
				ok = got.err.Token == m
			}
		case has(c, "undefinedResult"):
			want = "nothing"
			ok = got.code == "" && !got.defined
		default:
			r := get(c, "result")
			want = string(jsonvalue.Marshal(r))
			ok = got.code == "" && got.defined && jsonvalue.Equal(got.result, r)
			if !ok && get(c, "unordered") == true {
				ok = sameButOrder(got.result, r)
			}
		}
		if !ok {
			bad++
			t.Logf("%s: %s\n   gives %.300s\n   want  %.300s", name, expr, got, want)
		}
	}
	t.Logf("%d of %d cases agree, %d use $eval", total-bad, total, refused)
	if total < 1000 || bad*1000 > total*5 {
		t.Errorf("%d of %d cases differ", bad, total)
	}
}

func has(o *jsonvalue.Object, name string) bool { _, ok := o.Get(name); return ok }

// Random expressions, as npm jsonata 2.0.6 answered them: at least 99.5 % must agree.
func TestRandom(t *testing.T) {
	lines := bufio.NewScanner(bytes.NewReader(recorded(t, "random-2.0.6.jsonl")))
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	data := get(mustParse(t, lines.Bytes()), "data")
	before := string(jsonvalue.Marshal(data))
	total, bad := 0, 0
	for lines.Scan() {
		c := mustParse(t, lines.Bytes())
		expr := get(c, "expr").(string)
		got := evaluate(expr, data, Options{})
		total++
		ok := false
		switch {
		case has(c, "err"):
			ok = got.code == get(c, "err")
		case has(c, "undef"):
			ok = got.code == "" && !got.defined
		default:
			ok = got.code == "" && got.defined && jsonvalue.Equal(got.result, get(c, "result"))
		}
		if !ok {
			if bad++; bad <= 40 {
				t.Logf("%s\n   gives %.300s\n   want  %.400s", expr, got, lines.Bytes())
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if after := string(jsonvalue.Marshal(data)); after != before {
		t.Error("evaluation changed its input")
	}
	t.Logf("%d of %d agree", total-bad, total)
	if total < 1000 || bad*1000 > total*5 {
		t.Errorf("%d of %d differ", bad, total)
	}
}
