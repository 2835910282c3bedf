package sqs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/store"
)

// dedupWindow is how long a FIFO queue remembers a deduplication ID, in milliseconds.
const dedupWindow = 5 * 60_000

// sending is a message on its way into a queue.
type sending struct {
	message
	body  bodyRecord
	dedup string // key in the store; "" in a standard queue
	// traceGiven is the system attribute that was sent; without one a message has the trace of its request.
	traceGiven string
}

// checked reads what a caller sends. zero tells that a DelaySeconds of 0 was given, which the SDK's type cannot. trace is
// that of the request.
func (q *queue) checked(e *types.SendMessageBatchRequestEntry, zero bool, trace string) (*sending, error) {
	if err := checkBody(e.MessageBody); err != nil {
		return nil, err
	}
	attributes, err := checkAttributes(e.MessageAttributes)
	if err != nil {
		return nil, err
	}
	c := q.record()
	m := &sending{body: bodyRecord{Body: *e.MessageBody, MD5: sum(*e.MessageBody), Attributes: attributes}}
	if m.traceGiven, err = traceOf(e.MessageSystemAttributes); err != nil {
		return nil, err
	}
	if m.body.Trace = m.traceGiven; m.body.Trace == "" {
		m.body.Trace = trace
	}
	if m.Size = size(*e.MessageBody, attributes); m.Size > c.maxSize {
		return nil, invalidValue("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", c.maxSize)
	}
	delay := int64(e.DelaySeconds) * 1000
	switch {
	case delay < 0 || delay > 1000*numbers["DelaySeconds"].high:
		return nil, invalidParameter("DelaySeconds", e.DelaySeconds, "DelaySeconds must be >= 0 and <= 900.")
	case q.fifo && delay != 0:
		return nil, invalidParameter("DelaySeconds", e.DelaySeconds, "The request include parameter that is not valid for this queue type.")
	case q.fifo, delay == 0 && !zero:
		delay = c.delay
	}
	m.Due = delay // from when it is sent, which is added then
	if e.MessageGroupId != nil {
		if m.Group = *e.MessageGroupId; checkID("MessageGroupId", m.Group) != nil {
			return nil, checkID("MessageGroupId", m.Group)
		}
	}
	if !q.fifo {
		if e.MessageDeduplicationId != nil {
			return nil, invalidParameter("MessageDeduplicationId", *e.MessageDeduplicationId, "The request includes a parameter that is not valid for this queue type.")
		}
		return m, nil
	}
	switch {
	case m.Group == "":
		return nil, missing("MessageGroupId")
	case e.MessageDeduplicationId != nil:
		if m.body.Dedup = *e.MessageDeduplicationId; checkID("MessageDeduplicationId", m.body.Dedup) != nil {
			return nil, checkID("MessageDeduplicationId", m.body.Dedup)
		}
	case c.contentDedup:
		h := sha256.Sum256([]byte(m.body.Body))
		m.body.Dedup = hex.EncodeToString(h[:])
	default:
		return nil, invalidValue("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	scope := ""
	if c.dedupByGroup {
		scope = m.Group
	}
	h := sha256.Sum256([]byte(scope + "\x00" + m.body.Dedup))
	m.dedup = c.ID + "/" + hex.EncodeToString(h[:])
	return m, nil
}

// take puts messages into the queue, in one commit. A message that a FIFO queue has taken already gets the ID and the
// serial of the first one, and is not put in again.
func (s *Service) take(ctx context.Context, q *queue, all []*sending) error {
	if q.fifo {
		q.taking.Lock()
		defer q.taking.Unlock()
	}
	now := s.cfg.Clock.Now()
	sent := now.UnixMilli()
	id := q.record().ID
	b, fresh, seen := &store.Batch{}, []*sending{}, map[string]seenRecord{}
	q.mu.Lock()
	for _, m := range all {
		if m.dedup != "" {
			old, known := seen[m.dedup]
			if !known {
				old, known = q.seen[m.dedup]
			}
			if known && sent-old.At < dedupWindow {
				m.ID, m.serial = old.ID, old.Serial
				continue
			}
		}
		m.ID, m.serial = uuid.NewString(), q.nextSerial(now.UnixMicro())
		m.Sent, m.Due = sent, m.Due+sent
		if m.dedup != "" {
			r := seenRecord{At: sent, ID: m.ID, Serial: m.serial}
			seen[m.dedup] = r
			b.Put(bucketSeen, m.dedup, encode(r))
		}
		fresh = append(fresh, m)
	}
	q.mu.Unlock()
	for _, m := range fresh {
		b.Put(bucketMessages, m.key(id), encode(m.messageRecord))
		b.Put(bucketBodies, m.key(id), encode(m.body))
	}
	if len(fresh) > 0 {
		if err := s.cfg.Store.Commit(ctx, b); err != nil {
			return err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for k, r := range seen {
		q.seen[k] = r
	}
	for _, m := range fresh {
		q.arrive(&m.message)
	}
	for _, m := range all {
		q.meter.sent(1)
		q.meter.sentSize(float64(m.Size))
	}
	return nil
}

// arrive puts a message that is in the store into the index, unless the queue was purged or deleted meanwhile. q.mu is
// held.
func (q *queue) arrive(m *message) {
	if !q.gone && m.serial > q.record().PurgedTo {
		q.put(m)
	}
}

func (q *queue) sequence(serial uint64) *string {
	if !q.fifo {
		return nil
	}
	return aws.String(fmt.Sprintf("%020s", strconv.FormatUint(serial, 10)))
}

// given reads members of the request again, into v, where the SDK's type cannot tell a zero from nothing.
func given(ctx context.Context, v any) {
	if d := awsproto.CallOf(ctx).Document; d != nil {
		_ = json.Unmarshal(d, v) // it has been read once
	}
}

// SendMessage puts a message into a queue.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func (s *Service) SendMessage(ctx context.Context, in *sqs.SendMessageInput) (*sqs.SendMessageOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var zero struct{ DelaySeconds *int32 }
	if in.DelaySeconds == 0 && q.record().delay != 0 {
		given(ctx, &zero)
	}
	m, err := q.checked(&types.SendMessageBatchRequestEntry{
		MessageBody: in.MessageBody, DelaySeconds: in.DelaySeconds, MessageAttributes: in.MessageAttributes,
		MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId, MessageSystemAttributes: in.MessageSystemAttributes,
	}, zero.DelaySeconds != nil, awsproto.CallOf(ctx).TraceID)
	if err != nil {
		return nil, err
	}
	if err := s.take(ctx, q, []*sending{m}); err != nil {
		return nil, err
	}
	return &sqs.SendMessageOutput{
		MessageId: aws.String(m.ID), MD5OfMessageBody: aws.String(m.body.MD5), MD5OfMessageAttributes: sumAttributes(m.body.Attributes),
		MD5OfMessageSystemAttributes: m.sumSystem(), SequenceNumber: q.sequence(m.serial),
	}, nil
}

func (m *sending) sumSystem() *string {
	if m.traceGiven == "" {
		return nil
	}
	return sumAttributes(map[string]attributeRecord{"AWSTraceHeader": {Type: "String", Text: &m.traceGiven}})
}

// SendMessageBatch puts up to ten messages into a queue. What is wrong with one does not keep out the others.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
func (s *Service) SendMessageBatch(ctx context.Context, in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var ids []*string
	total := 0
	for _, e := range in.Entries {
		ids = append(ids, e.Id)
		total += len(aws.ToString(e.MessageBody))
		for name, a := range e.MessageAttributes {
			total += len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
		}
	}
	if err := checkBatch("SendMessageBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	if total > maxSize {
		return nil, &types.BatchRequestTooLong{Message: aws.String(fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxSize, total))}
	}
	var zeros struct {
		Entries []struct{ DelaySeconds *int32 }
	}
	if q.record().delay != 0 {
		given(ctx, &zeros)
	}
	out := &sqs.SendMessageBatchOutput{}
	var all []*sending
	for i := range in.Entries {
		m, err := q.checked(&in.Entries[i], i < len(zeros.Entries) && zeros.Entries[i].DelaySeconds != nil, awsproto.CallOf(ctx).TraceID)
		if err != nil {
			failed, ok := refused(ids[i], err)
			if !ok {
				return nil, err
			}
			out.Failed = append(out.Failed, failed)
			continue
		}
		all = append(all, m)
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: ids[i]})
	}
	if err := s.take(ctx, q, all); err != nil {
		return nil, err
	}
	for i, m := range all {
		r := &out.Successful[i]
		r.MessageId, r.MD5OfMessageBody, r.MD5OfMessageAttributes = aws.String(m.ID), aws.String(m.body.MD5), sumAttributes(m.body.Attributes)
		r.MD5OfMessageSystemAttributes, r.SequenceNumber = m.sumSystem(), q.sequence(m.serial)
	}
	return out, nil
}
