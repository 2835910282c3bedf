package jsonata

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

const document = `{"a":[1],"b":{"c":[{"x":1},{"x":2}]},"s":"abc","n":5,"e":[],"orders":[
	{"id":"o1","lines":[{"sku":"A","qty":2,"price":10.5},{"sku":"B","qty":1,"price":20}]},
	{"id":"o2","lines":[{"sku":"A","qty":3,"price":9}]}]}`

// results holds expressions with what they give over document, as JSON; "" stands for nothing, and !CODE for an error.
var results = []struct{ expr, want string }{
	// Paths: a sequence of one is its member, of none is nothing; arrays of the data are kept.
	{`a`, `[1]`},
	{`a[]`, `[1]`},
	{`n[]`, `[5]`},
	{`b.c.x`, `[1,2]`},
	{`b.c[0].x`, `1`},
	{`b.c[0].x[]`, `[1]`},
	{`b.c[5]`, ``},
	{`nope.x`, ``},
	{`e`, `[]`},
	{`e.x`, ``},
	{`b.c[x>1].x`, `2`},
	{`b.c[[0,1]].x`, `[1,2]`},
	{`(b.c)[0].x`, `1`},
	{`b.c[-1].x`, `2`},
	{`"a".b`, ``},
	{`b."c".x`, `[1,2]`},
	{"b.`c`.x", `[1,2]`},
	{`$.n`, `5`},
	{`$$.n`, `5`},
	{`**.x`, `[1,2]`},
	{`b.*.x`, `[1,2]`},
	{`{"a":[1]}.*`, `[1]`},
	{`{"a":1}.*`, `1`},
	{`b.c.y[[0..1]]`, `[null,null]`},
	{`orders.nope[[0]]`, `[null,null]`},
	// Parents, positions, bindings, order, groups.
	{`b.c.x.%.x`, `[1,2]`},
	{`orders.lines.(%.id & sku)`, `["o1A","o1B","o2A"]`},
	{`n.%.%`, `!S0217`},
	{`b.c#$i.{"i":$i,"x":x}`, `[{"i":0,"x":1},{"i":1,"x":2}]`},
	{`orders@$o.lines[qty>1].($o.id)`, ``},
	{`orders@$o.lines@$l[$l.qty>1].($o.id & $l.sku)`, ``},
	{`orders.lines^(>price).sku`, `["B","A","A"]`},
	{`orders.lines{sku: $sum(qty)}`, `{"A":5,"B":1}`},
	{`{n:1}`, `!T1003`},
	{`b.c{"k":x,"k":1}`, `!D1009`},
	// Operators.
	{`1 + nope`, ``},
	{`n + "x"`, `!T2002`},
	{`"x" + n`, `!T2001`},
	{`7 % 4`, `3`},
	{`1 = 1.0`, `true`},
	{`nope = nope`, `false`},
	{`nope != 1`, `false`},
	{`1 < "x"`, `!T2009`},
	{`null < 1`, `!T2010`},
	{`"a" & 1 & true & null & [1] & nope`, `"a1truenull[1]"`},
	{`[1..3,5]`, `[1,2,3,5]`},
	{`[1.5..3]`, `!T2003`},
	{`[1..10000001]`, `!D2014`},
	{`1 in [1,2]`, `true`},
	{`[1] in [[1]]`, `false`},
	{`-"a"`, `!D1002`},
	{`nope ? 1`, ``},
	{`1/0`, `!D1001`},
	{`0.1 + 0.2`, `0.30000000000000004`},
	{`(0.1 + 0.2) & ""`, `"0.3"`},
	// Functions: definition, context, partial application, chains, calls in tail position.
	{`λ($x){$x*2}(4)`, `8`},
	{`($f:=$uppercase ~> $length; $f("abc"))`, `3`},
	{`($h:=$substring(?,1); $h("hello"))`, `"ello"`},
	{`["a","b"].$uppercase($)`, `["A","B"]`},
	{`n.$length()`, `!T0411`},
	{`uppercase("a")`, `!T1005`},
	{`$nope()`, `!T1006`},
	{`$nope(?)`, `!T1008`},
	{`($f:=function($n){$n=0?"done":$f($n-1)}; $f(50000))`, `"done"`},
	{`($f:=function($n){1+$f($n+1)}; $f(0))`, `!U1001`},
	{`($f:=function(){$f()}; $f())`, `!U1001`},
	{`function($a)<n:n>{$a}("x")`, `!T0410`},
	{`function($a)<a<n>>{$a}(["x"])`, `!T0412`},
	{`function($a,$b)<n-n>{$a & $b}(1,2)`, `"12"`},
	{`function($x){$x}`, `!D3154`},
	{`{"f": $sum}`, `!D3154`},
	{`$map([1.567,2.345,3.456],$round)`, `[2,2.3,3.46]`},
	{`$map(["a"],$substring)`, `!T0410`},
	{`5 ~> 6`, `!T2006`},
	// Transforms change a copy.
	{`$ ~> |b.c|{"y":x+1},"x"| ~> $lookup("b")`, `{"c":[{"y":2},{"y":3}]}`},
	{`b ~> |c|5|`, `!T2011`},
	{`b ~> |c|{},5|`, `!T2012`},
	{`(b ~> |c|{"x":9}|; b.c.x)`, `[1,2]`},
	{`b ~> |$|{"me":$}| ~> $string`, `!U1001`},
	{`(b ~> |$$|{"n":9},"s"|; n & s)`, `"5abc"`},
	{`($v:={"q":1}; b ~> |$v|{"q":2}|; $v.q)`, `1`},
	// Strings and numbers.
	{`$string(1e21)`, `"1e+21"`},
	{`$string(1e-7)`, `"1e-7"`},
	{`$string({"b":1,"10":2,"9":3})`, `"{\"9\":3,\"10\":2,\"b\":1}"`},
	{`$string([1,{"a":2}],true)`, `"[\n  1,\n  {\n    \"a\": 2\n  }\n]"`},
	{`$substring("héllo😀x",-2)`, `"😀x"`},
	{`$length("😀")`, `1`},
	{`$uppercase("straße")`, `"STRASSE"`},
	{`$pad("x",-5,"ab")`, `"ababx"`},
	{`$split("a1b2c",/\d/)`, `["a","b","c"]`},
	{`$replace("John Smith",/(\w+)\s(\w+)/,"$2, $1")`, `"Smith, John"`},
	{`$replace("abc",/b/,function($m){$uppercase($m.match)})`, `"aBc"`},
	{`$match("aXbx",/x/i).index`, `[1,3]`},
	{`$match("a",/x*/)`, `!D1004`},
	{`$contains("ab",/(?<=a)b/)`, `true`},
	{`$contains("aa1",/(?<q>a)\k<q>1/)`, `true`},
	{`$encodeUrl("\ud800")`, `!D3140`},
	{`$encodeUrlComponent("a b&é")`, `"a%20b%26%C3%A9"`},
	{`$base64decode($base64encode("hello:world"))`, `"hello:world"`},
	{`$round(2.5)`, `2`},
	{`$round(1234.5,-2)`, `1200`},
	{`$round(1.005,2)`, `1`},
	{`$formatBase(-255,16)`, `"-ff"`},
	{`$number("0x1F")`, `31`},
	{`$number("1.")`, `!D3030`},
	{`$formatNumber(-1234.567,"#,##0.00;(#,##0.00)")`, `"(1,234.57)"`},
	{`$formatInteger(1999,"I")`, `"MCMXCIX"`},
	{`$formatInteger(21,"w;o")`, `"twenty-first"`},
	{`$parseInteger("one thousand and one","w")`, `1001`},
	{`$formatNumber(0,"0.00e0")`, `"0.00e0"`},
	{`$sqrt(-1)`, `!D3060`},
	{`$power(0,-1)`, `!D3061`},
	// Times.
	{`$now()`, `"2026-11-21T12:00:00.000Z"`},
	{`$millis()`, `1795262400000`},
	{`$toMillis("2017-05-15T15:12:59.152+0100")`, `1494857579152`},
	{`$toMillis("2017-13-01")`, `!D3110`},
	{`$fromMillis(1510067557121,"[X0001]-W[W01]-[F1]")`, `"2017-W45-2"`},
	{`$fromMillis(0,"[Q]")`, `!D3132`},
	{`$toMillis("12th of March 1999","[D1o] of [MNn] [Y]")`, `921196800000`},
	{`$toMillis("x","[Y]")`, ``},
	// Step Functions' own.
	{`$partition([1,2,3,4],3)`, `[[1,2,3],[4]]`},
	{`$partition([1],5)`, `[[1]]`},
	{`$partition([],2)`, `[]`},
	{`$partition([1],0)`, `!D3150`},
	{`$range(1,9,2)`, `[1,3,5,7,9]`},
	{`$range(5,1,-2)`, `[5,3,1]`},
	{`$range(1,2,0)`, `!D3150`},
	{`$range(0,1e300,1)`, `!D2014`},
	{`$random(42)`, `0.7275636800328681`},
	{`$random(42)=$random(42)`, `true`},
	{`$random()=$random()`, `false`},
	{`$hash("input data","SHA-1")`, `"aaff4a450a104cd177d28d18d74485e8cae074b7"`},
	{`$hash("x","MD4")`, `!D3152`},
	{`$parse("{\"a\":[1.10,null]}").a`, `[1.1,null]`},
	{`$parse("{")`, `!D3151`},
	{`$eval("1")`, `!T1006`},
	{`$contains($uuid(),/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)`, `true`},
	{`$uuid()=$uuid()`, `false`},
	// Syntax.
	{``, `!S0207`},
	{`"abc`, `!S0101`},
	{`1e1000`, `!S0102`},
	{`"\q"`, `!S0103`},
	{`"\u12"`, `!S0104`},
	{"`a", `!S0105`},
	{`/* x`, `!S0106`},
	{`a b`, `!S0201`},
	{`[1`, `!S0203`},
	{`a[1)`, `!S0202`},
	{`!`, `!S0204`},
	{`function(1){2}`, `!S0208`},
	{`a{"x":1}{"y":2}`, `!S0210`},
	{`[1,]`, `!S0211`},
	{`5 := 3`, `!S0212`},
	{`a.1`, `!S0213`},
	{`a@b`, `!S0214`},
	{`a[0]@$x`, `!S0215`},
	{`a^(b)@$x`, `!S0216`},
	{`//`, `!S0301`},
	{`/a`, `!S0302`},
	{`/a**/`, `!S0303`},
	{`function($a)<n<n>>{1}`, `!S0401`},
	{`function($a)<(a<n>)>{1}`, `!S0402`},
}

