package lambda

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/store"
)

// CreateAlias makes a name for a version, or for two versions that share the traffic by weight.
func (s *Service) CreateAlias(ctx context.Context, in *sdk.CreateAliasInput) (*sdk.CreateAliasOutput, error) {
	c := &constraints{}
	if in.FunctionVersion == nil {
		c.Null("functionVersion")
	}
	r, err := s.parseAlias(in.FunctionName, in.Name, in.FunctionVersion, in.Description, in.RoutingConfig, c)
	if err != nil {
		return nil, err
	}
	name := *in.Name
	var a *aliasRecord
	missing := notFound("Function not found: %s", s.arn(r.name, *in.FunctionVersion))
	err = s.change(ctx, r.name, missing, func(f *function, n *snapshot, b *store.Batch) error {
		routing, err := s.routing(n, alias.Routing{}, in.FunctionVersion, in.RoutingConfig)
		if err != nil {
			return err
		}
		if n.aliases[name] != nil {
			return conflict("Alias already exists: %s", s.arn(r.name, name))
		}
		a = &aliasRecord{Function: r.name, Name: name, Description: value(in.Description), Routing: routing, Revision: newRevision()}
		n.aliases[name] = a
		return put(b, aliasBucket, r.name+"/"+name, a)
	})
	if err != nil {
		return nil, err
	}
	return (*sdk.CreateAliasOutput)(s.aliasOutput(a)), nil
}

