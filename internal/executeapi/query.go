package executeapi

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/tealdeploy/teal/internal/jsontext"
)

// param is one query parameter, decoded.
type Param struct{ Name, Value string }

// queryParams decodes the query string once, in its order. A bad escape stays as it is.
func (x *Request) QueryParams() []Param {
	if x.parsed {
		return x.params
	}
	x.parsed = true
	for q := x.R.URL.RawQuery; q != ""; {
		var pair string
		pair, q, _ = strings.Cut(q, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		x.params = append(x.params, Param{unescapeQuery(name), unescapeQuery(value)})
	}
	// Equal names stand together, in the order in which they came, so that joining them is one pass.
	slices.SortStableFunc(x.params, func(a, b Param) int { return cmp.Compare(a.Name, b.Name) })
	return x.params
}

func unescapeQuery(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// query returns a parameter's values joined by commas.
func (x *Request) Query(name string) (string, bool) {
	var values []string
	for _, p := range x.QueryParams() {
		if p.Name == name {
			values = append(values, p.Value)
		}
	}
	return strings.Join(values, ","), len(values) > 0
}

func (x *Request) AppendQuery(b []byte) []byte {
	params := x.QueryParams()
	if len(params) == 0 {
		return b
	}
	b = append(b, `,"queryStringParameters":{`...)
	for i, p := range params {
		if i > 0 && params[i-1].Name == p.Name {
			b = append(b[:len(b)-1], ',') // takes the closing quote off and goes on with the value
		} else {
			if i > 0 {
				b = append(b, ',')
			}
			b = jsontext.AppendString(b, p.Name)
			b = append(b, ':', '"')
		}
		b = jsontext.AppendEscaped(b, p.Value)
		b = append(b, '"')
	}
	return append(b, '}')
}

// appendQuery1 writes the last value of each parameter, and all of them.
func (x *Request) AppendQuery1(b []byte) []byte {
	params := x.QueryParams()
	if len(params) == 0 {
		return append(b, `,"queryStringParameters":null,"multiValueQueryStringParameters":null`...)
	}
	b = append(b, `,"queryStringParameters":{`...)
	n := 0
	for i, p := range params {
		if i+1 < len(params) && params[i+1].Name == p.Name {
			continue
		}
		b = jsontext.AppendMember(b, n, p.Name)
		b = jsontext.AppendString(b, p.Value)
		n++
	}
	b = append(b, `},"multiValueQueryStringParameters":{`...)
	for i, p := range params {
		if i > 0 && params[i-1].Name == p.Name {
			b = append(b[:len(b)-1], ',') // goes on with the list
		} else {
			b = jsontext.AppendMember(b, i, p.Name)
			b = append(b, '[')
		}
		b = jsontext.AppendString(b, p.Value)
		b = append(b, ']')
	}
	return append(b, '}')
}
