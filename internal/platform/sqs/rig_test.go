package sqs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// handClock stands still until it is moved.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*handTimer
}

type handTimer struct {
	at time.Time
	f  func()
}

func newHandClock() *handClock {
	return &handClock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &handTimer{c.now.Add(d), f}
	c.timers = append(c.timers, t)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := len(c.timers)
		c.timers = slices.DeleteFunc(c.timers, func(o *handTimer) bool { return o == t })
		return len(c.timers) < n
	}
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []*handTimer
	c.timers = slices.DeleteFunc(c.timers, func(t *handTimer) bool {
		if t.at.After(c.now) {
			return false
		}
		due = append(due, t)
		return true
	})
	c.mu.Unlock()
	for _, t := range due {
		go t.f()
	}
}

// meterMap adds up what is recorded, by metric and queue.
type meterMap struct {
	mu   sync.Mutex
	sums map[string]float64
}

func (m *meterMap) Series(namespace, metric, _ string, dims ...string) func(float64) {
	return func(v float64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.sums[namespace+" "+metric+" "+dims[1]] += v
	}
}

func (m *meterMap) sum(key string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sums[key]
}

// rig is a service behind a listener, and AWS's client of it.
type rig struct {
	t     *testing.T
	store store.Store
	clock *handClock
	meter *meterMap
	*Service
	client *sqs.Client
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, store: memory.New(), clock: newHandClock(), meter: &meterMap{sums: map[string]float64{}}}
	r.open()
	return r
}

// open starts a service on the rig's store, as after a kill: what ran before is not asked.
func (r *rig) open() {
	r.t.Helper()
	s, err := New(Config{Store: r.store, Clock: r.clock, Meter: r.meter})
	if err != nil {
		r.t.Fatal(err)
	}
	mux, err := awsproto.NewMux(awsproto.Config{}, s.API())
	if err != nil {
		r.t.Fatal(err)
	}
	server := httptest.NewServer(http.Handler(mux))
	r.t.Cleanup(func() {
		_ = s.Close()
		server.Close()
	})
	r.Service = s
	r.client = sqs.New(sqs.Options{
		BaseEndpoint: aws.String(server.URL), Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})
}

// queue makes a queue and returns its URL.
func (r *rig) queue(name string, attributes ...string) *string {
	r.t.Helper()
	in := &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: map[string]string{}}
	for i := 0; i < len(attributes); i += 2 {
		in.Attributes[attributes[i]] = attributes[i+1]
	}
	out, err := r.client.CreateQueue(r.t.Context(), in)
	must(r.t, err)
	return out.QueueUrl
}

func (r *rig) send(url *string, bodies ...string) {
	r.t.Helper()
	for _, b := range bodies {
		_, err := r.client.SendMessage(r.t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String(b)})
		must(r.t, err)
	}
}

func (r *rig) receive(url *string, n int32) []types.Message {
	r.t.Helper()
	out, err := r.client.ReceiveMessage(r.t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: n, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	must(r.t, err)
	return out.Messages
}

func (r *rig) delete(url *string, m types.Message) {
	r.t.Helper()
	_, err := r.client.DeleteMessage(r.t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
	must(r.t, err)
}

func (r *rig) wantBodies(got []types.Message, want ...string) {
	r.t.Helper()
	if g := bodies(got); !slices.Equal(g, want) {
		r.t.Fatalf("received %q, want %q", g, want)
	}
}

func (r *rig) attribute(url *string, name types.QueueAttributeName) string {
	r.t.Helper()
	out, err := r.client.GetQueueAttributes(r.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{name}})
	must(r.t, err)
	return out.Attributes[string(name)]
}

func bodies(messages []types.Message) (out []string) {
	for _, m := range messages {
		out = append(out, *m.Body)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || api.ErrorMessage() != message {
		t.Fatalf("error is %v, want %s: %s", err, code, message)
	}
}

// flaky is a store whose next commit fails when it is told so, with or without having been applied.
type flaky struct {
	store.Store
	refuse, lie bool
}

var errFlaky = errors.New("the disk is gone")

func (f *flaky) Commit(ctx context.Context, b *store.Batch) error {
	if f.refuse {
		f.refuse = false
		return errFlaky
	}
	err := f.Store.Commit(ctx, b)
	if f.lie {
		f.lie = false
		return fmt.Errorf("%w, after the write", errFlaky)
	}
	return err
}

// rows counts the rows of a bucket.
func rows(r *rig, bucket string) (n int) {
	r.t.Helper()
	for _, err := range r.store.Scan(r.t.Context(), bucket, store.Range{}) {
		must(r.t, err)
		n++
	}
	return n
}

// post calls an operation as it is on the wire.
func post(t *testing.T, r *rig, operation, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, *r.client.Options().BaseEndpoint, strings.NewReader(body))
	must(t, err)
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	must(t, err)
	return string(raw)
}
