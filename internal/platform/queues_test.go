package platform

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func (r *rig) queue(name string, attributes map[string]string) (url *string, arn string) {
	r.t.Helper()
	out, err := sqs.NewFromConfig(r.aws).CreateQueue(r.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	must(r.t, err)
	return out.QueueUrl, "arn:aws:sqs:us-east-1:000000000000:" + name
}

// next waits for the next message of a queue and deletes it.
func (r *rig) next(url *string) sqstypes.Message {
	r.t.Helper()
	client := sqs.NewFromConfig(r.aws)
	for range 60 { // of twenty seconds of platform time
		out, err := client.ReceiveMessage(r.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20, MessageAttributeNames: []string{"All"}})
		must(r.t, err)
		if len(out.Messages) > 0 {
			_, err := client.DeleteMessage(r.t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: out.Messages[0].ReceiptHandle})
			must(r.t, err)
			return out.Messages[0]
		}
	}
	r.t.Fatalf("nothing comes through %s", *url)
	return sqstypes.Message{}
}

// What becomes of an asynchronous invocation is told to queues.
func TestFailedInvocationsGoToQueues(t *testing.T) {
	r := start(t, Config{ClockRate: 30})
	ctx := t.Context()
	failed, failedARN := r.queue("failed", nil)
	letters, lettersARN := r.queue("letters", nil)
	r.create("failing", map[string]string{"FAIL": "no"})
	_, err := r.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("failing"), DeadLetterConfig: &lambdatypes.DeadLetterConfig{TargetArn: &lettersARN}})
	must(t, err)
	_, err = r.lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: aws.String("failing"), MaximumRetryAttempts: aws.Int32(1),
		DestinationConfig: &lambdatypes.DestinationConfig{OnFailure: &lambdatypes.OnFailure{Destination: &failedARN}},
	})
	must(t, err)
	_, err = r.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("failing"), InvocationType: lambdatypes.InvocationTypeEvent, Payload: []byte(`{"order":7}`)})
	must(t, err)

	var record struct {
		RequestContext struct {
			Condition string `json:"condition"`
			Count     int    `json:"approximateInvokeCount"`
		} `json:"requestContext"`
		RequestPayload  json.RawMessage `json:"requestPayload"`
		ResponsePayload struct {
			Message string `json:"errorMessage"`
		} `json:"responsePayload"`
	}
	must(t, json.Unmarshal([]byte(*r.next(failed).Body), &record))
	if record.RequestContext.Condition != "RetriesExhausted" || record.RequestContext.Count != 2 || string(record.RequestPayload) != `{"order":7}` || record.ResponsePayload.Message != "no" {
		t.Errorf("the destination was told %+v", record)
	}
	letter := r.next(letters)
	if *letter.Body != `{"order":7}` || aws.ToString(letter.MessageAttributes["ErrorMessage"].StringValue) != "no" {
		t.Errorf("the dead letter is %s with %+v", *letter.Body, letter.MessageAttributes)
	}
}

// A function gets what is in a queue, in batches. The messages that it reports to have failed come again, until the queue
// gives them up; the others of their batch do not.
func TestFunctionReadsQueue(t *testing.T) {
	r := start(t, Config{ClockRate: 30})
	ctx := t.Context()
	letters, lettersARN := r.queue("letters", nil)
	work, workARN := r.queue("work", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + lettersARN + `","maxReceiveCount":2}`})
	client := sqs.NewFromConfig(r.aws)
	var entries []sqstypes.SendMessageBatchRequestEntry
	for i, body := range []string{"good", "bad", "fine", "bad"} {
		entries = append(entries, sqstypes.SendMessageBatchRequestEntry{Id: aws.String(string(rune('a' + i))), MessageBody: aws.String(body)})
	}
	sent, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: work, Entries: entries})
	must(t, err)
	r.create("worker", nil)
	_, err = r.lambda.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{
		FunctionName: aws.String("worker"), EventSourceArn: &workARN, BatchSize: aws.Int32(3),
		FunctionResponseTypes: []lambdatypes.FunctionResponseType{lambdatypes.FunctionResponseTypeReportBatchItemFailures},
	})
	must(t, err)

	got := map[string]string{}
	for range 2 {
		m := r.next(letters)
		got[*m.MessageId] = *m.Body
	}
	for _, i := range []int{1, 3} {
		if id := *sent.Successful[i].MessageId; got[id] != "bad" {
			t.Errorf("message %s is not among the dead letters %v", id, got)
		}
	}
	state, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: work, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	must(t, err)
	for _, n := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		if state.Attributes[n] != "0" {
			t.Errorf("%s is %s after all was handled", n, state.Attributes[n])
		}
	}
}
