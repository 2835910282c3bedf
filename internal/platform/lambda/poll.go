package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tealdeploy/teal/internal/awsproto"
)

const (
	receiveAtOnce   = 10 // messages, the most that SQS gives
	receiveWait     = 20 * time.Second
	pollerInvokes   = 5               // batches that a function has at one time, without MaximumConcurrency
	pollAgain       = time.Second     // after an error of the queue
	maxBatchPayload = maxRequest - 64 // bytes of messages in one event
)

// poller takes messages from one mapping's queue and invokes its function with batches of them. A batch that succeeds is
// deleted from the queue; what fails shows up again when its visibility timeout is over, as often as the queue's own
// redrive policy allows. A message is lost at no point: it is in the queue until the function has had it.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
type poller struct {
	service *Service
	m       *mappingRecord
	filters []filter
	cancel  context.CancelFunc
	slots   chan struct{} // one for each batch that the function has
	batches sync.WaitGroup
}

// poll makes the poller of a mapping what its record says; the caller holds the mappings' lock or is alone.
func (s *Service) poll(m *mappingRecord) {
	s.unpoll(m.UUID)
	if !m.Enabled {
		return
	}
	n := pollerInvokes
	switch {
	case strings.HasSuffix(m.Source, fifoSuffix):
		n = 1 // the order within a group holds, because batches follow one another
	case m.MaxConcurrency != nil:
		n = int(*m.MaxConcurrency)
	}
	p := &poller{service: s, m: m, slots: make(chan struct{}, n)}
	for _, f := range m.Filters {
		if parsed, err := parseFilter(f); err == nil { // checked when it was set
			p.filters = append(p.filters, parsed)
		}
	}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(s.lifetime)
	s.mappings.run[m.UUID] = p
	s.work.Go(func() {
		p.run(ctx)
		p.batches.Wait()
	})
}

// unpoll stops a mapping's poller, if there is one: it receives no more.
func (s *Service) unpoll(id string) {
	if p := s.mappings.run[id]; p != nil {
		p.cancel()
		delete(s.mappings.run, id)
	}
}

func (p *poller) run(ctx context.Context) {
	var url *string
	for ctx.Err() == nil {
		var err error
		if url == nil {
			url, err = p.service.queueURL(ctx, p.m.Source)
		}
		var batch []sqstypes.Message
		if err == nil {
			batch, err = p.gather(ctx, url)
		}
		if err != nil && ctx.Err() == nil {
			p.service.cfg.Logger.Warn("lambda: an event source cannot be read; trying again", "uuid", p.m.UUID, "source", p.m.Source, "error", err)
			url = nil
			p.pause(ctx, pollAgain)
		}
		if len(batch) == 0 {
			continue
		}
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return // the messages show up again
		}
		p.batches.Go(func() {
			defer func() { <-p.slots }()
			p.handle(p.service.lifetime, url, batch) // it goes on when the mapping is changed
		})
	}
}

// pause waits on the platform's clock.
func (p *poller) pause(ctx context.Context, d time.Duration) {
	over := make(chan struct{})
	stop := p.service.cfg.Clock.AfterFunc(d, func() { close(over) })
	select {
	case <-over:
	case <-ctx.Done():
		stop()
	}
}

// gather receives messages until there is a whole batch, or the window since the first one is over. Without a window one
// answer of the queue is a batch. Messages that no filter lets through are deleted, as on AWS.
func (p *poller) gather(ctx context.Context, url *string) ([]sqstypes.Message, error) {
	var batch []sqstypes.Message
	size := 0
	var until time.Time // end of the window; zero before the first message
	for {
		wait := receiveWait
		if !until.IsZero() {
			wait = min(wait, until.Sub(p.service.cfg.Clock.Now()))
		}
		out, err := p.service.cfg.Queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: url, MaxNumberOfMessages: min(receiveAtOnce, p.m.BatchSize-int32(len(batch))), WaitTimeSeconds: int32(max(wait, 0) / time.Second),
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll}, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			return batch, err
		}
		var drop []sqstypes.Message
		for _, m := range out.Messages {
			if !p.lets(m) {
				drop = append(drop, m)
				continue
			}
			batch = append(batch, m)
			size += len(aws.ToString(m.Body))
		}
		if err := p.remove(ctx, url, drop); err != nil {
			return batch, err
		}
		now := p.service.cfg.Clock.Now()
		if len(batch) > 0 && until.IsZero() {
			until = now.Add(time.Duration(p.m.Window) * time.Second)
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case len(batch) == 0:
			return nil, nil
		case len(batch) >= int(p.m.BatchSize), size > maxBatchPayload/2, !now.Before(until):
			return batch, nil
		}
	}
}

