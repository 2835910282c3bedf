package sqs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tealdeploy/teal/internal/store"
)

// recently is how long, in milliseconds, the name of a deleted queue is not given again, and a queue not purged again.
const recently = 60_000

// CreateQueue makes a queue, or gives the address of the one that has the name and no attribute with another value.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func (s *Service) CreateQueue(ctx context.Context, in *sqs.CreateQueueInput) (*sqs.CreateQueueOutput, error) {
	name := aws.ToString(in.QueueName)
	if name == "" {
		return nil, missing("QueueName")
	}
	_, fifo := in.Attributes["FifoQueue"]
	if err := checkName(name, fifo); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.lists.Lock()
	defer s.lists.Unlock()
	attributes, err := s.cleanAttributes(name, in.Attributes, true)
	if err != nil {
		return nil, err
	}
	if err := checkTags(name, nil, in.Tags); err != nil {
		return nil, err
	}
	s.mu.RLock()
	q, gone := s.queues[name], s.deleted[name]
	s.mu.RUnlock()
	now := s.now()
	switch {
	case q != nil:
		for _, a := range slices.Sorted(maps.Keys(attributes)) {
			if q.attribute(a) != attributes[a] {
				return nil, &types.QueueNameExists{Message: aws.String("A queue already exists with the same name and a different value for attribute " + a)}
			}
		}
		return &sqs.CreateQueueOutput{QueueUrl: s.url(ctx, name)}, nil
	case gone != 0 && now-gone < recently:
		return nil, &types.QueueDeletedRecently{Message: aws.String("You must wait 60 seconds after deleting a queue before you can create another with the same name.")}
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	r := &queueRecord{Name: name, ID: hex.EncodeToString(id), Created: now, Modified: now, Attributes: attributes, Tags: in.Tags}
	if q, err = s.newQueue(r); err != nil {
		return nil, err
	}
	q.used = now
	b := &store.Batch{}
	b.Put(bucketQueues, name, encode(r))
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queues[name] = q
	delete(s.deleted, name)
	return &sqs.CreateQueueOutput{QueueUrl: s.url(ctx, name)}, nil
}

// DeleteQueue removes a queue with its messages.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
func (s *Service) DeleteQueue(ctx context.Context, in *sqs.DeleteQueueInput) (*sqs.DeleteQueueOutput, error) {
	s.lists.Lock()
	defer s.lists.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	r := queueRecord{Name: q.record().Name, ID: q.record().ID, Deleted: s.now()}
	b := &store.Batch{}
	b.Put(bucketQueues, r.Name, encode(r))
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	s.mu.Lock()
	delete(s.queues, r.Name)
	s.deleted[r.Name] = r.Deleted
	s.mu.Unlock()
	q.mu.Lock()
	q.gone = true
	all := q.clear(q.serial)
	seen := slices.Collect(maps.Keys(q.seen))
	q.wake()
	q.mu.Unlock()
	s.erase(ctx, q, all, seen)
	return &sqs.DeleteQueueOutput{}, nil
}

// PurgeQueue removes all messages of a queue. On AWS it takes up to a minute; here it is done when it returns.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html
func (s *Service) PurgeQueue(ctx context.Context, in *sqs.PurgeQueueInput) (*sqs.PurgeQueueOutput, error) {
	var q *queue
	err := s.change(ctx, in.QueueUrl, func(of *queue, r *queueRecord) error {
		now := s.now()
		if r.Purged != 0 && now-r.Purged < recently {
			return &types.PurgeQueueInProgress{Message: aws.String("Only one PurgeQueue operation on " + r.Name + " is allowed every 60 seconds.")}
		}
		q = of
		q.mu.Lock()
		defer q.mu.Unlock()
		r.Purged, r.PurgedTo = now, q.serial
		return nil
	})
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	all := q.clear(q.record().PurgedTo)
	q.mu.Unlock()
	s.erase(ctx, q, all, nil)
	return &sqs.PurgeQueueOutput{}, nil
}

// clear takes the messages with a serial up to the given one out of the index, and returns them. q.mu is held.
func (q *queue) clear(to uint64) (out []*message) {
	old := q.order
	q.order = newOrder(q.fifo)
	old.each(func(m *message) bool {
		if m.serial <= to {
			m.gone = true
			delete(q.bySerial, m.serial)
			out = append(out, m)
		} else {
			q.order.put(m)
		}
		return true
	})
	return out
}

// erase removes rows that the queue's record says are gone; what it cannot remove goes at the next start.
func (s *Service) erase(ctx context.Context, q *queue, messages []*message, seen []string) {
	id := q.record().ID
	b := &store.Batch{}
	flush := func(least int) {
		if len(b.Ops) < least {
			return
		}
		if err := s.cfg.Store.Commit(context.WithoutCancel(ctx), b); err != nil {
			s.cfg.Logger.Error("sqs: messages of a purged or deleted queue are still on the disk", "queue", q.record().Name, "error", err)
		}
		b = &store.Batch{}
	}
	for _, m := range messages {
		b.Delete(bucketMessages, m.key(id))
		b.Delete(bucketBodies, m.key(id))
		flush(1000)
	}
	for _, k := range seen {
		b.Delete(bucketSeen, k)
		flush(1000)
	}
	flush(1)
}
