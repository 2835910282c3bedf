package vtl

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

// methods are those of texts, numbers, lists and maps, as java.lang and java.util have them. A method that is asked of a
// value that has it not is an error.
var methods = map[string]func(v any, args []any) (any, bool, error){
	"size":        ofCollection(func(l *List) any { return int64(len(l.Items)) }, func(m *Map) any { return int64(len(m.keys)) }),
	"isEmpty":     isEmpty,
	"get":         get,
	"put":         put,
	"putAll":      putAll,
	"add":         add,
	"addAll":      addAll,
	"set":         setAt,
	"remove":      remove,
	"contains":    containsMethod,
	"containsKey": containsKey,
	"keySet":      ofMap(func(m *Map) any { return texts(m.keys) }),
	"values":      ofMap(valuesOf),
	"entrySet":    ofMap(entrySet),
	"getKey":      ofMap(func(m *Map) any { return m.Get("key") }),
	"getValue":    ofMap(func(m *Map) any { return m.Get("value") }),
	"join":        join,

	"length":           ofText(0, func(s string, _ []string) any { return int64(len(utf16.Encode([]rune(s)))) }),
	"startsWith":       ofText(1, func(s string, a []string) any { return strings.HasPrefix(s, a[0]) }),
	"endsWith":         ofText(1, func(s string, a []string) any { return strings.HasSuffix(s, a[0]) }),
	"equalsIgnoreCase": ofText(1, func(s string, a []string) any { return strings.EqualFold(s, a[0]) }),
	"indexOf":          ofText(1, func(s string, a []string) any { return index(s, strings.Index(s, a[0])) }),
	"lastIndexOf":      ofText(1, func(s string, a []string) any { return index(s, strings.LastIndex(s, a[0])) }),
	"toLowerCase":      ofText(0, func(s string, _ []string) any { return strings.ToLower(s) }),
	"toUpperCase":      ofText(0, func(s string, _ []string) any { return strings.ToUpper(s) }),
	"trim": ofText(0, func(s string, _ []string) any {
		return strings.Trim(s, "\x00\x01\x02\x03\x04\x05\x06\x07\b\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f ")
	}),
	"concat":       ofText(1, func(s string, a []string) any { return s + a[0] }),
	"replace":      replace,
	"replaceAll":   replaceAll(-1),
	"replaceFirst": replaceAll(1),
	"matches":      matches,
	"split":        split,
	"substring":    substring,

	"toString": func(v any, _ []any) (any, bool, error) { return String(v), true, nil },
	"equals": func(v any, args []any) (any, bool, error) {
		return len(args) == 1 && equal(v, args[0]), len(args) == 1, nil
	},
	"intValue":    ofNumber(func(f float64) any { return int64(f) }),
	"longValue":   ofNumber(func(f float64) any { return int64(f) }),
	"doubleValue": ofNumber(func(f float64) any { return f }),
	"parseInt":    parseInt,
	"parseDouble": parseDouble,
}

// call calls a method of a value that is no Host.
func call(v any, name string, args []any) (any, error) {
	m, ok := methods[name]
	if !ok {
		return nil, fmt.Errorf("the method %s is not supported by this platform", name)
	}
	got, has, err := m(v, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !has {
		return nil, fmt.Errorf("%s of %d arguments is no method of %s", name, len(args), kind(v))
	}
	return got, nil
}

func kind(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	case *List:
		return "a list"
	case *Map:
		return "a map"
	}
	return "null"
}

func ofText(n int, f func(s string, args []string) any) func(any, []any) (any, bool, error) {
	return func(v any, args []any) (any, bool, error) {
		s, ok := v.(string)
		if !ok || len(args) != n {
			return nil, false, nil
		}
		given := make([]string, n)
		for i, a := range args {
			if a == nil {
				return nil, false, nil
			}
			given[i] = String(a)
		}
		return f(s, given), true, nil
	}
}

func ofNumber(f func(float64) any) func(any, []any) (any, bool, error) {
	return func(v any, args []any) (any, bool, error) {
		n, ok := number(v)
		if !ok || len(args) != 0 {
			return nil, false, nil
		}
		return f(n), true, nil
	}
}

func ofMap(f func(*Map) any) func(any, []any) (any, bool, error) {
	return func(v any, args []any) (any, bool, error) {
		m, ok := v.(*Map)
		if !ok || len(args) != 0 {
			return nil, false, nil
		}
		return f(m), true, nil
	}
}

func ofCollection(list func(*List) any, object func(*Map) any) func(any, []any) (any, bool, error) {
	return func(v any, args []any) (any, bool, error) {
		if len(args) != 0 {
			return nil, false, nil
		}
		switch v := v.(type) {
		case *List:
			return list(v), true, nil
		case *Map:
			return object(v), true, nil
		}
		return nil, false, nil
	}
}

