package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"golang.org/x/sync/errgroup"

	"github.com/tealdeploy/teal/internal/release"
)

// Observe reads what exists of the things that a Spec names. It changes nothing.
func (t *Target) Observe(ctx context.Context, s release.Spec) (release.Observed, error) {
	id, err := t.Identity(ctx)
	if err != nil {
		return release.Observed{}, err
	}
	var router *release.ObservedRouter
	if s.Router != nil {
		if router, err = t.Router(ctx, s); err != nil {
			return release.Observed{}, err
		}
		s = s.Through(router.Live.Alias)
	}
	functions := make([]release.ObservedFunction, len(s.Functions))
	workflows := make([]release.ObservedWorkflow, len(s.Workflows))
	together := t.observeTogether(ctx, s.Functions)
	g, gctx := errgroup.WithContext(ctx)
	for i, f := range s.Functions {
		g.Go(func() error {
			give, err := t.slot(gctx)
			if err != nil {
				return err
			}
			defer give()
			if n := together[f.Name]; n != nil && n.version > 0 {
				functions[i], err = n.observed()
			} else {
				functions[i], err = t.observeFunction(gctx, f.Name)
			}
			if err != nil || functions[i].ARN == "" {
				return err
			}
			functions[i].Routing, err = t.routingIfAny(gctx, f.Ref())
			return err
		})
	}
	for i, w := range s.Workflows {
		g.Go(func() error {
			give, err := t.slot(gctx)
			if err != nil {
				return err
			}
			defer give()
			if workflows[i], err = t.observeWorkflow(gctx, w.Name); err != nil || workflows[i].ARN == "" {
				return err
			}
			if workflows[i].Routing, err = t.routingIfAny(gctx, w.Ref()); err != nil {
				return err
			}
			workflows[i].Serving, err = t.serving(gctx, workflows[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return release.Observed{}, err
	}
	o := release.Observed{Identity: id, Router: router, Functions: map[string]release.ObservedFunction{}, Workflows: map[string]release.ObservedWorkflow{}}
	for i, f := range s.Functions {
		if functions[i].ARN != "" {
			o.Functions[f.Name] = functions[i]
		}
	}
	for i, w := range s.Workflows {
		if workflows[i].ARN != "" {
			o.Workflows[w.Name] = workflows[i]
		}
	}
	return o, nil
}

// routingIfAny is GetRouting with a zero Routing when the alias does not exist.
func (t *Target) routingIfAny(ctx context.Context, r release.Ref) (release.AliasRouting, error) {
	a, err := t.GetRouting(ctx, r)
	if errors.Is(err, release.ErrNoAlias) {
		return release.AliasRouting{Ref: r}, nil
	}
	return a, err
}

// newest collects the versions of a function, in any order.
type newest struct {
	arn     string // without a version; empty when nothing was seen
	version int    // 0 when nothing is published
	config  types.FunctionConfiguration
}

func (n *newest) see(v types.FunctionConfiguration) {
	if n.arn == "" {
		n.arn = unqualified(aws.ToString(v.FunctionArn))
	}
	if number, err := strconv.Atoi(aws.ToString(v.Version)); err == nil && number > n.version {
		n.version, n.config = number, v
	}
}

func (n *newest) observed() (release.ObservedFunction, error) {
	o := release.ObservedFunction{ARN: n.arn}
	if n.version == 0 {
		return o, nil
	}
	if e := n.config.Environment; e != nil && e.Error != nil {
		return o, fmt.Errorf("the environment of function %s, version %d, cannot be read: %s; allow its KMS key to the caller", aws.ToString(n.config.FunctionName), n.version, aws.ToString(e.Error.Message))
	}
	o.Version = strconv.Itoa(n.version)
	o.VersionARN = o.ARN + ":" + o.Version
	o.Config = configuration(&n.config)
	return o, nil
}

// observeFunction finds the newest published version of a function, by number. The result is zero when there is no such
// function.
func (t *Target) observeFunction(ctx context.Context, name string) (release.ObservedFunction, error) {
	var n newest
	pages := lambda.NewListVersionsByFunctionPaginator(t.lambda, &lambda.ListVersionsByFunctionInput{FunctionName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if is(err, "ResourceNotFoundException") {
			return release.ObservedFunction{}, nil
		}
		if err != nil {
			return release.ObservedFunction{}, t.failed("list the versions of function "+name, "lambda:ListVersionsByFunction", err)
		}
		for _, v := range page.Versions {
			n.see(v)
		}
	}
	return n.observed()
}

// fewFunctions is how many functions are asked one by one: two questions of each fit into the burst that AWS takes.
const fewFunctions = 7

// observeTogether lists the versions of all functions of the account, 50 at a time, where asking for each would take longer than
// the control plane's rate allows within a second. It finds what it finds: what is not in its result is asked one by one. It gives
// up, as though there were nothing, where the account has so much else that listing it is no gain, and where it is not allowed.
func (t *Target) observeTogether(ctx context.Context, functions []release.Function) map[string]*newest {
	if len(functions) <= fewFunctions {
		return nil
	}
	found := map[string]*newest{}
	for _, f := range functions {
		found[f.Name] = &newest{}
	}
	pages := lambda.NewListFunctionsPaginator(t.lambda, &lambda.ListFunctionsInput{FunctionVersion: types.FunctionVersionAll})
	for range len(functions) / 2 {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil // each is asked, which tells what is wrong
		}
		for _, v := range page.Functions {
			if n := found[aws.ToString(v.FunctionName)]; n != nil {
				n.see(v)
			}
		}
		if !pages.HasMorePages() {
			return found
		}
	}
	return nil
}

// unqualified takes the version off a function's ARN.
func unqualified(arn string) string {
	if p := strings.Split(arn, ":"); len(p) > 7 {
		return strings.Join(p[:7], ":")
	}
	return arn
}

// configuration gives what AWS answered in the words of a manifest.
func configuration(c *types.FunctionConfiguration) release.Function {
	f := release.Function{
		Name: aws.ToString(c.FunctionName), Runtime: string(c.Runtime), Handler: aws.ToString(c.Handler), Role: aws.ToString(c.Role),
		Description: aws.ToString(c.Description), MemorySize: aws.ToInt32(c.MemorySize), Timeout: aws.ToInt32(c.Timeout),
		CodeSHA256: aws.ToString(c.CodeSha256), CodeSize: c.CodeSize,
	}
	for _, a := range c.Architectures {
		f.Architectures = append(f.Architectures, string(a))
	}
	if c.Environment != nil {
		f.Environment = c.Environment.Variables
	}
	f.Settings = settingsOf(c)
	return f
}

// observeWorkflow finds a state machine and its newest version, by number. The result is zero when there is none.
func (t *Target) observeWorkflow(ctx context.Context, name string) (release.ObservedWorkflow, error) {
	var o release.ObservedWorkflow
	machine, err := t.machineARN(ctx, name)
	if err != nil {
		return o, err
	}
	versions := &sfn.ListStateMachineVersionsInput{StateMachineArn: &machine}
	highest := 0
	for {
		page, err := t.states.ListStateMachineVersions(ctx, versions)
		if is(err, "StateMachineDoesNotExist", "ResourceNotFound", "InvalidArn") {
			break // AWS does not document how it answers here for one that does not exist; describing it tells
		}
		if err != nil {
			return o, t.failed("list the versions of state machine "+name, "states:ListStateMachineVersions", err)
		}
		for _, v := range page.StateMachineVersions {
			a := aws.ToString(v.StateMachineVersionArn)
			if n, err := strconv.Atoi(a[strings.LastIndexByte(a, ':')+1:]); err == nil && n > highest {
				highest, o.VersionARN = n, a
			}
		}
		if aws.ToString(page.NextToken) == "" {
			break
		}
		versions.NextToken = page.NextToken
	}
	which := o.VersionARN
	if which == "" { // nothing is published: the type still counts
		which = machine
	}
	d, err := t.describe(ctx, which)
	if is(err, "StateMachineDoesNotExist") && which == machine {
		return release.ObservedWorkflow{}, nil
	}
	if err != nil {
		return o, t.failed("describe state machine "+which, "states:DescribeStateMachine", err)
	}
	o.ARN = machine
	o.Config = release.Workflow{Name: name, Type: string(d.Type), Role: aws.ToString(d.RoleArn), Definition: json.RawMessage(aws.ToString(d.Definition))}
	return o, nil
}

func (t *Target) describe(ctx context.Context, arn string) (*sfn.DescribeStateMachineOutput, error) {
	return t.states.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &arn, IncludedData: sfntypes.IncludedDataAllData})
}

// serving reads the definition of the version that gets most of the alias's traffic.
func (t *Target) serving(ctx context.Context, o release.ObservedWorkflow) (json.RawMessage, error) {
	r := o.Routing.Routing
	v := r.Primary
	if r.Weight > 0.5 {
		v = r.Additional
	}
	switch v {
	case "":
		return nil, nil
	case o.VersionARN:
		return o.Config.Definition, nil
	}
	d, err := t.describe(ctx, v)
	if err != nil {
		return nil, t.failed("describe state machine version "+v, "states:DescribeStateMachine", err)
	}
	return json.RawMessage(aws.ToString(d.Definition)), nil
}
