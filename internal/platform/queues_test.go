package platform

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
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

// A task sends to a queue and goes on, or waits until the token comes back that it has sent along.
func TestTasksSendMessages(t *testing.T) {
	r := start(t, Config{})
	ctx := t.Context()
	url, _ := r.queue("tasks", nil)
	fifo, _ := r.queue("tasks.fifo", map[string]string{"FifoQueue": "true"})
	start := func(name, pattern, parameters string) *string {
		t.Helper()
		m, err := r.states.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
			Name: &name, RoleArn: aws.String(role),
			Definition: aws.String(`{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage` + pattern + `","Parameters":` + parameters + `,"End":true}}}`),
		})
		must(t, err)
		x, err := r.states.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: m.StateMachineArn, Input: aws.String(`{"order": 7}`)})
		must(t, err)
		return x.ExecutionArn
	}
	ended := func(arn *string) string {
		t.Helper()
		x := r.ended(ctx, *arn)
		return string(x.Status) + " " + aws.ToString(x.Output) + aws.ToString(x.Error) + ": " + aws.ToString(x.Cause)
	}

	plain := start("plain", "", `{"QueueUrl":"`+*url+`","MessageBody":"hello","MessageAttributes":{"colour":{"DataType":"String","StringValue":"green"}}}`)
	m := r.next(url)
	if *m.Body != "hello" || *m.MessageAttributes["colour"].StringValue != "green" {
		t.Errorf("received %+v", m)
	}
	var out struct {
		MD5OfMessageBody, MD5OfMessageAttributes, MessageId string
		SdkHttpMetadata                                     struct{ HttpStatusCode int }
		SdkResponseMetadata                                 struct{ RequestId string }
	}
	got := ended(plain)
	if err := json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimPrefix(got, "SUCCEEDED "), ": ")), &out); err != nil || out.MessageId != *m.MessageId ||
		out.MD5OfMessageBody != *m.MD5OfBody || out.MD5OfMessageAttributes != *m.MD5OfMessageAttributes || out.SdkHttpMetadata.HttpStatusCode != 200 || out.SdkResponseMetadata.RequestId == "" {
		t.Errorf("the task answers %s", got)
	}

	waiting := start("waiting", ".waitForTaskToken", `{"QueueUrl":"`+*url+`","MessageBody":{"Input.$":"$","TaskToken.$":"$$.Task.Token"}}`)
	var body struct {
		Input     json.RawMessage
		TaskToken string
	}
	must(t, json.Unmarshal([]byte(*r.next(url).Body), &body))
	if string(body.Input) != `{"order":7}` {
		t.Errorf("the body has %s", body.Input)
	}
	_, err := r.states.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &body.TaskToken, Output: aws.String(`"done"`)})
	must(t, err)
	if got := ended(waiting); got != `SUCCEEDED "done": ` {
		t.Errorf("the task that waited: %s", got)
	}

	for name, c := range map[string]struct{ parameters, want string }{
		"none":      {`{"QueueUrl":"` + *url + `s","MessageBody":"x"}`, "FAILED SQS.QueueDoesNotExistException: The specified queue does not exist. (Service: AmazonSQS; Status Code: 400; Error Code: AWS.SimpleQueueService.NonExistentQueue; Request ID: "},
		"unmodeled": {`{"QueueUrl":"` + *fifo + `","MessageBody":"x"}`, "FAILED SQS.AmazonSQSException: The request must contain the parameter MessageGroupId. (Service: AmazonSQS; Status Code: 400; Error Code: MissingParameter; Request ID: "},
		"bodiless":  {`{"QueueUrl":"x"}`, `FAILED States.Runtime: The Parameters '{"QueueUrl":"x"}' could not be used to start the Task: [The field 'MessageBody' is required but was missing]`},
		"unknown":   {`{"QueueUrl":"x","MessageBody":"y","Delay":1}`, `FAILED States.Runtime: The Parameters '{"QueueUrl":"x","MessageBody":"y","Delay":1}' could not be used to start the Task: [The field 'Delay' is not supported by Step Functions]`},
	} {
		if got := ended(start(name, "", c.parameters)); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s\nwant %s", name, got, c.want)
		}
	}
}
