package target

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/release"
)

// API is the HTTP API of an application.
type API struct {
	ID       string   `json:"id"`
	Endpoint string   `json:"endpoint"`        // base URL
	Stale    []string `json:"stale,omitempty"` // route keys that the API has and the manifest does not; they are left alone
}

// appTag marks the APIs that belong to an application.
const appTag = "teal:app"

// EnsureRoutes makes the application's HTTP API have the routes of the Spec: each leads to a function's or workflow's
// alias, so that a rollout never touches the API. The API is found by the application's name, and created when there is
// none; a second API of that name is an error. Routes that exist are corrected, and those that the Spec does not name are
// reported and left. It may be repeated, and does nothing when all is there. Without routes it does nothing.
//
// When the endpoint has no lambda:AddPermission, all else is done, and the API comes with an *UnsupportedError.
func (t *Target) EnsureRoutes(ctx context.Context, s release.Spec) (API, error) {
	if len(s.Routes) == 0 {
		return API{}, nil
	}
	e := routeSetter{Target: t, spec: s, integrations: map[string]string{}}
	if err := e.findAPI(ctx); err != nil {
		return API{}, err
	}
	if err := e.readIntegrations(ctx); err != nil {
		return API{}, err
	}
	var missing error
	for _, f := range s.Functions {
		if e.routed(f.Key) {
			err := e.permit(ctx, f)
			if u := (*UnsupportedError)(nil); errors.As(err, &u) {
				missing = err
			} else if err != nil {
				return API{}, err
			}
		}
	}
	if err := e.ensureRoutes(ctx); err != nil {
		return API{}, err
	}
	if err := e.ensureStage(ctx); err != nil {
		return API{}, err
	}
	return e.api, missing
}

// routeSetter is one run of EnsureRoutes.
type routeSetter struct {
	*Target
	spec         release.Spec
	api          API
	integrations map[string]string // id by what it leads to
}

// routed reports whether a route leads to the function.
func (e *routeSetter) routed(key string) bool {
	for _, r := range e.spec.Routes {
		if r.Function == key {
			return true
		}
	}
	return false
}

