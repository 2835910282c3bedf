package cloudwatch

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/metricmath"
)

// Limits of GetMetricData.
const (
	maxQueries    = 500
	maxDataPoints = 100_800
)

// GetMetricData returns statistics of metrics over time, and expressions over them. SEARCH and Metrics Insights are
// refused by name. A token says at which result and time to go on.
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
	results, err := s.plan(queries, start, end).results()
	if err != nil {
		return nil, err
	}
	out := &cloudwatch.GetMetricDataOutput{MetricDataResults: []types.MetricDataResult{}, Messages: []types.MessageData{}}
	for i := at.Result; i < len(results); i++ {
		points := results[i].points
		if !ascending {
			slices.Reverse(points)
		}
		if i == at.Result && at.Started {
			points = at.rest(points, ascending)
		}
		left := most - counted(out)
		result := types.MetricDataResult{
			Id: aws.String(results[i].id), Label: aws.String(results[i].label), StatusCode: types.StatusCodeComplete,
			Timestamps: []time.Time{}, Values: []float64{},
		}
		more := len(points) > left
		if more {
			next := pageToken{Result: i, Time: points[left].At, Started: true}
			points = points[:left]
			result.StatusCode = types.StatusCodePartialData
			out.NextToken = aws.String(next.seal(in))
		}
		for _, p := range points {
			result.Timestamps = append(result.Timestamps, time.Unix(p.At, 0).UTC())
			result.Values = append(result.Values, p.V)
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

// pageToken says where the next page begins. It is bound to its request.
type pageToken struct {
	Result  int    `json:"q"`
	Time    int64  `json:"t"`
	Started bool   `json:"s"`
	Request string `json:"r"`
}

// rest drops the points that earlier pages had.
func (t pageToken) rest(points []metricmath.Point, ascending bool) []metricmath.Point {
	for i, p := range points {
		if p.At == t.Time || (p.At > t.Time) == ascending {
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
	if err != nil || t.Request != requestSum(in) || t.Result < 0 {
		return t, &types.InvalidNextToken{Message: aws.String("The NextToken is not one of this request.")}
	}
	return t, nil
}
