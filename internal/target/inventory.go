package target

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"golang.org/x/sync/errgroup"

	"github.com/tealdeploy/teal/internal/release"
)

// maxUnqualified bounds how many executions without a version are asked for their definition, as Step Functions answers one
// such question a second. With more, what they call counts as unread.
const maxUnqualified = 200

// Inventory reads what decides which versions of an application are still needed. It changes nothing. What cannot be read
// is no error of the whole: it is named in the Unread of its part, and keeps what it might have named.
func (t *Target) Inventory(ctx context.Context, s release.Spec, at time.Time) (release.Inventory, error) {
	inv := release.Inventory{At: at}
	if _, err := t.Identity(ctx); err != nil {
		return inv, err
	}
	machines, unread := t.machines(ctx)
	inv.Unread = unread
	own := map[string]bool{}
	for _, w := range s.Workflows {
		own[w.Name] = true
		if !slices.ContainsFunc(machines, func(m sfntypes.StateMachineListItem) bool { return aws.ToString(m.Name) == w.Name }) && len(unread) > 0 {
			arn, err := t.machineARN(ctx, w.Name)
			if err != nil {
				return inv, err
			}
			machines = append(machines, sfntypes.StateMachineListItem{Name: &w.Name, StateMachineArn: &arn})
		}
	}
	functions := make([]release.FunctionInventory, len(s.Functions))
	found := make([]release.MachineInventory, len(machines))
	g, gctx := errgroup.WithContext(ctx)
	for i, f := range s.Functions {
		g.Go(func() error {
			give, err := t.slot(gctx)
			if err != nil {
				return err
			}
			defer give()
			functions[i] = t.functionInventory(gctx, f.Name)
			return nil
		})
	}
	for i, m := range machines {
		g.Go(func() error {
			give, err := t.slot(gctx)
			if err != nil {
				return err
			}
			defer give()
			found[i] = t.machineInventory(gctx, aws.ToString(m.StateMachineArn), aws.ToString(m.Name), !own[aws.ToString(m.Name)], at)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return inv, err
	}
	inv.Functions, inv.Machines = functions, found
	return inv, ctx.Err()
}

// machines lists all state machines of the account: others may call versions of the application too.
func (t *Target) machines(ctx context.Context) (all []sfntypes.StateMachineListItem, unread []string) {
	pages := sfn.NewListStateMachinesPaginator(t.states, &sfn.ListStateMachinesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return all, []string{t.failed("the state machines of the account could not be listed", "states:ListStateMachines", err).Error()}
		}
		all = append(all, page.StateMachines...)
	}
	return all, nil
}

func (t *Target) functionInventory(ctx context.Context, name string) release.FunctionInventory {
	f := release.FunctionInventory{Name: name}
	unread := func(what, operation string, err error) {
		if !unsupported(err) && !is(err, "ResourceNotFoundException") { // what an endpoint does not know, it does not have
			f.Unread = append(f.Unread, t.failed(what+" of function "+name+" could not be read", operation, err).Error())
		}
	}
	versions := lambda.NewListVersionsByFunctionPaginator(t.lambda, &lambda.ListVersionsByFunctionInput{FunctionName: &name})
	for versions.HasMorePages() {
		page, err := versions.NextPage(ctx)
		if err != nil {
			unread("the versions", "lambda:ListVersionsByFunction", err)
			break
		}
		for _, v := range page.Versions {
			if _, err := strconv.Atoi(aws.ToString(v.Version)); err != nil {
				continue // $LATEST
			}
			f.Versions = append(f.Versions, release.SeenVersion{
				Version: aws.ToString(v.Version), ARN: unqualified(aws.ToString(v.FunctionArn)) + ":" + aws.ToString(v.Version),
				Created: lambdaTime(aws.ToString(v.LastModified)), Size: v.CodeSize,
			})
		}
	}
	aliases := lambda.NewListAliasesPaginator(t.lambda, &lambda.ListAliasesInput{FunctionName: &name})
	for aliases.HasMorePages() {
		page, err := aliases.NextPage(ctx)
		if err != nil {
			unread("the aliases", "lambda:ListAliases", err)
			break
		}
		for _, a := range page.Aliases {
			f.Aliases = append(f.Aliases, functionRouting(release.Ref{Kind: release.KindFunction, Name: name, Alias: aws.ToString(a.Name)}, a.FunctionVersion, a.RoutingConfig, a.RevisionId))
		}
	}
	sources := lambda.NewListEventSourceMappingsPaginator(t.lambda, &lambda.ListEventSourceMappingsInput{FunctionName: &name})
	for sources.HasMorePages() {
		page, err := sources.NextPage(ctx)
		if err != nil {
			unread("the event source mappings", "lambda:ListEventSourceMappings", err)
			break
		}
		for _, m := range page.EventSourceMappings {
			f.References = append(f.References, release.Reference{Version: shortVersion(aws.ToString(m.FunctionArn)), By: "event source mapping " + aws.ToString(m.UUID) + " invokes it"})
		}
	}
	provisioned := lambda.NewListProvisionedConcurrencyConfigsPaginator(t.lambda, &lambda.ListProvisionedConcurrencyConfigsInput{FunctionName: &name})
	for provisioned.HasMorePages() {
		page, err := provisioned.NextPage(ctx)
		if err != nil {
			unread("the provisioned concurrency", "lambda:ListProvisionedConcurrencyConfigs", err)
			break
		}
		for _, p := range page.ProvisionedConcurrencyConfigs {
			f.References = append(f.References, release.Reference{Version: shortVersion(aws.ToString(p.FunctionArn)), By: fmt.Sprintf("it has provisioned concurrency (%d)", aws.ToInt32(p.RequestedProvisionedConcurrentExecutions))})
		}
	}
	urls := lambda.NewListFunctionUrlConfigsPaginator(t.lambda, &lambda.ListFunctionUrlConfigsInput{FunctionName: &name})
	for urls.HasMorePages() {
		page, err := urls.NextPage(ctx)
		if err != nil {
			unread("the function URLs", "lambda:ListFunctionUrlConfigs", err)
			break
		}
		for _, u := range page.FunctionUrlConfigs {
			f.References = append(f.References, release.Reference{Version: shortVersion(aws.ToString(u.FunctionArn)), By: "function URL " + aws.ToString(u.FunctionUrl) + " invokes it"})
		}
	}
	return f
}

// lambdaTime reads the time as Lambda writes it; the zero time when it cannot.
func lambdaTime(s string) time.Time {
	for _, form := range []string{"2006-01-02T15:04:05.000-0700", time.RFC3339} {
		if at, err := time.Parse(form, s); err == nil {
			return at
		}
	}
	return time.Time{}
}

func (t *Target) machineInventory(ctx context.Context, arn, name string, foreign bool, at time.Time) release.MachineInventory {
	m := release.MachineInventory{Name: name, ARN: arn, Foreign: foreign}
	gone := func(err error) bool { return is(err, "StateMachineDoesNotExist", "ResourceNotFound") }
	unread := func(what, operation string, err error) {
		m.Unread = append(m.Unread, t.failed(what+" of state machine "+name+" could not be read", operation, err).Error())
	}
	latest, err := t.describe(ctx, arn)
	if gone(err) {
		return m
	}
	if err != nil {
		unread("the definition", "states:DescribeStateMachine", err)
		return m
	}
	m.Express = latest.Type == sfntypes.StateMachineTypeExpress
	m.Latest, m.Updated = release.ScanPins(json.RawMessage(aws.ToString(latest.Definition))), aws.ToTime(latest.CreationDate)
	if err := t.machineVersions(ctx, &m); err != nil {
		unread("the versions", "states:ListStateMachineVersions", err)
	}
	for i, v := range m.Versions {
		d, err := t.describe(ctx, v.ARN)
		if err != nil {
			if !gone(err) {
				unread("version "+shortVersion(v.ARN), "states:DescribeStateMachine", err)
			}
			continue
		}
		m.Versions[i].Pins = release.ScanPins(json.RawMessage(aws.ToString(d.Definition)))
		if v.Created.After(m.Updated) {
			m.Updated = v.Created
		}
	}
	if !foreign {
		if err := t.machineAliases(ctx, &m); err != nil {
			unread("the aliases", "states:ListStateMachineAliases", err)
		}
	}
	if !m.Express {
		if err := t.neededExecutions(ctx, &m, at); err != nil {
			unread("the executions", "states:ListExecutions", err)
		}
	}
	return m
}

func (t *Target) machineVersions(ctx context.Context, m *release.MachineInventory) error {
	in := &sfn.ListStateMachineVersionsInput{StateMachineArn: &m.ARN}
	for {
		page, err := t.states.ListStateMachineVersions(ctx, in)
		if err != nil {
			return err
		}
		for _, v := range page.StateMachineVersions {
			a := aws.ToString(v.StateMachineVersionArn)
			m.Versions = append(m.Versions, release.SeenVersion{Version: a, ARN: a, Created: aws.ToTime(v.CreationDate)})
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
}

func (t *Target) machineAliases(ctx context.Context, m *release.MachineInventory) error {
	in := &sfn.ListStateMachineAliasesInput{StateMachineArn: &m.ARN}
	for {
		page, err := t.states.ListStateMachineAliases(ctx, in)
		if err != nil {
			return err
		}
		for _, a := range page.StateMachineAliases {
			r, changed, err := t.machineAlias(ctx, release.Ref{Kind: release.KindStateMachine, Name: m.Name, Alias: shortVersion(aws.ToString(a.StateMachineAliasArn))})
			if err != nil {
				return err
			}
			m.Aliases = append(m.Aliases, r)
			if changed.After(m.Moved) {
				m.Moved = changed
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
}

// neededExecutions lists the executions that run or can be redriven. Whether one really can be is not asked of each: having
// ended without success within the window is enough to keep what it calls. Only children of Map runs are PENDING_REDRIVE:
// what they call is kept for their parents.
func (t *Target) neededExecutions(ctx context.Context, m *release.MachineInventory, at time.Time) error {
	there := map[string]bool{}
	for _, v := range m.Versions {
		there[v.ARN] = true
	}
	asked, seen := 0, map[string]bool{}
	for _, status := range []sfntypes.ExecutionStatus{
		sfntypes.ExecutionStatusRunning, sfntypes.ExecutionStatusFailed, sfntypes.ExecutionStatusTimedOut, sfntypes.ExecutionStatusAborted,
		sfntypes.ExecutionStatusRunning, // again: what was redriven meanwhile
	} {
		pages := sfn.NewListExecutionsPaginator(t.states, &sfn.ListExecutionsInput{StateMachineArn: &m.ARN, StatusFilter: status, MaxResults: 1000})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, x := range page.Executions {
				e := release.SeenExecution{ARN: aws.ToString(x.ExecutionArn), Version: aws.ToString(x.StateMachineVersionArn), Status: string(x.Status), Stopped: aws.ToTime(x.StopDate)}
				if seen[e.ARN] || !e.Stopped.IsZero() && at.Sub(e.Stopped) > release.RedriveWindow {
					continue
				}
				seen[e.ARN] = true
				if !there[e.Version] {
					if asked++; asked > maxUnqualified {
						return fmt.Errorf("more than %d executions were started without a version; start them through the alias", maxUnqualified)
					}
					d, err := t.states.DescribeStateMachineForExecution(ctx, &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: &e.ARN, IncludedData: sfntypes.IncludedDataAllData})
					if err != nil {
						return err
					}
					e.Pins = release.ScanPins(json.RawMessage(aws.ToString(d.Definition)))
				}
				m.Executions = append(m.Executions, e)
			}
		}
	}
	return nil
}

// ErrNeeded says that a version turned out to be in use when it was about to be deleted.
type ErrNeeded struct{ Why string }

func (e *ErrNeeded) Error() string { return "it is needed after all: " + e.Why }

// Delete deletes a version that release.Keep found to be unused, after it has looked once more at what may have begun to use
// it since. It fails with an *ErrNeeded where something has, or where that cannot be read. A version that is gone already
// is a success.
func (t *Target) Delete(ctx context.Context, k release.Kept) error {
	if !k.Deletable() {
		return &ErrNeeded{Why: strings.Join(k.Reasons, "; ")}
	}
	if k.Kind == release.KindStateMachine {
		return t.deleteMachineVersion(ctx, k)
	}
	f := t.functionInventory(ctx, k.Name)
	if len(f.Unread) > 0 {
		return &ErrNeeded{Why: f.Unread[0]}
	}
	for _, a := range f.Aliases {
		if slices.Contains(a.Routing.Versions(), k.Version) {
			return &ErrNeeded{Why: "alias " + a.Ref.Alias + " routes to it"}
		}
	}
	for _, r := range f.References {
		if r.Version == k.Version {
			return &ErrNeeded{Why: r.By}
		}
	}
	policy, err := t.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: &k.Name, Qualifier: &k.Version})
	switch {
	case err == nil && aws.ToString(policy.Policy) != "":
		return &ErrNeeded{Why: "it has permissions of its own, so something invokes it by its number"}
	case err != nil && !is(err, "ResourceNotFoundException") && !unsupported(err):
		return &ErrNeeded{Why: t.failed("its permissions could not be read", "lambda:GetPolicy", err).Error()}
	}
	_, err = t.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &k.Name, Qualifier: &k.Version})
	if is(err, "ResourceNotFoundException") {
		return nil
	}
	if is(err, "ResourceConflictException") {
		return &ErrNeeded{Why: message(err)}
	}
	return t.failed("delete version "+k.Version+" of function "+k.Name, "lambda:DeleteFunction", err)
}

