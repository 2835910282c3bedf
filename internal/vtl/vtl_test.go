package vtl

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// host is an $input of a kind: its members are fixed, and echo gives its arguments back.
type host struct{}

func (host) Member(name string) (any, bool) {
	if name == "body" {
		return "the body", true
	}
	return nil, false
}

func (host) Call(name string, args []any) (any, error) {
	if name != "echo" {
		return nil, fmt.Errorf("no method %s", name)
	}
	return args[0], nil
}

func render(t testing.TB, source string) (string, error) {
	t.Helper()
	tmpl, err := Parse(source)
	if err != nil {
		return "", err
	}
	doc, err := jsonvalue.ParseString(`{"name":"Ada","age":36,"price":1.5,"tags":["a","b"],"none":null,"yes":true,"nested":{"x":{"y":"deep"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl.Render(map[string]any{"d": FromJSON(doc), "input": host{}, "word": "Velocity"})
}

func TestRender(t *testing.T) {
	for source, want := range map[string]string{
		"plain": "plain", "": "",
		"$d.name ${d.name}x $!d.name":                      "Ada Adax Ada",
		"$nope $!nope ${nope}":                             "$nope  ${nope}",
		"$d.nope|$!d.nope|$input.nope|":                    "$d.nope|||",
		"$input.body $input.echo('x') $input.echo($d.age)": "the body x 36",
		"costs 5$ or $5 or #1 a#b":                         "costs 5$ or $5 or #1 a#b",
		`\$d \#set`:                                        "$d #set",
		"$d.nested.x.y $d.nested['x']['y'] $d.tags[1]":     "deep deep b",
		"$d.tags":                                            "[a, b]",
		"$d.nested":                                          "{x={y=deep}}",
		"$d.price $d.yes $d.age":                             "1.5 true 36",
		"#set($x = 3)$x":                                     "3",
		"a #set($x = 3) b":                                   "a b",
		"#set($x = 3)\n#set($y = $x + 4)\n$y":                "7",
		"#set($x = 'a' + 1)$x":                               "a1",
		`#set($x = "hi $d.name, ${word}!")$x`:                "hi Ada, Velocity!",
		`#set($x = 'hi $d.name')$x`:                          "hi $d.name",
		`#set($x = "say ""hi""")$x`:                          `say "hi"`,
		"#set($x = 7 / 2)$x#set($x = 7 % 4)$x":               "33",
		"#set($x = 7.0 / 2)$x":                               "3.5",
		"#set($x = 1)#set($x = $nope)$x":                     "1",
		"#set($x = 1 / 0)$!x|":                               "|",
		"#set($m = {'a': 1, 'b': [1, 2]})$m.a $m.b[1] $m":    "1 2 {a=1, b=[1, 2]}",
		"#set($m = {})#set($m.k = 'v')#set($m['l'] = 2)$m":   "{k=v, l=2}",
		"#set($l = [])#set($z = $l.add('x'))$l $l.size()":    "[x] 1",
		"#set($l = [1..3])$l #set($l = [3..1])$l":            "[1, 2, 3][3, 2, 1]",
		"#if($d.age > 30)old#else young#end":                 "old",
		"#if($d.age < 30)a#elseif($d.age == 36)b#else c#end": "b",
		"#if($nope)a#else b#end":                             " b",
		"#if('')a#end#if(false)b#end":                        "a",
		"#if(!$nope && ($d.yes || $boom.x))ok#end":           "ok",
		"#if($d.age ge 36 and not false)ok#end":              "ok",
		"#if('36' == $d.age)ok#end":                          "ok",
		"#if(1 == 1.0)ok#end#if('a' < 'b')ok#end":            "okok",
		"#{if}(true)x#{else}y#{end}":                         "x",

		"#foreach($t in $d.tags)$foreach.count:$t#if($foreach.hasNext),#end#end":           "1:a,2:b",
		"#foreach($k in $d.nested.keySet())$k#end":                                         "x",
		"#foreach($e in $d.entrySet())#if($e.key == 'name')$e.value $e.getValue()#end#end": "Ada Ada",
		"#foreach($i in [1..9])#if($i > 3)#break#end$i#end.":                               "123.",
		"#foreach($x in $nope)x#end#foreach($x in 'text')x#end.":                           ".",
		"#set($x = 1)#foreach($x in [5])$x#end$x":                                          "51",
		"a#stop b":              "a",
		"a## comment\nb":        "ab",
		"a#* long\n *#b":        "ab",
		"#[[ $x #if ]]#":        " $x #if ",
		"#if(true)\n a\n#end\n": " a\n",
		"$word.length() $word.substring(1, 3) $word.substring(4) $word.toUpperCase()":     "8 el city VELOCITY",
		"$word.replaceAll('([aeiou])', '<$1>') $word.replace('o', '0')":                   "V<e>l<o>c<i>ty Vel0city",
		"$word.split('c') $word.contains('loc') $word.indexOf('x') $word.matches('V.*y')": "[Velo, ity] true -1 true",
		"$d.tags.size() $d.containsKey('age') $d.tags.isEmpty() $d.tags.contains('b')":    "2 true false true",
		"$d.name.equals('Ada') $d.age.toString().length()":                                "true 2",
		"$d.tags.get(0) $d.get('name')":                                                   "a Ada",
		`{"a": "$d.name", "b": $d.age}`:                                                   `{"a": "Ada", "b": 36}`,
	} {
		got, err := render(t, source)
		if err != nil {
			t.Errorf("%q: %v", source, err)
		} else if got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for source, want := range map[string]string{
		"#if($x)":                              "line 1: #if has no #end",
		"\n\n#end":                             "line 3: #end has no #if or #foreach",
		"#foreach($x in $y)":                   "#foreach has no #end",
		"#foreach(x in $y)#end":                "#foreach needs a variable",
		"#set($x = )":                          "an expression cannot begin with",
		"#set(x = 1)":                          "#set needs a reference",
		"#set($x 1)":                           `#set needs "="`,
		"#set($x.y() = 1)":                     "cannot set what a method returns",
		"#macro(m)#end":                        "#macro is not supported",
		"#parse('x')":                          "#parse is not supported",
		"${x":                                  "no closing brace",
		"$d.x.frobnicate()":                    "the method frobnicate is not supported",
		"#set($x = 'a)":                        "no closing quote",
		"#if(true)#else#else#end":              "#else follows #else",
		"#* x":                                 "a comment has no end",
		`#set($x = "#if(true)")`:               "#if has no #end",
		strings.Repeat("#if(1)", 99):           "more than 64 blocks",
		"#set($x = " + strings.Repeat("(", 99): "more than 64 blocks",
		"#set($x = " + strings.Repeat("!", 99): "more than 64 blocks",
		strings.Repeat("x", MaxTemplate+1):     "more than",
	} {
		_, err := Parse(source)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", source, err, want)
		}
	}
}

