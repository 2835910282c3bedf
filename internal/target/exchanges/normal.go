package exchanges

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// normal gives what an endpoint draws or reads from its clock a name that is the same in every recording.
type normal struct {
	endpoint string
	names    map[string]string // by what was drawn
	counts   map[string]int    // by member
}

// drawn are the members in which an endpoint says an identifier of its own making, with the form of their names here.
var drawn = map[string]string{
	"revisionid": "00000000-0000-4000-8000-%012d", "apiid": "api%07d", "integrationid": "int%04d", "routeid": "rte%04d",
	"deploymentid": "dep%04d",
	"uuid":         "00000000-0000-4000-9000-%012d",
}

// Moment is when everything that is recorded happened, by its file: 2026-01-01T00:00:00Z, in seconds since 1970.
const Moment = 1767225600

var times = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`)

func normalise(endpoint string, all []Exchange) error {
	n := normal{endpoint: endpoint, names: map[string]string{}, counts: map[string]int{}}
	for _, e := range all {
		n.collect(e.Answer.JSON)
	}
	for i := range all {
		if err := n.apply(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (n *normal) collect(data json.RawMessage) {
	each(value(data), "", func(member string, v any) any {
		if s, ok := v.(string); ok && s != "" && n.names[s] == "" {
			if form := drawn[strings.ToLower(member)]; form != "" {
				n.counts[form]++
				n.names[s] = fmt.Sprintf(form, n.counts[form])
			}
		}
		return v
	})
}

func (n *normal) apply(e *Exchange) error {
	e.Request.Path, e.Request.Query = n.rename(e.Request.Path), n.rename(e.Request.Query)
	if e.Answer.Header["X-Amz-Log-Result"] != "" { // its lines have times and durations
		e.Answer.Header["X-Amz-Log-Result"] = "RU5ECg==" // END
	}
	for _, b := range []*Body{&e.Request.Body, &e.Answer.Body} {
		b.Text = n.rename(b.Text)
		if b.JSON == nil {
			continue
		}
		var out bytes.Buffer
		plain := json.NewEncoder(&out)
		plain.SetEscapeHTML(false)
		if err := plain.Encode(each(value(b.JSON), "", n.settle)); err != nil {
			return err
		}
		b.JSON = bytes.TrimSpace(out.Bytes())
	}
	return nil
}

func (n *normal) settle(member string, v any) any {
	switch v := v.(type) {
	case string:
		switch {
		case !times.MatchString(v):
			return n.rename(v)
		case strings.HasSuffix(v, "Z"):
			return "2026-01-01T00:00:00Z"
		}
		return "2026-01-01T00:00:00.000+0000"
	case float64:
		if strings.HasSuffix(strings.ToLower(member), "date") {
			return Moment
		}
	}
	return v
}

// ownAPIs are the URLs that a local endpoint gives its HTTP APIs.
var ownAPIs = regexp.MustCompile(`http://([a-z0-9]+)\.execute-api\.localhost(?::\d+)?`)

var (
	requestID = regexp.MustCompile(`<RequestId>[^<]*</RequestId>`)
	userID    = regexp.MustCompile(`<UserId>[^<]*</UserId>`)
)

func (n *normal) rename(s string) string {
	for was, is := range n.names {
		s = strings.ReplaceAll(s, was, is)
	}
	s = ownAPIs.ReplaceAllString(s, "https://$1.execute-api.us-east-1.amazonaws.com")
	s = strings.ReplaceAll(s, n.endpoint, "https://endpoint.test")
	s = userID.ReplaceAllString(s, "<UserId>000000000000</UserId>")
	return requestID.ReplaceAllString(s, "<RequestId>00000000-0000-4000-8000-000000000000</RequestId>")
}

// each gives v with every scalar replaced by what f makes of it and the member that it stands in.
func each(v any, member string, f func(string, any) any) any {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			v[k] = each(v[k], k, f)
		}
		return v
	case []any:
		for i := range v {
			v[i] = each(v[i], member, f)
		}
		return v
	}
	return f(member, v)
}