func options() Options {
	return Options{Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Seed: 7, MaxSteps: 2_000_000}
}

func TestResults(t *testing.T) {
	input, err := jsonvalue.ParseString(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range results {
		got := evaluate(test.expr, input, options())
		text := ""
		switch {
		case got.code != "":
			text = "!" + got.code
			if got.err.Message == "" || strings.Contains(got.err.Message, "{") && !strings.Contains(test.expr, "{") {
				t.Errorf("%s: the message %q is not whole", test.expr, got.err.Message)
			}
		case got.defined:
			text = string(jsonvalue.Marshal(got.result))
		}
		if text != test.want {
			t.Errorf("%s gives %s, want %s", test.expr, got, test.want)
		}
	}
	if after, _ := jsonvalue.ParseString(document); !jsonvalue.Equal(after, input) {
		t.Error("an evaluation changed its input")
	}
}

// Positions count characters up to behind the token, tokens and arguments are named.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		expr, code, token string
		position, index   int
	}{
		{`"é" + 1`, "T2001", "+", 5, 0},
		{`$min(2, 3)`, "T0410", "min", 5, 2},
		{`  $sum(["a"])`, "T0412", "sum", 7, 1},
		{`a )`, "S0201", ")", 3, 0},
		{`$map(["a"], $substring)`, "T0410", "map", 5, 3},
		{`( $A := function(){$min(2, 3)}; $A() )`, "T0410", "min", 24, 2},
	} {
		got := evaluate(test.expr, nil, Options{})
		if got.err == nil {
			t.Errorf("%s gives %s", test.expr, got)
			continue
		}
		if e := got.err; e.Code != test.code || e.Token != test.token || e.Position != test.position || e.Index != test.index {
			t.Errorf("%s: %s at %d, token %q, argument %d; want %v", test.expr, e.Code, e.Position, e.Token, e.Index, test)
		}
	}
}

