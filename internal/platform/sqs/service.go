// Package sqs is Amazon SQS: standard and FIFO queues, long polling, dead-letter queues. It speaks in aws-sdk-go-v2's types;
// an operation is one method and one line in API.
//
// A message is two rows of the store, one with its body and one with what changes when it is received; memory holds only
// the latter, in an index that decides which message is next (order). Whatever an operation acknowledges is in the store
// before: a message that was sent survives, one that was received and not deleted comes back when its visibility timeout
// is over, and its count of receives is exact. Times are the platform's.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
package sqs

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

// Meter records metrics. Series gives a function that records one value now in the series of this namespace, metric and
// dimensions (name, value pairs); both may be called from any goroutine.
type Meter interface {
	Series(namespace, metric, unit string, dims ...string) func(value float64)
}

// Config says what a service works with. Store must be set.
type Config struct {
	Store    store.Store
	Meter    Meter        // records nothing when nil
	Clock    clock.Clock  // clock.System when nil
	Account  string       // twelve digits; 000000000000 when empty
	Region   string       // us-east-1 when empty
	Endpoint string       // host:port in the queue URLs of callers that came without HTTP
	Logger   *slog.Logger // discards when nil
}

// Service is SQS. Its methods may be called from any goroutine.
type Service struct {
	cfg  Config
	load func() error // reads the queues, when they are first asked for

	lists   sync.Mutex // held by what makes, changes or deletes a queue, its write to the store included
	mu      sync.RWMutex
	queues  map[string]*queue
	deleted map[string]int64 // name → when, of queues deleted a short time ago

	done   chan struct{}
	ended  sync.WaitGroup
	closed sync.Once
}

// New makes the service. It reads nothing yet: the first call does, or the first minute.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("sqs: a store is needed")
	}
	if cfg.Meter == nil {
		cfg.Meter = noMeter{}
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
	if cfg.Endpoint == "" {
		cfg.Endpoint = "localhost"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, queues: map[string]*queue{}, deleted: map[string]int64{}, done: make(chan struct{})}
	s.load = sync.OnceValue(s.read)
	s.ended.Go(s.everyMinute)
	return s, nil
}

// Close ends the requests that wait for messages. It does not close the store. It is idempotent.
func (s *Service) Close() error {
	s.closed.Do(func() { close(s.done) })
	s.ended.Wait()
	return nil
}

// API returns the operation table. What is not in it (permissions, moves of messages) is refused by name. AWS's clients
// speak the Query protocol up to late 2023 and JSON since.
func (s *Service) API() *awsproto.Service {
	return &awsproto.Service{
		Name:       "sqs",
		Target:     "AmazonSQS",
		APIVersion: "2012-11-05",
		Namespace:  "http://queue.amazonaws.com/doc/2012-11-05/",
		URLMember:  "QueueUrl",
		Protocols:  []awsproto.Protocol{awsproto.AWSJSON10, awsproto.AWSQuery},
		MaxBody:    8 << 20, // ten messages of the largest batch with JSON's escapes
		Operations: []awsproto.Operation{
			awsproto.Op(s.ChangeMessageVisibility),
			awsproto.Op(s.ChangeMessageVisibilityBatch),
			awsproto.Op(s.CreateQueue),
			awsproto.Op(s.DeleteMessage),
			awsproto.Op(s.DeleteMessageBatch),
			awsproto.Op(s.DeleteQueue),
			awsproto.Op(s.GetQueueAttributes),
			awsproto.Op(s.GetQueueUrl),
			awsproto.Op(s.ListDeadLetterSourceQueues),
			awsproto.Op(s.ListQueueTags),
			awsproto.Op(s.ListQueues),
			awsproto.Op(s.PurgeQueue),
			awsproto.Op(s.ReceiveMessage),
			awsproto.Op(s.SendMessage),
			awsproto.Op(s.SendMessageBatch),
			awsproto.Op(s.SetQueueAttributes),
			awsproto.Op(s.TagQueue),
			awsproto.Op(s.UntagQueue),
		},
	}
}

// now is the platform's time in milliseconds, the unit of all times here.
func (s *Service) now() int64 { return s.cfg.Clock.Now().UnixMilli() }

// everyMinute removes messages that are too old and records the gauges, until Close.
func (s *Service) everyMinute() {
	for {
		due := make(chan struct{})
		stop := s.cfg.Clock.AfterFunc(time.Minute, func() { close(due) })
		select {
		case <-due:
		case <-s.done:
			stop()
			return
		}
		if err := s.load(); err != nil {
			s.cfg.Logger.Error("sqs: the queues cannot be read", "error", err)
			continue
		}
		for _, q := range s.all() {
			if err := s.sweep(context.Background(), q); err != nil {
				s.cfg.Logger.Error("sqs: old messages could not be removed; they are looked for again in a minute", "queue", q.record().Name, "error", err)
			}
		}
	}
}

func (s *Service) all() []*queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*queue, 0, len(s.queues))
	for _, q := range s.queues {
		all = append(all, q)
	}
	return all
}

func (s *Service) arn(name string) string {
	return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", s.cfg.Region, s.cfg.Account, name)
}

// url is a queue's address as the caller reached the endpoint.
func (s *Service) url(ctx context.Context, name string) *string {
	host := awsproto.CallOf(ctx).Host
	if host == "" {
		host = s.cfg.Endpoint
	}
	u := "http://" + host + "/" + s.cfg.Account + "/" + name
	return &u
}

type noMeter struct{}

func (noMeter) Series(string, string, string, ...string) func(float64) { return func(float64) {} }
