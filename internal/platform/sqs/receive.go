package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tealdeploy/teal/internal/store"
)

// maxInFlight is how many messages of a queue can be received and not deleted at one time.
const maxInFlight = 120_000

// receiving is what a caller wants.
type receiving struct {
	most       int
	visibility int64 // milliseconds, like wait
	wait       int64
	system     []types.MessageSystemAttributeName
	attributes []string
}

func (q *queue) wants(ctx context.Context, in *sqs.ReceiveMessageInput) (receiving, error) {
	var g struct{ MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds *int32 }
	given(ctx, &g)
	set := func(of *int32, v int32) *int32 {
		if of == nil && v != 0 {
			return &v
		}
		return of
	}
	c := q.record()
	r := receiving{most: 1, visibility: c.visibility, wait: c.wait, attributes: in.MessageAttributeNames}
	if v := set(g.MaxNumberOfMessages, in.MaxNumberOfMessages); v != nil {
		if r.most = int(*v); *v < 1 || *v > maxBatch {
			return r, invalidParameter("MaxNumberOfMessages", *v, "Must be between 1 and 10, if provided.")
		}
	}
	if v := set(g.VisibilityTimeout, in.VisibilityTimeout); v != nil {
		if err := checkVisibility(*v); err != nil {
			return r, err
		}
		r.visibility = 1000 * int64(*v)
	}
	if v := set(g.WaitTimeSeconds, in.WaitTimeSeconds); v != nil {
		if *v < 0 || *v > 20 {
			return r, invalidParameter("WaitTimeSeconds", *v, "Must be >= 0 and <= 20, if provided.")
		}
		r.wait = 1000 * int64(*v)
	}
	if in.ReceiveRequestAttemptId != nil {
		return r, unsupported("ReceiveRequestAttemptId is not supported by this endpoint. Leave it out: what a lost answer had comes back when its visibility timeout is over.")
	}
	for _, n := range in.AttributeNames { //nolint:staticcheck // clients still send the older name of the next
		r.system = append(r.system, types.MessageSystemAttributeName(n))
	}
	r.system = append(r.system, in.MessageSystemAttributeNames...)
	for _, n := range r.system {
		if !slices.Contains(n.Values(), n) {
			return r, unknownAttribute(string(n))
		}
	}
	return r, nil
}

// ReceiveMessage gives messages and hides them for a while. Where there are none it waits for as long as the caller or
// the queue says; a caller that goes away ends it.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
func (s *Service) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	want, err := q.wants(ctx, in)
	if err != nil {
		return nil, err
	}
	until := s.now() + want.wait
	for {
		messages, again, err := s.receive(ctx, q, want)
		if err != nil {
			return nil, err
		}
		if len(messages) > 0 {
			q.meter.received(float64(len(messages)))
			return &sqs.ReceiveMessageOutput{Messages: messages}, nil
		}
		now := s.now()
		if now >= until || again.over {
			break
		}
		wake := min(until, again.due)
		due := make(chan struct{})
		stop := s.cfg.Clock.AfterFunc(time.Duration(wake-now)*time.Millisecond, func() { close(due) })
		select {
		case <-due:
		case <-again.changed:
			stop()
		case <-ctx.Done():
			stop()
			return nil, ctx.Err()
		case <-s.done:
			stop()
			until = 0
		}
	}
	q.meter.empty(1)
	return &sqs.ReceiveMessageOutput{}, nil
}

// again tells when a queue that has nothing may have something.
type again struct {
	changed <-chan struct{}
	due     int64
	over    bool // not while the caller waits
}

// handed is a message that receive has chosen, with what it was before.
type handed struct {
	m    *message
	was  messageRecord
	now  messageRecord
	body bodyRecord
}

