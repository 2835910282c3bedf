package sqs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tealdeploy/teal/internal/store/memory"
)

func TestMessageGoesThroughQueue(t *testing.T) {
	r := start(t)
	url := r.queue("orders", "VisibilityTimeout", "40")
	if !strings.HasPrefix(*url, "http://127.0.0.1:") || !strings.HasSuffix(*url, "/000000000000/orders") {
		t.Fatalf("the queue's URL is %s", *url)
	}
	sent, err := r.client.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: url, MessageBody: aws.String("This is a test message"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"colour": {DataType: aws.String("String"), StringValue: aws.String("green")},
			"share":  {DataType: aws.String("Number"), StringValue: aws.String("10")},
			"raw":    {DataType: aws.String("Binary.x"), BinaryValue: []byte{0, 1}},
		},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1")}},
	})
	must(t, err)
	if got := *sent.MD5OfMessageBody; got != "fafb00f5732ab283681e124bf8747ed1" { // of AWS's example of SendMessage
		t.Errorf("MD5 of the body is %s", got)
	}
	if sent.MD5OfMessageSystemAttributes == nil || sent.SequenceNumber != nil {
		t.Errorf("MD5 of system attributes %v, sequence number %v", sent.MD5OfMessageSystemAttributes, sent.SequenceNumber)
	}
	r.clock.advance(time.Second)
	m := r.receive(url, 10)[0]
	if *m.MessageId != *sent.MessageId || *m.Body != "This is a test message" || *m.MD5OfBody != *sent.MD5OfMessageBody || *m.MD5OfMessageAttributes != *sent.MD5OfMessageAttributes ||
		*m.MessageAttributes["colour"].StringValue != "green" || string(m.MessageAttributes["raw"].BinaryValue) != "\x00\x01" {
		t.Fatalf("received %+v", m)
	}
	at := r.clock.Now().UnixMilli()
	for name, want := range map[string]string{
		"SentTimestamp": fmt.Sprint(at - 1000), "ApproximateFirstReceiveTimestamp": fmt.Sprint(at), "ApproximateReceiveCount": "1", "AWSTraceHeader": "Root=1",
	} {
		if m.Attributes[name] != want {
			t.Errorf("%s is %q, want %q", name, m.Attributes[name], want)
		}
	}
	r.wantBodies(r.receive(url, 10))
	r.clock.advance(39 * time.Second)
	r.wantBodies(r.receive(url, 10))
	r.clock.advance(time.Second)
	m = r.receive(url, 10)[0]
	if m.Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("the second receive counts %s", m.Attributes["ApproximateReceiveCount"])
	}
	r.delete(url, m)
	r.delete(url, m)
	r.clock.advance(time.Hour)
	r.wantBodies(r.receive(url, 10))
	for key, want := range map[string]float64{"NumberOfMessagesSent": 1, "NumberOfMessagesReceived": 2, "NumberOfEmptyReceives": 3} {
		if got := r.meter.sum("AWS/SQS " + key + " orders"); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
}

// The attributes' checksum is compared with one that boto3's documentation of the algorithm was checked with by hand: name,
// type and value with their lengths, in the order of names.
func TestChecksumOfAttributes(t *testing.T) {
	text := "v"
	got := sumAttributes(map[string]attributeRecord{"b": {Type: "Binary", Binary: []byte("x")}, "a": {Type: "String", Text: &text}})
	want := sum("\x00\x00\x00\x01a\x00\x00\x00\x06String\x01\x00\x00\x00\x01v" + "\x00\x00\x00\x01b\x00\x00\x00\x06Binary\x02\x00\x00\x00\x01x")
	if *got != want {
		t.Errorf("%s, want %s", *got, want)
	}
}

