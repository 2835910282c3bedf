package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/store"
)

// targetPattern is what the target of dead letters may look like.
var (
	targetPattern = newPattern(`(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()`)
	keyPattern    = newPattern(`(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()`)
)

// Why an asynchronous invocation is over, as the record of it says.
const (
	succeeded        = "Success"
	retriesExhausted = "RetriesExhausted"
	tooOld           = "EventAgeExceeded"
	noConcurrency    = "ZeroReservedConcurrency"
)

// invocationRecord is what a destination is told.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
type invocationRecord struct {
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
	RequestContext  recordContext    `json:"requestContext"`
	RequestPayload  json.RawMessage  `json:"requestPayload"`
	ResponseContext *responseContext `json:"responseContext,omitempty"`
	ResponsePayload json.RawMessage  `json:"responsePayload,omitempty"`
}

type recordContext struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	Count       int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

// delivery is a record on its way to where the result of an asynchronous invocation goes.
type delivery struct {
	Target     string    `json:"target"` // ARN
	DeadLetter bool      `json:"deadLetter,omitempty"`
	Body       []byte    `json:"body"`
	Reason     string    `json:"reason,omitempty"` // of a dead letter: the function's error
	At         time.Time `json:"at"`
	Tries      int       `json:"tries,omitempty"`
}

// maxDeliveries is how often a delivery that fails is tried before it is given up and counted.
const maxDeliveries = 5

// checkDestination refuses a destination that AWS refuses, and by name one that is not here.
func (s *Service) checkDestination(ctx context.Context, r ref, destination string, success bool) error {
	if destination == "" {
		return nil
	}
	a, err := arn.Parse(destination)
	if err != nil {
		return wrongDestination(destination, success)
	}
	switch a.Service {
	case "lambda":
		f, err := arn.ParseFunction(destination)
		switch {
		case err != nil:
			return invalid("The destination ARN %s is invalid.", destination)
		case f.Name == r.name && a.Region == s.cfg.Region && a.Account == s.cfg.Account:
			return invalid("You can't specify the function as a destination for itself.")
		}
		if _, err := s.place(ref{f.Name, f.Qualifier}); err != nil || a.Region != s.cfg.Region || a.Account != s.cfg.Account {
			return invalid("The destination ARN %s is invalid.", destination)
		}
		return nil
	case "sqs":
		return s.checkQueue(ctx, "DestinationConfig", destination)
	case "s3":
		if success {
			return wrongDestination(destination, success)
		}
		if s.cfg.Objects == nil {
			return unsupported("DestinationConfig", "there is no S3")
		}
		if _, err := s.cfg.Objects.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(a.Resource)}); err != nil {
			return invalid("The destination ARN %s is invalid.", destination)
		}
		return nil
	case "sns", "events":
		return unsupported("DestinationConfig", "there is no "+map[string]string{"sns": "SNS", "events": "EventBridge"}[a.Service]+"; give a function, a queue or a bucket")
	}
	return wrongDestination(destination, success)
}

func wrongDestination(destination string, success bool) error {
	if success {
		return invalid("The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=%s), onFailure=null) is invalid.", destination)
	}
	return invalid("The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=%s)) is invalid.", destination)
}

// checkDeadLetter refuses a target of dead letters that is not here.
func (s *Service) checkDeadLetter(target string) error {
	if target == "" {
		return nil
	}
	a, err := arn.Parse(target)
	if err != nil {
		return invalid("The target ARN %s is invalid.", target)
	}
	switch a.Service {
	case "sqs":
		return s.checkQueue(s.lifetime, "DeadLetterConfig", target)
	case "sns":
		return unsupported("DeadLetterConfig", "there is no SNS; give a queue")
	}
	return invalid("The target ARN %s is neither a queue nor a topic.", target)
}