// receive takes what can be received now: it hides the messages, writes that, and hands them out. Those that are too old
// are removed on the way, and those that were received too often go to the dead-letter queue.
func (s *Service) receive(ctx context.Context, q *queue, want receiving) ([]types.Message, again, error) {
	c := q.record()
	var letters *queue
	if c.redrive != nil {
		letters = s.byARN(c.redrive.Target) // nil when it was deleted; messages stay then
	}
	now := s.now()
	var taken, dead, old []*handed
	q.mu.Lock()
	wait := again{changed: q.changed, due: math.MaxInt64}
	if q.gone {
		q.mu.Unlock()
		return nil, wait, noQueue()
	}
	if q.order.len() >= maxInFlight && q.count(now).hidden >= maxInFlight {
		q.mu.Unlock()
		if wait.over = true; want.wait > 0 {
			return nil, wait, nil
		}
		return nil, wait, &types.OverLimit{Message: aws.String("The maximum number of in flight messages is reached.")}
	}
	for len(taken) == 0 {
		found := q.order.next(now, want.most)
		if len(found) == 0 {
			break
		}
		for _, m := range found {
			h := &handed{m: m, was: m.messageRecord}
			switch {
			case now-m.Sent >= c.retention:
				q.hold(m)
				old = append(old, h)
			case letters != nil && letters != q && m.Receives >= c.redrive.Max:
				q.hold(m)
				dead = append(dead, h)
			default:
				m.Receives++
				m.Last, m.Receipt = now, newReceipt()
				if m.First == 0 {
					m.First = now
				}
				q.move(m, now+want.visibility)
				h.now = m.messageRecord
				taken = append(taken, h)
			}
		}
	}
	if at, ok := q.order.due(now); ok {
		wait.due = at
	}
	if len(old)+len(dead)+len(taken) > 0 {
		wait.changed = q.changed
	}
	q.mu.Unlock()
	if len(old)+len(dead)+len(taken) == 0 {
		return nil, wait, nil
	}
	if err := s.write(ctx, q, letters, taken, dead, old); err != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		for _, h := range slices.Concat(old, dead, taken) {
			if h.now.Receipt == "" || h.m.Receipt == h.now.Receipt && !h.m.leaving {
				q.release(h.m, h.was)
			}
		}
		return nil, wait, err
	}
	return s.hand(ctx, q, want, taken), wait, nil
}