func TestRenderFails(t *testing.T) {
	for source, want := range map[string]string{
		"$input.nope()":                   "no method nope",
		"$d.tags.get(7)":                  "out of the bounds",
		"$d.age.trim()":                   "no method of a number",
		"$word.substring(3, 99)":          "out of the bounds",
		"$word.matches('(?=x)')":          "invalid or unsupported Perl syntax",
		"#set($l = [1])#set($l[5] = 1)":   "has no element 5",
		"#set($m = {})#set($m.self = $m)": "would hold itself",
		"#set($l = [])$l.add([$l])":       "would hold itself",
		"#set($s = 'xx')#foreach($i in [1..100])#set($s = $s + $s)#end":                           "more than",
		"#foreach($i in [1..1000])#foreach($j in [1..1000])#foreach($k in [1..1000])#end#end#end": "steps",
		"#set($x = [1..5000])": "more than 1000 items",
		"#set($l = ['xxxxxxxxxx'])#foreach($i in [1..60])#set($l = [$l, $l])#end$l": "more than",
	} {
		got, err := render(t, source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %.40q %v, want %q", source, got, err, want)
		}
	}
}

func TestCalls(t *testing.T) {
	tmpl, err := Parse("$util.parseJson($input.json('$'))\n#if($input.params().header.get('x'))#end")
	if err != nil {
		t.Fatal(err)
	}
	want := "[{input json 1} {util parseJson 1} {input params 2}]"
	if got := fmt.Sprint(tmpl.Calls()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestJSON(t *testing.T) {
	doc, err := jsonvalue.ParseString(`{"a":[1,2.5,"x\"",null,true],"b":{}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := JSON(FromJSON(doc)); got != `{"a":[1,2.5,"x\"",null,true],"b":{}}` {
		t.Error(got)
	}
}

// FuzzTemplate: any text is parsed or refused, and what is parsed renders within its limits or fails; it never panics.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"$d.name #set($x = [1..3])#foreach($i in $x)$i#end", "#if($d.age > 3 && !$x)a#elseif(1)b#else c#end",
		`#set($m = {"a": "b $d"})$m.put('x', $m.a)`, "$word.replaceAll('(a)', '$1')", "#[[x]]##", "$!{input.echo('a')[0].x}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		out, err := render(t, source)
		if err == nil && len(out) > MaxOutput {
			t.Errorf("%d bytes", len(out))
		}
	})
}

func BenchmarkRender(b *testing.B) {
	tmpl, err := Parse(`{"name": "$d.name", "tags": [#foreach($t in $d.tags)"$t"#if($foreach.hasNext),#end#end]}`)
	if err != nil {
		b.Fatal(err)
	}
	doc, err := jsonvalue.ParseString(`{"name":"Ada","tags":["a","b"]}`)
	if err != nil {
		b.Fatal(err)
	}
	env := map[string]any{"d": FromJSON(doc)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tmpl.Render(env); err != nil {
			b.Fatal(err)
		}
	}
}
