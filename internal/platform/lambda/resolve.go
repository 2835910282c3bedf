package lambda

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/pool"
)

// Target is the version that one invocation is to run on. It is a snapshot: later changes do not touch it.
type Target struct {
	Function   *pool.Function
	Version    string // as in ExecutedVersion
	InvokedARN string // as the invocation named the function, qualifier included
}

// Resolve chooses the version that serves an invocation of function (a name, partial ARN or ARN) under qualifier (a
// version, an alias, $LATEST, or "" for what function says). It is the one place where traffic is routed: Invoke, the
// queue of asynchronous invocations and every other caller come through it. An alias with two versions draws anew each
// time, unless a tag of its function asks for another way (picker). Resolve takes no lock; a change that was answered
// before it is called is seen.
func (s *Service) Resolve(function, qualifier string, payload []byte) (Target, error) {
	var q *string
	if qualifier != "" {
		q = &qualifier
	}
	r, err := s.parse(longName, &function, q, nil)
	if err != nil {
		return Target{}, err
	}
	t, err := s.resolve(r, payload)
	if err != nil {
		return Target{}, err
	}
	return Target{&t.to.version.run.fn, t.to.version.Version, t.route.invoked}, nil
}

// target is Target with what the service itself needs.
type target struct {
	function *function
	snapshot *snapshot
	route    *route
	to       *destination
}

// resolve is Resolve for a parsed reference. It fails when the version has no code to run yet.
func (s *Service) resolve(r ref, payload []byte) (target, error) {
	t, err := s.place(r)
	if err != nil {
		return t, err
	}
	if t.to = t.route.choose(payload); t.to.version.run == nil {
		return target{}, notReady(t.to)
	}
	return t, nil
}

// place finds where a reference leads and chooses no version yet.
func (s *Service) place(r ref) (target, error) {
	f, err := s.find(r.name)
	if err != nil {
		return target{}, err
	}
	if f == nil {
		return target{}, s.noTarget(r)
	}
	n := f.state.Load()
	if n == nil {
		return target{}, s.noTarget(r)
	}
	to := n.routes[r.qualifier]
	if to == nil {
		return target{}, s.noTarget(r)
	}
	return target{function: f, snapshot: n, route: to}, nil
}

func notReady(d *destination) error {
	return conflict("The operation cannot be performed at this time. The function is currently in the following state: %s", d.version.State.Value)
}

func (s *Service) noTarget(r ref) error {
	if r.qualifier == "" {
		r.qualifier = latest
	}
	return notFound("Function not found: %s", s.arn(r.name, r.qualifier))
}

// settledTarget is resolve, but waits for a function that is just being created.
func (s *Service) settledTarget(ctx context.Context, r ref, payload []byte) (target, error) {
	t, err := s.resolve(r, payload)
	if err == nil {
		return t, nil
	}
	var notReady *types.ResourceConflictException
	if !errors.As(err, &notReady) {
		return t, err
	}
	f, err := s.find(r.name)
	if err != nil {
		return t, err
	}
	if f != nil {
		if _, err := s.await(ctx, f); err != nil {
			return t, err
		}
	}
	return s.resolve(r, payload)
}

// invocable reports why r cannot be invoked, without choosing a version: a request that is only checked or queued does
// not count among those that the weights are met with.
func (s *Service) invocable(ctx context.Context, r ref) error {
	t, err := s.place(r)
	if err != nil {
		return err
	}
	if t.route.primary.version.run != nil {
		return nil
	}
	if _, err := s.await(ctx, t.function); err != nil {
		return err
	}
	if t, err = s.place(r); err != nil {
		return err
	}
	if t.route.primary.version.run == nil {
		return notReady(t.route.primary)
	}
	return nil
}
