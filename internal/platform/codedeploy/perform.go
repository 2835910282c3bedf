package codedeploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// do performs an effect and gives its answer. Done twice it does no harm: a write names the revision that it replaces, and
// a hook that is called again gets the same execution ID.
func (s *Service) do(r *deploymentRecord, e rollout.Effect) rollout.Event {
	ev := rollout.Event{Kind: rollout.EventResult, Effect: e.ID}
	var err error
	switch {
	case e.ReadRouting != nil:
		err = s.readRouting(r, &ev)
	case e.PublishFunction != nil:
		err = s.findVersion(r, &ev)
	case e.SetRouting != nil:
		err = s.setRouting(r, *e.SetRouting, &ev)
	case e.RunHook != nil:
		err = s.callHook(r, e.RunHook.Stage)
	default:
		err = &invalidSpec{"there is no such effect in a deployment"}
	}
	if err != nil {
		ev.Error, ev.Refused = err.Error(), refused(err)
		var stale *lambdatypes.PreconditionFailedException
		ev.Conflict = errors.As(err, &stale)
	}
	return ev
}

func (s *Service) readRouting(r *deploymentRecord, ev *rollout.Event) error {
	out, err := s.functions.GetAlias(s.ctx, &lambda.GetAliasInput{FunctionName: &r.Spec.Function, Name: &r.Spec.Alias})
	var gone *lambdatypes.ResourceNotFoundException
	if errors.As(err, &gone) && r.State.Aliases[0].Read {
		ev.Absent = true
		return nil
	}
	if err != nil {
		return err // an alias that does not exist is not made: there is no version to shift from
	}
	ev.Routing = routingOf(out.FunctionVersion, out.RoutingConfig, out.RevisionId)
	return nil
}

// findVersion finds the version that is to serve. CodeDeploy publishes none.
func (s *Service) findVersion(r *deploymentRecord, ev *rollout.Event) error {
	out, err := s.functions.GetFunctionConfiguration(s.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &r.Spec.Function, Qualifier: &r.Spec.Target})
	if err != nil {
		return err
	}
	if v := aws.ToString(out.Version); v != r.Spec.Target {
		return &invalidSpec{fmt.Sprintf("TargetVersion %s is no published version (it leads to %s)", r.Spec.Target, v)}
	}
	ev.Function = &release.FunctionVersion{
		Name: r.Spec.Function, Version: r.Spec.Target, ARN: aws.ToString(out.FunctionArn), Digest: aws.ToString(out.CodeSha256), Reason: "named by the AppSpec file",
	}
	return nil
}

func (s *Service) setRouting(r *deploymentRecord, e rollout.SetRouting, ev *rollout.Event) error {
	if e.Create {
		return &invalidSpec{fmt.Sprintf("the alias %s does not exist", r.Spec.Alias)}
	}
	want := e.Want.Routing
	weights := map[string]float64{}
	if want.Additional != "" {
		weights[want.Additional] = want.Weight
	}
	out, err := s.functions.UpdateAlias(s.ctx, &lambda.UpdateAliasInput{
		FunctionName: &r.Spec.Function, Name: &r.Spec.Alias, RevisionId: &e.Want.Revision, FunctionVersion: &want.Primary,
		RoutingConfig: &lambdatypes.AliasRoutingConfiguration{AdditionalVersionWeights: weights},
	})
	if err != nil {
		return err
	}
	ev.Routing = routingOf(out.FunctionVersion, out.RoutingConfig, out.RevisionId)
	return nil
}

func routingOf(version *string, weights *lambdatypes.AliasRoutingConfiguration, revision *string) *release.AliasRouting {
	r := alias.Routing{Primary: aws.ToString(version)}
	if weights != nil {
		for v, w := range weights.AdditionalVersionWeights { // at most one
			r.Additional, r.Weight = v, w
		}
	}
	return &release.AliasRouting{Routing: r, Revision: aws.ToString(revision)}
}

// callHook calls the validation function of a lifecycle event, which tells its result by itself
// (PutLifecycleEventHookExecutionStatus). The call is asynchronous: a function that fails without a word is one that tells
// nothing, and its hour runs out, as on AWS.
func (s *Service) callHook(r *deploymentRecord, event string) error {
	h := r.Hooks[event]
	payload, err := json.Marshal(map[string]string{"DeploymentId": r.ID, "LifecycleEventHookExecutionId": h.Execution})
	if err != nil {
		return err
	}
	_, err = s.functions.Invoke(s.ctx, &lambda.InvokeInput{FunctionName: &h.Function, InvocationType: lambdatypes.InvocationTypeEvent, Payload: payload})
	return err
}

// called notes that the hook's function was called, so that it is not called again after a restart.
func (s *Service) called(d *deployment, e rollout.RunHook, effect int64) error {
	n := d.record().clone()
	h := n.Hooks[e.Stage]
	h.Invoked = effect
	n.Hooks[e.Stage] = h
	return s.commit(d, n)
}

// refused reports whether an error says that nothing was done and that repeating is useless.
func refused(err error) bool {
	var invalid *invalidSpec
	if errors.As(err, &invalid) {
		return true
	}
	var api interface {
		ErrorCode() string
		ErrorFault() smithy.ErrorFault
	}
	if !errors.As(err, &api) || api.ErrorFault() != smithy.FaultClient {
		return false
	}
	for _, passing := range []string{"Throttl", "TooManyRequests", "Conflict", "NotReady", "PreconditionFailed"} {
		if strings.Contains(api.ErrorCode(), passing) {
			return false
		}
	}
	return true
}