// checkQueue refuses a queue that does not exist, and every queue where there is no queue service.
func (s *Service) checkQueue(ctx context.Context, member, target string) error {
	if s.cfg.Queues == nil {
		return unsupported(member, "there is no SQS here")
	}
	if _, err := s.queueURL(ctx, target); err != nil {
		return invalid("The destination ARN %s is invalid.", target)
	}
	return nil
}

// queueURL finds the address of a queue by its ARN.
func (s *Service) queueURL(ctx context.Context, queue string) (*string, error) {
	a, err := arn.Parse(queue)
	if err != nil {
		return nil, err
	}
	out, err := s.cfg.Queues.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(a.Resource), QueueOwnerAWSAccountId: aws.String(a.Account)})
	if err != nil {
		return nil, err
	}
	return out.QueueUrl, nil
}

// end takes an event out of the queue whose invocation is over, and puts in what is to be told of it, in one commit. o is
// nil when the function was not run at last.
func (q *eventQueue) end(key string, e eventRecord, condition string, o *outcome) error {
	b := &store.Batch{}
	now := q.service.cfg.Clock.Now().UTC()
	var waiting []string
	e.Deliveries = nil
	for _, d := range q.service.deliveries(e, condition, o, now) {
		f, err := arn.ParseFunction(d.Target)
		if err != nil {
			e.Deliveries = append(e.Deliveries, d)
			continue
		}
		next, err := uuid.NewV7()
		if err != nil {
			return err
		}
		// A function is told through the queue itself, exactly once.
		if err := put(b, eventBucket, next.String(), eventRecord{ID: awsproto.NewRequestID(), Function: f.Name, Qualifier: f.Qualifier, Payload: d.Body, Trace: e.Trace, Accepted: now, Due: now}); err != nil {
			return err
		}
		waiting = append(waiting, next.String())
	}
	if len(e.Deliveries) == 0 {
		b.Delete(eventBucket, key)
	} else {
		e.Due = now
		if err := put(b, eventBucket, key, e); err != nil {
			return err
		}
		waiting = append(waiting, key)
	}
	if err := q.service.cfg.Store.Commit(context.WithoutCancel(q.ctx), b); err != nil {
		return err
	}
	if condition != succeeded {
		q.service.async(e, "AsyncEventsDropped", "Count", 1)
	}
	for _, k := range waiting {
		q.schedule(k, 0)
	}
	return nil
}

// deliveries lists what is to be told of an invocation that is over, and to whom.
func (s *Service) deliveries(e eventRecord, condition string, o *outcome, now time.Time) []delivery {
	t, err := s.place(ref{e.Function, e.Qualifier})
	if err != nil {
		return nil // the function is gone, and its configuration with it
	}
	qualifier := e.Qualifier
	if qualifier == "" {
		qualifier = latest
	}
	var all []delivery
	destination := ""
	if a := t.snapshot.async[qualifier]; a != nil {
		if destination = a.OnFailure; condition == succeeded {
			destination = a.OnSuccess
		}
	}
	if destination != "" {
		r := invocationRecord{
			Version: "1.0", Timestamp: now.Format("2006-01-02T15:04:05.000Z"), RequestPayload: asJSON(e.Payload),
			RequestContext: recordContext{e.ID, s.arn(e.Function, qualifier), condition, e.Failures},
		}
		if condition == succeeded {
			r.RequestContext.Count++
		}
		if o != nil {
			r.ResponseContext = &responseContext{200, o.executed, o.result.FunctionError}
			r.ResponsePayload = asJSON(o.result.Payload)
		}
		if body, err := json.Marshal(r); err == nil { // all parts are JSON
			all = append(all, delivery{Target: destination, Body: body, At: now})
		}
	}
	if letter := t.route.primary.version.Config.DeadLetter; letter != "" && condition != succeeded {
		reason := condition
		if o != nil {
			var f struct {
				Message string `json:"errorMessage"`
			}
			if json.Unmarshal(o.result.Payload, &f) == nil && f.Message != "" {
				reason = f.Message
			}
		}
		all = append(all, delivery{Target: letter, DeadLetter: true, Body: e.Payload, Reason: reason[:min(len(reason), 1024)], At: now})
	}
	return all
}

