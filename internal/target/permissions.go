package target

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// resource says what an operation is permitted on.
type resource int

const (
	anything  resource = iota // the action takes no resource
	functions                 // every function of the application, with its versions and aliases
	machines                  // every state machine, with its versions and aliases
	executions
	httpAPI
	roles  // that the application's functions, workflows and routes run with
	layers // that its functions name
	hostedZone
	changes   // of any hosted zone: they have IDs of their own
	ledgerAll // what the ledger keeps in S3
	ledgerBucket
	deploymentApps // of CodeDeploy
	deploymentGroups
	deploymentConfigs
	serviceRoles // of deployment groups that are made
)

// permission is one operation that a release calls, with what IAM calls it. A test holds the table against the requests that
// are really made. Operations of CloudWatch and S3 are those of packages health and ledger.
type permission struct {
	call     string // service ID and operation, as the SDK has them
	action   string
	on       resource
	needs    need
	optional bool // where it is denied, that is told, and the rest goes on
}

// need says which application needs a permission.
type need int

const (
	always need = iota
	withFunctions
	withWorkflows
	withRoutes
	withProvisioned
	withLayers
	withMetrics
	withAlarms
	withLedger
	withDeployments
	withGroups // that are made where they do not exist
	withRouter
	toPrune
	toCheck // plan and doctor
)

// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodedeploy.html
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonroute53.html
var permissions = []permission{
	{"STS.GetCallerIdentity", "sts:GetCallerIdentity", anything, always, false},
	{"Lambda.CreateFunction", "lambda:CreateFunction", functions, withFunctions, false},
	{"Lambda.CreateFunction", "lambda:TagResource", functions, withFunctions, false},
	{"Lambda.CreateFunction", "iam:PassRole", roles, withFunctions, false},
	{"Lambda.UpdateFunctionCode", "lambda:UpdateFunctionCode", functions, withFunctions, false},
	{"Lambda.UpdateFunctionConfiguration", "lambda:UpdateFunctionConfiguration", functions, withFunctions, false},
	{"Lambda.UpdateFunctionConfiguration", "iam:PassRole", roles, withFunctions, false},
	{"Lambda.GetFunctionConfiguration", "lambda:GetFunctionConfiguration", functions, withFunctions, false},
	{"Lambda.ListVersionsByFunction", "lambda:ListVersionsByFunction", functions, withFunctions, false},
	{"Lambda.PublishVersion", "lambda:PublishVersion", functions, withFunctions, false},
	{"Lambda.ListFunctions", "lambda:ListFunctions", anything, withFunctions, true},
	{"Lambda.GetAlias", "lambda:GetAlias", functions, withFunctions, false},
	{"Lambda.CreateAlias", "lambda:CreateAlias", functions, withFunctions, false},
	{"Lambda.UpdateAlias", "lambda:UpdateAlias", functions, withFunctions, false},
	{"Lambda.Invoke", "lambda:InvokeFunction", functions, withFunctions, false},
	{"Lambda.PutProvisionedConcurrencyConfig", "lambda:PutProvisionedConcurrencyConfig", functions, withProvisioned, false},
	{"Lambda.GetProvisionedConcurrencyConfig", "lambda:GetProvisionedConcurrencyConfig", functions, withProvisioned, false},
	{"Lambda.DeleteProvisionedConcurrencyConfig", "lambda:DeleteProvisionedConcurrencyConfig", functions, withProvisioned, false},
	{"Lambda.ListProvisionedConcurrencyConfigs", "lambda:ListProvisionedConcurrencyConfigs", functions, withProvisioned, false},
	{"Lambda.UpdateFunctionConfiguration", "lambda:GetLayerVersion", layers, withLayers, false},
	{"CloudWatch.GetMetricData", "cloudwatch:GetMetricData", anything, withMetrics, false},
	{"CloudWatch.DescribeAlarms", "cloudwatch:DescribeAlarms", anything, withAlarms, false},
	{"S3.GetObject", "s3:GetObject", ledgerAll, withLedger, false},
	{"S3.PutObject", "s3:PutObject", ledgerAll, withLedger, false},
	{"S3.ListObjectsV2", "s3:ListBucket", ledgerBucket, withLedger, false},
	{"SFN.CreateStateMachine", "states:CreateStateMachine", machines, withWorkflows, false},
	{"SFN.CreateStateMachine", "states:TagResource", machines, withWorkflows, false},
	{"SFN.CreateStateMachine", "iam:PassRole", roles, withWorkflows, false},
	{"SFN.UpdateStateMachine", "states:UpdateStateMachine", machines, withWorkflows, false},
	{"SFN.UpdateStateMachine", "iam:PassRole", roles, withWorkflows, false},
	{"SFN.PublishStateMachineVersion", "states:PublishStateMachineVersion", machines, withWorkflows, false},
	{"SFN.DescribeStateMachine", "states:DescribeStateMachine", machines, withWorkflows, false},
	{"SFN.ListStateMachineVersions", "states:ListStateMachineVersions", machines, withWorkflows, false},
	{"SFN.DescribeStateMachineAlias", "states:DescribeStateMachineAlias", machines, withWorkflows, false},
	{"SFN.CreateStateMachineAlias", "states:CreateStateMachineAlias", machines, withWorkflows, false},
	{"SFN.UpdateStateMachineAlias", "states:UpdateStateMachineAlias", machines, withWorkflows, false},
	{"SFN.StartExecution", "states:StartExecution", machines, withWorkflows, true},
	{"SFN.DescribeExecution", "states:DescribeExecution", executions, withWorkflows, true},
	{"SFN.ListExecutions", "states:ListExecutions", machines, withWorkflows, false},
	{"ApiGatewayV2.GetApis", "apigateway:GET", httpAPI, withRoutes, false},
	{"ApiGatewayV2.CreateApi", "apigateway:POST", httpAPI, withRoutes, false},
	{"ApiGatewayV2.CreateApi", "apigateway:TagResource", httpAPI, withRoutes, false},
	{"ApiGatewayV2.GetIntegrations", "apigateway:GET", httpAPI, withRoutes, false},
	{"ApiGatewayV2.CreateIntegration", "apigateway:POST", httpAPI, withRoutes, false},
	{"ApiGatewayV2.CreateIntegration", "iam:PassRole", roles, withRoutes, false},
	{"ApiGatewayV2.GetRoutes", "apigateway:GET", httpAPI, withRoutes, false},
	{"ApiGatewayV2.CreateRoute", "apigateway:POST", httpAPI, withRoutes, false},
	{"ApiGatewayV2.UpdateRoute", "apigateway:PATCH", httpAPI, withRoutes, false},
	{"ApiGatewayV2.GetStage", "apigateway:GET", httpAPI, withRoutes, false},
	{"ApiGatewayV2.CreateStage", "apigateway:POST", httpAPI, withRoutes, false},
	{"ApiGatewayV2.UpdateStage", "apigateway:PATCH", httpAPI, withRoutes, false},
	{"Lambda.AddPermission", "lambda:AddPermission", functions, withRoutes, false},
	{"CodeDeploy.GetDeploymentGroup", "codedeploy:GetDeploymentGroup", deploymentGroups, withDeployments, false},
	{"CodeDeploy.CreateApplication", "codedeploy:CreateApplication", deploymentApps, withGroups, false},
	{"CodeDeploy.CreateDeploymentGroup", "codedeploy:CreateDeploymentGroup", deploymentGroups, withGroups, false},
	{"CodeDeploy.CreateDeploymentGroup", "iam:PassRole", serviceRoles, withGroups, false},
	{"CodeDeploy.CreateDeployment", "codedeploy:CreateDeployment", deploymentGroups, withDeployments, false},
	{"CodeDeploy.CreateDeployment", "codedeploy:GetDeploymentConfig", deploymentConfigs, withDeployments, false},
	{"CodeDeploy.CreateDeployment", "codedeploy:GetApplicationRevision", deploymentApps, withDeployments, false},
	{"CodeDeploy.CreateDeployment", "codedeploy:RegisterApplicationRevision", deploymentApps, withDeployments, false},
	{"CodeDeploy.ListDeployments", "codedeploy:ListDeployments", deploymentGroups, withDeployments, false},
	{"CodeDeploy.BatchGetDeployments", "codedeploy:BatchGetDeployments", deploymentGroups, withDeployments, false},
	{"CodeDeploy.GetDeployment", "codedeploy:GetDeployment", deploymentGroups, withDeployments, false},
	{"CodeDeploy.StopDeployment", "codedeploy:StopDeployment", anything, withDeployments, false},
	{"CodeDeploy.ListDeploymentTargets", "codedeploy:ListDeploymentTargets", anything, withDeployments, true},
	{"CodeDeploy.BatchGetDeploymentTargets", "codedeploy:BatchGetDeploymentTargets", anything, withDeployments, true},
	{"Lambda.DeleteAlias", "lambda:DeleteAlias", functions, withDeployments, false},
	{"Route 53.ListResourceRecordSets", "route53:ListResourceRecordSets", hostedZone, withRouter, false},
	{"Route 53.ChangeResourceRecordSets", "route53:ChangeResourceRecordSets", hostedZone, withRouter, false},
	{"Route 53.GetChange", "route53:GetChange", changes, withRouter, false},
	{"Lambda.ListAliases", "lambda:ListAliases", functions, toPrune, false},
	{"Lambda.DeleteFunction", "lambda:DeleteFunction", functions, toPrune, false},
	{"SFN.ListStateMachines", "states:ListStateMachines", anything, toPrune, false},
	{"SFN.ListStateMachineAliases", "states:ListStateMachineAliases", machines, toPrune, false},
	{"SFN.DescribeStateMachineForExecution", "states:DescribeStateMachineForExecution", executions, toPrune, false},
	{"SFN.DeleteStateMachineVersion", "states:DeleteStateMachineVersion", machines, toPrune, false},
	{"Lambda.ListEventSourceMappings", "lambda:ListEventSourceMappings", anything, toCheck, true},
	{"Lambda.ListFunctionUrlConfigs", "lambda:ListFunctionUrlConfigs", functions, toCheck, true},
	{"Lambda.GetPolicy", "lambda:GetPolicy", functions, toCheck, true},
	{"IAM.SimulatePrincipalPolicy", "iam:SimulatePrincipalPolicy", roles, toCheck, true},
	{"IAM.SimulatePrincipalPolicy", "iam:SimulatePrincipalPolicy", serviceRoles, toCheck, true},
}