func (t *Target) deleteMachineVersion(ctx context.Context, k release.Kept) error {
	arn := k.ARN[:strings.LastIndexByte(k.ARN, ':')]
	m := release.MachineInventory{Name: k.Name, ARN: arn}
	if err := t.machineAliases(ctx, &m); err != nil {
		return &ErrNeeded{Why: t.failed("the aliases could not be read", "states:ListStateMachineAliases", err).Error()}
	}
	for _, a := range m.Aliases {
		if slices.Contains(a.Routing.Versions(), k.ARN) {
			return &ErrNeeded{Why: "alias " + a.Ref.Alias + " routes to it"}
		}
	}
	running, err := t.states.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &k.ARN, StatusFilter: sfntypes.ExecutionStatusRunning, MaxResults: 1})
	switch {
	case err == nil && len(running.Executions) > 0:
		return &ErrNeeded{Why: "execution " + aws.ToString(running.Executions[0].Name) + " runs on it"}
	case is(err, "StateMachineDoesNotExist", "ResourceNotFound"):
		return nil
	case is(err, "StateMachineTypeNotSupported") && m.Moved.After(k.Moved): // Express executions cannot be listed
		return &ErrNeeded{Why: "an alias was changed meanwhile, and Express executions may run on it; prune again in " + release.ExpressWindow.String()}
	case err != nil && !is(err, "StateMachineTypeNotSupported"):
		return &ErrNeeded{Why: t.failed("its executions could not be read", "states:ListExecutions", err).Error()}
	}
	_, err = t.states.DeleteStateMachineVersion(ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: &k.ARN})
	if is(err, "ConflictException") {
		return &ErrNeeded{Why: message(err)}
	}
	return t.failed("delete "+k.ARN, "states:DeleteStateMachineVersion", err)
}
