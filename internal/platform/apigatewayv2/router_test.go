package apigatewayv2

import (
	"slices"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/executeapi"
	"pgregory.net/rapid"
)

// build makes a router of route keys; a route's id is its key.
func build(t interface{ Fatal(...any) }, keys ...string) *router {
	r := new(router)
	for _, k := range keys {
		parsed, err := parseRouteKey(k)
		if err != nil {
			t.Fatal(k, err)
		}
		r.add(parsed, &route{key: k})
	}
	return r
}

func TestRouteSelection(t *testing.T) {
	documented := []string{"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"}
	for _, c := range []struct {
		name   string
		routes []string
		method string
		path   string // as the client writes it
		want   string // the key, then the values of its variables
	}{
		// AWS's own example.
		{"full", documented, "GET", "/pets/dog/1", "GET /pets/dog/1"},
		{"variable", documented, "GET", "/pets/dog/2", "GET /pets/dog/{id} 2"},
		{"greedy", documented, "GET", "/pets/cat/1", "GET /pets/{proxy+} cat/1"},
		{"greedy any", documented, "POST", "/test/5", "ANY /{proxy+} test/5"},
		{"nothing left for the greedy variable", documented, "POST", "/", "$default"},

		{"root", []string{"GET /"}, "GET", "/", "GET /"},
		{"no route", []string{"GET /a"}, "GET", "/b", ""},
		{"no 405", []string{"GET /a"}, "POST", "/a", ""},
		{"exact method before ANY", []string{"ANY /a", "GET /a"}, "GET", "/a", "GET /a"},
		{"exact method before a better path", []string{"ANY /a", "GET /{x}"}, "GET", "/a", "GET /{x} a"},
		{"ANY takes unknown methods", []string{"ANY /a"}, "PROPFIND", "/a", "ANY /a"},
		{"full before greedy of the exact method", []string{"ANY /a/b", "GET /a/{p+}"}, "GET", "/a/b", "ANY /a/b"},
		{"literal before variable, from the left", []string{"GET /{x}/b", "GET /a/{y}"}, "GET", "/a/b", "GET /a/{y} b"},
		{"steps back from a literal that leads nowhere", []string{"GET /a/b", "GET /{x}/c"}, "GET", "/a/c", "GET /{x}/c a"},
		{"longest prefix of greedy routes", []string{"GET /a/{p+}", "GET /a/b/{p+}"}, "GET", "/a/b/c", "GET /a/b/{p+} c"},
		{"variable in front of a greedy one", []string{"GET /{x}/{p+}"}, "GET", "/a/b/c", "GET /{x}/{p+} a b/c"},
		{"greedy needs something", []string{"GET /a/{p+}"}, "GET", "/a", ""},
		{"greedy needs more than a slash", []string{"GET /a/{p+}"}, "GET", "/a/", ""},
		{"a slash at the end is a segment", []string{"GET /a"}, "GET", "/a/", ""},
		{"variable is not empty", []string{"GET /a/{x}"}, "GET", "/a/", ""},
		{"two slashes are kept", []string{"GET /{p+}"}, "GET", "//a//b", "GET /{p+} /a//b"},
		{"two slashes are no root", []string{"GET /"}, "GET", "//", ""},
		{"encoded slash separates nothing", []string{"GET /a/{x}"}, "GET", "/a/b%2Fc", "GET /a/{x} b/c"},
		{"encoded literal", []string{"GET /a b"[:6], "GET /ä"}, "GET", "/%C3%A4", "GET /ä"},
		{"plus is a plus", []string{"GET /{x}"}, "GET", "/a+b", "GET /{x} a+b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			segments, ok := executeapi.SplitPath(nil, c.path, true)
			if !ok {
				t.Fatal("path refused")
			}
			rt, values := build(t, c.routes...).match(c.method, segments, nil)
			got := ""
			if rt != nil {
				got = strings.Join(append([]string{rt.key}, values...), " ")
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// reference selects a route by trying all and comparing what matches.
func reference(keys []string, method string, segments []string) string {
	type candidate struct {
		key  string
		rank string // smaller is better
	}
	var found []candidate
	for _, key := range keys {
		k, err := parseRouteKey(key)
		if err != nil {
			panic(err)
		}
		rank, ok := "2", true
		if k.method != "" {
			tier, kinds := "0", ""
			rest := segments
			for _, s := range k.segments {
				switch {
				case s.greedy:
					tier = "1"
					kinds += "c"
					ok = ok && strings.Join(rest, "/") != ""
					rest = nil
				case len(rest) == 0:
					ok = false
				case s.variable != "":
					kinds += "b"
					ok = ok && rest[0] != ""
					rest = rest[1:]
				default:
					kinds += "a"
					ok = ok && rest[0] == s.literal
					rest = rest[1:]
				}
			}
			ok = ok && len(rest) == 0 && (k.method == method || k.method == "ANY")
			exact := "1"
			if k.method == method {
				exact = "0"
			}
			rank = tier + exact + kinds
		}
		if ok {
			found = append(found, candidate{key, rank})
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.MinFunc(found, func(a, b candidate) int { return strings.Compare(a.rank, b.rank) }).key
}

func TestRouteSelectionAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"a", "b", "{x}", "{y}"})
		shapes := make(map[string]bool)
		var keys []string
		for range rapid.IntRange(0, 12).Draw(t, "routes") {
			key := "$default"
			if rapid.IntRange(0, 9).Draw(t, "kind") > 0 {
				parts := rapid.SliceOfN(part, 0, 3).Draw(t, "parts")
				for i := range parts { // names must differ within a path
					if parts[i][0] == '{' {
						parts[i] = "{v" + string(rune('0'+i)) + "}"
					}
				}
				if rapid.Bool().Draw(t, "greedy") {
					parts = append(parts, "{rest+}")
				}
				key = rapid.SampledFrom([]string{"GET", "POST", "ANY"}).Draw(t, "method") + " /" + strings.Join(parts, "/")
			}
			k, err := parseRouteKey(key)
			if err != nil {
				t.Fatal(key, err)
			}
			if !shapes[k.shape()] {
				shapes[k.shape()] = true
				keys = append(keys, key)
			}
		}
		segments := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), 0, 4).Draw(t, "path")
		method := rapid.SampledFrom([]string{"GET", "POST", "PUT"}).Draw(t, "request")
		got := ""
		if rt, values := build(t, keys...).match(method, segments, nil); rt != nil {
			got = rt.key
			if len(values) != len(rt.variables) {
				t.Fatalf("%d values for the variables %v", len(values), rt.variables)
			}
		}
		if want := reference(keys, method, segments); got != want {
			t.Fatalf("%s /%s with routes %q: got %q, want %q", method, strings.Join(segments, "/"), keys, got, want)
		}
	})
}

func TestRouteKeysRefused(t *testing.T) {
	for _, key := range []string{
		"", "GET", "get /a", "GET a", "GET  /a", "GET /a/", "GET //a", "GET /a//b", "TRACE /a", "GET /{}", "GET /{+}", "GET /{a", "GET /a}",
		"GET /{a}b", "GET /x{a}", "GET /{p+}/a", "GET /{a}/{a}", "GET /{a b}", "GET /a?b", "$defaults", "ANY $default", "$default ",
	} {
		if _, err := parseRouteKey(key); err == nil {
			t.Errorf("%q was accepted", key)
		}
	}
}

func TestBadEscapeRefused(t *testing.T) {
	for _, path := range []string{"/%", "/%z1", "/a/%4"} {
		if _, ok := executeapi.SplitPath(nil, path, true); ok {
			t.Errorf("%q was accepted", path)
		}
	}
}
