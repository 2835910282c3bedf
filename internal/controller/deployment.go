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
	var r rollout.HookResult
	err := ctx.Err()
	if err == nil {
		r, err = h.deployed(ctx, e)
	}
	withdrawn := errors.Is(context.Cause(ctx), errWithdrawn)
	if ctx.Err() != nil && !withdrawn {
		return rollout.HookResult{}, ctx.Err()
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

// deployed begins the deployment, or finds it, and waits for its end. The hook's time counts from when its deployment has
// begun; before that, as long a time may pass, for a group that is busy. That a deployment cannot be read ends nothing.
func (h hooks) deployed(ctx context.Context, e rollout.RunHook) (rollout.HookResult, error) {
	beginning, cancel := context.WithTimeout(ctx, e.Hook.Timeout)
	defer cancel()
	id, err := h.c.Deployments.Deploy(beginning, e)
	switch {
	case err != nil && ctx.Err() == nil && errors.Is(beginning.Err(), context.DeadlineExceeded):
		return rollout.HookResult{Reason: fmt.Sprintf("CodeDeploy began no deployment within %s: %v", e.Hook.Timeout, err)}, nil
	case err != nil:
		return rollout.HookResult{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, e.Hook.Timeout)
	defer cancel()
	for look := firstLook; ; look = min(2*look, longestLook) {
		status, output, failure, err := h.c.Deployments.Deployment(ctx, id)
		switch {
		case refused(err):
			return rollout.HookResult{}, err
		case err != nil:
		case status == "Succeeded":
			return rollout.HookResult{Succeeded: true, Output: output}, nil
		case status == "Failed", status == "Stopped":
			return rollout.HookResult{Reason: failure, Output: output}, nil
		}
		if waiting.Err() != nil && ctx.Err() == nil {
			return rollout.HookResult{Reason: fmt.Sprintf("nothing was told to CodeDeploy within %s", e.Hook.Timeout), Output: "deployment " + id}, nil
		}
		if err := h.pause(waiting, look); err != nil && ctx.Err() != nil {
			return rollout.HookResult{}, err
		} // when its time is over, it is looked at once more
	}
}
