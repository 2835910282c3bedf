package target

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"golang.org/x/sync/errgroup"

	"github.com/tealdeploy/teal/internal/release"
)

// Finding is something that a person should know before a release.
type Finding struct {
	About string `json:"about"` // such as function shop-hello
	Text  string `json:"text"`
	Next  string `json:"next,omitempty"` // what to do
	// Unread says that a check could not be made, and not that it found something.
	Unread bool `json:"unread,omitempty"`
}

func (f Finding) String() string {
	s := f.About + ": " + f.Text
	if f.Next != "" {
		s += "; " + f.Next
	}
	return s
}

// findings collects what several checks find at once.
type findings struct {
	mu  sync.Mutex
	all []Finding
}

func (f *findings) add(one Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.all, one) {
		f.all = append(f.all, one)
	}
}

// Entrances finds the ways into an application's functions that bypass their aliases, so that a release would not move what
// comes in there: event source mappings, function URLs, permissions and integrations of HTTP APIs that name the function
// without a qualifier, and those that name a version; behind a router also event source mappings of a slot's alias, which
// do not follow its weights. It changes nothing; a check that cannot be made is a finding.
func (t *Target) Entrances(ctx context.Context, s release.Spec) ([]Finding, error) {
	var f findings
	id, err := t.Identity(ctx)
	if err != nil {
		return nil, err
	}
	var slots []release.Slot
	if s.Router != nil {
		slots = s.Router.Slots
		s = s.Through(slots[0].Alias) // any slot's alias is better than none
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, fn := range s.Functions {
		g.Go(func() error {
			give, err := t.slot(gctx)
			if err != nil {
				return err
			}
			defer give()
			t.functionEntrances(gctx, fn, slots, &f)
			return nil
		})
	}
	g.Go(func() error {
		t.integrationEntrances(gctx, id, s, &f)
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	sort.Slice(f.all, func(i, j int) bool { return f.all[i].String() < f.all[j].String() })
	return f.all, ctx.Err()
}

// bypasses says in words what an entrance leads to when that is not an alias.
func bypasses(arn string) (to string, ok bool) {
	p := strings.Split(arn, ":")
	switch {
	case len(p) < 8 || p[7] == "$LATEST":
		return "$LATEST", true
	case !strings.ContainsFunc(p[7], func(r rune) bool { return r < '0' || r > '9' }):
		return "version " + p[7], true
	}
	return "", false
}

func (t *Target) functionEntrances(ctx context.Context, fn release.Function, slots []release.Slot, f *findings) {
	about := "function " + fn.Name
	unread := func(what, operation string, err error) {
		if err != nil && !unsupported(err) && !is(err, "ResourceNotFoundException") {
			f.add(Finding{About: about, Text: t.failed(what+" could not be read", operation, err).Error(), Unread: true})
		}
	}
	sources := lambda.NewListEventSourceMappingsPaginator(t.lambda, &lambda.ListEventSourceMappingsInput{FunctionName: &fn.Name})
	for sources.HasMorePages() {
		page, err := sources.NextPage(ctx)
		if err != nil {
			unread("its event source mappings", "lambda:ListEventSourceMappings", err)
			break
		}
		for _, m := range page.EventSourceMappings {
			if alias := shortVersion(aws.ToString(m.FunctionArn)); slices.ContainsFunc(slots, func(s release.Slot) bool { return s.Alias == alias }) {
				f.add(Finding{
					About: about, Text: fmt.Sprintf("event source mapping %s of %s leads to alias %s and does not ask the DNS: it gets what is in that slot, with all of its events, whatever the weights", aws.ToString(m.UUID), aws.ToString(m.EventSourceArn), alias),
					Next: "release functions behind queues and streams as an application of their own, with router: alias",
				})
			}
			if to, ok := bypasses(aws.ToString(m.FunctionArn)); ok {
				f.add(Finding{
					About: about, Text: fmt.Sprintf("event source mapping %s of %s leads to %s and bypasses alias %s", aws.ToString(m.UUID), aws.ToString(m.EventSourceArn), to, fn.Alias),
					Next: fmt.Sprintf("aws lambda update-event-source-mapping --uuid %s --function-name %s:%s", aws.ToString(m.UUID), fn.Name, fn.Alias),
				})
			}
		}
	}
	urls := lambda.NewListFunctionUrlConfigsPaginator(t.lambda, &lambda.ListFunctionUrlConfigsInput{FunctionName: &fn.Name})
	for urls.HasMorePages() {
		page, err := urls.NextPage(ctx)
		if err != nil {
			unread("its function URLs", "lambda:ListFunctionUrlConfigs", err)
			break
		}
		for _, u := range page.FunctionUrlConfigs {
			if to, ok := bypasses(aws.ToString(u.FunctionArn)); ok {
				f.add(Finding{
					About: about, Text: fmt.Sprintf("function URL %s leads to %s and bypasses alias %s", aws.ToString(u.FunctionUrl), to, fn.Alias),
					Next: fmt.Sprintf("make one for the alias: aws lambda create-function-url-config --function-name %s --qualifier %s", fn.Name, fn.Alias),
				})
			}
		}
	}
	policy, err := t.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: &fn.Name})
	unread("its permissions", "lambda:GetPolicy", err)
	if err != nil {
		return
	}
	for _, st := range statementsOf(aws.ToString(policy.Policy)) {
		f.add(Finding{
			About: about, Text: fmt.Sprintf("permission %s lets %s invoke it without a qualifier: that is $LATEST, and bypasses alias %s", st.id, st.principal, fn.Alias),
			Next: fmt.Sprintf("grant it on the alias: aws lambda add-permission --function-name %s --qualifier %s …", fn.Name, fn.Alias),
		})
	}
}

type policyStatement struct{ id, principal string }

// statementsOf reads who a resource policy lets in.
func statementsOf(policy string) []policyStatement {
	var doc struct {
		Statement []struct {
			Sid       string
			Principal json.RawMessage
		}
	}
	if json.Unmarshal([]byte(policy), &doc) != nil {
		return nil
	}
	var out []policyStatement
	for _, s := range doc.Statement {
		who := strings.Trim(string(s.Principal), `"`)
		var kinds map[string]string
		if json.Unmarshal(s.Principal, &kinds) == nil {
			for _, name := range kinds {
				who = name
			}
		}
		out = append(out, policyStatement{s.Sid, who})
	}
	return out
}

// integrationEntrances looks at the integrations of every HTTP API of the account.
func (t *Target) integrationEntrances(ctx context.Context, id release.Identity, s release.Spec, f *findings) {
	unread := func(err error) {
		if !unsupported(err) {
			f.add(Finding{About: "HTTP APIs", Text: t.failed("their integrations could not be read", "apigateway:GET", err).Error(), Unread: true})
		}
	}
	in := &apigatewayv2.GetApisInput{}
	for {
		page, err := t.gateway.GetApis(ctx, in)
		if err != nil {
			unread(err)
			return
		}
		for _, api := range page.Items {
			out, err := t.gateway.GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: api.ApiId, MaxResults: aws.String("500")})
			if err != nil {
				unread(err)
				continue
			}
			for _, i := range out.Items {
				for _, fn := range s.Functions {
					arn := fmt.Sprintf("arn:%s:lambda:%s:%s:function:%s", id.Partition, id.Region, id.Account, fn.Name)
					called := invoked(aws.ToString(i.IntegrationUri))
					if called != arn && !strings.HasPrefix(called, arn+":") {
						continue
					}
					if to, ok := bypasses(called); ok {
						f.add(Finding{
							About: "function " + fn.Name, Text: fmt.Sprintf("integration %s of HTTP API %s (%s) leads to %s and bypasses alias %s", aws.ToString(i.IntegrationId), aws.ToString(api.Name), aws.ToString(api.ApiId), to, fn.Alias),
							Next: fmt.Sprintf("let it call %s:%s", arn, fn.Alias),
						})
					}
				}
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return
		}
	}
}

