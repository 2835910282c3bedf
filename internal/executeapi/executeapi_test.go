package executeapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		host, target, id, path string
		byHost, ok             bool
	}{
		{"abc.execute-api.localhost:4566", "/live/a%2Fb", "abc", "/live/a%2Fb", true, true},
		{"ABC.Execute-API.us-east-1.amazonaws.com", "/", "abc", "/", true, true},
		{"localhost:4566", "/_aws/execute-api/abc/live/x", "abc", "/live/x", false, true},
		{"localhost:4566", "/restapis/abc/live/_user_request_/x/y", "abc", "/live/x/y", false, true},
		{"localhost:4566", "/restapis/abc/live", "", "", false, false},
		{"localhost:4566", "/2015-03-31/functions", "", "", false, false},
		{".execute-api.localhost", "/", "", "", false, false},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		r.Host = c.host
		id, path, byHost, ok := Address(r)
		if ok != c.ok || ok && (id != c.id || path != c.path || byHost != c.byHost) {
			t.Errorf("%s%s: %q %q %v %v", c.host, c.target, id, path, byHost, ok)
		}
	}
}

// No answer of a function makes Read panic, or gives a header that HTTP does not allow.
func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{`{"statusCode":200,"headers":{"a":"b"},"multiValueHeaders":{"c":["d"]},"cookies":["e"],"body":"Zg==","isBase64Encoded":true}`, `{"headers":{"a":"\r\n"}}`, `[`, `{"statusCode":"2e2"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, version1 := range []bool{true, false} {
			var e Envelope
			if !e.Read(payload, version1) {
				continue
			}
			if e.HasStatus && (e.Status < 200 || e.Status > 599) {
				t.Errorf("status %d", e.Status)
			}
			for name, values := range e.Header {
				if !Token(name) || slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(v, "\r\n\x00") }) {
					t.Errorf("header %q %q", name, values)
				}
			}
		}
	})
}

func TestDecision(t *testing.T) {
	const method = "arn:aws:execute-api:us-east-1:000000000000:abc/live/GET/pets/1"
	policy := func(statements string) string {
		return `{"principalId":"p","policyDocument":{"Statement":` + statements + `},"context":{"n":1,"s":"x","b":true}}`
	}
	for _, c := range []struct {
		name, answer    string
		allowed, denied bool
	}{
		{"allowed", policy(`{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"` + method + `"}`), true, false},
		{"allowed by a pattern", policy(`[{"Effect":"Allow","Action":["x","execute-api:*"],"Resource":["arn:*/GET/*"]}]`), true, false},
		{"another method", policy(`[{"Effect":"Allow","Action":"*","Resource":"arn:*/POST/*"}]`), false, false},
		{"denied too", policy(`[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"execute-api:Invoke","Resource":"*pets*"}]`), false, true},
	} {
		d, err := ParseDecision([]byte(c.answer), false)
		if err != nil {
			t.Fatal(c.name, err)
		}
		if allowed, denied := d.Allows(method); allowed != c.allowed || denied != c.denied {
			t.Errorf("%s: %v %v", c.name, allowed, denied)
		}
		if d.Principal != "p" || !slices.Equal(d.Context, []Param{{"b", "true"}, {"n", "1"}, {"s", "x"}}) {
			t.Errorf("%s: %q %v", c.name, d.Principal, d.Context)
		}
	}
	for _, bad := range []string{`{`, `{}`, `{"principalId":"p"}`, policy(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}`), `{"principalId":"p","policyDocument":{"Statement":[]},"context":{"a":{}}}`} {
		if _, err := ParseDecision([]byte(bad), false); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestDecisionsAreBounded(t *testing.T) {
	var c Decisions
	now := time.Unix(0, 0)
	for i := range maxDecisions + 10 {
		c.Put(string(rune(i)), &Decision{}, now, now.Add(time.Minute))
	}
	if n := len(c.by); n > maxDecisions {
		t.Errorf("%d are kept", n)
	}
	c.Put("x", &Decision{}, now, now.Add(time.Minute))
	if c.Get("x", now.Add(59*time.Second)) == nil || c.Get("x", now.Add(time.Minute)) != nil {
		t.Error("the time to live does not hold")
	}
}

// A bucket lets through its burst and what its rate refills, whatever the times are.
func TestBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := float64(rapid.IntRange(0, 100).Draw(t, "rate")), float64(rapid.IntRange(0, 20).Draw(t, "burst"))
		b := NewBucket(rate, burst)
		begin := time.Unix(1000, 0)
		now, taken := begin, 0.0
		for _, step := range rapid.SliceOf(rapid.IntRange(0, 500)).Draw(t, "steps, in ms") {
			now = now.Add(time.Duration(step) * time.Millisecond)
			if b.Take(now) {
				taken++
			}
			if most := burst + rate*now.Sub(begin).Seconds() + 1e-6; taken > most {
				t.Fatalf("%v taken of %v", taken, most)
			}
		}
	})
	kept := make(Buckets)
	first := kept.Keep(nil, "a", 1, 2)
	if next := make(Buckets); next.Keep(kept, "a", 1, 2) != first || next.Keep(kept, "b", 1, 2) == first || make(Buckets).Keep(kept, "a", 1, 3) == first {
		t.Error("a bucket is kept as long as its limits are the same, and no longer")
	}
}

