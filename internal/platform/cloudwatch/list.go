package cloudwatch

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

const (
	listPage       = 500
	listSeconds    = 14 * 24 * 60 * 60 // metrics with data in the past two weeks are listed
	recentlyActive = 3 * 60 * 60
)

// ListMetrics lists the metrics that match, 500 at a time, in order of namespace, name and dimensions.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
func (s *Service) ListMetrics(_ context.Context, in *cloudwatch.ListMetricsInput) (*cloudwatch.ListMetricsOutput, error) {
	if len(in.Dimensions) > 10 {
		return nil, validation("The collection Dimensions must not have a size greater than 10.")
	}
	for _, f := range in.Dimensions {
		if aws.ToString(f.Name) == "" {
			return nil, missing("Dimensions.member.Name")
		}
	}
	since := s.cfg.Clock.Now().Unix() - listSeconds
	switch in.RecentlyActive {
	case "":
	case types.RecentlyActivePt3h:
		since += listSeconds - recentlyActive
	default:
		return nil, invalid(in.RecentlyActive, "RecentlyActive")
	}
	after, err := openListToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &cloudwatch.ListMetricsOutput{Metrics: []types.Metric{}}
	if in.OwningAccount != nil && *in.OwningAccount != s.cfg.Account {
		return out, nil
	}
	var last metricKey
	for _, sr := range s.matching(in, after) {
		k := sr.key.of()
		if k == last || sr.lastData() < since { // another unit of the same metric, or nothing to show
			continue
		}
		if len(out.Metrics) == listPage {
			out.NextToken = aws.String(sealListToken(last))
			break
		}
		last = k
		out.Metrics = append(out.Metrics, types.Metric{
			Namespace: aws.String(k.namespace), MetricName: aws.String(k.metric), Dimensions: append([]types.Dimension{}, sr.dims...),
		})
		if aws.ToBool(in.IncludeLinkedAccounts) {
			out.OwningAccounts = append(out.OwningAccounts, s.cfg.Account)
		}
	}
	return out, nil
}

// matching returns the series that a request asks for, after the given metric, in order.
func (s *Service) matching(in *cloudwatch.ListMetricsInput, after metricKey) []*series {
	<-s.keep.loaded
	s.mu.RLock()
	var found []*series
	for k, sr := range s.series {
		if in.Namespace != nil && k.namespace != *in.Namespace || in.MetricName != nil && k.metric != *in.MetricName {
			continue
		}
		if compareMetrics(k.of(), after) > 0 && hasDimensions(sr.dims, in.Dimensions) {
			found = append(found, sr)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(found, func(a, b *series) int {
		return cmp.Or(compareMetrics(a.key.of(), b.key.of()), strings.Compare(a.key.unit, b.key.unit))
	})
	return found
}

func compareMetrics(a, b metricKey) int {
	return cmp.Or(strings.Compare(a.namespace, b.namespace), strings.Compare(a.metric, b.metric), strings.Compare(a.dims, b.dims))
}

// hasDimensions tells whether every filter meets a dimension: its name and, when given, its value.
func hasDimensions(dims []types.Dimension, filters []types.DimensionFilter) bool {
	for _, f := range filters {
		if !slices.ContainsFunc(dims, func(d types.Dimension) bool {
			return *d.Name == *f.Name && (f.Value == nil || *d.Value == *f.Value)
		}) {
			return false
		}
	}
	return true
}

// The token of a page is the last metric of the one before.
func sealListToken(k metricKey) string {
	return base64.RawURLEncoding.EncodeToString([]byte(k.namespace + "\x01" + k.metric + "\x01" + k.dims))
}

func openListToken(token *string) (metricKey, error) {
	if aws.ToString(token) == "" {
		return metricKey{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	parts := strings.SplitN(string(b), "\x01", 3)
	if err != nil || len(parts) != 3 {
		return metricKey{}, &types.InvalidNextToken{Message: aws.String("The NextToken is not one of ListMetrics.")}
	}
	return metricKey{parts[0], parts[1], parts[2]}, nil
}
