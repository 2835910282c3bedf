package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// settleProvisioned moves provisioned concurrency after the end of a rollout. Green's is ready before any weight moves, as part
// of its publication, and blue keeps its own until here, where the bake is over: what no alias of the release routes to any
// more gives its own up, and after a return to another release what serves now gets it back. A rollout that is unfinished keeps
// both. It may be repeated.
func (a *app) settleProvisioned(ctx context.Context, s *session, o controller.Outcome) error {
	if !o.State.Phase.Ended() || o.State.Phase == rollout.FailedDirty || !o.State.Moved() && o.State.Phase == rollout.Promoted {
		return nil
	}
	var failed []error
	for _, f := range s.manifest.Spec.Functions {
		i := slices.IndexFunc(o.State.Aliases, func(at rollout.Alias) bool { return at.Ref.Kind == release.KindFunction && at.Ref.Name == f.Name })
		if i < 0 || !wantsProvisioned(s.manifest.Spec.Functions) {
			continue
		}
		serving := o.State.Serving(o.State.Aliases[i]).Routing
		if f.ProvisionedConcurrency > 0 && serving.Primary != "" && o.State.Plan.Kind == rollout.Return {
			a.progress("starting %d environments of %s, version %s", f.ProvisionedConcurrency, f.Name, serving.Primary)
			if err := s.target.Provision(ctx, f.Name, serving.Primary, f.ProvisionedConcurrency); err != nil {
				failed = append(failed, err)
				continue // the old ones may be what keeps callers from waiting
			}
		}
		freed, err := s.target.Unprovision(ctx, f.Name, func(version string) bool {
			return f.ProvisionedConcurrency > 0 && slices.Contains(serving.Versions(), version)
		})
		for _, version := range freed {
			a.progress("version %s of %s gave up its provisioned concurrency", version, f.Name)
		}
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return hint(fmt.Errorf("the rollout has ended (%s), but provisioned concurrency is not as it should be: %w", o.State.Phase, err), "teal repair says what is left")
	}
	return nil
}

// wantsProvisioned reports whether an application uses provisioned concurrency at all.
func wantsProvisioned(all []release.Function) bool {
	return slices.ContainsFunc(all, func(f release.Function) bool { return f.ProvisionedConcurrency > 0 })
}
