package platform

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Tasks of workflows reach every service of the platform, by the names that AWS has for them.
func TestWorkflowsCallEveryService(t *testing.T) {
	r := start(t, Config{})
	for name, c := range map[string]struct{ resource, parameters, want string }{
		"sts":          {"sts:getCallerIdentity", `{}`, `SUCCEEDED {"Account":"000000000000","Arn":"`},
		"apigatewayv2": {"apigatewayv2:createApi", `{"Name":"a","ProtocolType":"HTTP"}`, `SUCCEEDED {"ApiEndpoint":"`},
		"gateway":      {"apigatewayv2:getApi", `{"ApiId":"none"}`, `FAILED ApiGatewayV2.NotFoundException: Invalid API identifier specified`},
		"s3":           {"s3:headBucket", `{"Bucket":"none"}`, `FAILED S3.`},
		"cloudwatch":   {"cloudwatch:listMetrics", `{"Namespace":"none"}`, `SUCCEEDED {"Metrics":[]`},
		"lambda":       {"lambda:getFunction", `{"FunctionName":"none"}`, `FAILED Lambda.ResourceNotFoundException: Function not found`},
		"sqs":          {"sqs:createQueue", `{"QueueName":"made-by-a-task","Attributes":{"DelaySeconds":"0"}}`, `SUCCEEDED {"QueueUrl":"http://` + r.config.Address + `/000000000000/made-by-a-task"}`},
		"sfn":          {"sfn:describeStateMachine", `{"StateMachineArn":"arn:aws:states:us-east-1:000000000000:stateMachine:none"}`, `FAILED Sfn.StateMachineDoesNotExistException: State Machine Does Not Exist`},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := r.states.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
				Name: &name, RoleArn: aws.String(role), Type: sfntypes.StateMachineTypeExpress,
				Definition: aws.String(`{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:` + c.resource + `","Parameters":` + c.parameters + `,"End":true}}}`),
			})
			must(t, err)
			out, err := r.platform.states.StartSyncExecution(t.Context(), &sfn.StartSyncExecutionInput{StateMachineArn: m.StateMachineArn})
			must(t, err)
			got := string(out.Status) + " " + aws.ToString(out.Output)
			if out.Error != nil {
				got += *out.Error + ": " + aws.ToString(out.Cause)
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
	// What a service only knows by name is refused when the machine is created.
	_, err := r.states.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("refused"), RoleArn: aws.String(role),
		Definition: aws.String(`{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:putBucketVersioning","End":true}}}`),
	})
	if err == nil || !strings.Contains(err.Error(), "aws-sdk:s3:putBucketVersioning' is not supported by this platform") {
		t.Error(err)
	}
}
