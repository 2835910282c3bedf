package target

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"golang.org/x/sync/errgroup"

	"github.com/tealdeploy/teal/internal/release"
)

// Difference is one way in which a release is not what its record says.
type Difference struct {
	What string `json:"what"` // such as function shop-hello, version 3
	Is   string `json:"is"`   // in words
	// Gone says that a version does not exist any more: the release cannot be brought back whole.
	Gone bool `json:"gone,omitempty"`
}

func (d Difference) String() string { return d.What + ": " + d.Is }

// Check compares every version of a release, with its digest and its pins, with what exists. It changes nothing. No
// differences mean that the release can be brought back as it was.
func (t *Target) Check(ctx context.Context, r release.Release) ([]Difference, error) {
	var mu sync.Mutex
	var found []Difference
	tell := func(what, is string, gone bool) {
		mu.Lock()
		defer mu.Unlock()
		found = append(found, Difference{What: what, Is: is, Gone: gone})
	}
	digests := map[string]string{} // by function name and version
	for _, v := range r.Functions {
		digests[v.Name+":"+v.Version] = v.Digest
	}
	for _, w := range r.Workflows {
		for _, p := range w.Pins {
			if _, known := digests[p.Function+":"+p.Version]; !known && sameAccount(p.ARN, w.ARN) {
				digests[p.Function+":"+p.Version] = ""
			}
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	run := func(f func(context.Context) error) {
		g.Go(func() error {
			give, err := t.slot(gctx)
			if err != nil {
				return err
			}
			defer give()
			return f(gctx)
		})
	}
	for at, digest := range digests {
		name, version, _ := strings.Cut(at, ":")
		what := "function " + name + ", version " + version
		run(func(ctx context.Context) error {
			c, err := t.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name, Qualifier: &version})
			if is(err, "ResourceNotFoundException") {
				tell(what, "it was deleted", true)
				return nil
			}
			if err != nil {
				return t.failed("look at "+what, "lambda:GetFunctionConfiguration", err)
			}
			if c.State == types.StateFailed {
				tell(what, "it is in state Failed: "+aws.ToString(c.StateReason), false)
			}
			if is := configurationOf(c).Digest(); digest != "" && is != digest {
				tell(what, "its digest is "+is+", and was "+digest, false)
			}
			return nil
		})
	}
	for _, w := range r.Workflows {
		what := "workflow " + w.Name + ", version " + w.ARN[strings.LastIndexByte(w.ARN, ':')+1:]
		run(func(ctx context.Context) error {
			d, err := t.describe(ctx, w.ARN)
			if is(err, "StateMachineDoesNotExist", "ResourceNotFound") {
				tell(what, "it was deleted", true)
				return nil
			}
			if err != nil {
				return t.failed("describe "+what, "states:DescribeStateMachine", err)
			}
			definition := json.RawMessage(aws.ToString(d.Definition))
			digest, err := release.Workflow{Type: string(d.Type), Role: aws.ToString(d.RoleArn)}.Digest(definition)
			if err != nil {
				tell(what, err.Error(), false)
				return nil //nolint:nilerr // it is what was found
			}
			if digest != w.Digest {
				tell(what, "its digest is "+digest+", and was "+w.Digest, false)
			}
			for _, c := range release.PinChanges(w.Pins, release.ScanPins(definition)) {
				if c.Before != c.After {
					tell(what, "its pin differs: "+c.String(), false)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	sort.Slice(found, func(i, j int) bool { return found[i].String() < found[j].String() })
	return found, nil
}

// sameAccount reports whether two ARNs are of one region and account.
func sameAccount(a, b string) bool {
	p, q := strings.Split(a, ":"), strings.Split(b, ":")
	return len(p) > 5 && len(q) > 5 && p[3] == q[3] && p[4] == q[4]
}

func configurationOf(c *lambda.GetFunctionConfigurationOutput) release.Function {
	return configuration(described(c))
}

// CheckRouting compares where the aliases of a release route with where its promotion left them.
func (t *Target) CheckRouting(ctx context.Context, want map[release.Ref]string) ([]Difference, error) {
	var found []Difference
	for ref, version := range want {
		a, err := t.routingIfAny(ctx, ref)
		if err != nil {
			return nil, err
		}
		switch r := a.Routing; {
		case a.ServesOnly(version):
		case r.Primary == "":
			found = append(found, Difference{What: ref.String(), Is: "it does not exist, and was at " + shortVersion(version), Gone: true})
		default:
			r.Primary, r.Additional = shortVersion(r.Primary), shortVersion(r.Additional)
			found = append(found, Difference{What: ref.String(), Is: fmt.Sprintf("it routes to %s, and was left at %s", r, shortVersion(version))})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].String() < found[j].String() })
	return found, nil
}

func shortVersion(v string) string { return v[strings.LastIndexByte(v, ':')+1:] }

// Missing finds the aliases whose version, a number or a state machine version's ARN, does not exist any more.
func (t *Target) Missing(ctx context.Context, want map[release.Ref]string) (map[release.Ref]bool, error) {
	out := map[release.Ref]bool{}
	for ref, version := range want {
		var err error
		switch {
		case version == "" || ref.Kind == release.KindRecordSets: // a slot has no life of its own
			continue
		case ref.Kind == release.KindStateMachine:
			_, err = t.describe(ctx, version)
		default:
			_, err = t.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &ref.Name, Qualifier: &version})
		}
		switch {
		case is(err, "ResourceNotFoundException", "StateMachineDoesNotExist", "ResourceNotFound"):
			out[ref] = true
		case err != nil:
			return nil, t.failed("look for version "+shortVersion(version)+" of "+ref.String(), "lambda:GetFunctionConfiguration, states:DescribeStateMachine", err)
		}
	}
	return out, nil
}