// Statement is what a caller of Teal needs to be allowed to do, in the form of an IAM policy's statement.
type Statement struct {
	For       string   `json:"for"` // what needs it, in words
	Actions   []string `json:"actions"`
	Resources []string `json:"resources"`
	Optional  bool     `json:"optional,omitempty"`
}

// Uses says what a release needs that its Spec does not tell.
type Uses struct {
	Metrics bool   // green is judged by what CloudWatch counts
	Alarms  bool   // CloudWatch alarms are looked at
	Ledger  string // place of the ledger in S3, as s3://bucket/prefix; "" when it is elsewhere
	// Deployments are those by which CodeDeploy calls hooks.
	Deployments []rollout.CodeDeploy
}

// Permissions lists what a release of an application, and its pruning, need to be allowed.
func Permissions(id release.Identity, s release.Spec, uses Uses) []Statement {
	wanted := map[need]string{always: "every release", toPrune: "teal prune", toCheck: "teal plan and teal doctor"}
	if len(s.Functions) > 0 {
		wanted[withFunctions] = "functions"
	}
	if len(s.Workflows) > 0 {
		wanted[withWorkflows] = "workflows"
	}
	if len(s.Routes) > 0 {
		wanted[withRoutes] = "routes"
	}
	if s.Router != nil {
		wanted[withRouter] = "shifting at the DNS"
	}
	for _, f := range s.Functions {
		if f.ProvisionedConcurrency > 0 {
			wanted[withProvisioned] = "provisioned concurrency"
		}
		if len(f.Layers) > 0 {
			wanted[withLayers] = "layers"
		}
	}
	if uses.Metrics && len(s.Functions) > 0 {
		wanted[withMetrics] = "checks"
	}
	if uses.Alarms {
		wanted[withAlarms] = "alarms"
	}
	on := resourcesOf(id, s)
	if place, ok := strings.CutPrefix(uses.Ledger, "s3://"); ok {
		wanted[withLedger] = "the ledger"
		bucket, prefix, _ := strings.Cut(strings.TrimSuffix(place, "/"), "/")
		on[ledgerBucket] = []string{fmt.Sprintf("arn:%s:s3:::%s", id.Partition, bucket)}
		on[ledgerAll] = []string{strings.TrimSuffix(fmt.Sprintf("arn:%s:s3:::%s/%s", id.Partition, bucket, prefix), "/") + "/*"}
	}
	for _, d := range uses.Deployments {
		wanted[withDeployments] = "hooks that CodeDeploy calls"
		named := func(kind resource, name string) {
			if a := fmt.Sprintf("arn:%s:codedeploy:%s:%s:%s", id.Partition, id.Region, id.Account, name); !slices.Contains(on[kind], a) {
				on[kind] = append(on[kind], a)
			}
		}
		named(deploymentApps, "application:"+d.Application)
		named(deploymentGroups, "deploymentgroup:"+d.Application+"/"+d.Group)
		named(deploymentConfigs, "deploymentconfig:"+allAtOnce)
		if d.ServiceRole != "" {
			wanted[withGroups] = "the deployment group of hooks, where it does not exist"
			if !slices.Contains(on[serviceRoles], d.ServiceRole) {
				on[serviceRoles] = append(on[serviceRoles], d.ServiceRole)
			}
		}
	}
	type group struct {
		needs    need
		on       resource
		optional bool
	}
	var order []group
	actions := map[group]map[string]bool{}
	for _, p := range permissions {
		if wanted[p.needs] == "" || (p.on != anything && len(on[p.on]) == 0) {
			continue
		}
		g := group{p.needs, p.on, p.optional}
		if actions[g] == nil {
			actions[g] = map[string]bool{}
			order = append(order, g)
		}
		actions[g][p.action] = true
	}
	var out []Statement
	for _, g := range order {
		st := Statement{For: wanted[g.needs], Resources: on[g.on], Optional: g.optional}
		if g.on == anything {
			st.Resources = []string{"*"}
		}
		for a := range actions[g] {
			st.Actions = append(st.Actions, a)
		}
		sort.Strings(st.Actions)
		out = append(out, st)
	}
	return out
}

