package target

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// Callers finds what is in the way of CodeDeploy calling hooks, and of these telling it their verdict: a deployment group
// that does not exist and is not to be made, and roles that may not do what they must. It changes nothing.
//
// https://docs.aws.amazon.com/codedeploy/latest/userguide/getting-started-create-service-role.html
func (t *Target) Callers(ctx context.Context, s release.Spec, hooks []rollout.Hook) ([]Finding, error) {
	var f findings
	functions := map[string]release.Function{}
	for _, fn := range s.Functions {
		functions[fn.Key] = fn
	}
	for _, h := range hooks {
		if h.CodeDeploy == nil {
			continue
		}
		id, err := t.Identity(ctx)
		if err != nil {
			return nil, err
		}
		c, about := h.CodeDeploy, "hook "+h.Name
		role := c.ServiceRole
		out, err := t.deploy.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: &c.Application, DeploymentGroupName: &c.Group})
		group := fmt.Sprintf("deployment group %s of CodeDeploy application %s", c.Group, c.Application)
		switch {
		case err == nil:
			role = aws.ToString(out.DeploymentGroupInfo.ServiceRoleArn)
			if c.ServiceRole != "" && role != c.ServiceRole {
				f.add(Finding{About: about, Text: fmt.Sprintf("%s has the role %s, and the manifest says %s", group, role, c.ServiceRole), Next: "change the group, or the manifest: Teal leaves a group that exists as it is"})
			}
		case !noGroup(err):
			f.add(Finding{About: about, Text: t.failed(group+" could not be read", "codedeploy:GetDeploymentGroup", err).Error(), Unread: true})
			continue
		case role == "":
			f.add(Finding{About: about, Text: group + " does not exist", Next: "make it, or write rollout.hooks.codeDeploy.serviceRole so that Teal makes it"})
			continue
		}
		arn := func(service, rest string) string {
			return fmt.Sprintf("arn:%s:%s:%s:%s:%s", id.Partition, service, id.Region, id.Account, rest)
		}
		hook, tested := functions[h.Function], functions[c.Tests]
		for _, need := range []struct {
			role, resource, next string
			actions              []string
		}{
			{role, arn("lambda", "function:"+hook.Name), "grant it: AWSCodeDeployRoleForLambda covers only functions whose name begins with CodeDeployHook_", []string{"lambda:InvokeFunction"}},
			{role, arn("lambda", "function:"+tested.Name+":"+rollout.HookAlias), "attach AWSCodeDeployRoleForLambda to it", []string{"lambda:GetAlias", "lambda:UpdateAlias"}},
			{hook.Role, arn("codedeploy", "deploymentgroup:"+c.Application+"/"+c.Group), "grant it, so that the hook can tell its verdict", []string{"codedeploy:PutLifecycleEventHookExecutionStatus"}},
		} {
			if asked := t.simulate(ctx, about, need.role, need.resource, need.next, need.actions, &f); !asked {
				return f.all, nil
			}
		}
	}
	return f.all, ctx.Err()
}

// simulate asks IAM whether a role may do something; asked is false when IAM cannot be asked at all.
func (t *Target) simulate(ctx context.Context, about, role, resource, next string, actions []string, f *findings) (asked bool) {
	out, err := t.iam.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &role, ActionNames: actions, ResourceArns: []string{resource}})
	if err != nil {
		if !unsupported(err) { // where there is no IAM, nothing is denied
			f.add(Finding{About: about, Text: fmt.Sprintf("whether role %s may do what the hook needs could not be asked (%s)", role, message(err)), Next: next, Unread: true})
		}
		return false
	}
	for _, r := range out.EvaluationResults {
		if r.EvalDecision != "allowed" {
			f.add(Finding{About: about, Text: fmt.Sprintf("role %s may not %s on %s (%s)", role, aws.ToString(r.EvalActionName), resource, r.EvalDecision), Next: next})
		}
	}
	return true
}
