package sqs

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tealdeploy/teal/internal/store"
)

func newReceipt() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// receiptHandle names a receive of a message. It can be read after a restart. The message's own ID is in it, as a clock that
// was set back may give a serial again.
func receiptHandle(queue string, serial uint64, message, receipt string) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s/%020d/%s/%s", queue, serial, message, receipt))
}

// opened finds the message of a handle of this queue; nil when it is gone. q.mu is held.
func (q *queue) opened(handle *string) (m *message, receipt string, err error) {
	if aws.ToString(handle) == "" {
		return nil, "", missing("ReceiptHandle")
	}
	raw, err := base64.StdEncoding.DecodeString(*handle)
	parts := strings.Split(string(raw), "/")
	if err != nil || len(parts) != 4 || parts[0] != q.record().ID {
		return nil, "", badReceipt(*handle)
	}
	serial, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return nil, "", badReceipt(*handle)
	}
	if m = q.bySerial[serial]; m != nil && m.ID != parts[2] {
		m = nil
	}
	return m, parts[3], nil
}

// leaver is a message that is being deleted.
type leaver struct {
	m   *message
	was messageRecord
}

// leave finds the message of a handle and holds it. It is nil for one that is gone already, which is no error. A
// standard queue takes the handle of any receive; a FIFO queue only that of the last one, while the message is hidden.
// q.mu is held.
func (q *queue) leave(handle *string, now int64) (*leaver, error) {
	m, receipt, err := q.opened(handle)
	if err != nil || m == nil {
		return nil, err
	}
	if q.fifo && !m.leaving && (m.Receipt != receipt || m.Due <= now) {
		return nil, invalidParameter("ReceiptHandle", *handle, "The receipt handle has expired.")
	}
	l := &leaver{m, m.messageRecord}
	if !m.leaving {
		q.hold(m)
	}
	return l, nil
}

// remove deletes messages that are held, in one commit.
func (s *Service) remove(ctx context.Context, q *queue, all []*leaver) error {
	id := q.record().ID
	b := &store.Batch{}
	for _, l := range all {
		b.Delete(bucketMessages, l.m.key(id))
		b.Delete(bucketBodies, l.m.key(id))
	}
	var err error
	if len(all) > 0 {
		err = s.cfg.Store.Commit(ctx, b)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range all {
		if err != nil {
			q.release(l.m, l.was)
		} else {
			q.drop(l.m)
		}
	}
	return err
}

// DeleteMessage removes a message that was received. Its receive may be any of a standard queue, and need not be the
// last one: what was deleted is not given again.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
func (s *Service) DeleteMessage(ctx context.Context, in *sqs.DeleteMessageInput) (*sqs.DeleteMessageOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	errs, err := s.deleteAll(ctx, q, []*string{in.ReceiptHandle})
	if err == nil {
		err = errs[0]
	}
	return &sqs.DeleteMessageOutput{}, err
}

// DeleteMessageBatch removes up to ten messages.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html
func (s *Service) DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput) (*sqs.DeleteMessageBatchOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var ids, handles []*string
	for _, e := range in.Entries {
		ids, handles = append(ids, e.Id), append(handles, e.ReceiptHandle)
	}
	if err := checkBatch("DeleteMessageBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	errs, err := s.deleteAll(ctx, q, handles)
	if err != nil {
		return nil, err
	}
	out := &sqs.DeleteMessageBatchOutput{}
	for i, err := range errs {
		if failed, bad := refused(ids[i], err); bad {
			out.Failed = append(out.Failed, failed)
		} else {
			out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: ids[i]})
		}
	}
	return out, nil
}

// deleteAll deletes the messages of handles. errs has what is wrong with each; err is that nothing could be written.
func (s *Service) deleteAll(ctx context.Context, q *queue, handles []*string) (errs []error, err error) {
	now := s.now()
	var all []*leaver
	done := 0
	errs = make([]error, len(handles))
	q.mu.Lock()
	for i, h := range handles {
		l, err := q.leave(h, now)
		if errs[i] = err; err == nil {
			done++
		}
		if l != nil {
			all = append(all, l)
		}
	}
	q.mu.Unlock()
	if err := s.remove(ctx, q, all); err != nil {
		return nil, err
	}
	if done > 0 {
		q.meter.deleted(float64(done))
	}
	return errs, nil
}

