package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/rollout"
)

// errWithdrawn is why the context of an effect ends that the rollout no longer wants: it was aborted, or goes back.
var errWithdrawn = errors.New("the rollout no longer wants it")

// byCodeDeploy reports whether an effect is a hook that CodeDeploy calls.
func byCodeDeploy(e rollout.Effect) bool { return e.RunHook != nil && e.RunHook.Hook.CodeDeploy != nil }

const (
	// A deployment is looked at soon, for a local endpoint, and then ever more seldom.
	firstLook, longestLook = 100 * time.Millisecond, 5 * time.Second
	// withdrawWithin is below the time that an effect has beyond its hook's timeout.
	withdrawWithin = 20 * time.Second
)

// deployment has a hook called by CodeDeploy, and waits for what it tells CodeDeploy. When a hook takes too long, and when
// the rollout no longer wants it, its deployment is stopped. When the controller is to end, the deployment goes on: whoever
// resumes the rollout finds it.
func (h hooks) deployment(ctx context.Context, e rollout.RunHook) (rollout.HookResult, error) {
	limited, cancel := context.WithTimeout(ctx, e.Hook.Timeout)
	defer cancel()
	r, err := h.deployed(limited, e)
	withdrawn := errors.Is(context.Cause(ctx), errWithdrawn)
	switch {
	case ctx.Err() != nil && !withdrawn:
		return rollout.HookResult{}, ctx.Err()
	case err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded):
		if r.Reason = fmt.Sprintf("nothing was told to CodeDeploy within %s", e.Hook.Timeout); r.Output == "" {
			r.Reason = fmt.Sprintf("CodeDeploy began no deployment within %s: %v", e.Hook.Timeout, err)
		}
		err = nil
	}
	last, end := context.WithTimeout(context.WithoutCancel(ctx), withdrawWithin)
	defer end()
	left := h.c.Deployments.Withdraw(last, e)
	switch {
	case withdrawn:
		return rollout.HookResult{}, left
	case err == nil && left != nil:
		r.Output += "\nleft behind: " + left.Error()
	}
	r.Output = kept(r.Output)
	return r, err
}

// deployed begins the deployment, or finds it, and waits for its end. That it cannot be read for a while ends nothing.
func (h hooks) deployed(ctx context.Context, e rollout.RunHook) (r rollout.HookResult, err error) {
	id, err := h.c.Deployments.Deploy(ctx, e)
	if err != nil {
		return r, err
	}
	r.Output = "deployment " + id
	for look := firstLook; ; look = min(2*look, longestLook) {
		status, output, failure, err := h.c.Deployments.Deployment(ctx, id)
		switch {
		case refused(err):
			return r, err
		case err != nil:
		case status == "Succeeded":
			return rollout.HookResult{Succeeded: true, Output: output}, nil
		case status == "Failed", status == "Stopped":
			return rollout.HookResult{Reason: failure, Output: output}, nil
		}
		if err := h.pause(ctx, look); err != nil {
			return r, err
		}
	}
}
