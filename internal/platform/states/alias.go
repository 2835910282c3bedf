package states

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
)

// CreateStateMachineAlias makes an alias of one or two versions. Repeating a request is no error.
func (s *Service) CreateStateMachineAlias(ctx context.Context, in *sfn.CreateStateMachineAliasInput) (*sfn.CreateStateMachineAliasOutput, error) {
	var c constraints
	c.aliasName("name", in.Name)
	c.text("description", in.Description, 0, maxDescription)
	checkRoutes(&c, in.RoutingConfiguration, true)
	if err := c.Err(); err != nil {
		return nil, err
	}
	name, routes, err := s.routes(in.RoutingConfiguration)
	if err != nil {
		return nil, err
	}
	e := s.machines.existing(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	was, err := s.routable(e, name, routes)
	if err != nil {
		return nil, err
	}
	arn := s.aliasArn(name, *in.Name)
	if a := was.aliases[*in.Name]; a != nil {
		if a.Description != text(in.Description) || !slices.Equal(a.Routes, routes) {
			return nil, conflict("Failed to create alias because an alias with the same name and a different routing configuration already exists.")
		}
		return &sfn.CreateStateMachineAliasOutput{StateMachineAliasArn: &arn, CreationDate: &a.Created}, nil
	}
	if len(was.aliases) >= maxAliases {
		return nil, &types.ServiceQuotaExceededException{Message: sentence("State machine %s has %d aliases, the most that one can have.", name, maxAliases)}
	}
	now := s.now()
	next, b := was.clone(), &store.Batch{}
	rec := aliasRecord{Name: *in.Name, Description: text(in.Description), Routes: routes, Created: now, Updated: now}
	next.aliases[rec.Name] = newAlias(rec)
	b.Put(bucketAliases, name+"/"+rec.Name, encode(rec))
	if err := s.change(ctx, e, b, was, next); err != nil {
		return nil, err
	}
	return &sfn.CreateStateMachineAliasOutput{StateMachineAliasArn: &arn, CreationDate: &now}, nil
}

// UpdateStateMachineAlias changes description or routing, or both. A StartExecution that begins after it has returned is
// routed by the new weights.
func (s *Service) UpdateStateMachineAlias(ctx context.Context, in *sfn.UpdateStateMachineAliasInput) (*sfn.UpdateStateMachineAliasOutput, error) {
	var c constraints
	c.arn("stateMachineAliasArn", in.StateMachineAliasArn)
	c.text("description", in.Description, 0, maxDescription)
	checkRoutes(&c, in.RoutingConfiguration, false)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.aliasRef(*in.StateMachineAliasArn)
	if err != nil {
		return nil, err
	}
	if in.Description == nil && in.RoutingConfiguration == nil {
		return nil, invalid("Either the description or the routing configuration must be specified")
	}
	var routes []route
	if in.RoutingConfiguration != nil {
		var of string
		if of, routes, err = s.routes(in.RoutingConfiguration); err != nil {
			return nil, err
		}
		if of != ref.name {
			return nil, invalid("Routing configuration must contain versions of the alias's own state machine %s. Received: %s", ref.name, arns(in.RoutingConfiguration))
		}
	}
	e := s.machines.existing(ref.name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.now.Load(); m == nil || m.aliases[ref.alias] == nil {
		return nil, resourceMissing(*in.StateMachineAliasArn)
	}
	was, err := s.routable(e, ref.name, routes)
	if err != nil {
		return nil, err
	}
	next, b := was.clone(), &store.Batch{}
	rec := was.aliases[ref.alias].aliasRecord
	rec.Updated = s.now()
	if in.Description != nil {
		rec.Description = *in.Description
	}
	if routes != nil {
		rec.Routes = routes
	}
	next.aliases[rec.Name] = newAlias(rec)
	b.Put(bucketAliases, ref.name+"/"+rec.Name, encode(rec))
	if err := s.change(ctx, e, b, was, next); err != nil {
		return nil, err
	}
	return &sfn.UpdateStateMachineAliasOutput{UpdateDate: &rec.Updated}, nil
}

// DescribeStateMachineAlias describes an alias with its routing.
func (s *Service) DescribeStateMachineAlias(_ context.Context, in *sfn.DescribeStateMachineAliasInput) (*sfn.DescribeStateMachineAliasOutput, error) {
	var c constraints
	c.arn("stateMachineAliasArn", in.StateMachineAliasArn)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.aliasRef(*in.StateMachineAliasArn)
	if err != nil {
		return nil, err
	}
	m := s.machines.find(ref.name)
	if m == nil || m.aliases[ref.alias] == nil {
		return nil, resourceMissing(*in.StateMachineAliasArn)
	}
	a, arn := m.aliases[ref.alias], s.aliasArn(ref.name, ref.alias)
	out := &sfn.DescribeStateMachineAliasOutput{
		StateMachineAliasArn: &arn, Name: &a.Name, Description: given(a.Description), CreationDate: &a.Created, UpdateDate: &a.Updated,
	}
	for _, r := range a.Routes {
		v := s.versionArn(ref.name, r.Version)
		out.RoutingConfiguration = append(out.RoutingConfiguration, types.RoutingConfigurationListItem{StateMachineVersionArn: &v, Weight: r.Weight})
	}
	return out, nil
}

// ListStateMachineAliases lists the aliases of a machine, or those that name one version, in the order of their names.
func (s *Service) ListStateMachineAliases(_ context.Context, in *sfn.ListStateMachineAliasesInput) (*sfn.ListStateMachineAliasesOutput, error) {
	var c constraints
	c.arn("stateMachineArn", in.StateMachineArn)
	c.page(in.MaxResults, in.NextToken, maxToken)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.machineRef(*in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	m := s.machines.find(ref.name)
	if m == nil || ref.alias != "" {
		return nil, machineMissing(*in.StateMachineArn)
	}
	if ref.version > 0 && m.versions[ref.version] == nil {
		return nil, resourceMissing(*in.StateMachineArn)
	}
	list := "aliases " + ref.name + ":" + strconv.Itoa(ref.version)
	after, err := position(list, in.NextToken)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(m.aliases)) // at most maxAliases
	for name, a := range m.aliases {
		if name > after && (ref.version == 0 || a.names(ref.version)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := &sfn.ListStateMachineAliasesOutput{StateMachineAliases: []types.StateMachineAliasListItem{}}
	limit := pageSize(in.MaxResults)
	for i, name := range names {
		if i == limit {
			out.NextToken = pageToken(list, names[i-1])
			break
		}
		arn := s.aliasArn(ref.name, name)
		out.StateMachineAliases = append(out.StateMachineAliases, types.StateMachineAliasListItem{StateMachineAliasArn: &arn, CreationDate: &m.aliases[name].Created})
	}
	return out, nil
}

// DeleteStateMachineAlias deletes an alias. Executions started through it go on. Deleting what is not there is no error.
func (s *Service) DeleteStateMachineAlias(ctx context.Context, in *sfn.DeleteStateMachineAliasInput) (*sfn.DeleteStateMachineAliasOutput, error) {
	var c constraints
	c.arn("stateMachineAliasArn", in.StateMachineAliasArn)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ref, err := s.aliasRef(*in.StateMachineAliasArn)
	if err != nil {
		return nil, err
	}
	out := &sfn.DeleteStateMachineAliasOutput{}
	e := s.machines.existing(ref.name)
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.now.Load()
	if was == nil || was.aliases[ref.alias] == nil {
		return out, nil
	}
	if was.record.Deleting {
		return nil, machineDeleting(s.machineArn(ref.name))
	}
	next, b := was.clone(), &store.Batch{}
	delete(next.aliases, ref.alias)
	b.Delete(bucketAliases, ref.name+"/"+ref.alias)
	if err := s.change(ctx, e, b, was, next); err != nil {
		return nil, err
	}
	return out, nil
}

// aliasRef reads an alias ARN.
func (s *Service) aliasRef(arn string) (machineRef, error) {
	ref, err := s.machineRef(arn)
	if err == nil && ref.alias == "" {
		err = invalidArn("Resource type not valid in this context: %s is not the ARN of an alias", arn)
	}
	return ref, err
}

// checkRoutes checks a routing configuration as AWS's front end does, before anything is looked up.
func checkRoutes(c *constraints, items []types.RoutingConfigurationListItem, required bool) {
	const member = "routingConfiguration"
	if items == nil {
		if required {
			c.Null(member)
		}
		return
	}
	shown := func() string {
		parts := make([]string, len(items))
		for i, r := range items {
			parts[i] = fmt.Sprintf("RoutingConfigurationListItem(stateMachineVersionArn=%s, weight=%d)", text(r.StateMachineVersionArn), r.Weight)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if len(items) < 1 {
		c.Fail("[]", member, "Member must have length greater than or equal to 1")
	}
	if len(items) > 2 {
		c.Fail(shown(), member, "Member must have length less than or equal to 2")
	}
	for i, r := range items {
		at := member + "." + strconv.Itoa(i+1) + ".member."
		c.arn(at+"stateMachineVersionArn", r.StateMachineVersionArn)
		c.Between(at+"weight", int(r.Weight), 0, 100)
	}
}

// routes reads a routing configuration: one or two versions of one machine, whose weights sum up to 100.
func (s *Service) routes(items []types.RoutingConfigurationListItem) (name string, out []route, err error) {
	sum, weights := int32(0), []int32{}
	for _, item := range items {
		ref, err := s.machineRef(*item.StateMachineVersionArn)
		if err != nil {
			return "", nil, err
		}
		if ref.version == 0 {
			return "", nil, invalid("Routing configuration must contain state machine version ARNs. Received: %s", arns(items))
		}
		if name != "" && ref.name != name {
			return "", nil, invalid("Routing configuration must contain versions of the same state machine. Received: %s", arns(items))
		}
		if len(out) > 0 && out[0].Version == ref.version {
			return "", nil, invalid("Routing configuration must contain distinct state machine version ARNs. Received: %s", arns(items))
		}
		name = ref.name
		out = append(out, route{Version: ref.version, Weight: item.Weight})
		sum, weights = sum+item.Weight, append(weights, item.Weight)
	}
	if sum != 100 {
		return "", nil, invalid("Sum of routing configuration weights must equal 100. Received: %s", numbers(weights))
	}
	return name, out, nil
}

// routable returns the machine of a locked entry, with every version of routes in it.
func (s *Service) routable(e *entry, name string, routes []route) (*machine, error) {
	m := e.now.Load()
	if m == nil {
		return nil, resourceMissing(s.machineArn(name))
	}
	if m.record.Deleting {
		return nil, machineDeleting(s.machineArn(name))
	}
	for _, r := range routes {
		if m.versions[r.Version] == nil {
			return nil, resourceMissing(s.versionArn(name, r.Version))
		}
	}
	return m, nil
}

func arns(items []types.RoutingConfigurationListItem) string {
	parts := make([]string, len(items))
	for i, r := range items {
		parts[i] = text(r.StateMachineVersionArn)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