// handle invokes the function with a batch and deletes from the queue what it has done with.
func (p *poller) handle(ctx context.Context, url *string, batch []sqstypes.Message) {
	s := p.service
	batch, trace, err := p.unlooped(batch)
	if err != nil {
		s.cfg.Logger.Error("lambda: the function of a batch cannot be read", "uuid", p.m.UUID, "error", err)
	}
	if len(batch) == 0 {
		return
	}
	event, err := json.Marshal(map[string]any{"Records": p.records(batch)})
	if err != nil {
		s.cfg.Logger.Error("lambda: a batch cannot be written as an event", "uuid", p.m.UUID, "error", err)
		return
	}
	o, err := s.run(ctx, &invocation{ref: ref{p.m.Function, p.m.Qualifier}, requestID: awsproto.NewRequestID(), traceID: trace, payload: event})
	if err != nil || o.result.FunctionError != "" {
		s.cfg.Logger.Info("lambda: a batch of messages has failed; it is delivered again", "uuid", p.m.UUID, "messages", len(batch), "error", err)
		if err != nil {
			p.pause(ctx, pollAgain) // throttled, or gone: no haste
		}
		return
	}
	done := batch
	if p.m.ReportFailures {
		if done, err = succeededOf(batch, o.result.Payload); err != nil {
			s.cfg.Logger.Warn("lambda: a function's batchItemFailures cannot be read; the whole batch is delivered again", "uuid", p.m.UUID, "error", err)
			return
		}
	}
	if err := p.remove(ctx, url, done); err != nil {
		s.cfg.Logger.Warn("lambda: messages that were handled cannot be deleted; they are delivered again", "uuid", p.m.UUID, "error", err)
	}
}

// succeededOf reads which messages of a batch have not failed. A report that names what was not in the batch, or nothing,
// or is none, fails the whole batch.
//
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func succeededOf(batch []sqstypes.Message, answer []byte) ([]sqstypes.Message, error) {
	var report *struct {
		Failures *[]struct {
			ID *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if len(answer) == 0 {
		return batch, nil
	}
	if err := json.Unmarshal(answer, &report); err != nil {
		return nil, err
	}
	if report == nil || report.Failures == nil {
		return batch, nil
	}
	failed := map[string]bool{}
	for _, f := range *report.Failures {
		id := aws.ToString(f.ID)
		if !slices.ContainsFunc(batch, func(m sqstypes.Message) bool { return aws.ToString(m.MessageId) == id }) {
			return nil, errors.New("there is no message " + id + " in the batch")
		}
		failed[id] = true
	}
	return slices.DeleteFunc(slices.Clone(batch), func(m sqstypes.Message) bool { return failed[aws.ToString(m.MessageId)] }), nil
}

// remove deletes messages from the queue.
func (p *poller) remove(ctx context.Context, url *string, messages []sqstypes.Message) error {
	var errs []error
	for part := range slices.Chunk(messages, receiveAtOnce) {
		in := &sqs.DeleteMessageBatchInput{QueueUrl: url}
		for _, m := range part {
			in.Entries = append(in.Entries, sqstypes.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
		}
		out, err := p.service.cfg.Queues.DeleteMessageBatch(ctx, in)
		if err == nil && len(out.Failed) > 0 {
			err = errors.New(aws.ToString(out.Failed[0].Message))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// messageRecord is a message as the function sees it.
type messageRecord struct {
	MessageID     string                      `json:"messageId"`
	ReceiptHandle string                      `json:"receiptHandle"`
	Body          string                      `json:"body"`
	Attributes    map[string]string           `json:"attributes"`
	Message       map[string]messageAttribute `json:"messageAttributes"`
	MD5           string                      `json:"md5OfBody"`
	MD5Attributes string                      `json:"md5OfMessageAttributes,omitempty"`
	Source        string                      `json:"eventSource"`
	SourceARN     string                      `json:"eventSourceARN"`
	Region        string                      `json:"awsRegion"`
}

type messageAttribute struct {
	StringValue  *string  `json:"stringValue,omitempty"`
	BinaryValue  []byte   `json:"binaryValue,omitempty"`
	StringValues []string `json:"stringListValues"`
	BinaryValues [][]byte `json:"binaryListValues"`
	DataType     string   `json:"dataType"`
}

func (p *poller) records(batch []sqstypes.Message) []messageRecord {
	out := make([]messageRecord, len(batch))
	for i, m := range batch {
		r := messageRecord{
			MessageID: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body), Attributes: m.Attributes,
			Message: map[string]messageAttribute{}, MD5: aws.ToString(m.MD5OfBody), MD5Attributes: aws.ToString(m.MD5OfMessageAttributes),
			Source: "aws:sqs", SourceARN: p.m.Source, Region: p.service.cfg.Region,
		}
		for name, v := range m.MessageAttributes {
			r.Message[name] = messageAttribute{v.StringValue, v.BinaryValue, []string{}, [][]byte{}, aws.ToString(v.DataType)}
		}
		out[i] = r
	}
	return out
}

// lets reports whether a message passes the filters: one that matches is enough, and none lets all through.
func (p *poller) lets(m sqstypes.Message) bool {
	if len(p.filters) == 0 {
		return true
	}
	raw, err := json.Marshal(p.records([]sqstypes.Message{m})[0])
	if err != nil {
		return false
	}
	var record map[string]any
	if json.Unmarshal(raw, &record) != nil {
		return false
	}
	return slices.ContainsFunc(p.filters, func(f filter) bool { return f.matchesRecord(record) })
}