func resourcesOf(id release.Identity, s release.Spec) map[resource][]string {
	out := map[resource][]string{}
	used := map[string]bool{}
	role := func(r string) {
		if r != "" && !used[r] {
			used[r] = true
			out[roles] = append(out[roles], r)
		}
	}
	at := func(service, rest string) string {
		return fmt.Sprintf("arn:%s:%s:%s:%s:%s", id.Partition, service, id.Region, id.Account, rest)
	}
	for _, f := range s.Functions {
		out[functions] = append(out[functions], at("lambda", "function:"+f.Name), at("lambda", "function:"+f.Name+":*"))
		role(f.Role)
		for _, l := range f.Layers {
			if !slices.Contains(out[layers], l) {
				out[layers] = append(out[layers], l)
			}
		}
	}
	for _, w := range s.Workflows {
		out[machines] = append(out[machines], at("states", "stateMachine:"+w.Name), at("states", "stateMachine:"+w.Name+":*"))
		out[executions] = append(out[executions], at("states", "execution:"+w.Name+":*"))
		role(w.Role)
	}
	for _, r := range s.Routes {
		role(r.Role)
	}
	if s.Router != nil {
		out[hostedZone] = []string{fmt.Sprintf("arn:%s:route53:::hostedzone/%s", id.Partition, s.Router.HostedZone)}
		out[changes] = []string{fmt.Sprintf("arn:%s:route53:::change/*", id.Partition)}
	}
	if len(s.Routes) > 0 {
		out[httpAPI] = []string{fmt.Sprintf("arn:%s:apigateway:%s::/apis*", id.Partition, id.Region), fmt.Sprintf("arn:%s:apigateway:%s::/tags/*", id.Partition, id.Region)}
	}
	sort.Strings(out[roles])
	return out
}

// called gives the operations of the table, by service ID and operation.
func called() map[string]bool {
	out := map[string]bool{}
	for _, p := range permissions {
		out[p.call] = true
	}
	return out
}

func (s Statement) String() string {
	return strings.Join(s.Actions, ", ") + " on " + strings.Join(s.Resources, ", ")
}
