package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func TestLambdaInvoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got *lambda.InvokeInput
		answer, err := &lambda.InvokeOutput{}, error(nil)
		s := open(t, Config{Invoker: invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			got = in
			return answer, err
		})})
		m := create(t, s, "m", machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true,
			"Parameters":{"FunctionName":"f:live","Payload.$":"$.p","ClientContext":"Y3R4"}}`), false)
		plain := create(t, s, "plain", machineOf(`"A":{"Type":"Task","Resource":"`+fn+`f:7","End":true}`), false)
		run := func(machine, input string) string {
			x := start1(t, s, machine, "", input)
			synctest.Wait()
			return ended(t, s, x)
		}

		answer = &lambda.InvokeOutput{StatusCode: 200, ExecutedVersion: aws.String("7"), Payload: []byte(`{"z": "<>", "a": 1}`)}
		out := run(m, `{"p":{"k": "<v>"}}`)
		if *got.FunctionName != "f:live" || *got.ClientContext != "Y3R4" || !jsonEqual(string(got.Payload), `{"k":"<v>"}`) {
			t.Fatalf("%+v %s", got, got.Payload)
		}
		var o struct {
			ExecutedVersion string
			Payload         json.RawMessage
			SdkHttpMetadata struct {
				AllHttpHeaders map[string][]string
				HttpHeaders    map[string]string
				HttpStatusCode int
			}
			SdkResponseMetadata struct{ RequestId string }
			StatusCode          int
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(out, "SUCCEEDED ")), &o); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if o.ExecutedVersion != "7" || string(o.Payload) != `{"z":"<>","a":1}` || o.StatusCode != 200 || o.SdkHttpMetadata.HttpStatusCode != 200 ||
			len(o.SdkHttpMetadata.HttpHeaders) != 8 || o.SdkHttpMetadata.AllHttpHeaders["X-Amz-Executed-Version"][0] != "7" || o.SdkResponseMetadata.RequestId == "" {
			t.Fatal(out)
		}
		for input, sent := range map[string]string{
			`{"p":null}`: `{}`, `{"p":""}`: `{}`, `{"p":"{\"a\": 1}"}`: `{"a": 1}`, `{"p":"true"}`: `true`, `{"p":[1, 2]}`: `[1,2]`, `{"p":"\"s\""}`: `"s"`,
		} {
			run(m, input)
			is(t, "the body for "+input, string(got.Payload), sent)
		}

		answer = &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage": "no <1>", "errorType": "Exception"}`)}
		is(t, "the function fails", run(m, `{"p":1}`), `FAILED Exception: {"errorMessage":"no <1>","errorType":"Exception"}`)
		is(t, "a plain function fails", run(plain, `{"p":1}`), `FAILED Exception: {"errorMessage": "no <1>", "errorType": "Exception"}`)
		is(t, "the plain function", *got.FunctionName+string(got.Payload), fn+`f:7{"p":1}`)
		answer = &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage":"timed out"}`)}
		is(t, "without a type", run(plain, `{}`), `FAILED Lambda.Unknown: The cause could not be determined because Lambda did not return an error type. Returned payload: {"errorMessage":"timed out"}`)

		answer = &lambda.InvokeOutput{StatusCode: 200, Payload: []byte(`"` + strings.Repeat("x", 257<<10) + `"`)}
		is(t, "too large", run(m, `{"p":1}`), "FAILED States.DataLimitExceeded: The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes service limit.")
		is(t, "too large, plain", run(plain, `{"p":1}`), "FAILED States.DataLimitExceeded: The state/task '"+fn+"f:7' returned a result with a size exceeding the maximum number of bytes service limit.")

		err = &lambdatypes.ResourceNotFoundException{Message: aws.String("Function not found: " + fn + "f:live")}
		out = run(m, `{"p":1}`)
		if !strings.HasPrefix(out, "FAILED Lambda.ResourceNotFoundException: Function not found: "+fn+"f:live (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: ") || !strings.HasSuffix(out, "; Proxy: null)") {
			t.Fatal(out)
		}
		err = &lambdatypes.TooManyRequestsException{Message: aws.String("Rate Exceeded.")}
		if out = run(plain, `{}`); !strings.HasPrefix(out, "FAILED Lambda.TooManyRequestsException: Rate Exceeded. (Service: AWSLambda; Status Code: 429; ") {
			t.Fatal(out)
		}
		err = errors.New("the wire broke")
		is(t, "no error of AWS's", run(plain, `{}`), "FAILED Lambda.SdkClientException: the wire broke")
	})
}

func jsonEqual(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}
