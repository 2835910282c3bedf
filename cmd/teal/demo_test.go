package main

import "testing"

// The README's first command does what it promises, and says so.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute long")
	}
	t.Parallel()
	var out struct {
		Promises []struct {
			What, Detail string
			Kept         bool
		}
		Requests []struct {
			Version    string
			OK, Failed int
		}
		Sent, Lost int
		Seconds    float64
	}
	stderr := teal(t, 0, &out, nil, "demo", "--output", "json")
	if len(out.Promises) != 10 {
		t.Errorf("%d promises, want 10", len(out.Promises))
	}
	for _, p := range out.Promises {
		if !p.Kept {
			t.Errorf("%s: %s", p.What, p.Detail)
		}
	}
	answered := 0
	for i, r := range out.Requests {
		answered += r.OK + r.Failed
		if broken := i == 2; broken != (r.Failed > 0) {
			t.Errorf("%d requests failed on version %s", r.Failed, r.Version)
		}
	}
	if len(out.Requests) != 3 || out.Lost != 0 || answered != out.Sent || answered == 0 {
		t.Errorf("%d sent, %d answered, %d lost, by version %+v", out.Sent, answered, out.Lost, out.Requests)
	}
	if out.Seconds <= 0 {
		t.Error("it does not say how long it took")
	}
	if t.Failed() {
		t.Log(stderr)
	}
}