func texts(s []string) *List {
	l := &List{Items: make([]any, len(s))}
	for i, x := range s {
		l.Items[i] = x
	}
	return l
}

func valuesOf(m *Map) any {
	l := &List{}
	for _, k := range m.keys {
		l.Items = append(l.Items, m.values[k])
	}
	return l
}

// entrySet gives maps with key and value.
func entrySet(m *Map) any {
	l := &List{}
	for _, k := range m.keys {
		e := NewMap()
		e.Set("key", k)
		e.Set("value", m.values[k])
		l.Items = append(l.Items, e)
	}
	return l
}

func isEmpty(v any, args []any) (any, bool, error) {
	switch v := v.(type) {
	case string:
		return v == "", len(args) == 0, nil
	case *List:
		return len(v.Items) == 0, len(args) == 0, nil
	case *Map:
		return len(v.keys) == 0, len(args) == 0, nil
	}
	return nil, false, nil
}

func get(v any, args []any) (any, bool, error) {
	if len(args) != 1 {
		return nil, false, nil
	}
	switch v := v.(type) {
	case *List:
		i, ok := args[0].(int64)
		if ok && (i < 0 || i >= int64(len(v.Items))) {
			return nil, true, fmt.Errorf("index %d is out of the bounds of a list of %d", i, len(v.Items))
		}
		if !ok {
			return nil, false, nil
		}
		return v.Items[i], true, nil
	case *Map:
		return v.Get(String(args[0])), true, nil
	}
	return nil, false, nil
}

func put(v any, args []any) (any, bool, error) {
	m, ok := v.(*Map)
	if !ok || len(args) != 2 {
		return nil, false, nil
	}
	if contains(args[1], m) {
		return nil, true, fmt.Errorf("a map would hold itself")
	}
	old := m.Get(String(args[0]))
	m.Set(String(args[0]), args[1])
	return old, true, nil
}

func putAll(v any, args []any) (any, bool, error) {
	m, ok := v.(*Map)
	if !ok || len(args) != 1 {
		return nil, false, nil
	}
	from, ok := args[0].(*Map)
	if !ok {
		return nil, false, nil
	}
	for _, k := range from.keys {
		if contains(from.values[k], m) {
			return nil, true, fmt.Errorf("a map would hold itself")
		}
		m.Set(k, from.values[k])
	}
	return nil, true, nil
}

func add(v any, args []any) (any, bool, error) {
	l, ok := v.(*List)
	if !ok || len(args) != 1 {
		return nil, false, nil
	}
	if contains(args[0], l) {
		return nil, true, fmt.Errorf("a list would hold itself")
	}
	l.Items = append(l.Items, args[0])
	return true, true, nil
}

// maxItems bounds what addAll can make of lists.
const maxItems = 1 << 17

func addAll(v any, args []any) (any, bool, error) {
	l, ok := v.(*List)
	if !ok || len(args) != 1 {
		return nil, false, nil
	}
	from, ok := args[0].(*List)
	if !ok {
		return nil, false, nil
	}
	if contains(from, l) {
		return nil, true, fmt.Errorf("a list would hold itself")
	}
	if len(l.Items)+len(from.Items) > maxItems {
		return nil, true, fmt.Errorf("a list has more than %d items", maxItems)
	}
	l.Items = append(l.Items, from.Items...)
	return len(from.Items) > 0, true, nil
}

func setAt(v any, args []any) (any, bool, error) {
	l, ok := v.(*List)
	if !ok || len(args) != 2 {
		return nil, false, nil
	}
	i, ok := args[0].(int64)
	if !ok || i < 0 || i >= int64(len(l.Items)) || contains(args[1], l) {
		return nil, true, fmt.Errorf("the element %s of a list of %d cannot be set", String(args[0]), len(l.Items))
	}
	old := l.Items[i]
	l.Items[i] = args[1]
	return old, true, nil
}

func remove(v any, args []any) (any, bool, error) {
	if len(args) != 1 {
		return nil, false, nil
	}
	switch v := v.(type) {
	case *Map:
		return v.remove(String(args[0])), true, nil
	case *List:
		i, ok := args[0].(int64)
		if !ok || i < 0 || i >= int64(len(v.Items)) {
			return nil, true, fmt.Errorf("a list of %d has no element %s", len(v.Items), String(args[0]))
		}
		old := v.Items[i]
		v.Items = append(v.Items[:i:i], v.Items[i+1:]...)
		return old, true, nil
	}
	return nil, false, nil
}

