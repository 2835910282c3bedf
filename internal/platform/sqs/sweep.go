package sqs

import (
	"context"
	"math"

	"github.com/tealdeploy/teal/internal/store"
)

// meters are the metrics of a queue.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
type meters struct {
	sent, sentSize, received, empty, deleted func(float64)
	visible, hidden, delayed, oldest         func(float64)
}

func (s *Service) newMeters(queue string) meters {
	series := func(metric, unit string) func(float64) {
		return s.cfg.Meter.Series("AWS/SQS", metric, unit, "QueueName", queue)
	}
	return meters{
		sent: series("NumberOfMessagesSent", "Count"), sentSize: series("SentMessageSize", "Bytes"),
		received: series("NumberOfMessagesReceived", "Count"), empty: series("NumberOfEmptyReceives", "Count"),
		deleted: series("NumberOfMessagesDeleted", "Count"), visible: series("ApproximateNumberOfMessagesVisible", "Count"),
		hidden: series("ApproximateNumberOfMessagesNotVisible", "Count"), delayed: series("ApproximateNumberOfMessagesDelayed", "Count"),
		oldest: series("ApproximateAgeOfOldestMessage", "Seconds"),
	}
}

// active is how long after it was last used a queue has gauges, in milliseconds.
const active = 6 * 60 * 60_000

// sweep records the gauges of a queue, removes the messages that are older than its retention, and forgets deduplication
// IDs whose time is over.
func (s *Service) sweep(ctx context.Context, q *queue) error {
	now, retention := s.now(), q.record().retention
	b := &store.Batch{}
	var old []*leaver
	var forgotten []string
	if q.fifo { // what is forgotten must not be sent again before that is written
		q.taking.Lock()
		defer q.taking.Unlock()
	}
	q.mu.Lock()
	if q.gone {
		q.mu.Unlock()
		return nil
	}
	if now >= q.expiry {
		var found []*message
		q.expiry = math.MaxInt64
		q.order.each(func(m *message) bool {
			if expires := m.Sent + retention; expires > now {
				q.expiry = min(q.expiry, expires)
			} else if !m.leaving {
				found = append(found, m)
			}
			return true
		})
		for _, m := range found {
			old = append(old, &leaver{m, m.messageRecord})
			q.hold(m)
		}
	}
	for k, r := range q.seen {
		if now-r.At >= dedupWindow {
			forgotten = append(forgotten, k)
			delete(q.seen, k)
			b.Delete(bucketSeen, k)
		}
	}
	c, used := q.count(now), q.used
	q.mu.Unlock()
	if now-used < active || c != (counts{}) {
		q.meter.visible(float64(c.visible))
		q.meter.hidden(float64(c.hidden))
		q.meter.delayed(float64(c.delayed))
		age := 0.0
		if c.oldest != 0 {
			age = float64(now-c.oldest) / 1000
		}
		q.meter.oldest(age)
	}
	if len(forgotten) > 0 {
		if err := s.cfg.Store.Commit(ctx, b); err != nil {
			return err
		}
	}
	return s.remove(ctx, q, old)
}
