package cloudwatch

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// seriesKey identifies a series. Dimensions are written as name NUL value NUL …, in order of their names.
type seriesKey struct{ namespace, metric, dims, unit string }

// metricKey identifies a metric, whatever the unit.
type metricKey struct{ namespace, metric, dims string }

func (k seriesKey) of() metricKey { return metricKey{k.namespace, k.metric, k.dims} }

// sortDimensions returns the dimensions in order of their names, as a copy.
func sortDimensions(dims []types.Dimension) []types.Dimension {
	out := slices.Clone(dims)
	slices.SortStableFunc(out, func(a, b types.Dimension) int { return strings.Compare(aws.ToString(a.Name), aws.ToString(b.Name)) })
	return out
}

func dimsKey(sorted []types.Dimension) string {
	var b strings.Builder
	for _, d := range sorted {
		b.WriteString(aws.ToString(d.Name))
		b.WriteByte(0)
		b.WriteString(aws.ToString(d.Value))
		b.WriteByte(0)
	}
	return b.String()
}

// Series returns a function that records one value of a metric, now. dims are names and values in turn; an odd last one
// is ignored; unit is one of AWS's, anything else means None. Getting it costs a look-up, so callers keep it; calling it costs
// some tens of nanoseconds and is safe from any goroutine. When the service has as many metrics as it may, the function
// records nothing, which is logged once.
func (s *Service) Series(namespace, metric, unit string, dims ...string) func(value float64) {
	list := make([]types.Dimension, 0, len(dims)/2)
	for i := 0; i+1 < len(dims); i += 2 {
		list = append(list, types.Dimension{Name: aws.String(dims[i]), Value: aws.String(dims[i+1])})
	}
	sr := s.get(namespace, metric, list, types.StandardUnit(unit), true)
	if sr == nil {
		return func(float64) {}
	}
	return sr.record
}

// get returns the series of a metric and unit, making it when it is new; nil when there are too many.
func (s *Service) get(namespace, metric string, dims []types.Dimension, unit types.StandardUnit, pin bool) *series {
	if !slices.Contains(unit.Values(), unit) {
		unit = types.StandardUnitNone
	}
	sorted := sortDimensions(dims)
	k := seriesKey{namespace, metric, dimsKey(sorted), string(unit)}
	now := s.cfg.Clock.Now().Unix()
	s.mu.RLock()
	sr := s.series[k]
	found := sr != nil && (sr.pinned || !pin)
	if found {
		sr.used.Store(now)
	}
	s.mu.RUnlock()
	if found {
		return sr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sr = s.series[k]
	if sr == nil {
		if len(s.series) >= s.cfg.MaxMetrics {
			s.forgetDead()
		}
		if len(s.series) >= s.cfg.MaxMetrics {
			if !s.full {
				s.full = true
				s.cfg.Logger.Warn("CloudWatch holds as many metrics as it may; new ones are not recorded", "limit", s.cfg.MaxMetrics,
					"namespace", namespace, "metric", metric)
			}
			return nil
		}
		sr = s.newSeries(k, sorted, unit)
		s.series[k] = sr
	}
	sr.pinned = sr.pinned || pin
	sr.used.Store(now)
	return sr
}

// forgetDead drops the series that hold no data any more and that no recorder has. The caller holds the lock.
func (s *Service) forgetDead() {
	oldest := s.cfg.Clock.Now().Unix() - keepMinutes
	for k, sr := range s.series {
		if !sr.pinned && sr.used.Load() < oldest && sr.lastData() < oldest {
			delete(s.series, k)
		}
	}
}

// find returns the series of a metric: all units, or the given one. After the start it waits for what the store has.
func (s *Service) find(m *types.Metric, unit types.StandardUnit) []*series {
	<-s.keep.loaded
	k := seriesKey{namespace: aws.ToString(m.Namespace), metric: aws.ToString(m.MetricName), dims: dimsKey(sortDimensions(m.Dimensions))}
	units := unit.Values()
	if unit != "" {
		units = []types.StandardUnit{unit}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*series
	for _, u := range units {
		k.unit = string(u)
		if sr := s.series[k]; sr != nil {
			found = append(found, sr)
		}
	}
	return found
}
