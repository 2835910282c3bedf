package lambda

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/store"
)

// A change of code or configuration is answered while it is still under way: a new function is Pending, an update
// InProgress. The transition ends when the code is in place on disk; then invocations see the change.
//
// https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html

// settleWait is how long a request waits for a transition under way before it answers as AWS does at once. Transitions
// take milliseconds here, so clients that do not wait for them, which fail on AWS now and then, always succeed.
const settleWait = 5 * time.Second

var (
	creating      = stateRecord{string(types.StatePending), "The function is being created.", string(types.StateReasonCodeCreating)}
	active        = stateRecord{Value: string(types.StateActive)}
	inProgress    = stateRecord{string(types.LastUpdateStatusInProgress), "The function is being created.", string(types.StateReasonCodeCreating)}
	successful    = stateRecord{Value: string(types.LastUpdateStatusSuccessful)}
	lostCode      = "The deployment package could not be unpacked on this machine. Upload it again."
	pending       = string(types.StatePending)
	updateRunning = string(types.LastUpdateStatusInProgress)
)

// settled gives the record as it is when its transition has ended: well, or with err.
func (v versionRecord) settled(err error) versionRecord {
	v.Revision = newRevision()
	switch {
	case err == nil:
		v.State, v.Update = active, successful
	case v.State.Value == pending:
		v.State = stateRecord{string(types.StateFailed), lostCode, string(types.StateReasonCodeInternalError)}
		v.Update = stateRecord{}
	default:
		v.Update = stateRecord{string(types.LastUpdateStatusFailed), lostCode, string(types.LastUpdateStatusReasonCodeInternalError)}
	}
	return v
}

// settle ends the transition to generation in the background. st is the code to put in place, nil when the code has not
// changed; its reference is given back here.
func (s *Service) settle(f *function, generation string, st *staged) {
	s.work.Go(func() {
		var failure error
		if st != nil {
			defer s.releaseCode(st.SHA256)
			if failure = st.install(); failure != nil {
				st.discard()
				s.cfg.Logger.Error("lambda: code cannot be put in place", "function", f.name, "error", failure)
			}
		}
		f.change.Lock()
		defer f.change.Unlock()
		if err := s.endTransition(f, generation, failure); err != nil {
			s.cfg.Logger.Error("lambda: a transition cannot be recorded; it ends at the next start", "function", f.name, "error", err)
		}
	})
}

// endTransition is settle's second half, under the function's lock. After an error what served before goes on, and the
// state stays as it is in the store.
func (s *Service) endTransition(f *function, generation string, failure error) error {
	old := f.state.Load()
	if old == nil || old.settled == nil || old.versions[latest].Generation != generation {
		return nil // deleted meanwhile; an update cannot begin before this one has ended
	}
	defer close(old.settled)
	n := old.draft()
	n.settled = nil
	b := &store.Batch{}
	for q, v := range old.versions {
		if v.Generation != generation || v.State.Value != pending && v.Update.Value != updateRunning {
			continue
		}
		r := v.versionRecord.settled(failure)
		if err := put(b, versionBucket, f.name+"/"+q, r); err != nil {
			return err
		}
		n.versions[q] = &version{&r, v.run}
	}
	err := s.cfg.Store.Commit(context.WithoutCancel(s.lifetime), b)
	if err != nil {
		n = old.draft()
		n.settled = nil
	}
	s.swap(f, n)
	return err
}

// await waits until no transition of f is under way, for settleWait at most, and returns what f is then: nil when there
// is no such function.
func (s *Service) await(ctx context.Context, f *function) (*snapshot, error) {
	n := f.state.Load()
	if n == nil || n.settled == nil {
		return n, nil
	}
	timer := time.NewTimer(settleWait)
	defer timer.Stop()
	select {
	case <-n.settled:
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return f.state.Load(), nil
}

// releaseCode gives back a reference that was taken for a record that is gone, or that came to nothing.
func (s *Service) releaseCode(sha string) {
	if err := s.codes.release(sha); err != nil {
		s.cfg.Logger.Warn("lambda: code that nothing needs is left on disk until the next start", "sha256", sha, "error", err)
	}
}
