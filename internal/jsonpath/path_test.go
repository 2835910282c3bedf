package jsonpath

import (
	"errors"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

const orders = `{"orderId":"o-17","items":[{"sku":"A","qty":2,"price":10.5,"tags":["x","y"]},{"sku":"B","qty":1,"price":20,"tags":[]},
	{"sku":"C","price":0.5}],"limit":10,"n":[5,3,9],"o":{"a b":1,"c.d":2}}`

func TestEval(t *testing.T) {
	doc, err := jsonvalue.ParseString(orders)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"$.orderId":                            `"o-17"`,
		"$['o']['a b']":                        `1`,
		"$.items[-1].sku":                      `"C"`,
		"$.items[*].sku":                       `["A","B","C"]`,
		"$.items[0,2].sku":                     `["A","C"]`,
		"$.items[:2].qty":                      `[2,1]`,
		"$.items[?(@.price > 1 && @.qty)].sku": `["A","B"]`,
		"$.items[?(!@.qty)].sku":               `["C"]`,
		"$.items[?(@.price < $.limit)].sku":    `["C"]`,
		"$.items[?(@.qty == '2')].sku":         `["A"]`,
		"$.items[?(@.sku in ['A','C'])].sku":   `["A","C"]`,
		"$.items[?(@.tags contains 'y')].sku":  `["A"]`,
		"$.items[?(@.tags.length() == 0)].sku": `["B"]`,
		"$.items[?(@.sku =~ /[ab]/i)].sku":     `["A","B"]`,

		"$.items[?((@.qty == 1) || (@.price == 0.5))]['sku','price']": `[{"sku":"B","price":20},{"sku":"C","price":0.5}]`,

		"$..sku":             `["A","B","C"]`,
		"$.o['a b','c.d']":   `{"a b":1,"c.d":2}`,
		"$.n.max()":          `9.0`,
		"$.n.length()":       `3`,
		"$.n.index(1)":       `3`,
		"$.n.append(1, [2])": `[5,3,9,1,[2]]`,
		"$.n.avg()":          `5.666666666666667`,
		"$.sum($.n)":         `17.0`,
		"$.concat('x')":      ``,
	} {
		p, err := Compile(path)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		v, err := p.Eval(doc)
		if got := string(jsonvalue.Marshal(v)); err != nil || got != want {
			t.Errorf("%s = %s, %v; want %s", path, got, err, want)
		}
	}
}

// The messages stand in the histories of executions.
func TestNotFoundMessages(t *testing.T) {
	doc, _ := jsonvalue.ParseString(orders)
	for path, want := range map[string]string{
		"$.no":           "No results for path: $['no']",
		"$.no.such[0]":   "Missing property in path $['no']",
		"$.items[9]":     "No results for path: $['items'][9]",
		"$.limit[0]":     "Filter: [0] can only be applied to arrays. Current context is: 10",
		"$.no[*].x":      "Missing property in path $['no']",
		"$.items[0].a.b": "Missing property in path $['items'][0]['a']",
		"$.orderId.x":    "Expected to find an object with property ['x'] in path $['orderId'] but found 'string'. This is not a json object according to the JsonProvider.",
	} {
		p, err := Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Eval(doc)
		if !notFound(err) || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestReference(t *testing.T) {
	for path, want := range map[string]int{"$": 0, "$.a.b": 2, "$['a'][3]": 2, "$.a[-1]": -1, "$.a[*]": -1, "$..a": -1, "$['a','b']": -1, "@.a": -1, "$.a.length()": -1} {
		p, err := Compile(path)
		if err != nil {
			t.Fatal(path, err)
		}
		steps, ok := p.Reference()
		if ok != (want >= 0) || ok && len(steps) != want {
			t.Errorf("%s: %v %v", path, steps, ok)
		}
	}
}

// A path whose work explodes is given up instead of running for ever.
func TestBudget(t *testing.T) {
	doc, _ := jsonvalue.ParseString(strings.Repeat("[", 60) + strings.Repeat("]", 60))
	p, err := Compile("$" + strings.Repeat("..*", 12))
	if err != nil {
		t.Fatal(err)
	}
	var spent *EvalError
	if _, err := p.Eval(doc); !errors.As(err, &spent) {
		t.Errorf("%T %v", err, err)
	}
}

func FuzzPath(f *testing.F) {
	for _, p := range []string{"$.a[?(@.b > 1 && !@.c)]..d[0:2]['x','y'].length()", "$..*[?(@.x in [1,'a'])]", "@['a'][-1,2]", "$.n.append(1, $.a)", "$[?(@ =~ /a.*/i || $.x == null)]"} {
		f.Add(p, orders)
	}
	f.Fuzz(func(t *testing.T, path, doc string) {
		p, err := Compile(path)
		if err != nil {
			return
		}
		v, err := jsonvalue.ParseString(doc)
		if err != nil {
			return
		}
		a, err := p.Eval(v)
		b, again := p.Eval(v)
		if (err == nil) != (again == nil) || !jsonvalue.Equal(a, b) {
			t.Fatalf("%s gives %v (%v), then %v (%v)", path, a, err, b, again)
		}
		if err == nil && !p.Definite() && !p.function {
			if _, ok := a.([]any); !ok {
				t.Fatalf("%s is not definite, but gives %v", path, a)
			}
		}
	})
}

func BenchmarkEval(b *testing.B) {
	doc, _ := jsonvalue.ParseString(orders)
	for _, path := range []string{"$.items[1].sku", "$.items[?(@.price > 1 && @.qty)].sku", "$..sku"} {
		b.Run(path, func(b *testing.B) {
			p, _ := Compile(path)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Eval(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
