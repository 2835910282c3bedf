package sqs

import (
	"context"
	"math"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tealdeploy/teal/internal/store"
)

// queue is one with its messages.
type queue struct {
	now   atomic.Pointer[configured]
	meter meters
	fifo  bool

	taking sync.Mutex // held while a FIFO queue takes messages, the write included: their order is that of their serials

	mu       sync.Mutex
	order    order
	bySerial map[uint64]*message
	serial   uint64                // the last one given
	seen     map[string]seenRecord // by key in the store
	changed  chan struct{}         // closed when a message may have become visible
	used     int64                 // when it was last called
	expiry   int64                 // before when no message is too old
	gone     bool                  // deleted
}

// configured is a queue's record with what follows from it.
type configured struct {
	*queueRecord
	settings
}

func (q *queue) record() *configured { return q.now.Load() }

func (s *Service) newQueue(r *queueRecord) (*queue, error) {
	set, err := parseSettings(r.Attributes)
	if err != nil {
		return nil, err
	}
	q := &queue{
		meter: s.newMeters(r.Name), fifo: strings.HasSuffix(r.Name, fifoSuffix), bySerial: map[uint64]*message{},
		seen: map[string]seenRecord{}, changed: make(chan struct{}), serial: r.PurgedTo,
	}
	q.order = newOrder(q.fifo)
	q.now.Store(&configured{r, set})
	return q, nil
}

// put adds a message to the index and wakes those who wait. q.mu is held, or nobody else has q.
func (q *queue) put(m *message) {
	q.order.put(m)
	q.bySerial[m.serial] = m
	q.serial = max(q.serial, m.serial)
	q.expiry = 0
	q.wake()
}

// drop takes a message out of the index. q.mu is held.
func (q *queue) drop(m *message) {
	if m.gone {
		return
	}
	m.gone = true
	q.order.drop(m)
	delete(q.bySerial, m.serial)
	if q.fifo {
		q.wake() // its group may go on
	}
}

// hold keeps a message from receivers while its removal is being written. q.mu is held.
func (q *queue) hold(m *message) {
	m.leaving = true
	m.Due = math.MaxInt64
	q.order.moved(m)
}

// release undoes hold, after the removal has failed. q.mu is held.
func (q *queue) release(m *message, was messageRecord) {
	if m.gone {
		return
	}
	m.leaving, m.messageRecord = false, was
	q.expiry = 0
	q.order.moved(m)
	q.wake()
}

// move changes from when on a message can be received. q.mu is held.
func (q *queue) move(m *message, due int64) {
	m.Due = due
	q.order.moved(m)
	q.wake()
}

// wake lets those who wait for messages look again. q.mu is held.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// nextSerial gives the serial of a new message. Serials grow over restarts, whatever is left in the queue, as the clock does.
// q.mu is held.
func (q *queue) nextSerial(nowMicros int64) uint64 {
	q.serial = max(q.serial+1, uint64(nowMicros))
	return q.serial
}

// find gives the queue of a URL. Only its path counts, as the endpoint has many names.
func (s *Service) find(url *string) (*queue, error) {
	if aws.ToString(url) == "" {
		return nil, missing("QueueUrl")
	}
	_, path, ok := strings.Cut(*url, "://")
	if ok {
		_, path, ok = strings.Cut(path, "/")
	}
	account, name, two := strings.Cut(path, "/")
	if !ok || !two || strings.Contains(name, "/") {
		return nil, &types.InvalidAddress{Message: aws.String("The address " + *url + " is not valid for this endpoint.")}
	}
	return s.named(account, name)
}

func (s *Service) named(account, name string) (*queue, error) {
	if err := s.load(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	q := s.queues[name]
	s.mu.RUnlock()
	if q == nil || account != s.cfg.Account {
		return nil, noQueue()
	}
	q.mu.Lock()
	q.used = s.now()
	q.mu.Unlock()
	return q, nil
}

// change writes a queue's record anew: edit is called with a copy of it. s.lists must not be held.
func (s *Service) change(ctx context.Context, url *string, edit func(*queue, *queueRecord) error) error {
	s.lists.Lock()
	defer s.lists.Unlock()
	q, err := s.find(url)
	if err != nil {
		return err
	}
	next := q.record().clone()
	if err := edit(q, next); err != nil {
		return err
	}
	set, err := parseSettings(next.Attributes)
	if err != nil {
		return err
	}
	b := &store.Batch{}
	b.Put(bucketQueues, next.Name, encode(next))
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	q.now.Store(&configured{next, set})
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expiry = 0
	return nil
}
