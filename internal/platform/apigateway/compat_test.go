package apigateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// What a function of the Lambda proxy may leave out, and what it may not add.
func TestMalformedAnswers(t *testing.T) {
	payload := ""
	r := newRig(t, Config{Invoker: invokerFunc(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{Payload: []byte(payload)}, nil
	})})
	r.proxy(r.root, "GET", functionURI)
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	const internal = `{"message":"Internal server error"}`
	for _, c := range []struct {
		payload string
		status  int
		body    string
	}{
		{`{}`, 200, ""},
		{`{"body":"x"}`, 200, "x"},
		{`{"statusCode":201,"headers":{},"multiValueHeaders":{},"isBase64Encoded":false,"body":"x"}`, 201, "x"},
		{`{"statusCode":200,"body":"x","colour":"blue"}`, 502, internal},
		{`{"statusCode":200,"body":"x","cookies":[]}`, 502, internal},
		{`{"body":{"a":1}}`, 502, internal},
		{`"x"`, 502, internal},
		{`null`, 502, internal},
	} {
		payload = c.payload
		w := r.do("GET", "/prod", "")
		r.expect(w, c.status, c.body)
		if got := w.Header().Get("X-Amzn-Errortype"); c.status == 502 && got != "InternalServerErrorException" {
			t.Errorf("%s: error type %q", c.payload, got)
		}
	}
	_, err := r.c.PutGatewayResponse(t.Context(), &apigateway.PutGatewayResponseInput{
		RestApiId: &r.id, ResponseType: types.GatewayResponseTypeDefault5xx, ResponseParameters: map[string]string{"gatewayresponse.header.X-Own": "'1'"},
	})
	must(t, err)
	r.deploy(&apigateway.CreateDeploymentInput{})
	if w := r.do("GET", "/prod", ""); w.Code != 502 || w.Header().Get("X-Own") != "1" {
		t.Errorf("with a DEFAULT_5XX of its own: %d %v", w.Code, w.Header())
	}
}

// A backend that cannot be reached is INTEGRATION_FAILURE, whose status is 504.
func TestBackendThatIsGone(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	r := newRig(t, Config{})
	r.method(r.root, "GET", &apigateway.PutIntegrationInput{Type: types.IntegrationTypeHttpProxy, IntegrationHttpMethod: aws.String("GET"), Uri: &gone.URL})
	r.deploy(&apigateway.CreateDeploymentInput{})
	r.expect(r.do("GET", "/prod", ""), 504, `{"message":"Internal server error"}`)
}

func TestSignedRequests(t *testing.T) {
	var event string
	r := newRig(t, Config{
		Verify: func(key string) (string, bool) { return "secret", key == "AKIDEXAMPLE" },
		Invoker: invokerFunc(func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			event = string(in.Payload)
			return &lambda.InvokeOutput{Payload: []byte(`{"body":"in"}`)}, nil
		}),
	})
	_, err := r.c.PutMethod(t.Context(), &apigateway.PutMethodInput{RestApiId: &r.id, ResourceId: &r.root, HttpMethod: aws.String("GET"), AuthorizationType: aws.String("AWS_IAM")})
	must(t, err)
	_, err = r.c.PutIntegration(t.Context(), &apigateway.PutIntegrationInput{
		RestApiId: &r.id, ResourceId: &r.root, HttpMethod: aws.String("GET"), Type: types.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: aws.String(functionURI),
	})
	must(t, err)
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})

	ask := func(key, secret string, at time.Time) *httptest.ResponseRecorder {
		q := httptest.NewRequest("GET", "http://"+r.id+".execute-api.localhost:4566/prod?a=b", nil)
		must(t, v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, q, emptySum, "execute-api", "us-east-1", at))
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		return w
	}
	r.expect(r.do("GET", "/prod", ""), 403, `{"message":"Missing Authentication Token"}`)
	r.expect(ask("AKIDEXAMPLE", "secret", r.clock.t), 200, "in")
	if !strings.Contains(event, `"accessKey":"AKIDEXAMPLE"`) || !strings.Contains(event, `"userArn":"arn:aws:iam::000000000000:root"`) {
		t.Errorf("event %s", event)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"another secret": ask("AKIDEXAMPLE", "guessed", r.clock.t),
		"another key":    ask("AKIDOTHER", "secret", r.clock.t),
		"an hour ago":    ask("AKIDEXAMPLE", "secret", r.clock.t.Add(-time.Hour)),
	} {
		if w.Code != http.StatusForbidden || w.Header().Get("X-Amzn-Errortype") == "" {
			t.Errorf("%s: %d %s %v", name, w.Code, w.Body, w.Header())
		}
	}
}

