package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tealdeploy/teal/internal/pool"
)

// fakeObjects is one bucket, "box".
type fakeObjects struct {
	mu      sync.Mutex
	objects map[string][]byte
	broken  bool
}

func (o *fakeObjects) HeadBucket(_ context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	if *in.Bucket != "box" {
		return nil, &s3types.NotFound{}
	}
	return &s3.HeadBucketOutput{}, nil
}

func (o *fakeObjects) GetObject(_ context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body, ok := o.objects[*in.Key]
	if !ok {
		return nil, &s3types.NoSuchKey{Message: aws.String("The specified key does not exist.")}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(body))}, nil
}

func (o *fakeObjects) PutObject(_ context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken {
		return nil, errors.New("disk full")
	}
	body, err := io.ReadAll(in.Body)
	o.objects[*in.Key] = body
	return &s3.PutObjectOutput{}, err
}

// fakeQueue is one queue, "q". A message that was received is hidden until visibility is over.
type fakeQueue struct {
	mu         sync.Mutex
	messages   []*queued
	received   int
	visibility time.Duration
	sent       []*sqs.SendMessageInput
	arrived    chan struct{}
}

type queued struct {
	sqstypes.Message
	hidden time.Time
}

const queueARN = "arn:aws:sqs:us-east-1:000000000000:q"

func newQueue() *fakeQueue {
	return &fakeQueue{visibility: 30 * time.Second, arrived: make(chan struct{}, 1)}
}

func (q *fakeQueue) put(bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range bodies {
		q.received++
		id := "m" + strconv.Itoa(q.received)
		q.messages = append(q.messages, &queued{Message: sqstypes.Message{MessageId: &id, ReceiptHandle: &id, Body: aws.String(b)}})
	}
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

func (q *fakeQueue) left() (bodies []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		bodies = append(bodies, *m.Body)
	}
	return bodies
}

func (q *fakeQueue) GetQueueUrl(_ context.Context, in *sqs.GetQueueUrlInput) (*sqs.GetQueueUrlOutput, error) {
	if *in.QueueName != "q" {
		return nil, &sqstypes.QueueDoesNotExist{}
	}
	return &sqs.GetQueueUrlOutput{QueueUrl: aws.String("http://q")}, nil
}

func (q *fakeQueue) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"VisibilityTimeout": strconv.Itoa(int(q.visibility.Seconds()))}}, nil
}

func (q *fakeQueue) SendMessage(_ context.Context, in *sqs.SendMessageInput) (*sqs.SendMessageOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent = append(q.sent, in)
	return &sqs.SendMessageOutput{}, nil
}

func (q *fakeQueue) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error) {
	until := time.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second)
	for {
		out := &sqs.ReceiveMessageOutput{}
		q.mu.Lock()
		for _, m := range q.messages {
			if len(out.Messages) < int(in.MaxNumberOfMessages) && !m.hidden.After(time.Now()) {
				m.hidden = time.Now().Add(q.visibility)
				out.Messages = append(out.Messages, m.Message)
			}
		}
		q.mu.Unlock()
		if len(out.Messages) > 0 || !time.Now().Before(until) {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.arrived:
		case <-time.After(time.Second):
		}
	}
}

func (q *fakeQueue) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput) (*sqs.DeleteMessageBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range in.Entries {
		q.messages = slices.DeleteFunc(q.messages, func(m *queued) bool { return *m.ReceiptHandle == *e.ReceiptHandle })
	}
	return &sqs.DeleteMessageBatchOutput{}, nil
}

func (q *fakeQueue) ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput) (*sqs.ChangeMessageVisibilityOutput, error) {
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

func (x *fixture) destinations(success, failure string) error {
	in := &sdk.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("fn"), MaximumRetryAttempts: aws.Int32(0), DestinationConfig: &types.DestinationConfig{}}
	if success != "" {
		in.DestinationConfig.OnSuccess = &types.OnSuccess{Destination: &success}
	}
	if failure != "" {
		in.DestinationConfig.OnFailure = &types.OnFailure{Destination: &failure}
	}
	_, err := x.PutFunctionEventInvokeConfig(context.Background(), in)
	return err
}

func TestDestinationsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects, queue := &fakeObjects{objects: map[string][]byte{}}, newQueue()
		x := start(t, func(c *Config) { c.Objects, c.Queues = objects, queue })
		x.create("fn")
		x.create("told")
		var told [][]byte
		x.exec.do = func(_ context.Context, f *pool.Function, in pool.Invocation) (pool.Result, error) {
			switch {
			case f.Name == "told":
				told = append(told, in.Payload)
				return pool.Result{}, nil
			case string(in.Payload) == `"bad"`:
				return pool.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"no"}`)}, nil
			}
			return pool.Result{Payload: []byte(`{"done":true}`)}, nil
		}
		if err := x.destinations(x.arn("told", ""), "arn:aws:s3:::box"); err != nil {
			t.Fatal(err)
		}
		if _, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: aws.String("fn"), DeadLetterConfig: &types.DeadLetterConfig{TargetArn: aws.String(queueARN)}}); err != nil {
			t.Fatal(err)
		}
		x.settled("fn")
		x.send("fn", `"good"`)
		synctest.Wait()
		var r invocationRecord
		if len(told) != 1 || json.Unmarshal(told[0], &r) != nil {
			t.Fatalf("told %q", told)
		}
		if r.Version != "1.0" || r.RequestContext.Condition != "Success" || r.RequestContext.Count != 1 || r.RequestContext.FunctionARN != x.arn("fn", latest) ||
			string(r.RequestPayload) != `"good"` || string(r.ResponsePayload) != `{"done":true}` || r.ResponseContext.ExecutedVersion != latest || r.ResponseContext.StatusCode != 200 {
			t.Errorf("%s", told[0])
		}

		// A delivery that fails is durable and tried again, over a restart too.
		objects.broken = true
		x.send("fn", `"bad"`)
		synctest.Wait()
		if len(queue.sent) != 1 || *queue.sent[0].MessageBody != `"bad"` || *queue.sent[0].MessageAttributes["ErrorMessage"].StringValue != "no" || x.queued() != 1 {
			t.Fatalf("dead letters %d, events %d", len(queue.sent), x.queued())
		}
		calls := x.exec.count()
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		objects.broken = false
		x.open(func(c *Config) { c.Objects, c.Queues = objects, queue })
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(objects.objects) != 1 || x.queued() != 0 || len(queue.sent) != 1 || x.exec.count() != calls {
			t.Fatalf("objects %d, events %d, dead letters %d", len(objects.objects), x.queued(), len(queue.sent))
		}
		for key, body := range objects.objects {
			if !strings.HasPrefix(key, "aws/lambda/async/fn/2000/01/01/") || !strings.Contains(string(body), `"condition":"RetriesExhausted"`) || !strings.Contains(string(body), `"functionError":"Unhandled"`) {
				t.Errorf("%s: %s", key, body)
			}
		}

		// What cannot be delivered is given up and counted.
		meter := &memoryMeter{sums: map[string]float64{}}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		objects.broken = true
		x.open(func(c *Config) { c.Objects, c.Queues, c.Meter = objects, queue, meter })
		x.send("fn", `"bad"`)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := meter.sums["AWS/Lambda DestinationDeliveryFailures Count FunctionName fn"]; x.queued() != 0 || got != 1 {
			t.Errorf("events %d, failures counted %v", x.queued(), got)
		}
	})
}

func TestDestinationsAreChecked(t *testing.T) {
	x := start(t, func(c *Config) { c.Objects = &fakeObjects{} })
	x.create("fn")
	const code = "InvalidParameterValueException"
	wantError(t, x.destinations(x.arn("fn", ""), ""), code, "You can't specify the function as a destination for itself.")
	wantError(t, x.destinations(x.arn("no", ""), ""), code, "The destination ARN "+x.arn("no", "")+" is invalid.")
	wantError(t, x.destinations("arn:aws:s3:::box", ""), code, "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:s3:::box), onFailure=null) is invalid.")
	wantError(t, x.destinations("", "arn:aws:s3:::none"), code, "The destination ARN arn:aws:s3:::none is invalid.")
	wantError(t, x.destinations(queueARN, ""), code, "DestinationConfig is not supported by this platform: there is no SQS here")
	wantError(t, x.destinations("", "arn:aws:sns:us-east-1:000000000000:t"), code, "DestinationConfig is not supported by this platform: there is no SNS; give a function, a queue or a bucket")
	if err := x.destinations("", "arn:aws:s3:::box"); err != nil {
		t.Error(err)
	}
}

func TestCodeFromABucket(t *testing.T) {
	objects := &fakeObjects{objects: map[string][]byte{"f.zip": zipOf("from s3")}}
	x := start(t, func(c *Config) { c.Objects = objects })
	in := createInput("fn")
	in.Code = &types.FunctionCode{S3Bucket: aws.String("box"), S3Key: aws.String("f.zip")}
	out, err := x.CreateFunction(t.Context(), in)
	if err != nil || out.CodeSize != int64(len(objects.objects["f.zip"])) {
		t.Fatalf("%+v, %v", out, err)
	}
	_, err = x.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), S3Bucket: aws.String("box"), S3Key: aws.String("no")})
	wantError(t, err, "InvalidParameterValueException", "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")
}
