package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// timeout bounds an effect: whatever hangs is answered with an error, so that the machine can decide.
func timeout(e rollout.Effect) time.Duration {
	switch {
	case e.PublishFunction != nil, e.PublishWorkflow != nil:
		return 10 * time.Minute // a new function may take minutes to become active
	case e.AwaitChange != nil:
		return 5 * time.Minute // Route 53 takes a minute as a rule
	case byCodeDeploy(e):
		return 2*e.RunHook.Hook.Timeout + 30*time.Second // a group may be busy for as long first
	case e.RunHook != nil:
		return e.RunHook.Hook.Timeout + 30*time.Second // the hook's own timeout is a result; this only is the last resort
	case e.Check != nil:
		return 5 * time.Minute // synthetic requests wait for slow functions
	}
	return time.Minute
}

// do performs one effect and gives its answer, always.
func (p *pump) do(ctx context.Context, e rollout.Effect) rollout.Event {
	ev := rollout.Event{Kind: rollout.EventResult, Effect: e.ID}
	act := func() error { return p.act(ctx, e, &ev) }
	var err error
	if byCodeDeploy(e) { // it takes no place, for one that is withdrawn while it waits for a place would not be taken back
		err = act()
	} else {
		err = p.slot(ctx, act)
	}
	if err != nil {
		ev.Error = err.Error()
		ev.Refused = refused(err)
		ev.Conflict = errors.Is(err, release.ErrConflict)
	}
	return ev
}

// slot runs f as soon as fewer than Parallel effects run.
func (p *pump) slot(ctx context.Context, f func() error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pump) act(ctx context.Context, e rollout.Effect, ev *rollout.Event) error {
	switch {
	case e.ReadRouting != nil:
		r, err := p.c.Target.GetRouting(ctx, e.ReadRouting.Ref)
		if errors.Is(err, release.ErrNoAlias) {
			ev.Absent = true
			return nil
		}
		ev.Routing = &r
		return err
	case e.SetRouting != nil:
		r, err := p.c.Target.SetRouting(ctx, e.SetRouting.Want)
		if errors.Is(err, release.ErrNoAlias) {
			return fmt.Errorf("%w: %w", release.ErrConflict, err) // it was there, or its function is gone: look again
		}
		ev.Routing = &r
		return err
	case e.AwaitChange != nil:
		return p.c.Target.AwaitChange(ctx, e.AwaitChange.Change)
	case e.PublishFunction != nil:
		f, err := p.function(e.PublishFunction.Key)
		if err != nil {
			return err
		}
		v, err := p.c.Target.PublishFunction(ctx, f)
		ev.Function = &v
		return err
	case e.PublishWorkflow != nil:
		for _, w := range p.plan.Workflows {
			if w.Key == e.PublishWorkflow.Key {
				v, err := p.c.Target.PublishWorkflow(ctx, w.Workflow, e.PublishWorkflow.Definition)
				ev.Workflow = &v
				return err
			}
		}
		return &cannot{fmt.Sprintf("the plan has no workflow %s", e.PublishWorkflow.Key)}
	case e.RunHook != nil:
		r, err := p.c.Hooks.Run(ctx, *e.RunHook)
		ev.Hook = &r
		return err
	case e.Check != nil:
		o, err := p.c.Health.Observe(ctx, *e.Check)
		ev.Observation = &o
		return err
	}
	return &cannot{"an effect that this controller does not know: it is older than the rollout"}
}

// function finds the function to publish, with its code.
func (p *pump) function(key string) (release.Function, error) {
	digest := ""
	for _, f := range p.plan.Functions {
		if f.Key == key {
			digest = f.Digest
		}
	}
	if p.spec == nil {
		return release.Function{}, &cannot{"the ledger does not keep code, and this function was not published yet: deploy again"}
	}
	for _, f := range p.spec.Functions {
		if f.Key == key {
			if f.Digest() != digest {
				return release.Function{}, &cannot{"its code or configuration has changed since the rollout began: deploy again"}
			}
			return f, nil
		}
	}
	return release.Function{}, &cannot{"it is no longer in the manifest: deploy again"}
}

// cannot is an error that repeating does not mend.
type cannot struct{ why string }

func (e *cannot) Error() string { return e.why }

// refused reports whether an error says that nothing was done and that repeating is useless: AWS blames the caller, and
// not for being too quick or for a state that passes.
func refused(err error) bool {
	if c := (*cannot)(nil); errors.As(err, &c) || errors.Is(err, release.ErrUnsupported) || errors.Is(err, release.ErrRefused) {
		return true
	}
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorFault() != smithy.FaultClient || errors.Is(err, release.ErrConflict) {
		return false
	}
	code := api.ErrorCode()
	for _, passing := range []string{"Throttl", "TooManyRequests", "RequestLimit", "Conflict", "InUse", "NotReady", "Timeout", "Expired", "PriorRequest"} {
		if strings.Contains(code, passing) {
			return false
		}
	}
	return true
}