func TestQueuesAreKept(t *testing.T) {
	r := start(t)
	ctx := t.Context()
	url := r.queue("orders", "DelaySeconds", "5")
	r.queue("orders")
	_, err := r.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("orders"), Attributes: map[string]string{"DelaySeconds": "6"}})
	wantError(t, err, "QueueAlreadyExists", "A queue already exists with the same name and a different value for attribute DelaySeconds")
	_, err = r.client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "7", "DelaySeconds": "0"}})
	must(t, err)
	_, err = r.client.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"team": "shop", "old": "x"}})
	must(t, err)
	_, err = r.client.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"old"}})
	must(t, err)
	r.send(url, "kept")

	r.open()
	found, err := r.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("orders")})
	must(t, err)
	url = found.QueueUrl
	all, err := r.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"All"}})
	must(t, err)
	for name, want := range map[string]string{
		"QueueArn": "arn:aws:sqs:us-east-1:000000000000:orders", "VisibilityTimeout": "7", "DelaySeconds": "0", "MaximumMessageSize": "1048576",
		"MessageRetentionPeriod": "345600", "ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "0",
		"CreatedTimestamp": "1767225600", "ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "false",
	} {
		if all.Attributes[name] != want {
			t.Errorf("%s is %q, want %q", name, all.Attributes[name], want)
		}
	}
	if _, has := all.Attributes["ContentBasedDeduplication"]; has {
		t.Error("a standard queue has an attribute of FIFO queues")
	}
	tags, err := r.client.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url})
	must(t, err)
	if len(tags.Tags) != 1 || tags.Tags["team"] != "shop" {
		t.Errorf("tags are %v", tags.Tags)
	}

	_, err = r.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: url})
	must(t, err)
	_, err = r.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url})
	wantError(t, err, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
	var gone *types.QueueDoesNotExist
	if !errors.As(err, &gone) {
		t.Errorf("the error is a %T", err)
	}
	r.open()
	_, err = r.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	wantError(t, err, "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	r.clock.advance(time.Minute)
	r.wantBodies(r.receive(r.queue("orders"), 10))
	for _, bucket := range []string{bucketMessages, bucketBodies} {
		if n := rows(r, bucket); n != 0 {
			t.Errorf("%d rows are left in %s", n, bucket)
		}
	}
}

func TestListsHavePages(t *testing.T) {
	r := start(t)
	ctx := t.Context()
	for _, n := range []string{"a-3", "b-1", "a-1", "a-2"} {
		r.queue(n)
	}
	var got []string
	in := &sqs.ListQueuesInput{QueueNamePrefix: aws.String("a-"), MaxResults: aws.Int32(2)}
	pages := 0
	for p := sqs.NewListQueuesPaginator(r.client, in); p.HasMorePages(); pages++ {
		out, err := p.NextPage(ctx)
		must(t, err)
		for _, u := range out.QueueUrls {
			got = append(got, u[strings.LastIndex(u, "/")+1:])
		}
	}
	if fmt.Sprint(got) != "[a-1 a-2 a-3]" || pages != 2 {
		t.Errorf("%v in %d pages", got, pages)
	}
}

// What boto3 and the CLI can say, and the SDK for Go cannot: a zero.
func TestZerosAreNotDefaults(t *testing.T) {
	r := start(t)
	url := r.queue("q", "DelaySeconds", "60", "VisibilityTimeout", "60")
	call := func(operation, body string) string {
		t.Helper()
		return post(t, r, operation, fmt.Sprintf(body, *url))
	}
	call("SendMessage", `{"QueueUrl":%q,"MessageBody":"now","DelaySeconds":0}`)
	call("SendMessage", `{"QueueUrl":%q,"MessageBody":"later"}`)
	call("SendMessageBatch", `{"QueueUrl":%q,"Entries":[{"Id":"a","MessageBody":"later"},{"Id":"b","MessageBody":"now2","DelaySeconds":0}]}`)
	for range 2 {
		r.clock.advance(time.Millisecond)
		if got := call("ReceiveMessage", `{"QueueUrl":%q,"VisibilityTimeout":0,"MaxNumberOfMessages":10}`); strings.Count(got, `"Body":"now`) != 2 || strings.Contains(got, "later") {
			t.Fatal(got)
		}
	}
	if got := call("ReceiveMessage", `{"QueueUrl":%q,"MaxNumberOfMessages":0}`); !strings.Contains(got, "Must be between 1 and 10") {
		t.Fatal(got)
	}
}

func TestReceiversWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Store: memory.New()})
		must(t, err)
		defer s.Close()
		ctx := t.Context()
		q, err := s.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q"), Attributes: map[string]string{"VisibilityTimeout": "3"}})
		must(t, err)
		receive := func(wait int32) ([]string, time.Duration) {
			t.Helper()
			at := time.Now()
			out, err := s.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: wait})
			must(t, err)
			return bodies(out.Messages), time.Since(at)
		}
		if got, took := receive(20); len(got) != 0 || took != 20*time.Second {
			t.Errorf("an empty queue gave %q after %v", got, took)
		}
		go func() {
			time.Sleep(4 * time.Second)
			_, _ = s.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String("hello")})
		}()
		if got, took := receive(20); fmt.Sprint(got) != "[hello]" || took != 4*time.Second {
			t.Errorf("a message that was sent after 4 s came as %q after %v", got, took)
		}
		if got, took := receive(20); fmt.Sprint(got) != "[hello]" || took != 3*time.Second {
			t.Errorf("a message that was hidden for 3 s came as %q after %v", got, took)
		}
		_, err = s.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String("delayed"), DelaySeconds: 2})
		must(t, err)
		if got, took := receive(20); fmt.Sprint(got) != "[delayed]" || took != 2*time.Second {
			t.Errorf("a message that was delayed for 2 s came as %q after %v", got, took)
		}
		go func() {
			time.Sleep(500 * time.Millisecond)
			s.Close()
		}()
		if got, took := receive(20); len(got) != 0 || took != 500*time.Millisecond {
			t.Errorf("closing ended a receive with %q after %v", got, took)
		}
	})
}

