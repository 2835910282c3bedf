package cloudwatch

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// Limits of PutMetricData.
const (
	maxData      = 1000 // metrics in one call
	maxDatumSize = 150  // distinct values of one metric in one call
	maxPast      = 14 * 24 * time.Hour
	maxFuture    = 2 * time.Hour
)

// PutMetricData stores data points, durably; all of them, or none when one is refused. Entities are not kept: their metrics are
// stored as any others.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
func (s *Service) PutMetricData(ctx context.Context, in *cloudwatch.PutMetricDataInput) (*cloudwatch.PutMetricDataOutput, error) {
	if err := checkNamespace(in.Namespace, "Namespace"); err != nil {
		return nil, err
	}
	if strings.HasPrefix(*in.Namespace, "AWS/") {
		return nil, invalid("AWS/", "Namespace")
	}
	type part struct {
		param string
		data  []types.MetricDatum
	}
	parts := []part{{"MetricData", in.MetricData}}
	total := len(in.MetricData)
	for i, e := range in.EntityMetricData {
		parts = append(parts, part{fmt.Sprintf("EntityMetricData.member.%d.MetricData", i+1), e.MetricData})
		total += len(e.MetricData)
	}
	if total == 0 {
		return nil, missing("MetricData")
	}
	if total > maxData {
		return nil, invalidBecause("The collection MetricData must not have a size greater than %d.", maxData)
	}
	now := s.cfg.Clock.Now()
	points := make([]point, 0, total)
	for _, p := range parts {
		for i := range p.data {
			pt, err := readDatum(&p.data[i], p.param+".member."+strconv.Itoa(i+1), now)
			if err != nil {
				return nil, err
			}
			points = append(points, pt)
		}
	}
	for i := range points {
		p := &points[i]
		if p.to = s.get(*in.Namespace, *p.datum.MetricName, p.datum.Dimensions, p.datum.Unit, false); p.to == nil {
			return nil, &types.LimitExceededFault{Message: aws.String(fmt.Sprintf(
				"This endpoint holds %d metrics, which is its limit.", s.cfg.MaxMetrics))}
		}
	}
	s.putting.RLock()
	defer s.putting.RUnlock()
	if err := s.keepPut(ctx, *in.Namespace, points); err != nil {
		return nil, err
	}
	for i := range points {
		p := &points[i]
		p.to.store(p.at, &p.in, p.highResolution)
	}
	return &cloudwatch.PutMetricDataOutput{}, nil
}

// point is a checked datum.
type point struct {
	datum          *types.MetricDatum
	to             *series
	at             int64
	in             summary
	highResolution bool
}

func readDatum(d *types.MetricDatum, param string, now time.Time) (point, error) {
	p := point{datum: d, at: now.Unix()}
	if err := checkMetricName(d.MetricName, param+".MetricName"); err != nil {
		return p, err
	}
	if err := checkDimensions(d.Dimensions, param+".Dimensions"); err != nil {
		return p, err
	}
	if err := checkUnit(d.Unit, param+".Unit"); err != nil {
		return p, err
	}
	switch r := aws.ToInt32(d.StorageResolution); r {
	case 0, 60:
	case 1:
		p.highResolution = true
	default:
		return p, invalid(r, param+".StorageResolution")
	}
	if t := d.Timestamp; t != nil {
		if t.Before(now.Add(-maxPast)) {
			return p, invalidBecause("The value %s for parameter %s.Timestamp must be specified within two weeks of the current time.",
				t.UTC().Format(time.RFC3339), param)
		}
		if t.After(now.Add(maxFuture)) {
			return p, invalidBecause("The value %s for parameter %s.Timestamp must not be more than two hours in the future.",
				t.UTC().Format(time.RFC3339), param)
		}
		p.at = t.Unix()
	}
	return p, p.readValues(d, param)
}

// readValues takes exactly one of Value, StatisticValues and Values with Counts.
func (p *point) readValues(d *types.MetricDatum, param string) error {
	given := 0
	for _, has := range []bool{d.Value != nil, d.StatisticValues != nil, len(d.Values) > 0} {
		if has {
			given++
		}
	}
	switch {
	case given == 0:
		return &types.MissingRequiredParameterException{Message: aws.String(
			"At least one of the parameters " + param + ".Value, " + param + ".Values or " + param + ".StatisticValues must be specified.")}
	case given > 1:
		return combination("The parameters %s.Value, %s.Values and %s.StatisticValues are mutually exclusive and you have specified more than one.", param, param, param)
	case d.Value != nil:
		if err := checkValue(*d.Value, param+".Value"); err != nil {
			return err
		}
		p.in.add(*d.Value, 1, minuteEntries)
		return nil
	case d.StatisticValues != nil:
		return p.readSet(d.StatisticValues, param+".StatisticValues")
	}
	if len(d.Values) > maxDatumSize {
		return invalidBecause("The collection %s.Values must not have a size greater than %d.", param, maxDatumSize)
	}
	if len(d.Counts) > 0 && len(d.Counts) != len(d.Values) {
		return combination("The parameters %s.Values and %s.Counts must have the same number of members.", param, param)
	}
	for i, v := range d.Values {
		at := ".member." + strconv.Itoa(i+1)
		if err := checkValue(v, param+".Values"+at); err != nil {
			return err
		}
		n := 1.0
		if len(d.Counts) > 0 {
			n = d.Counts[i]
			if err := checkValue(n, param+".Counts"+at); err != nil || n < 0 {
				return invalid(n, param+".Counts"+at)
			}
		}
		if n > 0 {
			p.in.add(v, n, minuteEntries)
		}
	}
	return nil
}

func (p *point) readSet(set *types.StatisticSet, param string) error {
	for _, m := range []struct {
		name  string
		value *float64
	}{{"SampleCount", set.SampleCount}, {"Sum", set.Sum}, {"Minimum", set.Minimum}, {"Maximum", set.Maximum}} {
		if m.value == nil {
			return missing(param + "." + m.name)
		}
		if err := checkValue(*m.value, param+"."+m.name); err != nil {
			return err
		}
	}
	if *set.SampleCount < 0 {
		return invalid(*set.SampleCount, param+".SampleCount")
	}
	if *set.Minimum > *set.Maximum {
		return combination("The parameter %s.Maximum must be greater than or equal to %s.Minimum.", param, param)
	}
	if *set.SampleCount == 0 {
		return nil
	}
	p.in = summary{n: *set.SampleCount, sum: *set.Sum, min: *set.Minimum, max: *set.Maximum, opaque: *set.Minimum != *set.Maximum}
	return nil
}
