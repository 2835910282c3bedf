package apigatewayv2

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/jsontext"
	"pgregory.net/rapid"
)

const internal500 = `{"message":"Internal Server Error"}`

func TestResponseFormat2(t *testing.T) {
	const plain, js = "text/plain; charset=utf-8", "application/json"
	for _, c := range []struct {
		name, payload string
		status        int
		contentType   string
		body          string
	}{
		// Inferred: no statusCode.
		{"object", `{"message":"hi"}`, 200, js, `{"message":"hi"}`},
		{"object with members of an envelope", `{"body":"x","headers":{"a":"b"}}`, 200, js, `{"body":"x","headers":{"a":"b"}}`},
		{"string", `"Hello from Lambda!"`, 200, js, `Hello from Lambda!`},
		{"string with escapes", `"a\n\u00e4"`, 200, js, "a\nä"},
		{"number", `42`, 200, js, `42`},
		{"list", `[1, 2]`, 200, js, `[1, 2]`},
		{"null", `null`, 200, js, `null`},
		{"no JSON", `{"a":`, 200, js, `{"a":`},
		{"nothing", ``, 200, js, ``},

		{"full", `{"statusCode":201,"headers":{"Content-Type":"text/html"},"body":"<p>"}`, 201, "text/html", "<p>"},
		{"status alone", `{"statusCode":202}`, 202, plain, ""},
		{"space around everything", " {\n \"statusCode\" : 200 , \"body\" : \"x\" } ", 200, plain, "x"},
		{"base64", `{"statusCode":200,"body":"AP8=","isBase64Encoded":true}`, 200, plain, "\x00\xff"},
		{"not base64", `{"statusCode":200,"body":"AP8=","isBase64Encoded":false}`, 200, plain, "AP8="},
		{"nulls", `{"statusCode":200,"body":null,"headers":null,"cookies":null,"isBase64Encoded":null}`, 200, plain, ""},
		{"status in quotes", `{"statusCode":"404","body":"no"}`, 404, plain, "no"},
		{"number as body", `{"statusCode":200,"body":7}`, 200, plain, "7"},
		{"name with escapes", `{"status\u0043ode":200,"body":"x"}`, 200, plain, "x"},
		{"last of two members", `{"statusCode":200,"body":"a","body":"b"}`, 200, plain, "b"},
		{"nested braces", `{"x":{"statusCode":1,"s":"}\"]"},"statusCode":200,"y":[[{}],"]"],"body":"x"}`, 200, plain, "x"},
		{"no content", `{"statusCode":204,"body":"dropped"}`, 204, "", ""},

		// Malformed.
		{"status is text", `{"statusCode":"ok"}`, 500, js, internal500},
		{"status is a fraction", `{"statusCode":200.5}`, 500, js, internal500},
		{"status is null", `{"statusCode":null}`, 500, js, internal500},
		{"status is an object", `{"statusCode":{}}`, 500, js, internal500},
		{"status too small", `{"statusCode":0}`, 500, js, internal500},
		{"status informational", `{"statusCode":100}`, 500, js, internal500},
		{"status too large", `{"statusCode":1000}`, 500, js, internal500},
		{"status beyond numbers", `{"statusCode":99999999999999999999}`, 500, js, internal500},
		{"body is an object", `{"statusCode":200,"body":{"a":1}}`, 500, js, internal500},
		{"headers are a list", `{"statusCode":200,"headers":[]}`, 500, js, internal500},
		{"header is an object", `{"statusCode":200,"headers":{"a":{}}}`, 500, js, internal500},
		{"header splits the answer", `{"statusCode":200,"headers":{"a":"b\r\nc: d"}}`, 500, js, internal500},
		{"header has no name", `{"statusCode":200,"headers":{"":"b"}}`, 500, js, internal500},
		{"header's name has a space", `{"statusCode":200,"headers":{"a b":"b"}}`, 500, js, internal500},
		{"cookies are text", `{"statusCode":200,"cookies":"a=b"}`, 500, js, internal500},
		{"bad base64", `{"statusCode":200,"body":"???","isBase64Encoded":true}`, 500, js, internal500},
		{"odd flag", `{"statusCode":200,"body":"","isBase64Encoded":1}`, 500, js, internal500},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, Config{Invoker: answers(c.payload)})
			g.addRoute("$default", g.lambda(functionHello, "2.0", nil))
			w := g.do(g.byHost("GET", "/", ""))
			if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Content-Type") != c.contentType {
				t.Errorf("got %d %q %q", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			if w.Header().Get(executedVersionHeader) != "7" || len(w.Header().Get("apigw-requestid")) != 16 {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

func TestResponseHeaders(t *testing.T) {
	g := newGateway(t, Config{Invoker: answers(`{"statusCode":200,"headers":{"x-one":"1","X-NUM":5,"x-flag":true,"x-none":null,
		"connection":"close","transfer-encoding":"chunked","content-length":"999","apigw-requestid":"mine","x-teal-executed-version":"99"},
		"multiValueHeaders":{"x-many":["a"]},"cookies":["a=1; Secure","b=2"],"body":"x"}`)})
	g.addRoute("$default", g.lambda(functionHello, "2.0", nil))
	h := g.do(g.byHost("GET", "/", "")).Header()
	if id := h.Get("Apigw-Requestid"); len(id) != 16 || id == "mine" {
		t.Errorf("request ID %q", id)
	}
	h.Del("Apigw-Requestid")
	want := http.Header{
		"X-One": {"1"}, "X-Num": {"5"}, "X-Flag": {"true"}, "Set-Cookie": {"a=1; Secure", "b=2"},
		"Content-Type": {"text/plain; charset=utf-8"}, "Content-Length": {"1"}, "X-Teal-Executed-Version": {"7"},
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got  %v\nwant %v", h, want)
	}
}

func TestResponseFormat1(t *testing.T) {
	for _, c := range []struct {
		name, payload string
		status        int
		body          string
	}{
		{"full", `{"statusCode":200,"headers":{"x":"1"},"multiValueHeaders":{"y":["a","b"]},"body":"hi"}`, 200, "hi"},
		{"nothing is inferred", `{"message":"hi"}`, 500, internal500},
		{"nor from text", `"hi"`, 500, internal500},
		{"no JSON", `{`, 500, internal500},
		{"nothing", ``, 500, internal500},
		{"lists are lists", `{"statusCode":200,"multiValueHeaders":{"y":"a"}}`, 500, internal500},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, Config{Invoker: answers(c.payload)})
			g.addRoute("$default", g.lambda(functionHello, "1.0", nil))
			w := g.do(g.byHost("GET", "/", ""))
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("got %d %q", w.Code, w.Body)
			}
			if c.status == 200 && !reflect.DeepEqual(w.Header()["Y"], []string{"a", "b"}) {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// TestWalkerAgainstEncodingJSON lets the walker read whatever encoding/json writes.
func TestWalkerAgainstEncodingJSON(t *testing.T) {
	value := rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.Float64Range(-1e9, 1e9), func(f float64) any { return f }),
			rapid.Just[any](nil), rapid.Just[any](true),
			rapid.Map(rapid.SliceOfN(rapid.String(), 0, 3), func(s []string) any { return s }),
			rapid.Map(rapid.MapOfN(rapid.String(), rapid.String(), 0, 3), func(m map[string]string) any { return m }),
		)
	})
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOf(rapid.String(), value).Draw(t, "object")
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indent") {
			if raw, err = json.MarshalIndent(m, " ", "\t"); err != nil {
				t.Fatal(err)
			}
		}
		got := make(map[string]json.RawMessage)
		if !jsontext.Members(raw, func(name, v []byte) { got[string(name)] = json.RawMessage(v) }) {
			t.Fatal("no object")
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(want) {
			t.Fatalf("read %s as %s", raw, again)
		}
	})
}

