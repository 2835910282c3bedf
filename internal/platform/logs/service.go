// Package logs is Amazon CloudWatch Logs: groups, streams and their events, put by callers and by functions, and read in
// the order of their time. It speaks in aws-sdk-go-v2's types; an operation is one method and one line in API.
//
// What PutLogEvents has acknowledged is in the store. What functions log is collected for half a second before it is
// written, as nobody waits for it; reading an event writes what is collected first, so it is seen at once.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html
package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/store"
)

// Config says what a service works with. Store must be set.
type Config struct {
	Store   store.Store
	Clock   clock.Clock  // clock.System when nil
	Account string       // twelve digits; 000000000000 when empty
	Region  string       // us-east-1 when empty
	Logger  *slog.Logger // discards when nil
	// MaxBytes bounds all events together; 0 means 512 MiB. Beyond it the oldest go, of whatever group they are.
	MaxBytes int64
}

// Service is CloudWatch Logs. Its methods may be called from any goroutine.
type Service struct {
	cfg  Config
	load func() error // reads groups and streams, when they are first asked for

	mu      sync.Mutex
	groups  map[string]*group
	pending int64            // bytes collected and not written
	dirty   map[*stream]bool // those with collected events
	wake    func() bool      // stops the timer of the next write; nil when none is set
	bytes   int64            // of all events that are written
	serials uint64           // of streams, the last one given

	writing sync.Mutex // held while collected events are written
	sweeps  chan struct{}
	done    chan struct{}
	ended   sync.WaitGroup
	close   sync.Once
}

// New makes the service. It reads nothing yet: the first call does.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.MaxBytes < 0 {
		return nil, errors.New("logs: a store is needed, and MaxBytes must not be negative")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 512 << 20
	}
	s := &Service{cfg: cfg, groups: map[string]*group{}, dirty: map[*stream]bool{}, sweeps: make(chan struct{}, 1), done: make(chan struct{})}
	s.load = sync.OnceValue(s.read)
	s.ended.Go(s.sweep)
	return s, nil
}

// Close writes what is collected. It does not close the store. It is idempotent.
func (s *Service) Close() (err error) {
	s.close.Do(func() {
		close(s.done)
		s.ended.Wait()
		err = s.write(context.Background())
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.wake != nil {
			s.wake()
		}
	})
	return err
}

// API returns the operation table. What is not in it (queries, filters of metrics and subscriptions, deliveries, anomaly
// detection, live tail, keys) is refused by name.
func (s *Service) API() *awsproto.Service {
	return &awsproto.Service{
		Name:      "logs",
		Target:    "Logs_20140328",
		Protocols: []awsproto.Protocol{awsproto.AWSJSON11},
		Naming:    awsproto.LowerCamel,
		MaxBody:   2 << 20,
		Operations: []awsproto.Operation{
			awsproto.Op(s.CreateLogGroup),
			awsproto.Op(s.CreateLogStream),
			awsproto.Op(s.DeleteLogGroup),
			awsproto.Op(s.DeleteLogStream),
			awsproto.Op(s.DeleteRetentionPolicy),
			awsproto.Op(s.DescribeLogGroups),
			awsproto.Op(s.DescribeLogStreams),
			awsproto.Op(s.FilterLogEvents),
			awsproto.Op(s.GetLogEvents),
			awsproto.Op(s.ListTagsForResource),
			awsproto.Op(s.PutLogEvents),
			awsproto.Op(s.PutRetentionPolicy),
			awsproto.Op(s.TagResource),
			awsproto.Op(s.UntagResource),
		},
	}
}

// now is the platform's time in milliseconds, the unit of all times here.
func (s *Service) now() int64 { return s.cfg.Clock.Now().UnixMilli() }

// sweepEvery is how often old events are looked for.
const sweepEvery = time.Hour

// sweep removes events that are too old or too many, now and then, until Close.
func (s *Service) sweep() {
	for {
		due := make(chan struct{})
		stop := s.cfg.Clock.AfterFunc(sweepEvery, func() { close(due) })
		select {
		case <-due:
		case <-s.sweeps:
			stop()
		case <-s.done:
			stop()
			return
		}
		if err := s.prune(context.Background()); err != nil {
			s.cfg.Logger.Error("logs: old events could not be removed; they are looked for again in an hour", "error", err)
		}
	}
}

// arn names a group, and a stream of it when one is given.
func (s *Service) arn(group, stream string) string {
	arn := fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s", s.cfg.Region, s.cfg.Account, group)
	if stream != "" {
		arn += ":log-stream:" + stream
	}
	return arn
}
