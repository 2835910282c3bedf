package apigatewayv2

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// dial serves s to AWS's own client.
func dial(t *testing.T, s *Service) *apigatewayv2.Client {
	t.Helper()
	mux, err := awsproto.NewMux(awsproto.Config{}, s.API())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return apigatewayv2.New(apigatewayv2.Options{
		Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	})
}

// refused checks an error's code, HTTP status and message.
func refused(t *testing.T, err error, code string, status int, message string) {
	t.Helper()
	var api smithy.APIError
	var resp *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &resp) {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	if api.ErrorCode() != code || resp.HTTPStatusCode() != status || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("got %s %d %q, want %s %d %q", api.ErrorCode(), resp.HTTPStatusCode(), api.ErrorMessage(), code, status, message)
	}
}

// TestThroughTheSDK takes an API through its whole life with AWS's client.
func TestThroughTheSDK(t *testing.T) {
	ctx := t.Context()
	st := memory.New()
	cfg := Config{Store: st, Clock: fixedClock{at}, Endpoint: "127.0.0.1:4566", Invoker: echo}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s)

	api, err := c.CreateApi(ctx, &apigatewayv2.CreateApiInput{
		Name: aws.String("orders"), ProtocolType: types.ProtocolTypeHttp, Description: aws.String("d"), Tags: map[string]string{"teal:app": "orders"},
		CorsConfiguration: &types.Cors{AllowOrigins: []string{"*"}, MaxAge: aws.Int32(5)},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := api.ApiId
	if len(*id) != 10 || *api.ApiEndpoint != "http://"+*id+".execute-api.localhost:4566" || *api.RouteSelectionExpression != "$request.method $request.path" ||
		!api.CreatedDate.Equal(at.Truncate(1e9)) || *api.DisableExecuteApiEndpoint || api.IpAddressType != types.IpAddressTypeIpv4 {
		t.Errorf("CreateApi: %+v", api)
	}
	got, err := c.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: id})
	if err != nil {
		t.Fatal(err)
	}
	if *got.Name != "orders" || got.Tags["teal:app"] != "orders" || *got.CorsConfiguration.MaxAge != 5 || got.CorsConfiguration.AllowOrigins[0] != "*" || *got.ApiEndpoint != *api.ApiEndpoint {
		t.Errorf("GetApi: %+v", got)
	}

	i, err := c.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{
		ApiId: id, IntegrationType: types.IntegrationTypeAwsProxy, IntegrationUri: aws.String(functionHello), PayloadFormatVersion: aws.String("2.0"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *i.TimeoutInMillis != 30000 || i.ConnectionType != types.ConnectionTypeInternet || *i.IntegrationMethod != "POST" {
		t.Errorf("CreateIntegration: %+v", i)
	}
	r, err := c.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: id, RouteKey: aws.String("GET /a/{x}"), Target: aws.String("integrations/" + *i.IntegrationId)})
	if err != nil {
		t.Fatal(err)
	}
	if r.AuthorizationType != types.AuthorizationTypeNone || *r.ApiKeyRequired {
		t.Errorf("CreateRoute: %+v", r)
	}
	stage, err := c.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: id, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	if *stage.StageName != "$default" || len(*stage.DeploymentId) != 6 {
		t.Errorf("CreateStage: %+v", stage)
	}

	get := func(s *Service, path string) (int, string) {
		req := httptest.NewRequest("GET", path, nil)
		req.Host = *id + ".execute-api.localhost:4566"
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	if code, body := get(s, "/a/1"); code != 200 || body != "GET /a/{x} | /a/1 | $default" {
		t.Errorf("served %d %s", code, body)
	}

	if _, err := c.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{ApiId: id, RouteId: r.RouteId, RouteKey: aws.String("GET /b")}); err != nil {
		t.Fatal(err)
	}
	if code, _ := get(s, "/a/1"); code != 404 {
		t.Errorf("the old route is served: %d", code)
	}
	if code, _ := get(s, "/b"); code != 200 {
		t.Errorf("the new route: %d", code)
	}
	if _, err := c.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: id, DisableExecuteApiEndpoint: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	if code, _ := get(s, "/b"); code != 404 {
		t.Errorf("with the endpoint off: %d", code)
	}
	if _, err := c.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: id, DisableExecuteApiEndpoint: aws.Bool(false), Name: aws.String("renamed")}); err != nil {
		t.Fatal(err)
	}

	// Everything acknowledged is there for the next process.
	again, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if code, body := get(again, "/b"); code != 200 || body != "GET /b | /b | $default" {
		t.Errorf("after a restart: %d %s", code, body)
	}
	c = dial(t, again)
	list, err := c.GetApis(ctx, &apigatewayv2.GetApisInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || *list.Items[0].Name != "renamed" || *list.Items[0].ApiEndpoint != *api.ApiEndpoint {
		t.Errorf("GetApis: %+v", list.Items)
	}
	routes, err := c.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: id})
	if err != nil || len(routes.Items) != 1 || *routes.Items[0].RouteKey != "GET /b" {
		t.Errorf("GetRoutes: %+v, %v", routes, err)
	}
	stages, err := c.GetStages(ctx, &apigatewayv2.GetStagesInput{ApiId: id})
	if err != nil || len(stages.Items) != 1 || *stages.Items[0].DeploymentId == *stage.DeploymentId {
		t.Errorf("GetStages: %+v, %v", stages, err)
	}
	deployments, err := c.GetDeployments(ctx, &apigatewayv2.GetDeploymentsInput{ApiId: id})
	if err != nil || len(deployments.Items) != 1 || !*deployments.Items[0].AutoDeployed || deployments.Items[0].DeploymentStatus != types.DeploymentStatusDeployed {
		t.Errorf("GetDeployments: %+v, %v", deployments, err)
	}

	_, err = c.DeleteIntegration(ctx, &apigatewayv2.DeleteIntegrationInput{ApiId: id, IntegrationId: i.IntegrationId})
	refused(t, err, "ConflictException", 409, "Cannot delete Integration because it is referenced by the following Routes with Ids: ["+*r.RouteId+"]")
	if _, err := c.DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: id, RouteId: r.RouteId}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteIntegration(ctx, &apigatewayv2.DeleteIntegrationInput{ApiId: id, IntegrationId: i.IntegrationId}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteStage(ctx, &apigatewayv2.DeleteStageInput{ApiId: id, StageName: aws.String("$default")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteApi(ctx, &apigatewayv2.DeleteApiInput{ApiId: id}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: id})
	refused(t, err, "NotFoundException", 404, "Invalid API identifier specified 000000000000:"+*id)
	for _, bucket := range []string{bucketAPIs, bucketDeployments} {
		for e := range st.Scan(ctx, bucket, store.Range{}) {
			t.Errorf("%s still holds %s", bucket, e.Key)
		}
	}
}

func TestQuickCreate(t *testing.T) {
	s, err := New(Config{Store: memory.New(), Invoker: echo})
	if err != nil {
		t.Fatal(err)
	}
	out, err := dial(t, s).CreateApi(t.Context(), &apigatewayv2.CreateApiInput{Name: aws.String("q"), ProtocolType: types.ProtocolTypeHttp, Target: aws.String(functionHello)})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("PUT", "/any/thing", nil)
	r.Host = *out.ApiId + ".execute-api.localhost"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "$default | /any/thing | $default" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestRefusals(t *testing.T) {
	g := newGateway(t, Config{Invoker: echo})
	c := dial(t, g.Service)
	ctx := t.Context()
	lambda := g.lambda(functionHello, "2.0", nil)
	route := g.addRoute("GET /a/{x}", lambda)
	none := aws.String("nonesuch00")
	str := aws.String
	integration := func(change func(in *apigatewayv2.CreateIntegrationInput)) error {
		in := &apigatewayv2.CreateIntegrationInput{ApiId: &g.id, IntegrationType: types.IntegrationTypeAwsProxy, IntegrationUri: str(functionHello), PayloadFormatVersion: str("2.0")}
		change(in)
		_, err := c.CreateIntegration(ctx, in)
		return err
	}
	subtype := func(subtype string, parameters map[string]string) error {
		return integration(func(in *apigatewayv2.CreateIntegrationInput) {
			in.IntegrationUri, in.PayloadFormatVersion, in.CredentialsArn = nil, nil, str(roleARN)
			in.IntegrationSubtype, in.RequestParameters = &subtype, parameters
		})
	}
	newRoute := func(key string, change func(in *apigatewayv2.CreateRouteInput)) error {
		in := &apigatewayv2.CreateRouteInput{ApiId: &g.id, RouteKey: &key}
		if change != nil {
			change(in)
		}
		_, err := c.CreateRoute(ctx, in)
		return err
	}
	newStage := func(name string, change func(in *apigatewayv2.CreateStageInput)) error {
		in := &apigatewayv2.CreateStageInput{ApiId: &g.id, StageName: &name}
		if change != nil {
			change(in)
		}
		_, err := c.CreateStage(ctx, in)
		return err
	}
	api := func(change func(in *apigatewayv2.CreateApiInput)) error {
		in := &apigatewayv2.CreateApiInput{Name: str("x"), ProtocolType: types.ProtocolTypeHttp}
		change(in)
		_, err := c.CreateApi(ctx, in)
		return err
	}
	const bad, missing, conflict = "BadRequestException", "NotFoundException", "ConflictException"
	for _, x := range []struct {
		name    string
		err     error
		code    string
		message string
	}{
		{"websocket", api(func(in *apigatewayv2.CreateApiInput) { in.ProtocolType = types.ProtocolTypeWebsocket }), bad, "WEBSOCKET is not supported"},
		{"protocol", api(func(in *apigatewayv2.CreateApiInput) { in.ProtocolType = "FTP" }), bad, "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]"},
		{"long name", api(func(in *apigatewayv2.CreateApiInput) { in.Name = str(strings.Repeat("n", 129)) }), bad, "name must have 1 to 128"},
		{"selection", api(func(in *apigatewayv2.CreateApiInput) { in.RouteSelectionExpression = str("$request.body.a") }), bad, "routeSelectionExpression"},
		{"credentials for any origin", api(func(in *apigatewayv2.CreateApiInput) {
			in.CorsConfiguration = &types.Cors{AllowOrigins: []string{"*"}, AllowCredentials: aws.Bool(true)}
		}), bad, "allowCredentials"},
		{"origin", api(func(in *apigatewayv2.CreateApiInput) {
			in.CorsConfiguration = &types.Cors{AllowOrigins: []string{"example.com"}}
		}), bad, "Invalid format for origin"},
		{"quick create over HTTP", api(func(in *apigatewayv2.CreateApiInput) { in.Target = str("https://example.com") }), bad, "not on this machine"},
		{"quick create without a target", api(func(in *apigatewayv2.CreateApiInput) { in.RouteKey = str("GET /") }), bad, "target"},

		{"HTTP_PROXY", integration(func(in *apigatewayv2.CreateIntegrationInput) { in.IntegrationType = types.IntegrationTypeHttpProxy }), bad, "payloadFormatVersion"},
		{"HTTP_PROXY elsewhere", integration(func(in *apigatewayv2.CreateIntegrationInput) {
			in.IntegrationType, in.PayloadFormatVersion, in.IntegrationMethod = types.IntegrationTypeHttpProxy, nil, str("GET")
			in.IntegrationUri = str("http://example.com/")
		}), bad, "not on this machine"},
		{"MOCK", integration(func(in *apigatewayv2.CreateIntegrationInput) { in.IntegrationType = types.IntegrationTypeMock }), bad, "WebSocket APIs only"},
		{"no function", integration(func(in *apigatewayv2.CreateIntegrationInput) { in.IntegrationUri = nil }), bad, "integrationUri is required"},
		{"function's name", integration(func(in *apigatewayv2.CreateIntegrationInput) { in.IntegrationUri = str("hello") }), bad, "Invalid integrationUri"},
		{"open variable", integration(func(in *apigatewayv2.CreateIntegrationInput) {
			in.IntegrationUri = str(functionHello + "${stageVariables.")
		}), bad, "Invalid integrationUri"},
		{"no format", integration(func(in *apigatewayv2.CreateIntegrationInput) { in.PayloadFormatVersion = nil }), bad, "payloadFormatVersion is required"},
		{"format 3", integration(func(in *apigatewayv2.CreateIntegrationInput) { in.PayloadFormatVersion = str("3.0") }), bad, "payloadFormatVersion"},
		{"timeout", integration(func(in *apigatewayv2.CreateIntegrationInput) { in.TimeoutInMillis = aws.Int32(30001) }), bad, "Timeout should be between 50 ms and 30000 ms"},
		{"VPC link", integration(func(in *apigatewayv2.CreateIntegrationInput) { in.ConnectionType = types.ConnectionTypeVpcLink }), bad, "VPC link"},
		{"response parameters", integration(func(in *apigatewayv2.CreateIntegrationInput) {
			in.ResponseParameters = map[string]map[string]string{"200": {"overwrite:header.a": "$request.header.b"}}
		}), bad, "Invalid mapping expression specified: $request.header.b"},
		{"response parameters of no status", integration(func(in *apigatewayv2.CreateIntegrationInput) {
			in.ResponseParameters = map[string]map[string]string{"2xx": {"overwrite:header.a": "b"}}
		}), bad, "it must be a status from 200 to 599"},
		{"reserved header", integration(func(in *apigatewayv2.CreateIntegrationInput) {
			in.RequestParameters = map[string]string{"overwrite:header.x-amz-date": "b"}
		}), bad, "Operations on header x-amz-date are restricted"},
		{"an answer in a request", integration(func(in *apigatewayv2.CreateIntegrationInput) {
			in.RequestParameters = map[string]string{"overwrite:header.a": "$response.header.b"}
		}), bad, "Invalid mapping expression specified: $response.header.b"},
		{"request parameters of a function", integration(func(in *apigatewayv2.CreateIntegrationInput) {
			in.RequestParameters = map[string]string{"append:path": "/b"}
		}), bad, "Invalid mapping expression parameter specified: append:path"},
		{"SQS", subtype("SQS-SendMessage", nil), bad, "SQS-SendMessage is not supported"},
		{"parameter", subtype(startExecution, map[string]string{"stateMachineArn": machineARN}), bad, "Parameter: stateMachineArn does not fit schema for Operation: StepFunctions-StartExecution."},
		{"no state machine", subtype(startExecution, nil), bad, "StateMachineArn is required"},
		{"mapping", subtype(startExecution, map[string]string{"StateMachineArn": machineARN, "Input": "$request.cookie.a"}), bad, "Invalid mapping expression specified: $request.cookie.a"},
		{"region", subtype(startExecution, map[string]string{"StateMachineArn": machineARN, "Region": "eu-west-1"}), bad, "eu-west-1"},
		{"no role", integration(func(in *apigatewayv2.CreateIntegrationInput) {
			in.IntegrationUri, in.IntegrationSubtype, in.RequestParameters = nil, str(startExecution), map[string]string{"StateMachineArn": machineARN}
			in.PayloadFormatVersion = str("1.0")
		}), bad, "credentialsArn is required"},

		{"route key", newRoute("get /a", nil), bad, `The provided route key is not formatted properly for HTTP protocol. Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"`},
		{"same route", newRoute("GET /a/{x}", nil), conflict, "Route with key GET /a/{x} already exists for this API"},
		{"same but for names", newRoute("GET /a/{y}", nil), conflict, `The provided route key "GET /a/{y}" has a conflicting variable on the same hierarchical level as "GET /a/{x}"`},
		{"no such integration", newRoute("GET /b", func(in *apigatewayv2.CreateRouteInput) { in.Target = str("integrations/nope") }), missing, "Invalid Integration identifier specified nope"},
		{"target", newRoute("GET /b", func(in *apigatewayv2.CreateRouteInput) { in.Target = &lambda }), bad, "Invalid target"},
		{"authorizer", newRoute("GET /b", func(in *apigatewayv2.CreateRouteInput) { in.AuthorizationType = types.AuthorizationTypeJwt }), missing, "Invalid Authorizer identifier specified"},

		{"same stage", newStage("$default", nil), conflict, "Stage already exists"},
		{"stage name", newStage("a.b", nil), bad, "Stage name only allows"},
		{"no such deployment", newStage("b", func(in *apigatewayv2.CreateStageInput) { in.DeploymentId = none }), missing, "Invalid deployment identifier"},
		{"variable", newStage("b", func(in *apigatewayv2.CreateStageInput) { in.StageVariables = map[string]string{"a": "b c"} }), bad, "Stage variable value"},
		{"settings of no route", newStage("b", func(in *apigatewayv2.CreateStageInput) {
			in.RouteSettings = map[string]types.RouteSettings{"GET /q": {}}
		}), missing, "Unable to find Route by key GET /q within the provided RouteSettings"},
		{"access log", newStage("b", func(in *apigatewayv2.CreateStageInput) {
			in.AccessLogSettings = &types.AccessLogSettings{DestinationArn: str("arn:x")}
		}), bad, "accessLogSettings is not supported"},

		{"GetApi", second(c.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: none})), missing, "Invalid API identifier specified 000000000000:nonesuch00"},
		{"DeleteApi", second(c.DeleteApi(ctx, &apigatewayv2.DeleteApiInput{ApiId: none})), missing, "Invalid API identifier"},
		{"UpdateApi", second(c.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: none})), missing, "Invalid API identifier"},
		{"GetRoutes", second(c.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: none})), missing, "Invalid API identifier"},
		{"GetRoute", second(c.GetRoute(ctx, &apigatewayv2.GetRouteInput{ApiId: &g.id, RouteId: none})), missing, "Invalid Route identifier specified nonesuch00"},
		{"UpdateRoute", second(c.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{ApiId: &g.id, RouteId: none})), missing, "Invalid Route identifier"},
		{"DeleteRoute", second(c.DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: &g.id, RouteId: none})), missing, "Invalid Route identifier"},
		{"route to nowhere", second(c.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{ApiId: &g.id, RouteId: &route, Target: str("integrations/zz")})), missing, "Invalid Integration identifier"},
		{"GetIntegration", second(c.GetIntegration(ctx, &apigatewayv2.GetIntegrationInput{ApiId: &g.id, IntegrationId: none})), missing, "Invalid Integration identifier specified nonesuch00"},
		{"UpdateIntegration", second(c.UpdateIntegration(ctx, &apigatewayv2.UpdateIntegrationInput{ApiId: &g.id, IntegrationId: none})), missing, "Invalid Integration identifier"},
		{"DeleteIntegration", second(c.DeleteIntegration(ctx, &apigatewayv2.DeleteIntegrationInput{ApiId: &g.id, IntegrationId: none})), missing, "Invalid Integration identifier"},
		{"GetStage", second(c.GetStage(ctx, &apigatewayv2.GetStageInput{ApiId: &g.id, StageName: none})), missing, "Invalid stage identifier specified nonesuch00"},
		{"DeleteStage", second(c.DeleteStage(ctx, &apigatewayv2.DeleteStageInput{ApiId: &g.id, StageName: none})), missing, "Invalid stage identifier"},
		{"UpdateStage", second(c.UpdateStage(ctx, &apigatewayv2.UpdateStageInput{ApiId: &g.id, StageName: none})), missing, "Invalid stage identifier"},
		{"GetDeployment", second(c.GetDeployment(ctx, &apigatewayv2.GetDeploymentInput{ApiId: &g.id, DeploymentId: none})), missing, "Invalid deployment identifier"},
		{"deploy over autoDeploy", second(c.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: &g.id, StageName: str("$default")})), bad, "autoDeploy"},
		{"page size", second(c.GetApis(ctx, &apigatewayv2.GetApisInput{MaxResults: str("many")})), bad, "maxResults"},
		{"page token", second(c.GetApis(ctx, &apigatewayv2.GetApisInput{NextToken: str("*")})), bad, "nextToken"},
	} {
		t.Run(x.name, func(t *testing.T) {
			status := map[string]int{bad: 400, missing: 404, conflict: 409}[x.code]
			refused(t, x.err, x.code, status, x.message)
		})
	}
	// Nothing was half made.
	a := g.lookup(g.id)
	if len(*g.state.Load()) != 1 || len(a.Routes) != 1 || len(a.Integrations) != 1 || len(a.Stages) != 1 {
		t.Errorf("left behind: %d APIs, %d routes, %d integrations, %d stages", len(*g.state.Load()), len(a.Routes), len(a.Integrations), len(a.Stages))
	}
}

