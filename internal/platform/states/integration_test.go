package states

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/fault"
)

// aService is an SDKCaller with one operation.
type aService struct{}

func (aService) Serves(service, action string) bool {
	return service == "things" && action == "getThing"
}

func (aService) Call(_ context.Context, _, _ string, input json.RawMessage) (json.RawMessage, error) {
	if strings.Contains(string(input), "missing") {
		return nil, fault.New("ThingNotFound", "There is no such thing")
	}
	return json.RawMessage(`{"Thing":` + string(input) + `}`), nil
}

func TestSDKIntegration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{SDK: aService{}})
		target := create(t, s, "target", twoPass, false)
		for name, c := range map[string]struct{ resource, parameters, want string }{
			"answer":         {"things:getThing", `{"Name":"a"}`, `SUCCEEDED {"Thing":{"Name":"a"}}`},
			"error":          {"things:getThing", `{"Name":"missing"}`, "FAILED Things.ThingNotFoundException: There is no such thing (Service: Things, Status Code: 400, Request ID: …"},
			"own operations": {"sfn:describeStateMachineAlias", `{"StateMachineAliasArn":"` + target + `:live"}`, "FAILED Sfn.ResourceNotFoundException: Resource not found: '" + target + ":live' (Service: Sfn, …"},
			"bad parameter":  {"sfn:listExecutions", `{"MaxResults":"many"}`, "FAILED Sfn.SerializationException: STRING_VALUE can not be converted to an Integer (…"},
			"times":          {"sfn:listStateMachines", `{"MaxResults":1}`, `SUCCEEDED {"StateMachines":[{"CreationDate":"2000-01-01T00:00:00Z","Name":"m…`},
			"function":       {"lambda:invoke", `{"FunctionName":"f","Payload":{"a":1}}`, `SUCCEEDED {"ExecutedVersion":"$LATEST","Payload":"{\"a\":1}","StatusCode":200}`},
		} {
			m := create(t, s, "m"+strings.ReplaceAll(name, " ", ""), machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:`+c.resource+`","Parameters":`+c.parameters+`,"End":true}`), false)
			x := start1(t, s, m, "", "")
			synctest.Wait()
			want, open := strings.CutSuffix(c.want, "…")
			if got := ended(t, s, x); got != want && !(open && strings.HasPrefix(got, want)) {
				t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
			}
		}
		for _, resource := range []string{"aws-sdk:things:deleteThing", "aws-sdk:dynamodb:getItem", "sns:publish", "s3:getObject"} {
			_, err := s.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
				Name: aws.String("no"), RoleArn: aws.String(role), Definition: aws.String(machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::` + resource + `","Parameters":{},"End":true}`)),
			})
			refused(t, err, "InvalidDefinition", "Invalid State Machine Definition: 'UNSUPPORTED_FEATURE: The service integration '"+resource+"' is not supported by this platform…")
		}
	})
}

func TestStartExecutionIntegration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		target := create(t, s, "target", twoPass, false)
		task := func(name, parameters string) string {
			x := start1(t, s, create(t, s, name, machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution","Parameters":`+parameters+`,"ResultSelector":{"arn.$":"$.ExecutionArn"},"End":true}`), false), "", `{"n":1}`)
			synctest.Wait()
			return ended(t, s, x)
		}
		var out struct{ Arn string }
		got := task("a", `{"StateMachineArn":"`+target+`","Input.$":"$"}`)
		if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "SUCCEEDED ")), &out); err != nil {
			t.Fatal(got)
		}
		is(t, "the started one", ended(t, s, out.Arn), `SUCCEEDED {"n":1}`)
		if got := task("b", `{"StateMachineArn":"`+arnStart+`gone"}`); !strings.HasPrefix(got, "FAILED StepFunctions.StateMachineDoesNotExistException: State Machine Does Not Exist: '"+arnStart+"gone' (Service: AWSStepFunctions; Status Code: 400; Error Code: StateMachineDoesNotExist; Request ID: ") {
			t.Fatal(got)
		}
	})
}

func TestHTTPIntegration(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bad":
			http.Error(w, "no", http.StatusTeapot)
		case "/away":
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"q": r.URL.Query()["a"], "h": r.Header["X-A"], "m": r.Method, "t": r.Header.Get("Content-Type")})
		}
	}))
	defer server.Close()
	s := open(t, Config{})
	for name, c := range map[string]struct{ endpoint, more, want string }{
		"call":      {server.URL, `,"QueryParameters":{"a":["1",2]},"Headers":{"x-a":"h"},"RequestBody":{"b":1}`, `SUCCEEDED {"h":["h"],"m":"POST","q":["1","2"],"t":"application/json"}`},
		"form":      {server.URL, `,"RequestBody":{"b":1},"Transform":{"RequestBodyEncoding":"URL_ENCODED"}`, `SUCCEEDED {"h":null,"m":"POST","q":null,"t":"application/x-www-form-urlencoded"}`},
		"status":    {server.URL + "/bad", "", "FAILED States.Http.StatusCode.418: no\n"},
		"redirect":  {server.URL + "/away", "", "FAILED States.Http.StatusCode.302: "},
		"elsewhere": {"http://192.0.2.1/", "", "FAILED States.Runtime: http://192.0.2.1/ is not called: http:invoke calls endpoints on loopback addresses only on this platform"},
	} {
		m := *must[*sfn.CreateStateMachineOutput](t)(s.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
			Name: aws.String(name), RoleArn: aws.String(role), Type: types.StateMachineTypeExpress,
			Definition: aws.String(machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::http:invoke","Parameters":{"Method":"POST","ApiEndpoint":"` + c.endpoint + `"` + c.more + `},"OutputPath":"$.ResponseBody","End":true}`)),
		})).StateMachineArn
		out := must[*sfn.StartSyncExecutionOutput](t)(s.StartSyncExecution(t.Context(), &sfn.StartSyncExecutionInput{StateMachineArn: &m}))
		got := string(out.Status) + " " + text(out.Output)
		if out.Error != nil {
			got += *out.Error + ": " + text(out.Cause)
		}
		is(t, name, got, c.want)
	}
}
