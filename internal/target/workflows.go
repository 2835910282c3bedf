package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/release"
)

// PublishWorkflow brings a state machine to the pinned definition and settings of w and gives the version that has them:
// the newest one when that matches already, else a new one. No alias moves, and executions that run are not touched.
//
// Step Functions has no guard against a lost update of the definition, so update and publication are one request, in which
// nothing can come between the two. Repeated after a crash it finds the version that was made.
func (t *Target) PublishWorkflow(ctx context.Context, w release.Workflow, pinned json.RawMessage) (release.StateMachineVersion, error) {
	give, err := t.slot(ctx)
	if err != nil {
		return release.StateMachineVersion{}, err
	}
	defer give()
	digest, err := w.Digest(pinned)
	if err != nil {
		return release.StateMachineVersion{}, fmt.Errorf("publish workflow %s: %w", w.Key, err)
	}
	o, err := t.observeWorkflow(ctx, w.Name)
	if err != nil {
		return release.StateMachineVersion{}, err
	}
	d, err := release.DecideWorkflow(w, pinned, o)
	if err != nil {
		return release.StateMachineVersion{}, fmt.Errorf("publish workflow %s: %w", w.Key, err)
	}
	v := release.StateMachineVersion{
		Key: w.Key, Name: w.Name, ARN: d.ARN, Digest: digest, Pins: release.ScanPins(pinned),
		New: d.Action == release.Publish, Reason: d.Reason,
	}
	if d.Action == release.TakeOver {
		return v, t.previewWorkflow(ctx, w, v.ARN)
	}
	if o.ARN == "" {
		v.ARN, err = t.createMachine(ctx, w, pinned)
		var exists *types.StateMachineAlreadyExists
		if errors.As(err, &exists) { // made by someone else meanwhile, or by an own request whose answer was lost
			v.ARN, err = t.updateMachine(ctx, w, pinned)
		}
	} else {
		v.ARN, err = t.updateMachine(ctx, w, pinned)
	}
	if err != nil {
		return v, err
	}
	return v, t.previewWorkflow(ctx, w, v.ARN)
}

func (t *Target) previewWorkflow(ctx context.Context, w release.Workflow, version string) error {
	if w.Preview == "" {
		return nil
	}
	return t.preview(ctx, release.Ref{Kind: release.KindStateMachine, Name: w.Name, Alias: w.Preview}, version)
}

func (t *Target) createMachine(ctx context.Context, w release.Workflow, pinned json.RawMessage) (string, error) {
	w = w.WithDefaults()
	out, err := t.states.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
		Name: &w.Name, Definition: aws.String(string(pinned)), RoleArn: &w.Role, Type: types.StateMachineType(w.Type), Publish: true,
		Tags: []types.Tag{{Key: aws.String("teal:workflow"), Value: &w.Key}},
	})
	if err != nil {
		return "", t.failed("create state machine "+w.Name, "states:CreateStateMachine", err)
	}
	if v := aws.ToString(out.StateMachineVersionArn); v != "" {
		return v, nil
	}
	return t.publishMachine(ctx, w.Name, aws.ToString(out.StateMachineArn), nil)
}

func (t *Target) updateMachine(ctx context.Context, w release.Workflow, pinned json.RawMessage) (string, error) {
	machine, err := t.machineARN(ctx, w.Name)
	if err != nil {
		return "", err
	}
	out, err := t.states.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{
		StateMachineArn: &machine, Definition: aws.String(string(pinned)), RoleArn: &w.Role, Publish: true,
	})
	if err != nil {
		return "", t.failed("update state machine "+w.Name, "states:UpdateStateMachine", err)
	}
	if v := aws.ToString(out.StateMachineVersionArn); v != "" {
		return v, nil
	}
	return t.publishMachine(ctx, w.Name, machine, out.RevisionId)
}

// publishMachine is for endpoints that do not publish within the update.
func (t *Target) publishMachine(ctx context.Context, name, machine string, revision *string) (string, error) {
	out, err := t.states.PublishStateMachineVersion(ctx, &sfn.PublishStateMachineVersionInput{StateMachineArn: &machine, RevisionId: revision})
	if err != nil {
		return "", t.failed("publish a version of state machine "+name, "states:PublishStateMachineVersion", err)
	}
	return aws.ToString(out.StateMachineVersionArn), nil
}