func TestVisibilityIsChanged(t *testing.T) {
	r := start(t)
	ctx := t.Context()
	url := r.queue("q")
	r.send(url, "a")
	m := r.receive(url, 1)[0]
	change := func(handle *string, seconds int32) error {
		_, err := r.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: handle, VisibilityTimeout: seconds})
		return err
	}
	must(t, change(m.ReceiptHandle, 100))
	r.clock.advance(99 * time.Second)
	r.open() // it is kept
	found, err := r.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("q")})
	must(t, err)
	url = found.QueueUrl
	r.wantBodies(r.receive(url, 1))
	if got := r.attribute(url, "ApproximateNumberOfMessagesNotVisible"); got != "1" {
		t.Errorf("%s messages are in flight", got)
	}
	must(t, change(m.ReceiptHandle, 0))
	var visible *types.MessageNotInflight
	if err := change(m.ReceiptHandle, 5); !errors.As(err, &visible) {
		t.Errorf("a message that is not in flight was hidden: %v", err)
	}
	second := r.receive(url, 1)[0]
	wantError(t, change(m.ReceiptHandle, 5), "InvalidParameterValue", "Value "+*m.ReceiptHandle+" for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
	wantError(t, change(second.ReceiptHandle, 43201), "InvalidParameterValue", "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.")
	r.clock.advance(time.Second)
	wantError(t, change(second.ReceiptHandle, 43200), "InvalidParameterValue", "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	out, err := r.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("good"), ReceiptHandle: second.ReceiptHandle, VisibilityTimeout: 0}, {Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense")},
	}})
	must(t, err)
	if len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" || !out.Failed[0].SenderFault {
		t.Errorf("%+v", out)
	}
	r.wantBodies(r.receive(url, 1), "a")
}

func TestMessageReceivedTooOftenGoesToDeadLetterQueue(t *testing.T) {
	r := start(t)
	ctx := t.Context()
	letters := r.queue("letters")
	url := r.queue("q", "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:letters","maxReceiveCount":"2"}`)
	r.send(url, "bad", "good")
	for range 2 {
		for _, m := range r.receive(url, 10) {
			if *m.Body == "good" {
				r.delete(url, m)
			}
		}
		r.clock.advance(30 * time.Second)
	}
	r.wantBodies(r.receive(letters, 10))
	r.wantBodies(r.receive(url, 10))
	r.open()
	sources, err := r.client.ListDeadLetterSourceQueues(ctx, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: letters})
	must(t, err)
	if len(sources.QueueUrls) != 1 || !strings.HasSuffix(sources.QueueUrls[0], "/q") {
		t.Errorf("the sources are %v", sources.QueueUrls)
	}
	r.clock.advance(time.Hour)
	r.wantBodies(r.receive(url, 10))
	m := r.receive(letters, 10)
	r.wantBodies(m, "bad")
	if m[0].Attributes["DeadLetterQueueSourceArn"] != "arn:aws:sqs:us-east-1:000000000000:q" {
		t.Errorf("attributes are %v", m[0].Attributes)
	}
	_, err = r.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("x"), Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":2}`}})
	wantError(t, err, "InvalidParameterValue", `Value {"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":2} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.`)
}