// An error about a value that is huge when written out comes quickly and short.
func TestErrorAboutLargeValue(t *testing.T) {
	got := evaluate(`($f:=function($x,$n){$n=0 ? $x : $f([[$x],[$x]],$n-1)}; -$f(1,50))`, nil, Options{})
	if got.code != "D1002" || len(got.err.Message) > 500 || got.err.Value != nil {
		t.Error(got)
	}
}

func TestFacts(t *testing.T) {
	for _, test := range []struct {
		expr             string
		variables, calls string
		reference        string
	}{
		{`$states.input.x`, "[states]", "[]", ""},
		{`name`, "[]", "[]", "name"},
		{`$`, "[]", "[]", "$"},
		{`$.x`, "[]", "[]", "$"},
		{`$x.($$.y)`, "[x]", "[]", "$$"},
		{`$x[a > 1].b`, "[x]", "[]", ""},
		{`$x{k: $sum($.v)}`, "[x]", "[sum]", ""},
		{`$uppercase()`, "[]", "[uppercase]", ""},
		{`($a := 1; $a + $b)`, "[b]", "[]", ""},
		{`($f := function($p){ $p + $q }; $f(1))`, "[q]", "[]", ""},
		{`$map($l, $string) ~> $join`, "[l]", "[join map string]", ""},
		{`$eval("1") & $nope(2)`, "[]", "[eval nope]", ""},
		{`$x@$a#$i.[$a, $i]`, "[x]", "[]", ""},
		{`{"a": b}`, "[]", "[]", "b"},
		{`[1, *]`, "[]", "[]", "*"},
		{`$x ~> |a|{"b": c}|`, "[x]", "[]", ""},
		{`"lit".x`, "[]", "[]", "lit"},
		{`$x^(y).z`, "[x]", "[]", ""},
		{`$sum(b.(c * d)) + a`, "[]", "[sum]", "b"},
		{`'a.b' & /* c */ $x["d"] & ` + "`e f`" + `.g`, "[x]", "[]", "e f"},
		{`$x[y = 1] and **.z`, "[x]", "[]", "**"},
		{`and`, "[]", "[]", "and"},
	} {
		e, err := Compile(test.expr)
		if err != nil {
			t.Fatal(test.expr, err)
		}
		if v, c := fmt.Sprint(e.Variables()), fmt.Sprint(e.Calls()); v != test.variables || c != test.calls || e.Reference() != test.reference {
			t.Errorf("%s: variables %s, calls %s, reference %q; want %v", test.expr, v, c, e.Reference(), test)
		}
	}
}

