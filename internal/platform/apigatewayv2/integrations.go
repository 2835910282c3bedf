package apigatewayv2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/executeapi"
)

// Limits of HTTP APIs, https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
const (
	minTimeoutMS = 50
	maxTimeoutMS = 30000

	startExecution     = "StepFunctions-StartExecution"
	startSyncExecution = "StepFunctions-StartSyncExecution"
)

// CreateIntegration adds an integration. It fails with NotFoundException or BadRequestException; integrations that this
// platform does not serve are refused by name.
func (s *Service) CreateIntegration(ctx context.Context, in *apigatewayv2.CreateIntegrationInput) (*apigatewayv2.CreateIntegrationOutput, error) {
	if in.TlsConfig != nil {
		return nil, unsupported("tlsConfig")
	}
	i := types.Integration{
		IntegrationType: in.IntegrationType, IntegrationSubtype: in.IntegrationSubtype, IntegrationUri: in.IntegrationUri,
		IntegrationMethod: in.IntegrationMethod, PayloadFormatVersion: in.PayloadFormatVersion, TimeoutInMillis: in.TimeoutInMillis,
		CredentialsArn: in.CredentialsArn, Description: in.Description, RequestParameters: in.RequestParameters,
		ConnectionId: in.ConnectionId, ConnectionType: in.ConnectionType, ContentHandlingStrategy: in.ContentHandlingStrategy,
		PassthroughBehavior: in.PassthroughBehavior, RequestTemplates: in.RequestTemplates, ResponseParameters: in.ResponseParameters,
		TemplateSelectionExpression: in.TemplateSelectionExpression,
	}
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		if err := completeIntegration(&i, s.cfg.Region); err != nil {
			return err
		}
		id := executeapi.NewID(7, func(id string) bool { _, ok := d.Integrations[id]; return ok })
		i.IntegrationId = &id
		d.Integrations[id] = i
		d.redeploy = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.CreateIntegrationOutput{
		ConnectionType: i.ConnectionType, CredentialsArn: i.CredentialsArn, Description: i.Description, IntegrationId: i.IntegrationId,
		IntegrationMethod: i.IntegrationMethod, IntegrationSubtype: i.IntegrationSubtype, IntegrationType: i.IntegrationType,
		IntegrationUri: i.IntegrationUri, PayloadFormatVersion: i.PayloadFormatVersion, RequestParameters: i.RequestParameters, ResponseParameters: i.ResponseParameters,
		TimeoutInMillis: i.TimeoutInMillis,
	}, nil
}

// GetIntegration describes an integration, or fails with NotFoundException.
func (s *Service) GetIntegration(_ context.Context, in *apigatewayv2.GetIntegrationInput) (*apigatewayv2.GetIntegrationOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	i, ok := a.Integrations[aws.ToString(in.IntegrationId)]
	if !ok {
		return nil, noIntegration(in.IntegrationId)
	}
	return &apigatewayv2.GetIntegrationOutput{
		ApiGatewayManaged: i.ApiGatewayManaged, ConnectionType: i.ConnectionType, CredentialsArn: i.CredentialsArn, Description: i.Description,
		IntegrationId: i.IntegrationId, IntegrationMethod: i.IntegrationMethod, IntegrationSubtype: i.IntegrationSubtype,
		IntegrationType: i.IntegrationType, IntegrationUri: i.IntegrationUri, PayloadFormatVersion: i.PayloadFormatVersion,
		RequestParameters: i.RequestParameters, ResponseParameters: i.ResponseParameters, TimeoutInMillis: i.TimeoutInMillis,
	}, nil
}

