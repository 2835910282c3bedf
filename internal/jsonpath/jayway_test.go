package jsonpath

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// recorded is one answer of Jayway 2.10.0.
type recorded struct {
	Src    string          `json:"src"`
	Path   string          `json:"path"`
	Doc    json.RawMessage `json:"doc"`
	Jayway struct {
		Result   json.RawMessage `json:"result"`
		Definite *bool           `json:"definite"`
		Err      string          `json:"err"`
	} `json:"jayway"`
}

// hashOrdered gives objects the order of the java.util.HashMap in which the recorded documents were read.
func hashOrdered(v any) any {
	switch v := v.(type) {
	case []any:
		a := make([]any, len(v))
		for i, m := range v {
			a[i] = hashOrdered(m)
		}
		return a
	case *jsonvalue.Object:
		o := jsonvalue.NewObject(v.Len())
		for _, k := range jsonvalue.HashOrder(v.Keys()) {
			m, _ := v.Get(k)
			o.Set(k, hashOrdered(m))
		}
		return o
	}
	return v
}

func TestJaywayAnswers(t *testing.T) {
	f, err := os.Open("../../../shared/conformance/jsonpath/jayway-2.10.jsonl")
	if err != nil {
		t.Skipf("the recorded answers are not here: %v", err)
	}
	defer f.Close()
	total, good := 0, 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c recorded
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		total++
		if diff := replay(c); diff != "" {
			t.Logf("%s  %s: %s", c.Src, c.Path, diff)
		} else {
			good++
		}
	}
	t.Logf("%d of %d recorded answers agree", good, total)
	if good*100 < total*99 {
		t.Errorf("only %d of %d recorded answers agree", good, total)
	}
}

func replay(c recorded) string {
	doc, err := jsonvalue.Parse(c.Doc)
	if err != nil {
		return err.Error()
	}
	var syntax *SyntaxError
	var lost *NotFoundError
	p, err := Compile(c.Path)
	if err != nil {
		if c.Jayway.Err == "invalid" && errors.As(err, &syntax) {
			return ""
		}
		return "refused: " + err.Error()
	}
	if c.Jayway.Err == "invalid" {
		return "should be refused"
	}
	if c.Jayway.Definite != nil && p.Definite() != *c.Jayway.Definite {
		return "definite is wrong"
	}
	v, err := p.Eval(hashOrdered(doc))
	switch {
	case c.Jayway.Err == "notfound":
		if errors.As(err, &lost) {
			return ""
		}
		return "should not be found"
	case strings.HasPrefix(c.Jayway.Err, "eval:"):
		if err != nil && !errors.As(err, &lost) {
			return ""
		}
		return "should fail with " + c.Jayway.Err
	case err != nil:
		return err.Error()
	}
	want, err := jsonvalue.Parse(c.Jayway.Result)
	if err != nil {
		return err.Error()
	}
	if !jsonvalue.Equal(want, v) {
		return "got " + string(jsonvalue.Marshal(v)) + ", want " + string(c.Jayway.Result)
	}
	return ""
}