func FuzzResponse(f *testing.F) {
	for _, s := range []string{`{"statusCode":200,"headers":{"a":"b"},"cookies":["c"],"body":"x","isBase64Encoded":true}`, `"x"`, `{"statusCode":{}}`, ` [ ] `, "{\"a\":\"\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		for _, version1 := range []bool{false, true} {
			var e executeapi.Envelope
			ok := e.Read([]byte(payload), version1)
			if ok && (e.Status < 200 || e.Status > 599) {
				t.Errorf("status %d", e.Status)
			}
			for name, values := range e.Header {
				if strings.ContainsAny(name+strings.Join(values, ""), "\r\n") {
					t.Errorf("header %q: %q", name, values)
				}
			}
		}
	})
}

func TestTextAgainstEncodingJSON(t *testing.T) {
	pieces := rapid.SampledFrom([]string{`\n`, `\"`, `\\`, `\/`, `\b`, `\f`, `\r`, `\t`, `\u00e4`, `\uD83D\uDE00`, `\ud83d`, `\ude00`, `\uABCD`, "ä", "😀", "\xff", "\xe2\x82", "a", " ", "ud83d"})
	rapid.Check(t, func(t *rapid.T) {
		raw := []byte(`"` + strings.Join(rapid.SliceOf(pieces).Draw(t, "pieces"), "") + `"`)
		var want string
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if got := string(jsontext.Text(raw)); got != want {
			t.Fatalf("%s: got %q, want %q", raw, got, want)
		}
	})
}