func TestOldMessagesGo(t *testing.T) {
	r := start(t)
	url := r.queue("q", "MessageRetentionPeriod", "3600")
	r.send(url, "old")
	r.clock.advance(time.Hour - time.Minute)
	r.send(url, "young")
	must(t, r.sweep(t.Context(), r.queues["q"]))
	if got := r.meter.sum("AWS/SQS ApproximateNumberOfMessagesVisible q"); got < 2 {
		t.Errorf("the gauge has %v", got)
	}
	r.clock.advance(time.Minute)
	r.wantBodies(r.receive(url, 10), "young")
	r.clock.advance(time.Hour)
	must(t, r.sweep(t.Context(), r.queues["q"]))
	if n := rows(r, bucketBodies) + rows(r, bucketMessages); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestPurge(t *testing.T) {
	r := start(t)
	ctx := t.Context()
	url := r.queue("q")
	r.send(url, "a", "b")
	held := r.receive(url, 1)[0]
	_, err := r.client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url})
	must(t, err)
	_, err = r.client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url})
	wantError(t, err, "AWS.SimpleQueueService.PurgeQueueInProgress", "Only one PurgeQueue operation on q is allowed every 60 seconds.")
	r.send(url, "new")
	r.delete(url, held)
	r.clock.advance(time.Hour)
	r.open()
	r.wantBodies(r.receive(url, 10), "new")
}

// A handle of a deleted message must not name another one, though the queue was empty when the service came back.
func TestHandlesAreNotGivenAgain(t *testing.T) {
	r := start(t)
	url := r.queue("q")
	r.send(url, "one")
	m := r.receive(url, 1)[0]
	r.delete(url, m)
	r.clock.advance(time.Millisecond)
	r.open()
	r.send(url, "two")
	r.delete(url, m)
	r.wantBodies(r.receive(url, 1), "two")
}

func TestBatches(t *testing.T) {
	r := start(t)
	ctx := t.Context()
	url := r.queue("q", "MaximumMessageSize", "1024")
	send := func(entries ...types.SendMessageBatchRequestEntry) (*sqs.SendMessageBatchOutput, error) {
		return r.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
	}
	entry := func(id, body string) types.SendMessageBatchRequestEntry {
		return types.SendMessageBatchRequestEntry{Id: aws.String(id), MessageBody: aws.String(body)}
	}
	out, err := send(entry("a", "one"), entry("b", strings.Repeat("x", 1025)), entry("c", "\x01"), entry("d", "two"))
	must(t, err)
	if len(out.Successful) != 2 || len(out.Failed) != 2 || *out.Failed[0].Id != "b" || *out.Failed[0].Code != "InvalidParameterValue" || *out.Failed[1].Code != "InvalidMessageContents" {
		t.Fatalf("%+v", out)
	}
	if got := post(t, r, "SendMessageBatch", fmt.Sprintf(`{"QueueUrl":%q,"Entries":[]}`, *url)); !strings.Contains(got, "There should be at least one SendMessageBatchRequestEntry in the request.") {
		t.Error(got)
	}
	_, err = send(entry("a", "x"), entry("a", "y"))
	wantError(t, err, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id a repeated.")
	_, err = send(entry("a b", "x"))
	wantError(t, err, "AWS.SimpleQueueService.InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
	var eleven []types.SendMessageBatchRequestEntry
	for i := range 11 {
		eleven = append(eleven, entry(fmt.Sprint(i), "x"))
	}
	_, err = send(eleven...)
	wantError(t, err, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11.")
	_, err = send(entry("a", strings.Repeat("x", maxSize)), entry("b", "x"))
	wantError(t, err, "AWS.SimpleQueueService.BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.")

	got := r.receive(url, 10)
	r.wantBodies(got, "one", "two")
	deleted, err := r.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: got[0].ReceiptHandle}, {Id: aws.String("b"), ReceiptHandle: aws.String("nonsense")},
	}})
	must(t, err)
	if len(deleted.Successful) != 1 || len(deleted.Failed) != 1 || *deleted.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Fatalf("%+v", deleted)
	}
	r.clock.advance(time.Hour)
	r.wantBodies(r.receive(url, 10), "two")
}

