package apigateway

import (
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/awsproto"
)

// API is the service's table of operations.
func (s *Service) API() *awsproto.Service {
	page := []awsproto.Member{awsproto.InQuery("Limit", "limit"), awsproto.InQuery("Position", "position")}
	embed := append([]awsproto.Member{awsproto.InQuery("Embed", "embed")}, page...)
	imports := []awsproto.Member{
		awsproto.InQuery("FailOnWarnings", "failonwarnings"), awsproto.InQuery("Parameters", ""), awsproto.InPayload("Body").ForInput(),
	}
	names := map[string]string{"PutIntegrationInput.HttpMethod": "http_method", "PutIntegrationInput.IntegrationHttpMethod": "httpMethod"}
	for _, t := range []string{
		"GetRestApisOutput", "GetResourcesOutput", "GetDeploymentsOutput", "GetModelsOutput", "GetRequestValidatorsOutput",
		"GetAuthorizersOutput", "GetGatewayResponsesOutput", "GetApiKeysOutput", "GetUsagePlansOutput", "GetUsagePlanKeysOutput",
	} {
		names[t+".Items"] = "item"
	}
	const (
		api      = "/restapis/{RestApiId}"
		resource = api + "/resources/{ResourceId}"
		method   = resource + "/methods/{HttpMethod}"
		plan     = "/usageplans/{UsagePlanId}"
	)
	return &awsproto.Service{
		Name:      "apigateway",
		Protocols: []awsproto.Protocol{awsproto.RESTJSON},
		Naming:    awsproto.LowerCamel,
		Names:     names,
		MaxBody:   maxImport + 1<<20,
		Statuses: map[string]int{
			new(types.NotFoundException).ErrorCode(): 404, new(types.ConflictException).ErrorCode(): 409, new(types.TooManyRequestsException).ErrorCode(): 429,
			new(types.UnauthorizedException).ErrorCode(): 401,
		},
		Operations: []awsproto.Operation{
			awsproto.Op(s.CreateRestApi, awsproto.HTTP("POST", "/restapis", 201)),
			awsproto.Op(s.ImportRestApi, awsproto.HTTP("POST", "/restapis?mode=import", 201, imports...)),
			awsproto.Op(s.GetRestApis, awsproto.HTTP("GET", "/restapis", 200, page...)),
			awsproto.Op(s.GetRestApi, awsproto.HTTP("GET", api, 200)),
			awsproto.Op(s.PutRestApi, awsproto.HTTP("PUT", api, 200, append(imports, awsproto.InQuery("Mode", "mode"))...)),
			awsproto.Op(s.UpdateRestApi, awsproto.HTTP("PATCH", api, 200)),
			awsproto.Op(s.DeleteRestApi, awsproto.HTTP("DELETE", api, 202)),

			awsproto.Op(s.CreateResource, awsproto.HTTP("POST", api+"/resources/{ParentId}", 201)),
			awsproto.Op(s.GetResources, awsproto.HTTP("GET", api+"/resources", 200, embed...)),
			awsproto.Op(s.GetResource, awsproto.HTTP("GET", resource, 200, awsproto.InQuery("Embed", "embed"))),
			awsproto.Op(s.UpdateResource, awsproto.HTTP("PATCH", resource, 200)),
			awsproto.Op(s.DeleteResource, awsproto.HTTP("DELETE", resource, 202)),

			awsproto.Op(s.PutMethod, awsproto.HTTP("PUT", method, 201)),
			awsproto.Op(s.GetMethod, awsproto.HTTP("GET", method, 200)),
			awsproto.Op(s.UpdateMethod, awsproto.HTTP("PATCH", method, 200)),
			awsproto.Op(s.DeleteMethod, awsproto.HTTP("DELETE", method, 204)),
			awsproto.Op(s.TestInvokeMethod, awsproto.HTTP("POST", method, 200)),
			awsproto.Op(s.PutMethodResponse, awsproto.HTTP("PUT", method+"/responses/{StatusCode}", 201)),
			awsproto.Op(s.GetMethodResponse, awsproto.HTTP("GET", method+"/responses/{StatusCode}", 200)),
			awsproto.Op(s.UpdateMethodResponse, awsproto.HTTP("PATCH", method+"/responses/{StatusCode}", 201)),
			awsproto.Op(s.DeleteMethodResponse, awsproto.HTTP("DELETE", method+"/responses/{StatusCode}", 204)),
			awsproto.Op(s.PutIntegration, awsproto.HTTP("PUT", method+"/integration", 201)),
			awsproto.Op(s.GetIntegration, awsproto.HTTP("GET", method+"/integration", 200)),
			awsproto.Op(s.UpdateIntegration, awsproto.HTTP("PATCH", method+"/integration", 200)),
			awsproto.Op(s.DeleteIntegration, awsproto.HTTP("DELETE", method+"/integration", 204)),
			awsproto.Op(s.PutIntegrationResponse, awsproto.HTTP("PUT", method+"/integration/responses/{StatusCode}", 201)),
			awsproto.Op(s.GetIntegrationResponse, awsproto.HTTP("GET", method+"/integration/responses/{StatusCode}", 200)),
			awsproto.Op(s.UpdateIntegrationResponse, awsproto.HTTP("PATCH", method+"/integration/responses/{StatusCode}", 200)),
			awsproto.Op(s.DeleteIntegrationResponse, awsproto.HTTP("DELETE", method+"/integration/responses/{StatusCode}", 204)),

			awsproto.Op(s.CreateDeployment, awsproto.HTTP("POST", api+"/deployments", 201)),
			awsproto.Op(s.GetDeployments, awsproto.HTTP("GET", api+"/deployments", 200, page...)),
			awsproto.Op(s.GetDeployment, awsproto.HTTP("GET", api+"/deployments/{DeploymentId}", 200, awsproto.InQuery("Embed", "embed"))),
			awsproto.Op(s.UpdateDeployment, awsproto.HTTP("PATCH", api+"/deployments/{DeploymentId}", 200)),
			awsproto.Op(s.DeleteDeployment, awsproto.HTTP("DELETE", api+"/deployments/{DeploymentId}", 202)),

			awsproto.Op(s.CreateStage, awsproto.HTTP("POST", api+"/stages", 201)),
			awsproto.Op(s.GetStages, awsproto.HTTP("GET", api+"/stages", 200, awsproto.InQuery("DeploymentId", "deploymentId"))),
			awsproto.Op(s.GetStage, awsproto.HTTP("GET", api+"/stages/{StageName}", 200)),
			awsproto.Op(s.GetExport, awsproto.HTTP("GET", api+"/stages/{StageName}/exports/{ExportType}", 200, awsproto.InQuery("Parameters", ""),
				awsproto.InHeader("Accepts", "Accept"), awsproto.InHeader("ContentType", "Content-Type"),
				awsproto.InHeader("ContentDisposition", "Content-Disposition"), awsproto.InPayload("Body").ForOutput())),
			awsproto.Op(s.UpdateStage, awsproto.HTTP("PATCH", api+"/stages/{StageName}", 200)),
			awsproto.Op(s.DeleteStage, awsproto.HTTP("DELETE", api+"/stages/{StageName}", 202)),
			awsproto.Op(s.FlushStageAuthorizersCache, awsproto.HTTP("DELETE", api+"/stages/{StageName}/cache/authorizers", 202)),

			awsproto.Op(s.CreateModel, awsproto.HTTP("POST", api+"/models", 201)),
			awsproto.Op(s.GetModels, awsproto.HTTP("GET", api+"/models", 200, page...)),
			awsproto.Op(s.GetModel, awsproto.HTTP("GET", api+"/models/{ModelName}", 200, awsproto.InQuery("Flatten", "flatten"))),
			awsproto.Op(s.UpdateModel, awsproto.HTTP("PATCH", api+"/models/{ModelName}", 200)),
			awsproto.Op(s.DeleteModel, awsproto.HTTP("DELETE", api+"/models/{ModelName}", 202)),
			awsproto.Op(s.CreateRequestValidator, awsproto.HTTP("POST", api+"/requestvalidators", 201)),
			awsproto.Op(s.GetRequestValidators, awsproto.HTTP("GET", api+"/requestvalidators", 200, page...)),
			awsproto.Op(s.GetRequestValidator, awsproto.HTTP("GET", api+"/requestvalidators/{RequestValidatorId}", 200)),
			awsproto.Op(s.UpdateRequestValidator, awsproto.HTTP("PATCH", api+"/requestvalidators/{RequestValidatorId}", 200)),
			awsproto.Op(s.DeleteRequestValidator, awsproto.HTTP("DELETE", api+"/requestvalidators/{RequestValidatorId}", 202)),

			awsproto.Op(s.CreateAuthorizer, awsproto.HTTP("POST", api+"/authorizers", 201)),
			awsproto.Op(s.GetAuthorizers, awsproto.HTTP("GET", api+"/authorizers", 200, page...)),
			awsproto.Op(s.GetAuthorizer, awsproto.HTTP("GET", api+"/authorizers/{AuthorizerId}", 200)),
			awsproto.Op(s.UpdateAuthorizer, awsproto.HTTP("PATCH", api+"/authorizers/{AuthorizerId}", 200)),
			awsproto.Op(s.DeleteAuthorizer, awsproto.HTTP("DELETE", api+"/authorizers/{AuthorizerId}", 202)),

			awsproto.Op(s.PutGatewayResponse, awsproto.HTTP("PUT", api+"/gatewayresponses/{ResponseType}", 201)),
			awsproto.Op(s.GetGatewayResponses, awsproto.HTTP("GET", api+"/gatewayresponses", 200, page...)),
			awsproto.Op(s.GetGatewayResponse, awsproto.HTTP("GET", api+"/gatewayresponses/{ResponseType}", 200)),
			awsproto.Op(s.UpdateGatewayResponse, awsproto.HTTP("PATCH", api+"/gatewayresponses/{ResponseType}", 200)),
			awsproto.Op(s.DeleteGatewayResponse, awsproto.HTTP("DELETE", api+"/gatewayresponses/{ResponseType}", 202)),

			awsproto.Op(s.CreateApiKey, awsproto.HTTP("POST", "/apikeys", 201)),
			awsproto.Op(s.GetApiKeys, awsproto.HTTP("GET", "/apikeys", 200, append(page, awsproto.InQuery("NameQuery", "name"),
				awsproto.InQuery("CustomerId", "customerId"), awsproto.InQuery("IncludeValues", "includeValues"))...)),
			awsproto.Op(s.GetApiKey, awsproto.HTTP("GET", "/apikeys/{ApiKey}", 200, awsproto.InQuery("IncludeValue", "includeValue"))),
			awsproto.Op(s.UpdateApiKey, awsproto.HTTP("PATCH", "/apikeys/{ApiKey}", 200)),
			awsproto.Op(s.DeleteApiKey, awsproto.HTTP("DELETE", "/apikeys/{ApiKey}", 202)),
			awsproto.Op(s.CreateUsagePlan, awsproto.HTTP("POST", "/usageplans", 201)),
			awsproto.Op(s.GetUsagePlans, awsproto.HTTP("GET", "/usageplans", 200, append(page, awsproto.InQuery("KeyId", "keyId"))...)),
			awsproto.Op(s.GetUsagePlan, awsproto.HTTP("GET", plan, 200)),
			awsproto.Op(s.UpdateUsagePlan, awsproto.HTTP("PATCH", plan, 200)),
			awsproto.Op(s.DeleteUsagePlan, awsproto.HTTP("DELETE", plan, 202)),
			awsproto.Op(s.CreateUsagePlanKey, awsproto.HTTP("POST", plan+"/keys", 201)),
			awsproto.Op(s.GetUsagePlanKeys, awsproto.HTTP("GET", plan+"/keys", 200, append(page, awsproto.InQuery("NameQuery", "name"))...)),
			awsproto.Op(s.GetUsagePlanKey, awsproto.HTTP("GET", plan+"/keys/{KeyId}", 200)),
			awsproto.Op(s.DeleteUsagePlanKey, awsproto.HTTP("DELETE", plan+"/keys/{KeyId}", 202)),

			awsproto.Op(s.TagResource, awsproto.HTTP("PUT", "/tags/{ResourceArn}", 204)),
			awsproto.Op(s.UntagResource, awsproto.HTTP("DELETE", "/tags/{ResourceArn}", 204, awsproto.InQuery("TagKeys", "tagKeys"))),
			awsproto.Op(s.GetTags, awsproto.HTTP("GET", "/tags/{ResourceArn}", 200, page...)),
			awsproto.Op(s.GetAccount, awsproto.HTTP("GET", "/account", 200)),
			awsproto.Op(s.UpdateAccount, awsproto.HTTP("PATCH", "/account", 200)),
		},
	}
}