// asJSON gives a payload as a member of a document: as it is, or as a string where it is no JSON.
func asJSON(payload []byte) json.RawMessage {
	if json.Valid(payload) {
		return payload
	}
	return json.RawMessage(jsonText(string(payload)))
}

// deliver sends what is to be told of an event. What fails is tried again, and given up in the end.
func (q *eventQueue) deliver(key string, e eventRecord) error {
	s := q.service
	left := slices.Clone(e.Deliveries)
	for i := 0; i < len(left); {
		d := &left[i]
		err := s.send(q.ctx, e, *d)
		if err != nil && q.ctx.Err() != nil {
			return err // closing; the next start goes on
		}
		if err == nil {
			left = slices.Delete(left, i, i+1)
			continue
		}
		if d.Tries++; d.Tries < maxDeliveries {
			i++
			continue
		}
		s.cfg.Logger.Error("lambda: the result of an asynchronous invocation cannot be delivered and is dropped",
			"function", s.arn(e.Function, e.Qualifier), "requestId", e.ID, "target", d.Target, "error", err)
		metric := "DestinationDeliveryFailures"
		if d.DeadLetter {
			metric = "DeadLetterErrors"
		}
		s.cfg.Meter.Series(namespace, metric, "Count", "FunctionName", e.Function)(1)
		left = slices.Delete(left, i, i+1)
	}
	if e.Deliveries = left; len(left) == 0 {
		return q.forget(key)
	}
	return q.later(key, e, firstPause<<left[0].Tries)
}

// send makes one delivery to a queue or a bucket.
func (s *Service) send(ctx context.Context, e eventRecord, d delivery) error {
	a, err := arn.Parse(d.Target)
	if err != nil {
		return err
	}
	switch {
	case a.Service == "s3" && s.cfg.Objects != nil:
		at := d.At.UTC()
		key := fmt.Sprintf("aws/lambda/async/%s/%s/%s-%s", e.Function, at.Format("2006/01/02"), at.Format("2006-01-02T15.04.05"), e.ID)
		_, err := s.cfg.Objects.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(a.Resource), Key: aws.String(key), Body: bytes.NewReader(d.Body), ContentType: aws.String("application/json"),
			ContentLength: aws.Int64(int64(len(d.Body))),
		})
		return err
	case a.Service == "sqs" && s.cfg.Queues != nil:
		url, err := s.queueURL(ctx, d.Target)
		if err != nil {
			return err
		}
		in := &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String(string(d.Body))}
		if d.DeadLetter {
			text := func(kind, v string) sqstypes.MessageAttributeValue {
				return sqstypes.MessageAttributeValue{DataType: aws.String(kind), StringValue: aws.String(v)}
			}
			in.MessageAttributes = map[string]sqstypes.MessageAttributeValue{
				"RequestID": text("String", e.ID), "ErrorCode": text("Number", "200"), "ErrorMessage": text("String", d.Reason),
			}
		}
		if strings.HasSuffix(a.Resource, ".fifo") {
			in.MessageGroupId, in.MessageDeduplicationId = aws.String(e.Function), aws.String(e.ID)
		}
		_, err = s.cfg.Queues.SendMessage(ctx, in)
		return err
	}
	return errors.New("this platform has no such service")
}

// stopped reports whether a throttled function has no concurrency at all, in which case AWS does not try again.
func (s *Service) stopped(r ref, err error) bool {
	var throttled *types.TooManyRequestsException
	if !errors.As(err, &throttled) {
		return false
	}
	t, err := s.place(r)
	return err == nil && t.snapshot.record.Reserved != nil && *t.snapshot.record.Reserved == 0
}