func TestForward(t *testing.T) {
	gone := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			w.Write(make([]byte, MaxPayload+1))
		case "/late":
			<-gone
		default:
			w.Header()["X-Seen"] = r.Header["X-Forwarded-For"]
			w.WriteHeader(201)
		}
	}))
	t.Cleanup(backend.Close)
	t.Cleanup(func() { close(gone) })
	at, err := url.Parse(backend.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	x := &Request{R: httptest.NewRequest("GET", "/", nil)}
	x.R.Header.Set("X-Forwarded-For", "203.0.113.9")
	x.R.Header.Set("Connection", "close")
	answer, late, err := x.Forward(NewBackends(), "GET", at, x.ProxyHeaders(), nil, time.Minute)
	if err != nil || late || answer.Status != 201 || answer.Header.Get("X-Seen") != "203.0.113.9, 192.0.2.1" || x.Waited == 0 {
		t.Errorf("%+v %v %v", answer, late, err)
	}
	if _, late, err := x.Forward(NewBackends(), "GET", at.JoinPath("/large"), http.Header{}, nil, time.Minute); err == nil || late {
		t.Errorf("an answer that is too large: %v %v", late, err)
	}
	if _, late, err := x.Forward(NewBackends(), "GET", at.JoinPath("/late"), http.Header{}, nil, time.Millisecond); err == nil || !late {
		t.Errorf("an answer that is late: %v %v", late, err)
	}
	if _, _, err := x.Forward(NewBackends(), "GET", &url.URL{Scheme: "http", Host: "192.0.2.7"}, nil, nil, time.Minute); err == nil || !strings.Contains(err.Error(), "not on this machine") {
		t.Errorf("another machine: %v", err)
	}
}

// A Deadline is a context like any other: it ends at its time, has the values of the request's, and does not end with that.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, leave := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		x := &Request{R: httptest.NewRequest("GET", "/", nil).WithContext(ctx)}
		d, free := x.Deadline(time.Minute)
		leave() // the client has gone
		if d.Err() != nil || d.Value(key{}) != "value" || d.Left() != time.Minute {
			t.Errorf("%v %v %v", d.Err(), d.Value(key{}), d.Left())
		}
		below, cancel := context.WithTimeout(d, time.Hour)
		<-below.Done()
		if d.Left() != 0 || !errors.Is(d.Err(), context.DeadlineExceeded) || !errors.Is(below.Err(), context.DeadlineExceeded) {
			t.Errorf("%v %v %v", d.Left(), d.Err(), below.Err())
		}
		cancel()
		free()
		unused, free := x.Deadline(time.Minute)
		free() // nothing was waited for; the test would find a timer's goroutine
		if unused.Left() != time.Minute {
			t.Error(unused.Left())
		}
	})
}
