package sqs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/store/memory"
)

// Whatever is sent, received, timed out, deleted, killed and refused by the disk, in whatever order: a message whose sending
// was acknowledged is delivered until its deletion was, and never after.
func TestAcknowledgedMessagesAreDeliveredUntilDeleted(t *testing.T) {
	t.Run("standard", rapid.MakeCheck(func(t *rapid.T) { deliver(t, "q") }))
	t.Run("FIFO", rapid.MakeCheck(func(t *rapid.T) { deliver(t, "q.fifo") }))
}

func deliver(t *rapid.T, name string) {
	ctx := context.Background()
	fifo := name == "q.fifo"
	clock, disk := newHandClock(), &flaky{Store: memory.New()}
	var s *Service
	open := func() {
		var err error
		if s, err = New(Config{Store: disk, Clock: clock}); err != nil {
			t.Fatal(err)
		}
	}
	open()
	defer func() { _ = s.Close() }()
	attributes := map[string]string{"VisibilityTimeout": "10"}
	if fifo {
		attributes["FifoQueue"] = "true"
	}
	made, err := s.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	url := made.QueueUrl
	failed := func(err error) bool {
		if err != nil && !errors.Is(err, errFlaky) {
			t.Fatal(err)
		}
		return err != nil
	}
	owed, deleted := map[string]bool{}, map[string]bool{} // acknowledged: sent, and not yet deleted; deleted
	handles := map[string][]string{}                      // by body
	sent := 0
	receive := func(n int32) int {
		out, err := s.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: n})
		if failed(err) {
			return 0
		}
		for _, m := range out.Messages {
			if deleted[*m.Body] {
				t.Fatalf("%s was delivered after its deletion had been acknowledged", *m.Body)
			}
			handles[*m.Body] = append(handles[*m.Body], *m.ReceiptHandle)
		}
		return len(out.Messages)
	}
	t.Repeat(map[string]func(*rapid.T){
		"send": func(t *rapid.T) {
			in := &sqs.SendMessageBatchInput{QueueUrl: url}
			for range rapid.IntRange(1, 3).Draw(t, "messages") {
				sent++
				e := types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(sent)), MessageBody: aws.String(fmt.Sprint(sent))}
				if fifo {
					e.MessageDeduplicationId, e.MessageGroupId = e.Id, aws.String(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "group"))
				} else {
					e.DelaySeconds = rapid.Int32Range(0, 5).Draw(t, "delay")
				}
				in.Entries = append(in.Entries, e)
			}
			out, err := s.SendMessageBatch(ctx, in)
			if failed(err) {
				return
			}
			for _, e := range out.Successful {
				owed[*e.Id] = true
			}
		},
		"receive": func(t *rapid.T) { receive(rapid.Int32Range(1, 10).Draw(t, "most")) },
		"wait": func(t *rapid.T) {
			clock.advance(time.Duration(rapid.IntRange(1, 12_000).Draw(t, "ms")) * time.Millisecond)
		},
		"delete": func(t *rapid.T) {
			known := slices.Sorted(maps.Keys(handles))
			if len(known) == 0 {
				t.Skip("nothing was received")
			}
			body := rapid.SampledFrom(known).Draw(t, "message")
			handle := rapid.SampledFrom(handles[body]).Draw(t, "handle")
			out, err := s.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("x"), ReceiptHandle: &handle}}})
			if err != nil && failed(err) {
				delete(owed, body) // it may be gone, or not
				return
			}
			if len(out.Successful) == 1 {
				delete(owed, body)
				deleted[body] = true
			}
		},
		"hide": func(t *rapid.T) {
			known := slices.Sorted(maps.Keys(handles))
			if len(known) == 0 {
				t.Skip("nothing was received")
			}
			handle := rapid.SampledFrom(handles[rapid.SampledFrom(known).Draw(t, "message")]).Draw(t, "handle")
			_, _ = s.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: &handle, VisibilityTimeout: rapid.Int32Range(0, 20).Draw(t, "seconds")})
		},
		"sweep": func(*rapid.T) {
			if q := s.queues[name]; q != nil { // else nothing has been called since the kill
				_ = s.sweep(ctx, q)
			}
		},
		"kill": func(*rapid.T) {
			_ = s.Close() // it writes nothing
			open()
		},
		"refuse": func(*rapid.T) { disk.refuse = true },
		"lie":    func(*rapid.T) { disk.lie = true },
	})
	disk.refuse, disk.lie = false, false
	if rapid.Bool().Draw(t, "kill at the end") {
		_ = s.Close()
		open()
	}
	clear(handles)
	for range 2 * sent {
		clock.advance(30 * time.Second)
		for receive(10) > 0 {
		}
		if !fifo {
			break
		}
		for body, h := range handles { // FIFO queues go on when what was received is deleted
			if _, err := s.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: &h[len(h)-1]}); err == nil && owed[body] {
				owed[body] = false
			}
		}
	}
	for body := range owed {
		if len(handles[body]) == 0 {
			t.Fatalf("%s was acknowledged and is not delivered", body)
		}
	}
}