func (e *routeSetter) findAPI(ctx context.Context) error {
	var found []types.Api
	in := &apigatewayv2.GetApisInput{}
	for {
		page, err := e.gateway.GetApis(ctx, in)
		if err != nil {
			return e.failed("list the HTTP APIs", "apigateway:GetApis", err)
		}
		for _, a := range page.Items {
			if aws.ToString(a.Name) == e.spec.App && a.ProtocolType == types.ProtocolTypeHttp {
				found = append(found, a)
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	if len(found) > 1 { // the application's own one is marked
		var marked []types.Api
		for _, a := range found {
			if a.Tags[appTag] == e.spec.App {
				marked = append(marked, a)
			}
		}
		if len(marked) != 1 {
			return fmt.Errorf("%d HTTP APIs have the name %s; delete or rename those that do not belong to the application", len(found), e.spec.App)
		}
		found = marked
	}
	if len(found) == 1 {
		e.api.ID, e.api.Endpoint = aws.ToString(found[0].ApiId), aws.ToString(found[0].ApiEndpoint)
		return nil
	}
	out, err := e.gateway.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: &e.spec.App, ProtocolType: types.ProtocolTypeHttp, Tags: map[string]string{appTag: e.spec.App}})
	if err != nil {
		return e.failed("create HTTP API "+e.spec.App, "apigateway:CreateApi", err)
	}
	e.api.ID, e.api.Endpoint = aws.ToString(out.ApiId), aws.ToString(out.ApiEndpoint)
	return nil
}

// identity tells integrations apart by all that matters of them.
func identity(kind types.IntegrationType, subtype, uri, payload, role *string, parameters map[string]string) string {
	return fmt.Sprintf("%s %s %s %s %s %v", kind, aws.ToString(subtype), aws.ToString(uri), aws.ToString(payload), aws.ToString(role), parameters)
}

func (e *routeSetter) readIntegrations(ctx context.Context) error {
	in := &apigatewayv2.GetIntegrationsInput{ApiId: &e.api.ID}
	for {
		page, err := e.gateway.GetIntegrations(ctx, in)
		if err != nil {
			return e.failed("list the integrations of API "+e.api.ID, "apigateway:GetIntegrations", err)
		}
		for _, i := range page.Items {
			e.integrations[identity(i.IntegrationType, i.IntegrationSubtype, i.IntegrationUri, i.PayloadFormatVersion, i.CredentialsArn, i.RequestParameters)] = aws.ToString(i.IntegrationId)
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
}

// integration gives the id of the integration that a route needs, and creates it when there is none.
func (e *routeSetter) integration(ctx context.Context, r release.Route) (string, error) {
	in := &apigatewayv2.CreateIntegrationInput{ApiId: &e.api.ID, IntegrationType: types.IntegrationTypeAwsProxy}
	switch {
	case r.Function != "":
		ref, err := e.functionRef(r.Function)
		if err != nil {
			return "", err
		}
		uri, err := e.AliasARN(ctx, ref)
		if err != nil {
			return "", err
		}
		in.IntegrationUri, in.IntegrationMethod, in.PayloadFormatVersion = &uri, aws.String("POST"), aws.String("2.0")
	default:
		w, err := e.workflow(r.Workflow)
		if err != nil {
			return "", err
		}
		uri, err := e.AliasARN(ctx, w.Ref())
		if err != nil {
			return "", err
		}
		role := r.Role
		if role == "" {
			role = w.Role
		}
		in.IntegrationSubtype, in.PayloadFormatVersion, in.CredentialsArn = aws.String("StepFunctions-StartExecution"), aws.String("1.0"), &role
		in.RequestParameters = map[string]string{"StateMachineArn": uri, "Input": "$request.body"}
	}
	key := identity(in.IntegrationType, in.IntegrationSubtype, in.IntegrationUri, in.PayloadFormatVersion, in.CredentialsArn, in.RequestParameters)
	if id, ok := e.integrations[key]; ok {
		return id, nil
	}
	out, err := e.gateway.CreateIntegration(ctx, in)
	if err != nil {
		return "", e.failed(fmt.Sprintf("create the integration of route %s %s", r.Method, r.Path), "apigateway:CreateIntegration", err)
	}
	e.integrations[key] = aws.ToString(out.IntegrationId)
	return e.integrations[key], nil
}

func (e *routeSetter) functionRef(key string) (release.Ref, error) {
	for _, f := range e.spec.Functions {
		if f.Key == key {
			return f.Ref(), nil
		}
	}
	return release.Ref{}, fmt.Errorf("a route leads to function %q, which the application does not have", key)
}

func (e *routeSetter) workflow(key string) (release.Workflow, error) {
	for _, w := range e.spec.Workflows {
		if w.Key == key {
			return w, nil
		}
	}
	return release.Workflow{}, fmt.Errorf("a route leads to workflow %q, which the application does not have", key)
}

func (e *routeSetter) ensureRoutes(ctx context.Context) error {
	have := map[string]types.Route{}
	in := &apigatewayv2.GetRoutesInput{ApiId: &e.api.ID}
	for {
		page, err := e.gateway.GetRoutes(ctx, in)
		if err != nil {
			return e.failed("list the routes of API "+e.api.ID, "apigateway:GetRoutes", err)
		}
		for _, r := range page.Items {
			have[aws.ToString(r.RouteKey)] = r
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	for _, r := range e.spec.Routes {
		key := r.Method + " " + r.Path
		id, err := e.integration(ctx, r)
		if err != nil {
			return err
		}
		to := "integrations/" + id
		old, exists := have[key]
		delete(have, key)
		switch {
		case !exists:
			_, err = e.gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &e.api.ID, RouteKey: &key, Target: &to})
			err = e.failed("create route "+key, "apigateway:CreateRoute", err)
		case aws.ToString(old.Target) != to:
			_, err = e.gateway.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{ApiId: &e.api.ID, RouteId: old.RouteId, Target: &to})
			err = e.failed("update route "+key, "apigateway:UpdateRoute", err)
		}
		if err != nil {
			return err
		}
	}
	for key := range have {
		e.api.Stale = append(e.api.Stale, key)
	}
	sort.Strings(e.api.Stale)
	return nil
}

// ensureStage makes the stage at the root of the API's URL, which takes changes over by itself.
func (e *routeSetter) ensureStage(ctx context.Context) error {
	const stage = "$default"
	out, err := e.gateway.GetStage(ctx, &apigatewayv2.GetStageInput{ApiId: &e.api.ID, StageName: aws.String(stage)})
	switch {
	case is(err, "NotFoundException"):
		_, err = e.gateway.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &e.api.ID, StageName: aws.String(stage), AutoDeploy: aws.Bool(true)})
		if is(err, "ConflictException") {
			return nil
		}
		return e.failed("create stage "+stage+" of API "+e.api.ID, "apigateway:CreateStage", err)
	case err != nil:
		return e.failed("read stage "+stage+" of API "+e.api.ID, "apigateway:GetStage", err)
	case !aws.ToBool(out.AutoDeploy):
		_, err = e.gateway.UpdateStage(ctx, &apigatewayv2.UpdateStageInput{ApiId: &e.api.ID, StageName: aws.String(stage), AutoDeploy: aws.Bool(true)})
		return e.failed("update stage "+stage+" of API "+e.api.ID, "apigateway:UpdateStage", err)
	}
	return nil
}

// permit lets API Gateway invoke a function's alias on behalf of the API.
func (e *routeSetter) permit(ctx context.Context, f release.Function) error {
	id, err := e.Identity(ctx)
	if err != nil {
		return err
	}
	source := fmt.Sprintf("arn:%s:execute-api:%s:%s:%s/*/*", id.Partition, id.Region, id.Account, e.api.ID)
	statement := "teal-" + e.api.ID
	_, err = e.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: &f.Name, Qualifier: &f.Alias, StatementId: &statement,
		Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"), SourceArn: &source,
	})
	if is(err, "ResourceConflictException") { // the statement is there
		return nil
	}
	return e.failed(fmt.Sprintf("let API %s invoke %s", e.api.ID, f.Ref()), "lambda:AddPermission", err)
}