// A deployment neither fills a throttle's bucket nor forgets what an authorizer decided.
func TestDeploymentsKeepThrottlesAndDecisions(t *testing.T) {
	asked := 0
	r := newRig(t, Config{Invoker: invokerFunc(func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		if strings.HasSuffix(*in.FunctionName, ":guard") {
			asked++
			return &lambda.InvokeOutput{Payload: []byte(`{"principalId":"p","policyDocument":{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}}`)}, nil
		}
		return &lambda.InvokeOutput{Payload: []byte(`{"body":"in"}`)}, nil
	})})
	guard, err := r.c.CreateAuthorizer(t.Context(), &apigateway.CreateAuthorizerInput{
		RestApiId: &r.id, Name: aws.String("guard"), Type: types.AuthorizerTypeToken, IdentitySource: aws.String("method.request.header.Authorization"),
		AuthorizerUri: aws.String(strings.Replace(functionURI, "${stageVariables.alias}", "guard", 1)), AuthorizerResultTtlInSeconds: aws.Int32(300),
	})
	must(t, err)
	_, err = r.c.PutMethod(t.Context(), &apigateway.PutMethodInput{
		RestApiId: &r.id, ResourceId: &r.root, HttpMethod: aws.String("GET"), AuthorizationType: aws.String("CUSTOM"), AuthorizerId: guard.Id,
	})
	must(t, err)
	_, err = r.c.PutIntegration(t.Context(), &apigateway.PutIntegrationInput{
		RestApiId: &r.id, ResourceId: &r.root, HttpMethod: aws.String("GET"), Type: types.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: aws.String(functionURI),
	})
	must(t, err)
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	_, err = r.c.UpdateStage(t.Context(), &apigateway.UpdateStageInput{RestApiId: &r.id, StageName: aws.String("prod"), PatchOperations: []types.PatchOperation{
		{Op: types.OpReplace, Path: aws.String("/*/*/throttling/rateLimit"), Value: aws.String("0")},
		{Op: types.OpReplace, Path: aws.String("/*/*/throttling/burstLimit"), Value: aws.String("2")},
	}})
	must(t, err)
	r.expect(r.do("GET", "/prod", "", "Authorization", "x"), 200, "in")
	r.deploy(&apigateway.CreateDeploymentInput{})
	r.expect(r.do("GET", "/prod", "", "Authorization", "x"), 200, "in")
	r.deploy(&apigateway.CreateDeploymentInput{})
	r.expect(r.do("GET", "/prod", "", "Authorization", "x"), 429, `{"message":"Too Many Requests"}`)
	if asked != 1 {
		t.Errorf("the authorizer was asked %d times", asked)
	}
}

func TestClone(t *testing.T) {
	r := newRig(t, Config{Invoker: answers7(`{"body":"in"}`)})
	r.proxy(r.resource("/a/{b}"), "GET", functionURI)
	made, err := r.c.CreateRestApi(t.Context(), &apigateway.CreateRestApiInput{Name: aws.String("twin"), CloneFrom: &r.id})
	must(t, err)
	first := r.id
	r.id = *made.Id
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	r.expect(r.do("GET", "/prod/a/1", ""), 200, "in")
	_, err = r.c.DeleteRestApi(t.Context(), &apigateway.DeleteRestApiInput{RestApiId: &first})
	must(t, err)
	r.open()
	r.expect(r.do("GET", "/prod/a/1", ""), 200, "in")
	_, err = r.c.CreateRestApi(t.Context(), &apigateway.CreateRestApiInput{Name: aws.String("x"), CloneFrom: &first})
	refusedWith(t, err, "BadRequestException", "there is none")
}
