package target

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

// GetRouting reads where an alias routes, with the revision that SetRouting takes. It fails with release.ErrNoAlias when
// the alias, or what it belongs to, does not exist.
//
// Aliases of state machines have no revision in AWS; theirs is the routing itself, written out.
func (t *Target) GetRouting(ctx context.Context, r release.Ref) (release.AliasRouting, error) {
	switch r.Kind {
	case release.KindStateMachine:
		return t.machineRouting(ctx, r)
	case release.KindRecordSets:
		return t.setsRouting(ctx, r)
	}
	out, err := t.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: &r.Name, Name: &r.Alias})
	if is(err, "ResourceNotFoundException") {
		return release.AliasRouting{}, fmt.Errorf("%s: %w", r, release.ErrNoAlias)
	}
	if err != nil {
		return release.AliasRouting{}, t.failed("read "+r.String(), "lambda:GetAlias", err)
	}
	return functionRouting(r, out.FunctionVersion, out.RoutingConfig, out.RevisionId), nil
}

func functionRouting(r release.Ref, version *string, c *types.AliasRoutingConfiguration, revision *string) release.AliasRouting {
	a := release.AliasRouting{Ref: r, Routing: alias.Routing{Primary: aws.ToString(version)}, Revision: aws.ToString(revision)}
	if c != nil {
		for v, w := range c.AdditionalVersionWeights { // AWS allows one
			a.Routing.Additional, a.Routing.Weight = v, w
		}
	}
	return a
}

func (t *Target) machineRouting(ctx context.Context, r release.Ref) (release.AliasRouting, error) {
	a, _, err := t.machineAlias(ctx, r)
	return a, err
}

// machineAlias reads an alias of a state machine, and when it was last changed.
func (t *Target) machineAlias(ctx context.Context, r release.Ref) (a release.AliasRouting, changed time.Time, err error) {
	arn, err := t.AliasARN(ctx, r)
	if err != nil {
		return a, changed, err
	}
	out, err := t.states.DescribeStateMachineAlias(ctx, &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: &arn})
	if is(err, "ResourceNotFound", "StateMachineDoesNotExist") {
		return a, changed, fmt.Errorf("%s: %w", r, release.ErrNoAlias)
	}
	if err != nil {
		return a, changed, t.failed("read "+r.String(), "states:DescribeStateMachineAlias", err)
	}
	a.Ref, changed = r, aws.ToTime(out.CreationDate)
	if at := aws.ToTime(out.UpdateDate); at.After(changed) {
		changed = at
	}
	for i, e := range out.RoutingConfiguration {
		switch i {
		case 0:
			a.Routing.Primary = aws.ToString(e.StateMachineVersionArn)
		case 1:
			a.Routing.Additional, a.Routing.Weight = aws.ToString(e.StateMachineVersionArn), float64(e.Weight)/100
		}
	}
	a.Revision = written(a.Routing)
	return a, changed, nil
}

// written is the revision of a state machine alias: its routing, in an order that does not depend on AWS's.
func written(r alias.Routing) string {
	one := func(v string) string {
		return v + "=" + strconv.FormatFloat(math.Round(r.Share(v)*1e6)/1e4, 'f', -1, 64)
	}
	switch {
	case r.Additional == "":
		return one(r.Primary)
	case r.Additional < r.Primary:
		return one(r.Additional) + "," + one(r.Primary)
	}
	return one(r.Primary) + "," + one(r.Additional)
}

// alike reports whether two routings send the same share of the traffic to the same versions.
func alike(a, b alias.Routing) bool { return written(a) == written(b) }

// SetRouting makes an alias route as want says, if it is still as the caller knows it: want.Revision is that of the
// AliasRouting that the caller read, or "" for an alias that must not exist yet and is created. It gives the routing with
// its new revision.
//
// An alias that routes as wanted already is a success, whatever its revision: the answer to an earlier attempt may have
// been lost. Any other difference is a *release.ConflictError, and nothing is changed. For functions Lambda itself compares
// the revision and writes in one step. Step Functions cannot: the routing is read, compared and then written, and a
// change by someone else in the milliseconds between is overwritten. Weights of state machines are whole percents; others
// are refused. Of record sets see setSetsRouting.
func (t *Target) SetRouting(ctx context.Context, want release.AliasRouting) (release.AliasRouting, error) {
	if err := want.Routing.Validate(); err != nil {
		return release.AliasRouting{}, fmt.Errorf("%s: %w", want.Ref, err)
	}
	switch want.Ref.Kind {
	case release.KindStateMachine:
		return t.setMachineRouting(ctx, want)
	case release.KindRecordSets:
		return t.setSetsRouting(ctx, want)
	}
	return t.setFunctionRouting(ctx, want)
}