func containsMethod(v any, args []any) (any, bool, error) {
	if len(args) != 1 {
		return nil, false, nil
	}
	switch v := v.(type) {
	case string:
		return strings.Contains(v, String(args[0])), true, nil
	case *List:
		for _, x := range v.Items {
			if equal(x, args[0]) {
				return true, true, nil
			}
		}
		return false, true, nil
	}
	return nil, false, nil
}

func containsKey(v any, args []any) (any, bool, error) {
	m, ok := v.(*Map)
	if !ok || len(args) != 1 {
		return nil, false, nil
	}
	_, has := m.values[String(args[0])]
	return has, true, nil
}

func join(v any, args []any) (any, bool, error) {
	l, ok := v.(*List)
	if !ok || len(args) != 1 {
		return nil, false, nil
	}
	var parts []string
	size := 0
	for _, x := range l.Items {
		s := String(x)
		if size += len(s) + len(String(args[0])); size > MaxOutput {
			return nil, true, fmt.Errorf("the text has more than %d bytes", MaxOutput)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, String(args[0])), true, nil
}

// index counts in characters as Java does, in UTF-16.
func index(s string, at int) int64 {
	if at < 0 {
		return -1
	}
	return int64(len(utf16.Encode([]rune(s[:at]))))
}

func replace(v any, args []any) (any, bool, error) {
	s, ok := v.(string)
	if !ok || len(args) != 2 {
		return nil, false, nil
	}
	from, to := String(args[0]), String(args[1])
	if n := strings.Count(s, from); len(s)+n*len(to) > MaxOutput {
		return nil, true, fmt.Errorf("the text has more than %d bytes", MaxOutput)
	}
	return strings.ReplaceAll(s, from, to), true, nil
}

// group is $1 in the replacement of a regular expression, which Go writes ${1}.
var group = regexp.MustCompile(`\$(\d)`)

// replaceAll is Java's with expressions as Go has them (no lookaround, no references back); limit 1 is replaceFirst.
func replaceAll(limit int) func(any, []any) (any, bool, error) {
	return func(v any, args []any) (any, bool, error) {
		s, ok := v.(string)
		if !ok || len(args) != 2 {
			return nil, false, nil
		}
		re, err := regexp.Compile(String(args[0]))
		if err != nil {
			return nil, true, err
		}
		to := group.ReplaceAllString(String(args[1]), "$${$1}")
		var b []byte
		from := 0
		for _, m := range re.FindAllStringSubmatchIndex(s, limit) {
			b = append(b, s[from:m[0]]...)
			b = re.ExpandString(b, to, s, m)
			from = m[1]
			if len(b) > MaxOutput {
				return nil, true, fmt.Errorf("the text has more than %d bytes", MaxOutput)
			}
		}
		return string(append(b, s[from:]...)), true, nil
	}
}

func matches(v any, args []any) (any, bool, error) {
	s, ok := v.(string)
	if !ok || len(args) != 1 {
		return nil, false, nil
	}
	re, err := regexp.Compile("^(?:" + String(args[0]) + ")$")
	if err != nil {
		return nil, true, err
	}
	return re.MatchString(s), true, nil
}

// split leaves empty texts at the end out, as Java does.
func split(v any, args []any) (any, bool, error) {
	s, ok := v.(string)
	if !ok || len(args) != 1 {
		return nil, false, nil
	}
	re, err := regexp.Compile(String(args[0]))
	if err != nil {
		return nil, true, err
	}
	parts := re.Split(s, maxItems)
	for len(parts) > 1 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return texts(parts), true, nil
}

func substring(v any, args []any) (any, bool, error) {
	s, ok := v.(string)
	if !ok || len(args) < 1 || len(args) > 2 {
		return nil, false, nil
	}
	u := utf16.Encode([]rune(s))
	from, ok := args[0].(int64)
	to := int64(len(u))
	if len(args) == 2 {
		var whole bool
		to, whole = args[1].(int64)
		ok = ok && whole
	}
	if !ok {
		return nil, false, nil
	}
	if from < 0 || to > int64(len(u)) || from > to {
		return nil, true, fmt.Errorf("%d to %d is out of the bounds of a text of %d", from, to, len(u))
	}
	return string(utf16.Decode(u[from:to])), true, nil
}

func parseInt(_ any, args []any) (any, bool, error) {
	if len(args) != 1 {
		return nil, false, nil
	}
	n, err := strconv.ParseInt(String(args[0]), 10, 64)
	return n, true, err
}

func parseDouble(_ any, args []any) (any, bool, error) {
	if len(args) != 1 {
		return nil, false, nil
	}
	f, err := strconv.ParseFloat(String(args[0]), 64)
	return f, true, err
}

// Known tells whether values that are no hosts have a method of this name.
func Known(method string) bool { _, ok := methods[method]; return ok }