// invoked gives the function's ARN of an integration's URI, which may be wrapped in API Gateway's own.
func invoked(uri string) string {
	_, rest, ok := strings.Cut(uri, ":lambda:path/2015-03-31/functions/")
	if !ok {
		return uri
	}
	return strings.TrimSuffix(rest, "/invocations")
}

// Access finds roles that may not, or soon may not, invoke what executions in flight and the release call: of every version
// with running executions, whether its role may invoke every version that it pins. IAM is asked by simulation of the role's
// policies; where it cannot be asked, that is the finding.
//
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
func (t *Target) Access(ctx context.Context, s release.Spec) ([]Finding, error) {
	var f findings
	for _, w := range s.Workflows {
		about := "workflow " + w.Name
		arn, err := t.machineARN(ctx, w.Name)
		if err != nil {
			return nil, err
		}
		m := release.MachineInventory{Name: w.Name, ARN: arn}
		if err := t.machineVersions(ctx, &m); err != nil {
			if !is(err, "StateMachineDoesNotExist", "ResourceNotFound") {
				f.add(Finding{About: about, Text: t.failed("its versions could not be read", "states:ListStateMachineVersions", err).Error(), Unread: true})
			}
			continue
		}
		for _, v := range m.Versions {
			running, err := t.states.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &v.ARN, StatusFilter: sfntypes.ExecutionStatusRunning, MaxResults: 1})
			if err != nil || len(running.Executions) == 0 {
				continue // Express ones are over within minutes; a denied question is told by teal doctor
			}
			d, err := t.describe(ctx, v.ARN)
			if err != nil {
				f.add(Finding{About: about, Text: t.failed("version "+shortVersion(v.ARN)+" could not be read", "states:DescribeStateMachine", err).Error(), Unread: true})
				continue
			}
			if stop := t.mayInvoke(ctx, about, aws.ToString(d.RoleArn), shortVersion(v.ARN), release.ScanPins(json.RawMessage(aws.ToString(d.Definition))), &f); stop {
				return f.all, nil
			}
		}
	}
	return f.all, ctx.Err()
}

// mayInvoke asks IAM whether a role may invoke what a version pins; stop reports that IAM cannot be asked at all.
func (t *Target) mayInvoke(ctx context.Context, about, role, version string, pins []release.Pin, f *findings) (stop bool) {
	var arns []string
	for _, p := range pins {
		if !slices.Contains(arns, p.ARN) {
			arns = append(arns, p.ARN)
		}
	}
	if len(arns) == 0 {
		return false
	}
	out, err := t.iam.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &role, ActionNames: []string{"lambda:InvokeFunction"}, ResourceArns: arns})
	if err != nil {
		f.add(Finding{
			About: "roles", Text: "whether they may still invoke what executions in flight call could not be asked (" + message(err) + ")",
			Next: "grant every role both the function's ARN and ARN:*", Unread: true,
		})
		return true
	}
	for _, r := range out.EvaluationResults {
		if r.EvalDecision != "allowed" {
			f.add(Finding{
				About: about, Text: fmt.Sprintf("executions run on version %s, whose role %s may not invoke %s (%s)", version, role, aws.ToString(r.EvalResourceName), r.EvalDecision),
				Next: "grant the role the function's ARN and ARN:*",
			})
		}
	}
	return false
}