// write makes what receive has chosen durable, and finishes what leaves the queue.
func (s *Service) write(ctx context.Context, q, letters *queue, taken, dead, old []*handed) error {
	id := q.record().ID
	b := &store.Batch{}
	for _, h := range slices.Concat(taken, dead) {
		raw, err := s.cfg.Store.Get(ctx, bucketBodies, h.m.key(id))
		if errors.Is(err, store.ErrNotFound) {
			continue // deleted meanwhile: hand leaves it out
		}
		if err == nil {
			err = json.Unmarshal(raw, &h.body)
		}
		if err != nil {
			return fmt.Errorf("message %s of queue %s: %w", h.m.key(id), q.record().Name, err)
		}
	}
	for _, h := range taken {
		if h.body.Body != "" {
			b.Put(bucketMessages, h.m.key(id), encode(h.now))
		}
	}
	for _, h := range slices.Concat(old, dead) {
		b.Delete(bucketMessages, h.m.key(id))
		b.Delete(bucketBodies, h.m.key(id))
	}
	moved := s.bury(b, q, letters, dead)
	if letters != nil && letters.fifo && len(moved) > 0 {
		letters.taking.Lock()
		defer letters.taking.Unlock()
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	q.mu.Lock()
	for _, h := range slices.Concat(old, dead) {
		q.drop(h.m)
	}
	q.mu.Unlock()
	if len(moved) > 0 {
		letters.mu.Lock()
		defer letters.mu.Unlock()
		for _, m := range moved {
			letters.arrive(m)
		}
	}
	return nil
}

// bury adds to b the rows of messages in their dead-letter queue. A standard queue keeps the time when they were sent, so
// that their retention goes on; a FIFO queue counts anew.
func (s *Service) bury(b *store.Batch, from, to *queue, dead []*handed) (moved []*message) {
	for _, h := range dead {
		if h.body.Body == "" {
			continue
		}
		now := s.cfg.Clock.Now()
		m := &message{messageRecord: messageRecord{ID: h.was.ID, Sent: h.was.Sent, Due: now.UnixMilli(), Size: h.was.Size, Group: h.was.Group}}
		if to.fifo {
			m.Sent = now.UnixMilli()
		}
		to.mu.Lock()
		m.serial = to.nextSerial(now.UnixMicro())
		to.mu.Unlock()
		h.body.Source = s.arn(from.record().Name)
		b.Put(bucketMessages, m.key(to.record().ID), encode(m.messageRecord))
		b.Put(bucketBodies, m.key(to.record().ID), encode(h.body))
		moved = append(moved, m)
	}
	return moved
}

// hand makes the answer of the messages that are still there.
func (s *Service) hand(ctx context.Context, q *queue, want receiving, taken []*handed) (out []types.Message) {
	id := q.record().ID
	ghosts := &store.Batch{}
	q.mu.Lock()
	for _, h := range taken {
		switch {
		case h.m.gone: // what was written of it a moment ago came after its removal
			ghosts.Delete(bucketMessages, h.m.key(id))
		case h.m.leaving:
		case h.body.Body == "":
			q.drop(h.m)
			ghosts.Delete(bucketMessages, h.m.key(id))
		default:
			out = append(out, s.shown(q, h, want))
		}
	}
	q.mu.Unlock()
	if len(ghosts.Ops) > 0 {
		if err := s.cfg.Store.Commit(context.WithoutCancel(ctx), ghosts); err != nil {
			s.cfg.Logger.Warn("sqs: rows of deleted messages are still on the disk", "queue", q.record().Name, "error", err)
		}
	}
	return out
}

// shown is a message as its receiver sees it.
func (s *Service) shown(q *queue, h *handed, want receiving) types.Message {
	attributes := wanted(h.body.Attributes, want.attributes)
	m := types.Message{
		MessageId: aws.String(h.now.ID), ReceiptHandle: aws.String(receiptHandle(q.record().ID, h.m.serial, h.now.ID, h.now.Receipt)), Body: aws.String(h.body.Body),
		MD5OfBody: aws.String(h.body.MD5), MD5OfMessageAttributes: sumAttributes(attributes),
	}
	for name, a := range attributes {
		if m.MessageAttributes == nil {
			m.MessageAttributes = map[string]types.MessageAttributeValue{}
		}
		m.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String(a.Type), StringValue: a.Text, BinaryValue: a.Binary}
	}
	all := map[types.MessageSystemAttributeName]string{
		types.MessageSystemAttributeNameSenderId:                         s.cfg.Account,
		types.MessageSystemAttributeNameSentTimestamp:                    strconv.FormatInt(h.now.Sent, 10),
		types.MessageSystemAttributeNameApproximateReceiveCount:          strconv.Itoa(h.now.Receives),
		types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp: strconv.FormatInt(h.now.First, 10),
		types.MessageSystemAttributeNameSequenceNumber:                   aws.ToString(q.sequence(h.m.serial)),
		types.MessageSystemAttributeNameMessageDeduplicationId:           h.body.Dedup,
		types.MessageSystemAttributeNameMessageGroupId:                   h.now.Group,
		types.MessageSystemAttributeNameAWSTraceHeader:                   h.body.Trace,
		types.MessageSystemAttributeNameDeadLetterQueueSourceArn:         h.body.Source,
	}
	every := slices.Contains(want.system, types.MessageSystemAttributeNameAll)
	for name, v := range all {
		if v != "" && (every || slices.Contains(want.system, name)) {
			if m.Attributes == nil {
				m.Attributes = map[string]string{}
			}
			m.Attributes[string(name)] = v
		}
	}
	return m
}
