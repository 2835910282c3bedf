package cloudwatch

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/metricmath"
)

// Dynamic labels: ${…} in a label stands for something of its series.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html
var (
	dynamicPart = regexp.MustCompile(`\$\{[^}]*\}`)
	property    = regexp.MustCompile(`^PROP\('([^']+)'\)$`)
)

// labelFigures are the parts that are figures of the series; none has a value without data.
var labelFigures = map[string]func(points []metricmath.Point) float64{
	"AVG":             func(p []metricmath.Point) float64 { return sumOf(p) / float64(len(p)) },
	"SUM":             sumOf,
	"FIRST":           func(p []metricmath.Point) float64 { return p[0].V },
	"LAST":            func(p []metricmath.Point) float64 { return p[len(p)-1].V },
	"MIN":             func(p []metricmath.Point) float64 { return p[least(p)].V },
	"MAX":             func(p []metricmath.Point) float64 { return p[most(p)].V },
	"DATAPOINT_COUNT": func(p []metricmath.Point) float64 { return float64(len(p)) },
}

// labelTimes are those that are times.
var labelTimes = map[string]func(points []metricmath.Point) int64{
	"FIRST_TIME": func(p []metricmath.Point) int64 { return p[0].At },
	"LAST_TIME":  func(p []metricmath.Point) int64 { return p[len(p)-1].At },
	"MIN_TIME":   func(p []metricmath.Point) int64 { return p[least(p)].At },
	"MAX_TIME":   func(p []metricmath.Point) int64 { return p[most(p)].At },
}

func sumOf(points []metricmath.Point) (sum float64) {
	for _, p := range points {
		sum += p.V
	}
	return sum
}

func least(points []metricmath.Point) int {
	i := 0
	for k, p := range points {
		if p.V < points[i].V {
			i = k
		}
	}
	return i
}

func most(points []metricmath.Point) int {
	i := 0
	for k, p := range points {
		if p.V > points[i].V {
			i = k
		}
	}
	return i
}

// checkLabel refuses dynamic parts that are not served.
func checkLabel(label, param string) error {
	for _, part := range dynamicPart.FindAllString(label, -1) {
		name := part[2 : len(part)-1]
		if labelFigures[name] == nil && labelTimes[name] == nil && name != "LABEL" && !knownProperty(name) {
			return validation("The dynamic label %s of %s is not supported by this endpoint.", part, param)
		}
	}
	return nil
}

func knownProperty(name string) bool {
	m := property.FindStringSubmatch(name)
	return m != nil && (slices.Contains([]string{"AccountId", "MetricName", "Namespace", "Period", "Region", "Stat"}, m[1]) || strings.HasPrefix(m[1], "Dim."))
}

// expandLabel replaces the dynamic parts of a label by what its series has.
func (s *Service) expandLabel(label string, q *query, points []metricmath.Point) string {
	return dynamicPart.ReplaceAllStringFunc(label, func(part string) string {
		name := part[2 : len(part)-1]
		if m := property.FindStringSubmatch(name); m != nil {
			return s.labelProperty(m[1], q)
		}
		f, at := labelFigures[name], labelTimes[name]
		switch {
		case name == "LABEL" && q.metric != nil:
			return aws.ToString(q.metric.Metric.MetricName)
		case name == "LABEL":
			return q.id
		case len(points) == 0:
			return "--"
		case f != nil:
			return strconv.FormatFloat(f(points), 'g', 6, 64)
		case at != nil:
			return time.Unix(at(points), 0).UTC().Format("2006-01-02T15:04:05.000Z")
		}
		return part
	})
}

func (s *Service) labelProperty(name string, q *query) string {
	switch name {
	case "AccountId":
		return s.cfg.Account
	case "Region":
		return s.cfg.Region
	}
	if q.metric == nil {
		return ""
	}
	switch name {
	case "MetricName":
		return aws.ToString(q.metric.Metric.MetricName)
	case "Namespace":
		return aws.ToString(q.metric.Metric.Namespace)
	case "Period":
		return strconv.Itoa(int(aws.ToInt32(q.metric.Period)))
	case "Stat":
		return aws.ToString(q.metric.Stat)
	}
	for _, d := range q.metric.Metric.Dimensions {
		if "Dim."+aws.ToString(d.Name) == name {
			return aws.ToString(d.Value)
		}
	}
	return ""
}
