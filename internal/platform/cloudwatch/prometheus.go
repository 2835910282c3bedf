package cloudwatch

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// What the platform records, in Prometheus' text format: counts as counters since the start, durations as histograms, in
// seconds. Each of AWS's sets of dimensions is a series of its own, so that sums are to be taken over one set only.
//
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format

// bounds of a histogram's buckets, in milliseconds.
var bounds = []float64{1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 900_000}

// total is what a series has got since the start.
type total struct {
	n, sum  float64
	buckets []float64 // of a duration: how many values fell between the bound before and this one
}

// add counts what a second of recording brought.
func (t *total) add(in *summary, duration bool) {
	t.n += in.n
	t.sum += in.sum
	if !duration {
		return
	}
	if t.buckets == nil {
		t.buckets = make([]float64, len(bounds)+1)
	}
	if in.dist == nil {
		t.buckets[bucketOf(in.min)] += in.n
		return
	}
	for _, e := range in.dist.entries {
		t.buckets[bucketOf(e.sum/e.n)] += e.n
	}
}

func bucketOf(v float64) int {
	i, _ := slices.BinarySearch(bounds, v)
	return i
}

// ServePrometheus answers a scrape.
func (s *Service) ServePrometheus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	b := bufio.NewWriter(w)
	s.writePrometheus(b)
	_ = b.Flush() // who asked is gone: nobody is left to tell
}

// family is one metric with all its series.
type family struct {
	name, help string
	duration   bool
	series     []*series
}

func (s *Service) writePrometheus(w io.Writer) {
	for _, f := range s.families() {
		kind := "counter"
		if f.duration {
			kind = "histogram"
		}
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, kind)
		for _, sr := range f.series {
			sr.settle()
			sr.mu.Lock()
			t := sr.total
			t.buckets = slices.Clone(t.buckets)
			sr.mu.Unlock()
			labels := labelsOf(sr.dims)
			if !f.duration {
				fmt.Fprintf(w, "%s%s %s\n", f.name, braces(labels), number(t.sum))
				continue
			}
			seen := 0.0
			for i, n := range t.buckets {
				seen += n
				le := "+Inf"
				if i < len(bounds) {
					le = number(bounds[i] / 1000)
				}
				fmt.Fprintf(w, "%s_bucket%s %s\n", f.name, braces(append(slices.Clone(labels), `le="`+le+`"`)), number(seen))
			}
			fmt.Fprintf(w, "%s_sum%s %s\n%s_count%s %s\n", f.name, braces(labels), number(t.sum/1000), f.name, braces(labels), number(t.n))
		}
	}
	s.writeAlarms(w)
}

// families are the metrics that the platform has recorded, in order of their names, each with its series in order.
func (s *Service) families() []*family {
	s.mu.RLock()
	byName := map[string]*family{}
	for k, sr := range s.series {
		if !sr.pinned || sr.unit != types.StandardUnitCount && sr.unit != types.StandardUnitMilliseconds {
			continue
		}
		duration := sr.unit == types.StandardUnitMilliseconds
		name := "teal_" + snake(strings.TrimPrefix(k.namespace, "AWS/")) + "_" + snake(k.metric) + "_total"
		if duration {
			name = strings.TrimSuffix(name, "_total") + "_seconds"
		}
		f := byName[name]
		if f == nil {
			f = &family{name: name, duration: duration, help: "CloudWatch's " + k.metric + " of " + k.namespace + ", since the start."}
			byName[name] = f
		}
		f.series = append(f.series, sr)
	}
	s.mu.RUnlock()
	out := make([]*family, 0, len(byName))
	for _, f := range byName {
		slices.SortFunc(f.series, func(a, b *series) int { return strings.Compare(a.key.dims, b.key.dims) })
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *family) int { return strings.Compare(a.name, b.name) })
	return out
}

func (s *Service) writeAlarms(w io.Writer) {
	s.alarms.mu.RLock()
	defer s.alarms.mu.RUnlock()
	view := &change{s: s}
	names := view.names()
	if len(names) == 0 {
		return
	}
	fmt.Fprint(w, "# HELP teal_alarm_state 1 for the state that a CloudWatch alarm is in.\n# TYPE teal_alarm_state gauge\n")
	for _, name := range names {
		is := types.StateValue(view.get(name).condition().state)
		for _, state := range is.Values() {
			v := "0"
			if state == is {
				v = "1"
			}
			fmt.Fprintf(w, "teal_alarm_state%s %s\n", braces([]string{label("alarm", name), label("state", string(state))}), v)
		}
	}
}

func labelsOf(dims []types.Dimension) (out []string) {
	for _, d := range dims {
		out = append(out, label(snake(aws.ToString(d.Name)), aws.ToString(d.Value)))
	}
	return out
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func label(name, value string) string { return name + `="` + escapes.Replace(value) + `"` }

func braces(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	return "{" + strings.Join(labels, ",") + "}"
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// snake writes ExecutionsTimedOut as executions_timed_out, ApiGateway as api_gateway.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case unicode.IsUpper(r):
			if i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToLower(r))
		case r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}
