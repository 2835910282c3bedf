package filterpattern

import "testing"

// The patterns and messages are those kinds that AWS's page on the syntax shows.
var cases = []struct {
	pattern, message string
	want             bool
}{
	{"", "anything", true},
	{"ERROR", "[ERROR 400] BAD REQUEST", true},
	{"ERROR", "[error 400]", false},
	{"ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", true},
	{"ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED", false},
	{"?ERROR ?ARGUMENTS", "MISSING ARGUMENTS", true},
	{"?ERROR ?ARGUMENTS", "all is well", false},
	{"?ERROR ?WARN REQUEST", "a REQUEST", true},
	{`"INTERNAL SERVER ERROR"`, "[ERROR 500] INTERNAL SERVER ERROR", true},
	{`"INTERNAL SERVER ERROR"`, "INTERNAL ERROR", false},
	{`"say \"no\""`, `they say "no"`, true},
	{"ERROR -ARGUMENTS", "[ERROR 401] UNAUTHORIZED", true},
	{"ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", false},
	{"%ERR[0-9]+%", "an ERR42", true},
	{"%ERR[0-9]+%", "an ERR", false},

	{`{ $.eventType = "UpdateTrail" }`, `{"eventType":"UpdateTrail"}`, true},
	{`{ $.eventType = "UpdateTrail" }`, `{"eventType":"Other"}`, false},
	{`{ $.eventType = "UpdateTrail" }`, `eventType UpdateTrail`, false},
	{`{ $.eventType = Update* }`, `{"eventType":"UpdateTrail"}`, true},
	{`{ $.sourceIPAddress != 123.123.* }`, `{"sourceIPAddress":"123.123.0.1"}`, false},
	{`{ $.sourceIPAddress != 123.123.* }`, `{"sourceIPAddress":"111.111.111.111"}`, true},
	{`{ $.a.b[1].c = "x" }`, `{"a":{"b":[0,{"c":"x"}]}}`, true},
	{`{ $.["a b"] = 1 }`, `{"a b":1}`, true},
	{`{ $.bandwidth > 75 }`, `{"bandwidth":80}`, true},
	{`{ $.bandwidth > 75 }`, `{"bandwidth":75}`, false},
	{`{ $.bandwidth >= 75 }`, `{"bandwidth":75.0}`, true},
	{`{ $.latency < 3.5E+1 }`, `{"latency":34}`, true},
	{`{ $.a = 1 && ($.b = 2 || $.c = 3) }`, `{"a":1,"c":3}`, true},
	{`{ ($.a = 1 && $.b = 2) || $.c = 3 }`, `{"a":1,"b":3}`, false},
	{`{ $.a IS TRUE }`, `{"a":true}`, true},
	{`{ $.a IS FALSE }`, `{"a":true}`, false},
	{`{ $.a IS NULL }`, `{"a":null}`, true},
	{`{ $.a IS NULL }`, `{}`, false},
	{`{ $.a NOT EXISTS }`, `{}`, true},
	{`{ $.a EXISTS }`, `{"a":null}`, true},
	{`{ $.level = %WARN|ERROR% }`, `{"level":"ERROR"}`, true},
	{`{ $.missing != 1 }`, `{}`, false},

	{`[ip, user, username, timestamp, request, status_code, bytes]`, `127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`, true},
	{`[ip, user, username, timestamp, request, status_code = 4*, bytes > 1000]`, `127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`, true},
	{`[ip, user, username, timestamp, request, status_code = 4*, bytes > 2000]`, `127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`, false},
	{`[..., status_code, bytes]`, `127.0.0.1 - frank "GET /" 404 1534`, true},
	{`[..., status_code = 404, bytes]`, `127.0.0.1 - frank "GET /" 404 1534`, true},
	{`[first = a, ...]`, `b c`, false},
	{`[w1 = ERROR || w1 = WARN, ...]`, `WARN x`, true},
	{`[w1 != ERROR && w1 != WARN, ...]`, `WARN x`, false},
	{`[a, b]`, `one`, false},
}

func TestMatch(t *testing.T) {
	for _, c := range cases {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
		} else if got := p.Match(c.message); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.message, got)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, p := range []string{
		`"open`, `%open`, `%(%`, `-`, `?`, `{`, `{}`, `{ $.a }`, `{ a = 1 }`, `{ $ = 1 }`, `{ $.a = }`, `{ $.a < x }`, `{ $.a = 1`, `{ $.a = 1 } x`,
		`{ $.a[x] = 1 }`, `{ $.a IS MAYBE }`, `{ $.a NOT THERE }`, `{ ($.a = 1 }`, `{ $.a = 1 && }`, `[`, `[]`, `[a`, `[a b]`, `[..., a, ...]`, `[a] x`,
		`[a = 1 || a = 2 && a = 3]`, `[a = 1 && a = 2 || a = 3]`,
	} {
		if _, err := Compile(p); err == nil {
			t.Errorf("%q was read", p)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, c := range cases {
		f.Add(c.pattern, c.message)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		p, err := Compile(pattern)
		if err != nil {
			return
		}
		if first := p.Match(message); first != p.Match(message) {
			t.Errorf("%q answers now so, now so", pattern)
		}
	})
}