// Which fields of a variable are read is told by the tree: no text, comment or other variable misleads it.
func TestMembers(t *testing.T) {
	for _, test := range []struct{ expr, want string }{
		{`$states.input.a + $states.result`, "[input result] false"},
		{`"$states.context" & $states.input /* $states.result */`, "[input] false"},
		{`$states.` + "`" + `input` + "`" + ``, "[input] false"},
		{`$states`, "[] true"},
		{`$states["input"].input`, "[] true"},
		{`$states.*`, "[] true"},
		{`$states.input ~> $string & $keys($states)`, "[input] true"},
		{`($states := {"input": 1}; $states.input)`, "[] false"},
		{`function($states){ $states.input }($statesOf.context)`, "[] false"},
		{`$map([1], function($v) { $states.context.State.Name & $v })`, "[context] false"},
		{`$states.input.(%.context)`, "[] true"},
	} {
		e, err := Compile(test.expr)
		if err != nil {
			t.Fatal(test.expr, err)
		}
		fields, all := e.Members("states")
		if got := fmt.Sprint(fields, all); got != test.want {
			t.Errorf("%s: %s; want %s", test.expr, got, test.want)
		}
	}
}

// Whatever an expression tries, it ends within its limits, with U1001.
func TestLimits(t *testing.T) {
	nested := func(s, close string, n int) string { return strings.Repeat(s, n) + "1" + strings.Repeat(close, n) }
	for _, expr := range []string{
		`($f:=function($n){1+$f($n)}; $f(1))`,
		`($f:=function(){$f()}; $f())`,
		`($f:=function($x,$n){$n=0 ? $x : $f([[$x]],$n-1)}; $string($f(1,10000)))`,
		`($f:=function($x,$n){$n=0 ? $x : $f([[$x]],$n-1)}; $f(1,10000))`,
		`($f:=function($x,$n){$n=0 ? $x : $f({"a":$x},$n-1)}; $x:=$f(1,10000); $x = $x.a or $count(**) > 0 or $x ~> $clone)`,
		`($f:=function($s,$n){$n=0 ? $s : $f($s & $s,$n-1)}; $f("0123456789abcdef",60))`,
		`$map([1..9999],function($a){$map([1..9999],function($b){$a*$b})})`,
		`[1..9999].([1..9999])`,
		`$pad("",2000000000)`,
		`$replace($pad("",1000000,"a"),"a",$pad("",1000000,"b"))`,
		`[1..5000][[1..5000]]`,
		`$contains($pad("",100000,"a"), /(a{900}b|a{800}c|a{900}d)x/)`,
		`$formatInteger(1e300,"i")`,
	} {
		if got := evaluate(expr, nil, Options{MaxSteps: 1_000_000}); got.code != "U1001" {
			t.Errorf("%s gives %.100s", expr, got)
		}
	}
	for _, expr := range []string{
		nested("(", ")", 5000), nested("[", "]", 5000), nested("-", "", 5000), nested("a[", "]", 5000),
		"1" + strings.Repeat("+1", 5000), "a" + strings.Repeat("[0]", 5000), nested("function(){", "}", 5000), nested(`{"a":`, "}", 5000),
	} {
		if got := evaluate(expr, nil, Options{}); got.code != "S0500" {
			t.Errorf("%.30s…: %s", expr, got)
		}
	}
	if _, err := Compile("a" + strings.Repeat(".b", 400)); err != nil {
		t.Error("a long path is refused:", err)
	}
	asked := 0
	got := evaluate(`($f:=function(){$f()}; $f())`, nil, Options{Interrupt: func() bool { asked++; return asked == 3 }})
	if got.code != "U1001" || asked != 3 {
		t.Errorf("interrupted after %d questions: %s", asked, got)
	}
}