// GetAlias answers with an alias.
func (s *Service) GetAlias(_ context.Context, in *sdk.GetAliasInput) (*sdk.GetAliasOutput, error) {
	r, err := s.parseAlias(in.FunctionName, in.Name, nil, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	n, err := s.look(r.name)
	if err != nil {
		return nil, err
	}
	if n != nil && n.aliases[*in.Name] != nil {
		return s.aliasOutput(n.aliases[*in.Name]), nil
	}
	return nil, notFound("Cannot find alias arn: %s", s.arn(r.name, *in.Name))
}

// UpdateAlias changes what is given of an alias. When it has returned, no invocation that starts later is routed as
// before. An empty AdditionalVersionWeights takes the second version away.
func (s *Service) UpdateAlias(ctx context.Context, in *sdk.UpdateAliasInput) (*sdk.UpdateAliasOutput, error) {
	r, err := s.parseAlias(in.FunctionName, in.Name, in.FunctionVersion, in.Description, in.RoutingConfig, nil)
	if err != nil {
		return nil, err
	}
	name := *in.Name
	missing := notFound("Alias not found: %s", s.arn(r.name, name))
	var a *aliasRecord
	err = s.change(ctx, r.name, missing, func(f *function, n *snapshot, b *store.Batch) error {
		old := n.aliases[name]
		if old == nil {
			return missing
		}
		if id := value(in.RevisionId); id != "" && id != old.Revision {
			return revisionMismatch("GetFunction/GetAlias")
		}
		routing, err := s.routing(n, old.Routing, in.FunctionVersion, in.RoutingConfig)
		if err != nil {
			return err
		}
		changed := *old
		a = &changed
		a.Routing, a.Revision = routing, newRevision()
		set(&a.Description, in.Description)
		n.aliases[name] = a
		return put(b, aliasBucket, r.name+"/"+name, a)
	})
	if err != nil {
		return nil, err
	}
	return (*sdk.UpdateAliasOutput)(s.aliasOutput(a)), nil
}

// ListAliases lists a function's aliases by name, or those that name a version, in either place.
func (s *Service) ListAliases(_ context.Context, in *sdk.ListAliasesInput) (*sdk.ListAliasesOutput, error) {
	c := &constraints{}
	c.integer("maxItems", in.MaxItems, 1, 10000)
	optional(in.FunctionVersion, func(v string) { c.pattern("functionVersion", v, versionPattern) })
	r, err := s.parse(shortName, in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	n, err := s.functionNamed(r.name)
	if err != nil {
		return nil, err
	}
	names := n.aliasNames()
	if in.FunctionVersion != nil {
		names = n.aliasesOf(*in.FunctionVersion)
	}
	items, next, err := page(names, func(s string) string { return s }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListAliasesOutput{Aliases: []types.AliasConfiguration{}, NextMarker: next}
	for _, name := range items {
		a := s.aliasOutput(n.aliases[name])
		out.Aliases = append(out.Aliases, types.AliasConfiguration{
			AliasArn: a.AliasArn, Description: a.Description, FunctionVersion: a.FunctionVersion, Name: a.Name,
			RevisionId: a.RevisionId, RoutingConfig: a.RoutingConfig,
		})
	}
	return out, nil
}

// DeleteAlias deletes an alias. As on AWS, one that does not exist is no error.
func (s *Service) DeleteAlias(ctx context.Context, in *sdk.DeleteAliasInput) (*sdk.DeleteAliasOutput, error) {
	r, err := s.parseAlias(in.FunctionName, in.Name, nil, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	name := *in.Name
	missing := notFound("Function not found: %s", s.arn(r.name, ""))
	err = s.change(ctx, r.name, missing, func(f *function, n *snapshot, b *store.Batch) error {
		if n.aliases[name] == nil {
			return nil
		}
		n.drop(b, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteAliasOutput{}, nil
}

// parseAlias checks the members that the operations on aliases share. c holds violations that were found before.
func (s *Service) parseAlias(function, name, version, description *string, weights *types.AliasRoutingConfiguration, c *constraints) (ref, error) {
	if c == nil {
		c = &constraints{}
	}
	if name == nil {
		c.Null("name")
	} else {
		c.Length("name", *name, 1, 128)
		c.pattern("name", *name, aliasPattern)
	}
	optional(version, func(v string) {
		c.Length("functionVersion", v, 1, 1024)
		c.pattern("functionVersion", v, versionPattern)
	})
	optional(description, func(v string) { c.Length("description", v, 0, 256) })
	if weights != nil {
		constrainWeights(c, weights.AdditionalVersionWeights)
	}
	return s.parse(shortName, function, nil, c)
}

func constrainWeights(c *constraints, weights map[string]float64) {
	var shown []string
	badKey, badValue := false, false
	for _, k := range slices.Sorted(maps.Keys(weights)) {
		w := weights[k]
		badKey = badKey || !isVersionNumber(k) || len(k) > 1024
		badValue = badValue || !(w >= 0 && w <= 1)
		shown = append(shown, k+"="+javaDouble(w))
	}
	list := "{" + strings.Join(shown, ", ") + "}"
	if badKey {
		c.Fail(list, "routingConfig.additionalVersionWeights", "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]")
	}
	if badValue {
		c.Fail(list, "routingConfig.additionalVersionWeights", "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]")
	}
}

// javaDouble writes whole numbers as 2.0, as AWS's messages do.
func javaDouble(w float64) string {
	s := strconv.FormatFloat(w, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// routing gives what an alias routes to after a change, or why AWS refuses it. What is not given stays as in old.
func (s *Service) routing(n *snapshot, old alias.Routing, version *string, weights *types.AliasRoutingConfiguration) (alias.Routing, error) {
	r := old
	set(&r.Primary, version)
	if weights != nil {
		r.Additional, r.Weight = "", 0
		if len(weights.AdditionalVersionWeights) > 1 {
			return r, invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
		}
		for v, w := range weights.AdditionalVersionWeights {
			r.Additional, r.Weight = v, w
		}
	}
	name := n.record.Name
	switch {
	case r.Additional != "" && r.Additional == r.Primary:
		return r, invalid("Invalid function version %s. Function version %s is already included in routing configuration.", r.Primary, r.Primary)
	case r.Additional != "" && r.Primary == latest:
		return r, &types.InvalidParameterValueException{Message: aws.String(latest + " is not supported for an alias pointing to more than 1 version")}
	}
	for _, v := range r.Versions() {
		if n.versions[v] == nil {
			return r, notFound("Function not found: %s", s.arn(name, v))
		}
	}
	if r.Additional != "" {
		if p, a := n.versions[r.Primary].Config, n.versions[r.Additional].Config; p.Role != a.Role {
			return r, invalid("Versions %s and %s of one alias must have the same execution role.", r.Primary, r.Additional)
		}
	}
	if err := r.Validate(); err != nil {
		return r, fmt.Errorf("alias of %s: %w", name, err)
	}
	return r, nil
}

func (s *Service) aliasOutput(a *aliasRecord) *sdk.GetAliasOutput {
	out := &sdk.GetAliasOutput{
		AliasArn: aws.String(s.arn(a.Function, a.Name)), Description: aws.String(a.Description),
		FunctionVersion: aws.String(a.Routing.Primary), Name: aws.String(a.Name), RevisionId: aws.String(a.Revision),
	}
	if a.Routing.Additional != "" {
		out.RoutingConfig = &types.AliasRoutingConfiguration{
			AdditionalVersionWeights: map[string]float64{a.Routing.Additional: a.Routing.Weight},
		}
	}
	return out
}
