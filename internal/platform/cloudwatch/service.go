// Package cloudwatch keeps and answers metrics as Amazon CloudWatch does: what the embedded services record, and what
// callers put; and the alarms on them. It is what a release is judged by: metrics with metric maths, and alarms, each
// whole. Dashboards, anomaly detection and Metrics Insights are refused by name.
//
// Data is held in memory, by the second for three hours and by the minute for fifteen days, as AWS keeps
// high-resolution metrics, within a bound on bytes; and in the store, from where a restart takes it up again.
package cloudwatch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// Config says whose metrics these are and how many there may be.
type Config struct {
	Account string       // 12 digits; "" means 000000000000
	Region  string       // "" means us-east-1
	Clock   clock.Clock  // nil means clock.System
	Logger  *slog.Logger // nil discards
	Store   store.Store  // where alarms and metrics are kept; nil keeps them in memory
	// MaxBytes bounds the memory of data points; 0 means 256 MiB. Beyond it a metric that records drops its own
	// oldest data.
	MaxBytes int64
	// MaxMetrics bounds how many metrics (by namespace, name, dimensions and unit) there are; 0 means 100,000.
	// Beyond it new ones are refused.
	MaxMetrics int
}

// Service is CloudWatch. All methods may be called from any goroutine.
type Service struct {
	cfg    Config
	shards int // accumulators of a series; a power of two
	hand   secondHand

	mu     sync.RWMutex
	series map[seriesKey]*series
	full   bool // told once that MaxMetrics was met

	bytes atomic.Int64 // of data points, about

	alarms   alarms
	keep     keeper
	putting  sync.RWMutex // read-held from a put's storing to its adding
	watching atomic.Bool  // Watch was called: timers may be set
}

// New makes an empty service. It fails on negative bounds.
func New(cfg Config) (*Service, error) {
	if cfg.MaxBytes < 0 || cfg.MaxMetrics < 0 {
		return nil, errors.New("cloudwatch: MaxBytes and MaxMetrics must not be negative")
	}
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Store == nil {
		cfg.Store = memory.New()
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 256 << 20
	}
	if cfg.MaxMetrics == 0 {
		cfg.MaxMetrics = 100_000
	}
	s := &Service{cfg: cfg, shards: shardCount(), series: map[seriesKey]*series{}}
	s.hand.init(cfg.Clock)
	if err := s.loadAlarms(context.Background()); err != nil {
		return nil, err
	}
	if err := s.openKeeper(context.Background()); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the evaluation of alarms and writes what is to be kept; actions that are not taken yet are at the next start.
// It is idempotent.
func (s *Service) Close() error {
	s.alarms.mu.Lock()
	closed := s.alarms.closed
	s.alarms.closed = true
	if s.alarms.wake != nil {
		s.alarms.wake()
		s.alarms.wake = nil
	}
	s.alarms.mu.Unlock()
	s.alarms.end()
	s.alarms.acting.Wait()
	if closed {
		return nil
	}
	if <-s.keep.loaded; s.keep.failed != nil {
		return nil //nolint:nilerr // it is logged; nothing may be written over what was not read
	}
	return s.write(context.Background())
}

// API returns the operation table. The Go SDK speaks CBOR to it, the AWS CLI and boto3 JSON 1.0, older clients Query.
func (s *Service) API() *awsproto.Service {
	return &awsproto.Service{
		Name:       "monitoring",
		Target:     "GraniteServiceVersion20100801",
		APIVersion: "2010-08-01",
		Namespace:  "http://monitoring.amazonaws.com/doc/2010-08-01/",
		Protocols:  []awsproto.Protocol{awsproto.RPCV2CBOR, awsproto.AWSJSON10, awsproto.AWSQuery},
		MaxBody:    4 << 20,
		// Of alarms on queries, which are refused by name; their parameters must be readable for that.
		Unions: []any{&types.EvaluationCriteriaMemberPromQLCriteria{}, &types.EvaluationWindowMemberSlidingWindow{}, &types.EvaluationWindowMemberWallClockWindow{}},
		Operations: []awsproto.Operation{
			awsproto.Op(s.PutMetricData),
			awsproto.Op(s.GetMetricData),
			awsproto.Op(s.GetMetricStatistics),
			awsproto.Op(s.ListMetrics),
			awsproto.Op(s.PutMetricAlarm),
			awsproto.Op(s.PutCompositeAlarm),
			awsproto.Op(s.DescribeAlarms),
			awsproto.Op(s.DescribeAlarmsForMetric),
			awsproto.Op(s.DescribeAlarmHistory),
			awsproto.Op(s.SetAlarmState),
			awsproto.Op(s.EnableAlarmActions),
			awsproto.Op(s.DisableAlarmActions),
			awsproto.Op(s.DeleteAlarms),
			awsproto.Op(s.TagResource),
			awsproto.Op(s.UntagResource),
			awsproto.Op(s.ListTagsForResource),
		},
	}
}