func TestRefusals(t *testing.T) {
	r := start(t)
	ctx := t.Context()
	url := r.queue("q")
	create := func(name string, attributes map[string]string) error {
		_, err := r.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: attributes})
		return err
	}
	send := func(in sqs.SendMessageInput) error {
		in.QueueUrl = url
		_, err := r.client.SendMessage(ctx, &in)
		return err
	}
	receive := func(in sqs.ReceiveMessageInput) error {
		if in.QueueUrl == nil {
			in.QueueUrl = url
		}
		_, err := r.client.ReceiveMessage(ctx, &in)
		return err
	}
	attribute := func(kind, text string) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{"n": {DataType: &kind, StringValue: &text}}
	}
	const allowedSet = "the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
	_, permission := r.client.AddPermission(ctx, &sqs.AddPermissionInput{QueueUrl: url, Label: aws.String("x"), AWSAccountIds: []string{"1"}, Actions: []string{"*"}})
	for _, c := range []struct {
		err           error
		code, message string
	}{
		{create("a b", nil), "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
		{create("a.fifo", nil), "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
		{create("a", map[string]string{"FifoQueue": "true"}), "InvalidParameterValue", "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."},
		{create("a", map[string]string{"Colour": "green"}), "InvalidAttributeName", "Unknown Attribute Colour."},
		{create("a", map[string]string{"DelaySeconds": "901"}), "InvalidAttributeValue", "Invalid value for the parameter DelaySeconds."},
		{create("a", map[string]string{"KmsMasterKeyId": "k"}), "AWS.SimpleQueueService.UnsupportedOperation", "KmsMasterKeyId is not supported by this endpoint: messages are not encrypted. Leave it out."},
		{send(sqs.SendMessageInput{MessageBody: aws.String("")}), "MissingParameter", "The request must contain the parameter MessageBody."},
		{send(sqs.SendMessageInput{MessageBody: aws.String("a\x02")}), "InvalidMessageContents", "Invalid binary character '#x2' was found in the message body, " + allowedSet},
		{send(sqs.SendMessageInput{MessageBody: aws.String("a"), DelaySeconds: 901}), "InvalidParameterValue", "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."},
		{send(sqs.SendMessageInput{MessageBody: aws.String("a"), MessageDeduplicationId: aws.String("d")}), "InvalidParameterValue", "Value d for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type."},
		{send(sqs.SendMessageInput{MessageBody: aws.String("a"), MessageAttributes: attribute("Text", "x")}), "InvalidParameterValue", "The message attribute 'n' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."},
		{send(sqs.SendMessageInput{MessageBody: aws.String("a"), MessageAttributes: attribute("Number", "x")}), "InvalidParameterValue", "Can't cast the value of message (user) attribute 'n' to a number."},
		{receive(sqs.ReceiveMessageInput{MaxNumberOfMessages: 11}), "InvalidParameterValue", "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."},
		{receive(sqs.ReceiveMessageInput{WaitTimeSeconds: 21}), "InvalidParameterValue", "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."},
		{receive(sqs.ReceiveMessageInput{QueueUrl: aws.String("q")}), "InvalidAddress", "The address q is not valid for this endpoint."},
		{receive(sqs.ReceiveMessageInput{QueueUrl: aws.String("http://x/111111111111/q")}), "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."},
		{permission, "UnknownOperationException", "Service sqs does not serve the operation AddPermission here"},
	} {
		wantError(t, c.err, c.code, c.message)
	}
}
