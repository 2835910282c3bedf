package sqs

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func (r *rig) sendGroup(url *string, group, dedup, body string) *sqs.SendMessageOutput {
	r.t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body, MessageGroupId: &group}
	if dedup != "" {
		in.MessageDeduplicationId = &dedup
	}
	out, err := r.client.SendMessage(r.t.Context(), in)
	must(r.t, err)
	return out
}

func TestGroupsKeepTheirOrder(t *testing.T) {
	r := start(t)
	url := r.queue("q.fifo", "FifoQueue", "true")
	for _, m := range []struct{ group, body string }{{"a", "a1"}, {"a", "a2"}, {"b", "b1"}, {"a", "a3"}} {
		r.sendGroup(url, m.group, m.body, m.body)
	}
	first := r.receive(url, 2)
	r.wantBodies(first, "a1", "a2")
	r.wantBodies(r.receive(url, 10), "b1")
	r.delete(url, first[0])
	r.wantBodies(r.receive(url, 10))
	r.clock.advance(20 * time.Second)
	r.delete(url, first[1])
	third := r.receive(url, 10)
	r.wantBodies(third, "a3")
	if third[0].Attributes["MessageGroupId"] != "a" || third[0].Attributes["MessageDeduplicationId"] != "a3" || len(third[0].Attributes["SequenceNumber"]) != 20 {
		t.Errorf("attributes are %v", third[0].Attributes)
	}
	r.clock.advance(time.Minute)
	_, err := r.client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: third[0].ReceiptHandle})
	wantError(t, err, "InvalidParameterValue", "Value "+*third[0].ReceiptHandle+" for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.")
	r.wantBodies(r.receive(url, 10), "b1", "a3")
}

func TestDuplicatesAreTakenOnce(t *testing.T) {
	r := start(t)
	url := r.queue("q.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true")
	one := r.sendGroup(url, "g", "", "same")
	r.clock.advance(4 * time.Minute)
	r.open() // what was seen is kept
	two := r.sendGroup(url, "h", "", "same")
	if *one.MessageId != *two.MessageId || *one.SequenceNumber != *two.SequenceNumber {
		t.Errorf("%s %s, then %s %s", *one.MessageId, *one.SequenceNumber, *two.MessageId, *two.SequenceNumber)
	}
	r.delete(url, r.receive(url, 10)[0])
	r.clock.advance(time.Minute)
	must(t, r.sweep(t.Context(), r.queues["q.fifo"]))
	if n := rows(r, bucketSeen); n != 0 {
		t.Errorf("%d deduplication IDs are kept", n)
	}
	r.sendGroup(url, "g", "", "same")
	r.wantBodies(r.receive(url, 10), "same")
}

func TestFIFOWantsGroupAndDeduplication(t *testing.T) {
	r := start(t)
	url := r.queue("q.fifo", "FifoQueue", "true")
	_, err := r.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
	wantError(t, err, "MissingParameter", "The request must contain the parameter MessageGroupId.")
	_, err = r.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g")})
	wantError(t, err, "InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	_, err = r.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("d"), DelaySeconds: 1})
	wantError(t, err, "InvalidParameterValue", "Value 1 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.")
}

func TestDeadLettersOfGroupsLetTheOthersGoOn(t *testing.T) {
	r := start(t)
	letters := r.queue("l.fifo", "FifoQueue", "true")
	url := r.queue("q.fifo", "FifoQueue", "true", "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:l.fifo","maxReceiveCount":1}`)
	r.sendGroup(url, "g", "1", "bad")
	r.sendGroup(url, "g", "2", "next")
	r.wantBodies(r.receive(url, 1), "bad")
	r.clock.advance(time.Minute)
	r.wantBodies(r.receive(url, 1))
	r.wantBodies(r.receive(url, 1), "next")
	r.wantBodies(r.receive(letters, 10), "bad")
}
