package awsproto

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tealdeploy/teal/internal/fault"
)

// The toy services fail on request: the name in the input chooses how.

func toyError(name string) error {
	switch name {
	case "missing":
		return &types.ResourceNotFoundException{Message: aws.String("Function not found: missing"), Type: aws.String("User")}
	case "throttled":
		return &types.TooManyRequestsException{Message: aws.String("Rate Exceeded."), Reason: types.ThrottleReasonCallerRateLimitExceeded, RetryAfterSeconds: aws.String("2")}
	case "no-machine":
		return &sfntypes.StateMachineDoesNotExist{Message: aws.String("State Machine Does Not Exist: 'x'")}
	case "no-metric":
		return &cwtypes.ResourceNotFoundException{Message: aws.String("No such thing"), ResourceType: aws.String("Dashboard")}
	case "bad-parameter":
		return &cwtypes.InvalidParameterValueException{Message: aws.String("The value x for parameter y is invalid.")}
	case "fault":
		return &fault.Error{Code: "ValidationException", Message: "1 validation error <detected>", Members: map[string]any{"Type": "User", "Count": 3}}
	case "server-fault":
		return &fault.Error{Code: "ServiceException", Message: "try later", Server: true}
	case "secret":
		return errors.New("the password is swordfish")
	case "panic":
		panic("the password is swordfish")
	}
	return nil
}

func toyLambda() *Service {
	s := &Service{Name: "lambda", Protocols: []Protocol{RESTJSON}, MaxBody: 4096}
	s.Operations = []Operation{
		Op(func(_ context.Context, in *lambda.GetFunctionInput) (*lambda.GetFunctionOutput, error) {
			return nil, toyError(*in.FunctionName)
		}, Schema(lambdaSchema("GetFunction"))),
		Op(func(_ context.Context, in *lambda.CreateAliasInput) (*lambda.CreateAliasOutput, error) {
			return &lambda.CreateAliasOutput{Name: in.Name, AliasArn: in.FunctionName, RoutingConfig: in.RoutingConfig}, nil
		}, Schema(lambdaSchema("CreateAlias"))),
		Op(func(context.Context, *lambda.DeleteAliasInput) (*lambda.DeleteAliasOutput, error) { return nil, nil }, Schema(lambdaSchema("DeleteAlias"))),
		Op(func(_ context.Context, in *lambda.ListFunctionsInput) (*lambda.ListFunctionsOutput, error) {
			return &lambda.ListFunctionsOutput{NextMarker: aws.String(string(in.FunctionVersion) + " " + aws.ToString(in.Marker))}, nil
		}, Schema(lambdaSchema("ListFunctions"))),
		Raw("Invoke", Schema(lambdaSchema("Invoke")), func(w http.ResponseWriter, r *http.Request) {
			name := CallOf(r.Context()).Label("FunctionName")
			if name == "half" {
				w.WriteHeader(http.StatusOK)
				_, _ = io.WriteString(w, `{"half":`)
				w.(http.Flusher).Flush()
				panic("too late")
			}
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = toyError(name)
			}
			if err != nil {
				s.WriteError(w, r, err)
				return
			}
			w.Header().Set("X-Amz-Executed-Version", "7")
			_, _ = io.WriteString(w, name+" "+string(body)+" "+CallOf(r.Context()).RequestID)
		}),
	}
	return s
}

func toyStates() *Service {
	return &Service{Name: "states", Target: "AWSStepFunctions", Protocols: []Protocol{AWSJSON10}, Naming: LowerCamel, Operations: []Operation{
		Op(func(_ context.Context, in *sfn.DescribeStateMachineInput) (*sfn.DescribeStateMachineOutput, error) {
			return &sfn.DescribeStateMachineOutput{Name: in.StateMachineArn}, toyError(aws.ToString(in.StateMachineArn))
		}),
		Op(func(_ context.Context, in *sfn.GetExecutionHistoryInput) (*sfn.GetExecutionHistoryOutput, error) {
			return &sfn.GetExecutionHistoryOutput{Events: []sfntypes.HistoryEvent{{Id: int64(in.MaxResults)}}}, nil
		}),
		Op(func(context.Context, *sfn.CreateStateMachineInput) (*sfn.CreateStateMachineOutput, error) {
			return nil, nil
		}),
	}}
}

func toyMetrics() *Service {
	return &Service{
		Name: "monitoring", Target: "GraniteServiceVersion20100801", APIVersion: "2010-08-01", Namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/",
		Protocols: []Protocol{RPCV2CBOR, AWSJSON10, AWSQuery},
		Operations: []Operation{
			Op(func(_ context.Context, in *cloudwatch.GetDashboardInput) (*cloudwatch.GetDashboardOutput, error) {
				return &cloudwatch.GetDashboardOutput{DashboardBody: in.DashboardName}, toyError(aws.ToString(in.DashboardName))
			}),
			Op(func(_ context.Context, in *cloudwatch.GetMetricStatisticsInput) (*cloudwatch.GetMetricStatisticsOutput, error) {
				return &cloudwatch.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []cwtypes.Datapoint{{
					Timestamp: in.StartTime, Sum: aws.Float64(float64(len(in.Dimensions))), ExtendedStatistics: map[string]float64{"p99": 1.5},
				}}}, nil
			}),
		},
	}
}

func toySTS() *Service {
	return &Service{
		Name: "sts", APIVersion: "2011-06-15", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/", Protocols: []Protocol{AWSQuery},
		Operations: []Operation{
			Op(func(context.Context, *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
				return &sts.GetCallerIdentityOutput{Account: aws.String("123456789012")}, nil
			}),
		},
	}
}

// send gives a request to a mux, without a network.
func send(t *testing.T, h http.Handler, method, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	if res.Header.Get("X-Amzn-Requestid") == "" || res.Header.Get("X-Amzn-Requestid") != res.Header.Get("X-Amz-Request-Id") {
		t.Errorf("%s %s: request ids are %v", method, target, res.Header)
	}
	return res, w.Body.String()
}

func scoped(service string) string {
	return "AWS4-HMAC-SHA256 Credential=AKID/20261103/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=00"
}