// A search that would take for ever ends.
func TestRegexTime(t *testing.T) {
	got := evaluate(`$contains("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /^(a|a?)+$/)`, nil, Options{})
	if got.code != "D3153" && got.code != "" {
		t.Error(got)
	}
}

// One expression serves many goroutines, and the same call gives the same answer.
func TestConcurrentUse(t *testing.T) {
	e, err := Compile(`$shuffle($append($map(b.c, function($v){ $v.x & $uuid() & $random() }), $replace(s, /b/, "x")))`)
	if err != nil {
		t.Fatal(err)
	}
	input, _ := jsonvalue.ParseString(document)
	want, _, err := e.Eval(input, options())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got, _, err := e.Eval(input, options())
				if err != nil || !jsonvalue.Equal(got, want) {
					t.Errorf("%v, %v; want %v", got, err, want)
				}
			}
		})
	}
	wg.Wait()
}

// Values go in and out as they are: digits beyond a double's and the order of members are kept, and what is passed
// through is not copied.
func TestPassThrough(t *testing.T) {
	input, _ := jsonvalue.ParseString(`{"big":12345678901234567890,"o":{"z":1,"a":[1.50]},"2":"b","1":"a"}`)
	for expr, want := range map[string]string{
		`big`: `12345678901234567890`, `o`: `{"z":1,"a":[1.5]}`, `{"x":o.a}`: `{"x":[1.5]}`, `$keys($)`: `["1","2","big","o"]`,
		`[o.a, 2]`: `[1.5,2]`, `{"b":1,"2":2,"1":3}`: `{"1":3,"2":2,"b":1}`, `big + 0`: `12345678901234567000`, `1e300 * 10`: `1.0E301`,
	} {
		if got := evaluate(expr, input, Options{}).String(); got != want {
			t.Errorf("%s gives %s, want %s", expr, got, want)
		}
	}
	e, _ := Compile(`$x`)
	got, _, err := e.Eval(nil, Options{Bindings: map[string]any{"x": input}})
	if err != nil || got != input {
		t.Error("an object that is passed through is copied:", err)
	}
	e, _ = Compile(`$sum($l) + $n`)
	got, _, err = e.Eval(nil, Options{Bindings: map[string]any{"l": []any{1.5, jsonvalue.Number("2")}, "n": 0.5}})
	if err != nil || got != jsonvalue.Number("4") {
		t.Error(got, err)
	}
}

