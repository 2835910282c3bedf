package cloudwatch

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// Limits of GetMetricData.
const (
	maxQueries    = 500
	maxDataPoints = 100_800
)

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

// GetMetricData returns statistics of single metrics over time. Metric maths and Metrics Insights are refused by name.
// Its pages are consistent in time: a token says at which query and time to go on.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
func (s *Service) GetMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput) (*cloudwatch.GetMetricDataOutput, error) {
	start, end, err := timesOf(in.StartTime, in.EndTime)
	if err != nil {
		return nil, err
	}
	if in.ScanBy != "" && !slices.Contains(in.ScanBy.Values(), in.ScanBy) {
		return nil, invalid(in.ScanBy, "ScanBy")
	}
	most := maxDataPoints
	if in.MaxDatapoints != nil {
		if most = int(*in.MaxDatapoints); most < 1 || most > maxDataPoints {
			return nil, validation("The parameter MaxDatapoints must be between 1 and %d.", maxDataPoints)
		}
	}
	queries, err := s.readQueries(in.MetricDataQueries)
	if err != nil {
		return nil, err
	}
	ascending := in.ScanBy == types.ScanByTimestampAscending
	at, err := openToken(in)
	if err != nil {
		return nil, err
	}
	out := &cloudwatch.GetMetricDataOutput{MetricDataResults: []types.MetricDataResult{}, Messages: []types.MessageData{}}
	for i := at.Query; i < len(queries); i++ {
		q := &queries[i]
		if !q.returned {
			continue
		}
		points := q.points(start, end)
		if !ascending {
			slices.Reverse(points)
		}
		if i == at.Query && at.Started {
			points = at.rest(points, ascending)
		}
		left := most - counted(out)
		result := types.MetricDataResult{
			Id: aws.String(q.id), Label: aws.String(q.label), StatusCode: types.StatusCodeComplete,
			Timestamps: []time.Time{}, Values: []float64{},
		}
		more := len(points) > left
		if more {
			next := pageToken{Query: i, Time: points[left].at, Started: true}
			points = points[:left]
			result.StatusCode = types.StatusCodePartialData
			out.NextToken = aws.String(next.seal(in))
		}
		for _, p := range points {
			result.Timestamps = append(result.Timestamps, time.Unix(p.at, 0).UTC())
			result.Values = append(result.Values, p.value)
		}
		out.MetricDataResults = append(out.MetricDataResults, result)
		if more {
			break
		}
	}
	return out, nil
}

func counted(out *cloudwatch.GetMetricDataOutput) (n int) {
	for i := range out.MetricDataResults {
		n += len(out.MetricDataResults[i].Values)
	}
	return n
}

func timesOf(start, end *time.Time) (from, to time.Time, err error) {
	if start == nil {
		return from, to, missing("StartTime")
	}
	if end == nil {
		return from, to, missing("EndTime")
	}
	if !start.Before(*end) {
		return from, to, validation("The parameter StartTime must be less than the parameter EndTime.")
	}
	return *start, *end, nil
}

// query is a checked MetricDataQuery.
type query struct {
	id, label string
	series    []*series
	period    int64
	stat      statistic
	returned  bool
}

func (s *Service) readQueries(in []types.MetricDataQuery) ([]query, error) {
	if len(in) == 0 {
		return nil, missing("MetricDataQueries")
	}
	if len(in) > maxQueries {
		return nil, validation("The collection MetricDataQueries must not have a size greater than %d.", maxQueries)
	}
	queries := make([]query, 0, len(in))
	seen := map[string]bool{}
	for i := range in {
		q, err := s.readQuery(&in[i], fmt.Sprintf("MetricDataQueries.member.%d", i+1))
		if err != nil {
			return nil, err
		}
		if seen[q.id] {
			return nil, validation("The values for parameter id in MetricDataQueries are not unique: %s.", q.id)
		}
		seen[q.id] = true
		queries = append(queries, q)
	}
	return queries, nil
}

func (s *Service) readQuery(in *types.MetricDataQuery, param string) (query, error) {
	q := query{id: aws.ToString(in.Id), label: aws.ToString(in.Label), returned: in.ReturnData == nil || *in.ReturnData}
	if q.id == "" {
		return q, missing(param + ".Id")
	}
	if !queryID.MatchString(q.id) {
		return q, validation("The value %s for parameter %s.Id is not matching the expected pattern: it begins with a lower-case letter and goes on with letters, numbers and underscores.", q.id, param)
	}
	switch {
	case in.Expression != nil && in.MetricStat != nil:
		return q, combination("The parameters %s.Expression and %s.MetricStat are mutually exclusive and you have specified both.", param, param)
	case in.Expression != nil:
		return q, validation("The expression %q of %s is not supported by this endpoint: metric maths and Metrics Insights are not served; query the metrics with MetricStat and combine them yourself.", *in.Expression, param)
	case in.MetricStat == nil:
		return q, validation("Either %s.MetricStat or %s.Expression must be specified.", param, param)
	case strings.Contains(q.label, "${"):
		return q, validation("The dynamic label %q of %s is not supported by this endpoint: give a plain one.", q.label, param)
	case in.AccountId != nil && *in.AccountId != s.cfg.Account:
		return q, validation("The account %s of %s.AccountId is not this one (%s).", *in.AccountId, param, s.cfg.Account)
	}
	return q, s.readMetricStat(&q, in.MetricStat, param+".MetricStat")
}