// GetIntegrations lists an API's integrations, or fails with NotFoundException.
func (s *Service) GetIntegrations(_ context.Context, in *apigatewayv2.GetIntegrationsInput) (*apigatewayv2.GetIntegrationsOutput, error) {
	a, err := s.find(in.ApiId)
	if err != nil {
		return nil, err
	}
	items, next, err := page(a.Integrations, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.GetIntegrationsOutput{Items: items, NextToken: next}, nil
}

// UpdateIntegration changes the members that are set; request parameters are merged, and one with an empty value is
// removed. It fails as CreateIntegration does.
func (s *Service) UpdateIntegration(ctx context.Context, in *apigatewayv2.UpdateIntegrationInput) (*apigatewayv2.UpdateIntegrationOutput, error) {
	if in.TlsConfig != nil {
		return nil, unsupported("tlsConfig")
	}
	var i types.Integration
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		var ok bool
		if i, ok = d.Integrations[aws.ToString(in.IntegrationId)]; !ok {
			return noIntegration(in.IntegrationId)
		}
		set(&i.IntegrationSubtype, in.IntegrationSubtype)
		set(&i.IntegrationUri, in.IntegrationUri)
		set(&i.IntegrationMethod, in.IntegrationMethod)
		set(&i.PayloadFormatVersion, in.PayloadFormatVersion)
		set(&i.TimeoutInMillis, in.TimeoutInMillis)
		set(&i.CredentialsArn, in.CredentialsArn)
		set(&i.Description, in.Description)
		set(&i.ConnectionId, in.ConnectionId)
		set(&i.TemplateSelectionExpression, in.TemplateSelectionExpression)
		if in.IntegrationType != "" {
			i.IntegrationType = in.IntegrationType
		}
		if in.ConnectionType != "" {
			i.ConnectionType = in.ConnectionType
		}
		i.ContentHandlingStrategy, i.PassthroughBehavior = in.ContentHandlingStrategy, in.PassthroughBehavior
		i.RequestTemplates = in.RequestTemplates
		if in.ResponseParameters != nil { // a status with nothing in it loses what it had
			merged := maps.Clone(in.ResponseParameters)
			for status, entries := range i.ResponseParameters {
				if _, ok := merged[status]; !ok {
					merged[status] = entries
				}
			}
			maps.DeleteFunc(merged, func(_ string, entries map[string]string) bool { return len(entries) == 0 })
			i.ResponseParameters = merged
		}
		if len(in.RequestParameters) > 0 {
			merged := maps.Clone(i.RequestParameters)
			if merged == nil {
				merged = make(map[string]string)
			}
			for k, v := range in.RequestParameters {
				if v == "" {
					delete(merged, k)
				} else {
					merged[k] = v
				}
			}
			i.RequestParameters = merged
		}
		if err := completeIntegration(&i, s.cfg.Region); err != nil {
			return err
		}
		d.Integrations[*i.IntegrationId] = i
		d.redeploy = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.UpdateIntegrationOutput{
		ApiGatewayManaged: i.ApiGatewayManaged, ConnectionType: i.ConnectionType, CredentialsArn: i.CredentialsArn, Description: i.Description,
		IntegrationId: i.IntegrationId, IntegrationMethod: i.IntegrationMethod, IntegrationSubtype: i.IntegrationSubtype,
		IntegrationType: i.IntegrationType, IntegrationUri: i.IntegrationUri, PayloadFormatVersion: i.PayloadFormatVersion,
		RequestParameters: i.RequestParameters, ResponseParameters: i.ResponseParameters, TimeoutInMillis: i.TimeoutInMillis,
	}, nil
}

// DeleteIntegration removes an integration. It fails with NotFoundException, or ConflictException when routes refer
// to it.
func (s *Service) DeleteIntegration(ctx context.Context, in *apigatewayv2.DeleteIntegrationInput) (*apigatewayv2.DeleteIntegrationOutput, error) {
	err := s.change(ctx, in.ApiId, func(d *draft) error {
		id := aws.ToString(in.IntegrationId)
		if _, ok := d.Integrations[id]; !ok {
			return noIntegration(in.IntegrationId)
		}
		var used []string
		for rid, r := range d.Routes {
			if aws.ToString(r.Target) == targetPrefix+id {
				used = append(used, rid)
			}
		}
		if len(used) > 0 {
			slices.Sort(used)
			return conflict("Cannot delete Integration because it is referenced by the following Routes with Ids: [%s]", strings.Join(used, ", "))
		}
		delete(d.Integrations, id)
		d.redeploy = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &apigatewayv2.DeleteIntegrationOutput{}, nil
}

// completeIntegration validates i and fills AWS's defaults.
func completeIntegration(i *types.Integration, region string) error {
	switch i.IntegrationType {
	case types.IntegrationTypeAwsProxy:
	case types.IntegrationTypeHttpProxy:
		if i.IntegrationSubtype != nil {
			return badRequest("integrationSubtype is for AWS_PROXY integrations")
		}
	case types.IntegrationTypeAws, types.IntegrationTypeHttp, types.IntegrationTypeMock:
		return badRequest("The integration type %s is supported for WebSocket APIs only: HTTP APIs have AWS_PROXY and HTTP_PROXY", i.IntegrationType)
	case "":
		return badRequest("integrationType is required")
	default:
		return badRequest("Invalid integrationType %q: must be one of [AWS_PROXY, HTTP_PROXY]", i.IntegrationType)
	}
	switch {
	case i.ConnectionType == types.ConnectionTypeVpcLink || i.ConnectionId != nil:
		return unsupported("A VPC link (connectionType, connectionId)")
	case i.ConnectionType != "" && i.ConnectionType != types.ConnectionTypeInternet:
		return badRequest("Invalid connectionType %q: must be one of [INTERNET, VPC_LINK]", i.ConnectionType)
	case i.ContentHandlingStrategy != "" || i.PassthroughBehavior != "" || len(i.RequestTemplates) > 0 || i.TemplateSelectionExpression != nil:
		return badRequest("contentHandlingStrategy, passthroughBehavior, requestTemplates and templateSelectionExpression are supported for WebSocket APIs only")
	}
	i.ConnectionType = types.ConnectionTypeInternet
	if i.TimeoutInMillis == nil {
		i.TimeoutInMillis = aws.Int32(maxTimeoutMS)
	}
	if t := *i.TimeoutInMillis; t < minTimeoutMS || t > maxTimeoutMS {
		return badRequest("Timeout should be between %d ms and %d ms", minTimeoutMS, maxTimeoutMS)
	}
	if err := checkLength("description", i.Description, 0, 1024); err != nil {
		return err
	}
	if i.CredentialsArn != nil {
		if _, err := arn.Parse(*i.CredentialsArn); err != nil {
			return badRequest("Invalid ARN specified in the request: credentialsArn %q", *i.CredentialsArn)
		}
	}
	if i.IntegrationSubtype != nil {
		if len(i.ResponseParameters) > 0 {
			return unsupported("responseParameters with an integrationSubtype")
		}
		return completeSubtype(i, region)
	}
	if err := checkChanges(i); err != nil {
		return err
	}
	if i.IntegrationType == types.IntegrationTypeHttpProxy {
		return completeHTTP(i)
	}
	return completeLambda(i)
}

// completeLambda validates a Lambda proxy integration.
func completeLambda(i *types.Integration) error {
	if aws.ToString(i.IntegrationUri) == "" {
		return badRequest("integrationUri is required: the ARN of a function, a version or an alias")
	}
	if !validFunctionURI(*i.IntegrationUri) {
		return badRequest("Invalid integrationUri %q: it must be the ARN of a function, a version or an alias, or arn:aws:apigateway:region:lambda:path/2015-03-31/functions/ARN/invocations", *i.IntegrationUri)
	}
	if i.IntegrationMethod == nil {
		i.IntegrationMethod = aws.String("POST")
	}
	if *i.IntegrationMethod != "POST" && *i.IntegrationMethod != "ANY" {
		return badRequest("Invalid integrationMethod %q: Lambda functions are invoked with POST", *i.IntegrationMethod)
	}
	switch aws.ToString(i.PayloadFormatVersion) {
	case "1.0", "2.0":
		return nil
	case "":
		return badRequest("payloadFormatVersion is required for a Lambda integration: 1.0 or 2.0")
	}
	return badRequest("Invalid payloadFormatVersion %q: must be one of [1.0, 2.0]", *i.PayloadFormatVersion)
}

// completeSubtype validates an integration with an AWS service.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html
func completeSubtype(i *types.Integration, region string) error {
	if *i.IntegrationSubtype != startExecution && *i.IntegrationSubtype != startSyncExecution {
		return unsupported("The integration subtype " + *i.IntegrationSubtype)
	}
	if aws.ToString(i.IntegrationUri) != "" {
		return badRequest("integrationUri must not be set with an integrationSubtype")
	}
	if i.CredentialsArn == nil {
		return badRequest("credentialsArn is required for the integration subtype %s: the role with which the service is called", *i.IntegrationSubtype)
	}
	if i.PayloadFormatVersion == nil {
		i.PayloadFormatVersion = aws.String("1.0")
	}
	if *i.PayloadFormatVersion != "1.0" {
		return badRequest("Invalid payloadFormatVersion %q: must be 1.0 for the integration subtype %s", *i.PayloadFormatVersion, *i.IntegrationSubtype)
	}
	for name, value := range i.RequestParameters {
		switch name {
		case "StateMachineArn", "Name", "Input":
		case "Region":
			if value != region {
				return unsupported("Region " + value + " of a " + *i.IntegrationSubtype + " integration")
			}
		default:
			return badRequest("Parameter: %s does not fit schema for Operation: %s.", name, *i.IntegrationSubtype)
		}
		if _, err := parseMapping(value); err != nil {
			return err
		}
	}
	if i.RequestParameters["StateMachineArn"] == "" {
		return badRequest("Parameter: StateMachineArn is required for Operation: %s.", *i.IntegrationSubtype)
	}
	return nil
}

// validFunctionURI tells whether a stage could resolve uri to a function.
func validFunctionURI(uri string) bool {
	u, ok := executeapi.ExpandVariables(uri, func(string) string { return "x" })
	if !ok {
		return false
	}
	_, err := arn.ParseFunction(executeapi.FunctionARN(u))
	return err == nil
}