func checkVisibility(seconds int32) error {
	if n := numbers["VisibilityTimeout"]; int64(seconds) < n.low || int64(seconds) > n.high {
		return invalidParameter("VisibilityTimeout", seconds, "Must be between 0 and 43200, if provided.")
	}
	return nil
}

// ChangeMessageVisibility says how long from now a message that was received stays hidden; with 0 it can be received at
// once.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
func (s *Service) ChangeMessageVisibility(ctx context.Context, in *sqs.ChangeMessageVisibilityInput) (*sqs.ChangeMessageVisibilityOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	errs, err := s.hide(ctx, q, []hiding{{in.ReceiptHandle, in.VisibilityTimeout}})
	if err == nil {
		err = errs[0]
	}
	return &sqs.ChangeMessageVisibilityOutput{}, err
}

// ChangeMessageVisibilityBatch does so for up to ten messages.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html
func (s *Service) ChangeMessageVisibilityBatch(ctx context.Context, in *sqs.ChangeMessageVisibilityBatchInput) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var ids []*string
	var all []hiding
	for _, e := range in.Entries {
		ids, all = append(ids, e.Id), append(all, hiding{e.ReceiptHandle, e.VisibilityTimeout})
	}
	if err := checkBatch("ChangeMessageVisibilityBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	errs, err := s.hide(ctx, q, all)
	if err != nil {
		return nil, err
	}
	out := &sqs.ChangeMessageVisibilityBatchOutput{}
	for i, err := range errs {
		if failed, bad := refused(ids[i], err); bad {
			out.Failed = append(out.Failed, failed)
		} else {
			out.Successful = append(out.Successful, types.ChangeMessageVisibilityBatchResultEntry{Id: ids[i]})
		}
	}
	return out, nil
}

// hiding is a wish for a message to stay hidden for some seconds from now.
type hiding struct {
	handle  *string
	seconds int32
}

// hide changes how long messages are hidden. errs has what is wrong with each; err is that nothing could be written.
func (s *Service) hide(ctx context.Context, q *queue, all []hiding) (errs []error, err error) {
	now := s.now()
	id := q.record().ID
	errs = make([]error, len(all))
	next := make([]messageRecord, len(all))
	found := make([]*message, len(all))
	b := &store.Batch{}
	q.mu.Lock()
	for i, h := range all {
		if found[i], errs[i] = q.hidden(h, now); errs[i] == nil {
			next[i] = found[i].messageRecord
			next[i].Due = now + 1000*int64(h.seconds)
			b.Put(bucketMessages, found[i].key(id), encode(next[i]))
		}
	}
	q.mu.Unlock()
	if len(b.Ops) == 0 {
		return errs, nil
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	// A message that was received or deleted meanwhile has a later row, which this one may have replaced.
	repair := &store.Batch{}
	q.mu.Lock()
	for i, m := range found {
		switch {
		case errs[i] != nil:
		case m.gone:
			repair.Delete(bucketMessages, m.key(id))
		case m.leaving:
		case m.Receipt != next[i].Receipt:
			repair.Put(bucketMessages, m.key(id), encode(m.messageRecord))
		default:
			q.move(m, next[i].Due)
		}
	}
	q.mu.Unlock()
	if len(repair.Ops) > 0 {
		return errs, s.cfg.Store.Commit(context.WithoutCancel(ctx), repair)
	}
	return errs, nil
}

// hidden finds the message of a handle that is the one of its last receive, while it is hidden. q.mu is held.
func (q *queue) hidden(h hiding, now int64) (*message, error) {
	if err := checkVisibility(h.seconds); err != nil {
		return nil, err
	}
	m, receipt, err := q.opened(h.handle)
	if err != nil {
		return nil, err
	}
	switch {
	case m == nil || m.leaving || m.Receipt != receipt:
		return nil, invalidParameter("ReceiptHandle", *h.handle, "Message does not exist or is not available for visibility timeout change.")
	case m.Due <= now:
		return nil, &types.MessageNotInflight{Message: aws.String("The message is not in flight: its visibility timeout is over.")}
	case now+1000*int64(h.seconds)-m.Last > 1000*numbers["VisibilityTimeout"].high:
		return nil, invalidParameter("VisibilityTimeout", h.seconds, "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	}
	return m, nil
}