func (s *Service) readMetricStat(q *query, in *types.MetricStat, param string) error {
	if in.Metric == nil {
		return missing(param + ".Metric")
	}
	if err := checkNamespace(in.Metric.Namespace, param+".Metric.Namespace"); err != nil {
		return err
	}
	if err := checkMetricName(in.Metric.MetricName, param+".Metric.MetricName"); err != nil {
		return err
	}
	if err := checkDimensions(in.Metric.Dimensions, param+".Metric.Dimensions"); err != nil {
		return err
	}
	if in.Period == nil {
		return missing(param + ".Period")
	}
	if !periodOK(*in.Period) {
		return validation("The value %d for parameter %s.Period is invalid: it must be 1, 5, 10, 20, 30 or a multiple of 60.", *in.Period, param)
	}
	if err := checkUnit(in.Unit, param+".Unit"); err != nil {
		return err
	}
	name := aws.ToString(in.Stat)
	if name == "" {
		return missing(param + ".Stat")
	}
	stat, reason := parseStatistic(name)
	if stat == nil {
		if reason != "" {
			return validation("The statistic %s of %s.Stat is not supported by this endpoint: %s.", name, param, reason)
		}
		return validation("The value %s for parameter %s.Stat is not a statistic.", name, param)
	}
	q.period, q.stat, q.series = int64(*in.Period), stat, s.find(in.Metric, in.Unit)
	if q.label == "" {
		q.label = *in.Metric.MetricName
	}
	return nil
}

type dataPoint struct {
	at    int64
	value float64
}

// points evaluates the query over its whole window, in order of time.
func (q *query) points(start, end time.Time) []dataPoint {
	var points []dataPoint
	for _, b := range aggregate(q.series, windowOf(start, end, q.period), q.period) {
		if v, ok := q.stat(&b.summary); ok {
			points = append(points, dataPoint{b.at, v})
		}
	}
	return points
}

// aggregate merges the data of several series into periods counted from the window's start; only periods with data come
// back, in order of time.
func aggregate(from []*series, w window, period int64) []span {
	var spans []span
	index := map[int64]int{}
	for _, sr := range from {
		// A period that begins within the window counts whole.
		to := w.to
		if over := (to - w.from) % period; over != 0 {
			to += period - over
		}
		sr.read(w.from, to, period < 60, func(at int64, in *summary) {
			at -= (at - w.from) % period
			i, ok := index[at]
			if !ok {
				i = len(spans)
				index[at] = i
				spans = append(spans, span{at: at})
			}
			spans[i].merge(in, queryEntries)
		})
	}
	if len(from) > 1 {
		slices.SortFunc(spans, func(a, b span) int { return int(a.at - b.at) })
	}
	return spans
}

// pageToken says where the next page begins. It is bound to its request.
type pageToken struct {
	Query   int    `json:"q"`
	Time    int64  `json:"t"`
	Started bool   `json:"s"`
	Request string `json:"r"`
}

// rest drops the points that earlier pages had.
func (t pageToken) rest(points []dataPoint, ascending bool) []dataPoint {
	for i, p := range points {
		if p.at == t.Time || (p.at > t.Time) == ascending {
			return points[i:]
		}
	}
	return nil
}

// requestSum identifies what a token belongs to: everything but the token itself and the page size.
func requestSum(in *cloudwatch.GetMetricDataInput) string {
	h := sha256.New()
	e := json.NewEncoder(h)
	for _, v := range []any{in.MetricDataQueries, in.StartTime.UnixMilli(), in.EndTime.UnixMilli(), in.ScanBy} {
		_ = e.Encode(v) // into a hash, of values that were decoded: it cannot fail
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (t pageToken) seal(in *cloudwatch.GetMetricDataInput) string {
	t.Request = requestSum(in)
	b, _ := json.Marshal(t) // numbers and text
	return base64.RawURLEncoding.EncodeToString(b)
}

func openToken(in *cloudwatch.GetMetricDataInput) (t pageToken, err error) {
	if aws.ToString(in.NextToken) == "" {
		return t, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil || t.Request != requestSum(in) || t.Query < 0 || t.Query >= len(in.MetricDataQueries) {
		return t, &types.InvalidNextToken{Message: aws.String("The NextToken is not one of this request.")}
	}
	return t, nil
}
