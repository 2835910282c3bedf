package release

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// genStates draws the States of a machine whose references can all be resolved, nested up to depth.
func genStates(t *rapid.T, depth int, n *int) string {
	refs := []string{
		`"Resource":"${Worker}"`, `"Resource":"${check.Arn}"`, `"Resource":"` + arnBase + `shop-worker:live"`,
		`"Resource":"` + arnBase + `audit:5"`, `"Resource":"` + arnBase + `shop-check:$LATEST"`,
		`"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"Payload.$":"$","FunctionName":"shop-check"}`,
		`"Resource":"arn:aws:states:::aws-sdk:lambda:invoke.waitForTaskToken","Arguments":{"Qualifier":"live","FunctionName":"${Worker.Arn}"}`,
		`"Resource":"arn:aws:states:::sns:publish"`,
	}
	var states []string
	for range rapid.IntRange(1, 3).Draw(t, "states") {
		*n++
		kind := rapid.IntRange(0, 3).Draw(t, "kind")
		if depth == 0 && kind > 1 {
			kind = 1
		}
		var body string
		switch kind {
		case 0:
			body = `"Type":"Pass"`
		case 1:
			body = `"Type":"Task", ` + rapid.SampledFrom(refs).Draw(t, "ref")
		case 2:
			body = `"Type":"Parallel","Branches":[{"States":` + genStates(t, depth-1, n) + `},{"States":` + genStates(t, depth-1, n) + `}]`
		case 3:
			body = `"Type":"Map","` + rapid.SampledFrom([]string{"Iterator", "ItemProcessor"}).Draw(t, "inner") + `":{"States":` + genStates(t, depth-1, n) + `}`
		}
		states = append(states, fmt.Sprintf(`"S%d":{%s}`, *n, body))
	}
	return "{" + strings.Join(states, ", ") + "}"
}

// references lists every string of a definition that calls a function, by a reader that shares nothing with the pinner.
func references(v any) (out []string) {
	switch v := v.(type) {
	case map[string]any:
		res, _ := v["Resource"].(string)
		if v["Type"] == "Task" && strings.Contains(res, ":lambda:invoke") {
			for _, m := range []string{"Parameters", "Arguments"} {
				if in, ok := v[m].(map[string]any); ok {
					out = append(out, in["FunctionName"].(string))
				}
			}
		} else if v["Type"] == "Task" && !strings.HasPrefix(res, "arn:aws:states:::") {
			out = append(out, res)
		}
		for _, e := range v {
			out = append(out, references(e)...)
		}
	case []any:
		for _, e := range v {
			out = append(out, references(e)...)
		}
	}
	return out
}

func TestPinningLeavesNothingUnpinnedAndIsIdempotent(t *testing.T) {
	r := testResolver(t)
	rapid.Check(t, func(t *rapid.T) {
		n := 0
		def := json.RawMessage(`{"StartAt":"S1","States":` + genStates(t, 2, &n) + `}`)
		pinned, pins, err := PinDefinition(def, r, PinOptions{UseExactVersion: true})
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(pinned, &v); err != nil {
			t.Fatal(err)
		}
		refs := references(v)
		for _, ref := range refs {
			if ref != arnBase+"shop-worker:7" && ref != arnBase+"shop-check:3" && ref != arnBase+"audit:5" {
				t.Fatalf("left unpinned: %s", ref)
			}
		}
		if len(refs) != len(pins) {
			t.Fatalf("%d references, %d pins", len(refs), len(pins))
		}
		again, pinsAgain, err := PinDefinition(pinned, r, PinOptions{UseExactVersion: true})
		if err != nil || string(again) != string(pinned) || fmt.Sprint(pinsAgain) != fmt.Sprint(pins) {
			t.Fatalf("pinning again gave %s %v %v, not %s %v", again, pinsAgain, err, pinned, pins)
		}
		if scanned := ScanPins(pinned); len(scanned) != len(pins) {
			t.Fatalf("scan found %v, not %v", scanned, pins)
		}
	})
}

// shuffled writes v with the members of its objects in a drawn order and drawn space between tokens.
func shuffled(t *rapid.T, v any) string {
	space := rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space")
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		var parts []string
		for _, k := range rapid.Permutation(keys).Draw(t, "order") {
			name, _ := json.Marshal(k)
			parts = append(parts, string(name)+space+":"+shuffled(t, v[k]))
		}
		return "{" + strings.Join(parts, ","+space) + "}"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, shuffled(t, e))
		}
		return "[" + strings.Join(parts, space+",") + space + "]"
	}
	text, _ := json.Marshal(v)
	return string(text)
}

func TestDigestsAreStableUnderOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 0
		def := `{"StartAt":"S1","States":` + genStates(t, 2, &n) + `}`
		var v any
		if err := json.Unmarshal([]byte(def), &v); err != nil {
			t.Fatal(err)
		}
		a, err1 := Workflow{Role: "r"}.Digest(json.RawMessage(def))
		b, err2 := Workflow{Role: "r", Type: TypeStandard, Key: "k", Name: "n"}.Digest(json.RawMessage(shuffled(t, v)))
		if err1 != nil || err2 != nil || a != b {
			t.Fatalf("%s %v, %s %v", a, err1, b, err2)
		}
	})
}

func TestEqualDigestsMeanNoDifference(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) Function {
		return Function{
			Key: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), CodeSHA256: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "code"),
			Runtime: rapid.SampledFrom([]string{"python3.13", "nodejs22.x"}).Draw(t, "runtime"), MemorySize: rapid.SampledFrom([]int32{0, 128, 256}).Draw(t, "memory"),
			Timeout: rapid.SampledFrom([]int32{0, 3, 4}).Draw(t, "timeout"), Architectures: rapid.SampledFrom([][]string{nil, {"x86_64"}, {"arm64"}}).Draw(t, "arch"),
			Environment: rapid.MapOfN(rapid.SampledFrom([]string{"A", "B"}), rapid.SampledFrom([]string{"s3cret1", "s3cret2"}), 0, 2).Draw(t, "env"),
			Description: rapid.SampledFrom([]string{"", "d"}).Draw(t, "description"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		d := a.Differences(b)
		if (a.Digest() == b.Digest()) != (len(d) == 0) {
			t.Fatalf("digests %s and %s, differences %q", a.Digest(), b.Digest(), d)
		}
		if strings.Contains(strings.Join(d, ""), "s3cret") {
			t.Fatalf("a value of the environment is shown: %q", d)
		}
	})
}