func (t *Target) setFunctionRouting(ctx context.Context, want release.AliasRouting) (release.AliasRouting, error) {
	weights := map[string]float64{} // an empty one removes the second version
	if want.Routing.Additional != "" {
		weights[want.Routing.Additional] = want.Routing.Weight
	}
	config := &types.AliasRoutingConfiguration{AdditionalVersionWeights: weights}
	var got release.AliasRouting
	var err error
	operation := "lambda:UpdateAlias"
	if want.Revision == "" {
		operation = "lambda:CreateAlias"
		if len(weights) == 0 {
			config = nil
		}
		var out *lambda.CreateAliasOutput
		if out, err = t.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{
			FunctionName: &want.Ref.Name, Name: &want.Ref.Alias,
			FunctionVersion: &want.Routing.Primary, RoutingConfig: config,
		}); err == nil {
			got = functionRouting(want.Ref, out.FunctionVersion, out.RoutingConfig, out.RevisionId)
		}
	} else {
		var out *lambda.UpdateAliasOutput
		if out, err = t.lambda.UpdateAlias(ctx, &lambda.UpdateAliasInput{
			FunctionName: &want.Ref.Name, Name: &want.Ref.Alias,
			FunctionVersion: &want.Routing.Primary, RoutingConfig: config, RevisionId: &want.Revision,
		}); err == nil {
			got = functionRouting(want.Ref, out.FunctionVersion, out.RoutingConfig, out.RevisionId)
		}
	}
	switch {
	case err == nil:
		if !alike(got.Routing, want.Routing) {
			return got, fmt.Errorf("%s: %s was to route to %s, and answered that it routes to %s", want.Ref, t.endpoint, want.Routing, got.Routing)
		}
		return got, nil
	case is(err, "PreconditionFailedException", "ResourceConflictException", "ResourceNotFoundException"):
		return t.conflict(ctx, want, operation, err)
	}
	return release.AliasRouting{}, t.failed("route "+want.Ref.String()+" to "+want.Routing.String(), operation, err)
}

// conflict finds out what a refused write means.
func (t *Target) conflict(ctx context.Context, want release.AliasRouting, operation string, refused error) (release.AliasRouting, error) {
	found, err := t.GetRouting(ctx, want.Ref)
	switch {
	case errors.Is(err, release.ErrNoAlias) && want.Revision != "":
		return release.AliasRouting{}, &release.ConflictError{Want: want}
	case errors.Is(err, release.ErrNoAlias):
		return release.AliasRouting{}, t.failed("create "+want.Ref.String()+" for "+want.Routing.String(), operation, refused)
	case err != nil:
		return release.AliasRouting{}, errors.Join(refused, err)
	case alike(found.Routing, want.Routing):
		return found, nil
	case found.Revision == want.Revision: // the alias is as expected, so something else was not found: a version
		return release.AliasRouting{}, t.failed("route "+want.Ref.String()+" to "+want.Routing.String(), operation, refused)
	}
	return release.AliasRouting{}, &release.ConflictError{Want: want, Found: found}
}

// rereads is how often a state machine alias that is not as expected is read again before it counts as changed: its reads
// may lag behind an own write.
const rereads = 4

func (t *Target) setMachineRouting(ctx context.Context, want release.AliasRouting) (release.AliasRouting, error) {
	items, err := percents(want)
	if err != nil {
		return release.AliasRouting{}, err
	}
	var found release.AliasRouting
	delay := 20 * time.Millisecond
	for look := 1; ; look++ {
		found, err = t.routingIfAny(ctx, want.Ref)
		if err != nil {
			return release.AliasRouting{}, err
		}
		if found.Revision == want.Revision {
			break
		}
		if alike(found.Routing, want.Routing) {
			return found, nil
		}
		if look == rereads {
			return release.AliasRouting{}, &release.ConflictError{Want: want, Found: found}
		}
		if err := pause(ctx, delay); err != nil {
			return release.AliasRouting{}, err
		}
		delay *= 3
	}
	got := release.AliasRouting{Ref: want.Ref, Routing: want.Routing, Revision: written(want.Routing)}
	if want.Revision == got.Revision {
		return got, nil
	}
	doing := "route " + want.Ref.String() + " to " + want.Routing.String()
	if want.Revision == "" {
		_, err = t.states.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: &want.Ref.Alias, RoutingConfiguration: items})
		if is(err, "ConflictException") {
			return t.conflict(ctx, want, "states:CreateStateMachineAlias", err)
		}
		if err != nil {
			return release.AliasRouting{}, t.failed(doing, "states:CreateStateMachineAlias", err)
		}
		return got, nil
	}
	arn, err := t.AliasARN(ctx, want.Ref)
	if err != nil {
		return release.AliasRouting{}, err
	}
	if _, err = t.states.UpdateStateMachineAlias(ctx, &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: &arn, RoutingConfiguration: items}); err != nil {
		return release.AliasRouting{}, t.failed(doing, "states:UpdateStateMachineAlias", err)
	}
	return got, nil
}

// percents writes a routing as Step Functions takes it: whole percents that add up to 100.
func percents(want release.AliasRouting) ([]sfntypes.RoutingConfigurationListItem, error) {
	r := want.Routing
	second := math.Round(r.Weight * 100)
	if math.Abs(r.Weight*100-second) > 1e-6 {
		return nil, fmt.Errorf("%s: Step Functions takes whole percents, not %v%%; use weights of whole percents", want.Ref, r.Weight*100)
	}
	for _, v := range r.Versions() {
		if !strings.HasPrefix(v, "arn:") {
			return nil, fmt.Errorf("%s: %q is no ARN of a state machine version", want.Ref, v)
		}
	}
	items := []sfntypes.RoutingConfigurationListItem{{StateMachineVersionArn: aws.String(r.Primary), Weight: int32(100 - second)}}
	if r.Additional != "" {
		items = append(items, sfntypes.RoutingConfigurationListItem{StateMachineVersionArn: aws.String(r.Additional), Weight: int32(second)})
	}
	return items, nil
}