func second[T any](_ T, err error) error { return err }

// TestDeployments: a stage without autoDeploy serves what was deployed, through changes and a restart.
func TestDeployments(t *testing.T) {
	ctx := t.Context()
	g := newGateway(t, Config{Invoker: echo})
	i := g.lambda(functionHello, "2.0", nil)
	old := g.addRoute("GET /old", i)
	if _, err := g.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &g.id, StageName: aws.String("prod")}); err != nil {
		t.Fatal(err)
	}
	expect := func(path string, want int) {
		t.Helper()
		if w := g.do(g.byHost("GET", path, "")); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	expect("/prod/old", 404) // nothing deployed
	d1, err := g.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: &g.id, StageName: aws.String("prod")})
	if err != nil {
		t.Fatal(err)
	}
	expect("/prod/old", 200)
	if _, err := g.DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: &g.id, RouteId: &old}); err != nil {
		t.Fatal(err)
	}
	g.addRoute("GET /new", i)
	expect("/old", 404)
	expect("/prod/old", 200)
	expect("/prod/new", 404)
	g = g.reopen()
	expect("/prod/old", 200)
	if _, err := g.DeleteDeployment(ctx, &apigatewayv2.DeleteDeploymentInput{ApiId: &g.id, DeploymentId: d1.DeploymentId}); err == nil {
		t.Error("deleted a deployment that a stage serves")
	}
	d2, err := g.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: &g.id})
	if err != nil {
		t.Fatal(err)
	}
	expect("/prod/new", 404)
	if _, err := g.UpdateStage(ctx, &apigatewayv2.UpdateStageInput{ApiId: &g.id, StageName: aws.String("prod"), DeploymentId: d2.DeploymentId}); err != nil {
		t.Fatal(err)
	}
	expect("/prod/new", 200)
	expect("/prod/old", 404)
	if _, err := g.DeleteDeployment(ctx, &apigatewayv2.DeleteDeploymentInput{ApiId: &g.id, DeploymentId: d1.DeploymentId}); err != nil {
		t.Error(err)
	}
	// autoDeploy off: the stage stays at what it served.
	if _, err := g.UpdateStage(ctx, &apigatewayv2.UpdateStageInput{ApiId: &g.id, StageName: aws.String("$default"), AutoDeploy: aws.Bool(false)}); err != nil {
		t.Fatal(err)
	}
	g.addRoute("GET /newer", i)
	expect("/newer", 404)
	expect("/new", 200)
	if _, err := g.UpdateStage(ctx, &apigatewayv2.UpdateStageInput{ApiId: &g.id, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	expect("/newer", 200)
}

func TestUpdateMergesRequestParameters(t *testing.T) {
	g := newGateway(t, Config{})
	i := g.start(map[string]string{"StateMachineArn": machineARN, "Input": "$request.body", "Name": "n"})
	out, err := g.UpdateIntegration(t.Context(), &apigatewayv2.UpdateIntegrationInput{ApiId: &g.id, IntegrationId: &i, RequestParameters: map[string]string{"Name": "", "Input": "{}"}})
	if err != nil {
		t.Fatal(err)
	}
	if p := out.RequestParameters; len(p) != 2 || p["Input"] != "{}" || p["StateMachineArn"] != machineARN {
		t.Errorf("got %v", p)
	}
}

func TestPages(t *testing.T) {
	g := newGateway(t, Config{})
	c := dial(t, g.Service)
	var want []string
	for _, k := range []string{"GET /a", "GET /b", "GET /c", "GET /d", "GET /e"} {
		want = append(want, g.addRoute(k, ""))
	}
	slices.Sort(want)
	var got []string
	var token *string
	for n := 0; ; n++ {
		out, err := c.GetRoutes(t.Context(), &apigatewayv2.GetRoutesInput{ApiId: &g.id, MaxResults: aws.String("2"), NextToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Items {
			got = append(got, *r.RouteId)
		}
		if token = out.NextToken; token == nil {
			if n != 2 {
				t.Errorf("%d pages", n+1)
			}
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestStoreFails: what is not durable is not served.
func TestStoreFails(t *testing.T) {
	broken := &brokenStore{Store: memory.New()}
	g := newGateway(t, Config{Store: broken, Invoker: echo})
	i := g.lambda(functionHello, "2.0", nil)
	broken.err = context.DeadlineExceeded
	if _, err := g.CreateRoute(t.Context(), &apigatewayv2.CreateRouteInput{ApiId: &g.id, RouteKey: aws.String("$default"), Target: aws.String("integrations/" + i)}); !errors.Is(err, broken.err) {
		t.Errorf("got %v", err)
	}
	if w := g.do(g.byHost("GET", "/", "")); w.Code != 404 {
		t.Errorf("served %d", w.Code)
	}
}

func TestEndpointName(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:4566": "localhost:4566", "[::1]:4566": "localhost:4566", ":4566": "localhost:4566", "": "localhost", "teal.test:80": "teal.test:80", "localhost": "localhost",
	} {
		if got := executeapi.EndpointName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
