package sqs

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// query posts a form as clients did until 2023, signed for the service, and reads the elements of the answer by their
// paths below the result: "Attribute.Name" has the text of every such element, in order.
func (r *rig) query(to, form string) (status int, answer map[string][]string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, to, strings.NewReader(form+"&Version=2012-11-05"))
	must(r.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0")
	res, err := http.DefaultClient.Do(req)
	must(r.t, err)
	defer res.Body.Close()
	answer = map[string][]string{}
	var at []string
	for d := xml.NewDecoder(res.Body); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return res.StatusCode, answer
		}
		must(r.t, err)
		switch e := token.(type) {
		case xml.StartElement:
			at = append(at, e.Name.Local)
		case xml.EndElement:
			at = at[:len(at)-1]
		case xml.CharData:
			path := strings.Join(at[2:], ".")
			answer[path] = append(answer[path], string(e))
		}
	}
}

// TestQueryProtocol calls every shape of parameter and answer that the Query protocol has for queues.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html
func TestQueryProtocol(t *testing.T) {
	r := start(t)
	first := r.queue("first")
	endpoint := strings.TrimSuffix(*first, "/000000000000/first")
	var at, receipt string
	for _, c := range []struct {
		to, form string // the endpoint when to is ""
		status   int
		want     map[string][]string // of what is named
	}{
		{
			"", "Action=CreateQueue&QueueName=old&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&Attribute.2.Name=VisibilityTimeout&Attribute.2.Value=7&Tag.1.Key=team&Tag.1.Value=blue", 200,
			map[string][]string{"QueueUrl": {endpoint + "/000000000000/old"}},
		},
		{"old", "Action=GetQueueAttributes&AttributeName.1=DelaySeconds&AttributeName.2=VisibilityTimeout", 200, // by its address alone
			map[string][]string{"Attribute.Name": {"DelaySeconds", "VisibilityTimeout"}, "Attribute.Value": {"5", "7"}}},
		{"", "Action=ListQueueTags&QueueUrl=" + url.QueryEscape(endpoint+"/000000000000/old"), 200, map[string][]string{"Tag.Key": {"team"}, "Tag.Value": {"blue"}}},
		{"", "Action=ListQueues", 200, map[string][]string{"QueueUrl": {endpoint + "/000000000000/first", endpoint + "/000000000000/old"}}},
		{
			"old", "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=now&SendMessageBatchRequestEntry.1.DelaySeconds=0" +
				"&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=later&SendMessageBatchRequestEntry.3.Id=c", 200,
			map[string][]string{"SendMessageBatchResultEntry.Id": {"a", "b"}, "BatchResultErrorEntry.Id": {"c"}, "BatchResultErrorEntry.SenderFault": {"true"}},
		},
		{
			"old", "Action=SendMessage&MessageBody=" + url.QueryEscape("<&>") + "&DelaySeconds=0&MessageAttribute.1.Name=colour&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=green", 200,
			map[string][]string{"MD5OfMessageBody": {"e221f9cd324af003c67bd09951ba8089"}},
		},
		{"old", "Action=ReceiveMessage&MaxNumberOfMessages=10&AttributeName.1=ApproximateReceiveCount&MessageAttributeName.1=All", 200, map[string][]string{
			"Message.Body": {"now", "<&>"}, "Message.Attribute.Name": {"ApproximateReceiveCount", "ApproximateReceiveCount"}, "Message.Attribute.Value": {"1", "1"},
			"Message.MessageAttribute.Name": {"colour"}, "Message.MessageAttribute.Value.StringValue": {"green"},
		}},
		{"old", "Action=ReceiveMessage&VisibilityTimeout=0", 200, map[string][]string{"Message.Body": nil}},
		{
			"old", "Action=DeleteMessageBatch&DeleteMessageBatchRequestEntry.1.Id=x&DeleteMessageBatchRequestEntry.1.ReceiptHandle=<receipt>&DeleteMessageBatchRequestEntry.2.Id=y&DeleteMessageBatchRequestEntry.2.ReceiptHandle=none", 200,
			map[string][]string{"DeleteMessageBatchResultEntry.Id": {"x"}, "BatchResultErrorEntry.Code": {"ReceiptHandleIsInvalid"}},
		},
		{"old", "Action=UntagQueue&TagKey.1=team", 200, nil},
		{"old", "Action=ListQueueTags", 200, map[string][]string{"Tag.Key": nil}},
		{"old", "Action=SetQueueAttributes&Attribute.Name=DelaySeconds&Attribute.Value=0", 400, nil}, // a single entry has a number, too
		{"old", "Action=StartMessageMoveTask", 400, map[string][]string{"Code": {"InvalidAction"}}},
		{"none", "Action=GetQueueAttributes", 400, map[string][]string{"Type": {"Sender"}, "Code": {"AWS.SimpleQueueService.NonExistentQueue"}, "Message": {"The specified queue does not exist."}}},
	} {
		at = endpoint + "/"
		if c.to != "" {
			at += "000000000000/" + c.to
		}
		status, got := r.query(at, strings.ReplaceAll(c.form, "<receipt>", url.QueryEscape(receipt)))
		if status != c.status {
			t.Errorf("%s: %d %v", c.form, status, got)
		}
		for path, want := range c.want {
			if !reflect.DeepEqual(got[path], want) {
				t.Errorf("%s: %s is %q, want %q", c.form, path, got[path], want)
			}
		}
		if h := got["Message.ReceiptHandle"]; len(h) > 0 {
			receipt = h[0]
		}
	}
	if n := r.attribute(first, types.QueueAttributeNameVisibilityTimeout); n != "30" {
		t.Errorf("JSON is not spoken beside: %s", n)
	}
}