func TestValue(t *testing.T) {
	v, err := Value(map[string]any{"b": []any{1, int64(2), 2.5, nil, true, "s"}, "a": map[string]any{}})
	if got := string(jsonvalue.Marshal(v)); err != nil || got != `{"a":{},"b":[1,2,2.5,null,true,"s"]}` {
		t.Error(got, err)
	}
	for _, bad := range []any{math.NaN(), []any{struct{}{}}, map[string]any{"a": make(chan int)}} {
		if _, err := Value(bad); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// Numbers are written as JavaScript writes them.
func TestFormatNumber(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 1: "1", -1.5: "-1.5", 1e20: "100000000000000000000", 1e21: "1e+21", 1e-6: "0.000001", 1e-7: "1e-7",
		123456789.125: "123456789.125", 5e-324: "5e-324", 1.7976931348623157e308: "1.7976931348623157e+308", -1.5e-10: "-1.5e-10",
	} {
		if got := formatNumber(f); got != want {
			t.Errorf("%v is written %s, want %s", f, got, want)
		}
	}
}

// Strings are ordered by UTF-16 units: characters beyond the basic plane come before U+E000.
func TestCompareText(t *testing.T) {
	sorted := []string{"", "A", "a", "ab", "b", "é", "中", "😀", "😁", "\uE000", "ﬁ"}
	for i, a := range sorted {
		for j, b := range sorted {
			got := compareText(a, b)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%q against %q gives %d", a, b, got)
			}
		}
	}
}

// The functions that Step Functions names are all there.
func TestCatalogue(t *testing.T) {
	for _, name := range strings.Fields("partition range hash random uuid parse sum map now") {
		if !IsFunction(name) {
			t.Errorf("$%s is missing", name)
		}
	}
	if IsFunction("eval") {
		t.Error("$eval is not part of the dialect")
	}
	var names []string
	for _, b := range catalogue {
		names = append(names, b.name)
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(catalogue) {
		t.Error("a function is defined twice")
	}
}
