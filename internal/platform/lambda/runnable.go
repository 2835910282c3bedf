package lambda

import (
	"maps"
	"math"
	"sync/atomic"
	"time"

	"github.com/tealdeploy/teal/internal/pool"
)

// runnable is what serves the invocations of one generation of a version. Its code stays on disk until it was retired
// and the last invocation has ended.
type runnable struct {
	fn         pool.Function
	generation string
	// lineageName is how traces name the function, and lineage what a trace that begins with it has.
	lineageName, lineage string
	// leases counts the invocations under way; it is far below zero once the runnable is gone.
	leases  atomic.Int64
	retired atomic.Bool
	dropped func() // called once, when the runnable is gone
}

const gone = math.MinInt64 / 2

// acquire takes a lease, to be given back with release. It is false when the runnable is gone; then a newer snapshot has
// replaced it.
func (r *runnable) acquire() bool {
	if r.leases.Add(1) > 0 {
		return true
	}
	r.leases.Add(-1)
	return false
}

func (r *runnable) release() {
	if r.leases.Add(-1) == 0 && r.retired.Load() {
		r.drop()
	}
}

// retire says that no snapshot names the runnable any more.
func (r *runnable) retire() {
	r.retired.Store(true)
	r.drop()
}

// drop ends the runnable if nobody uses it, once.
func (r *runnable) drop() {
	if r.leases.CompareAndSwap(0, gone) {
		r.dropped()
	}
}

// newRunnable takes a reference to the code, which must be unpacked.
func (s *Service) newRunnable(v *versionRecord) *runnable {
	held := v.content()
	for _, sha := range held {
		s.codes.hold(sha)
	}
	arn := s.arn(v.Function, v.Version)
	c := v.Config.clone()
	env := map[string]string{}
	if c.Environment != nil {
		maps.Copy(env, c.Environment.Variables)
	}
	r := &runnable{
		generation: v.Generation,
		fn: pool.Function{
			ID:   arn + "@" + v.Generation,
			Name: v.Function, Version: v.Version, ARN: arn,
			Runtime: c.Runtime, Handler: c.Handler, Role: c.Role,
			CodeDir:     s.codes.folder(v.Code.SHA256),
			Environment: env,
			Timeout:     time.Duration(c.Timeout) * time.Second,
			MemoryMB:    int(c.Memory), EphemeralStorageMB: int(c.Ephemeral),
			Logging: pool.Logging{
				Format: c.Logging.Format, ApplicationLevel: c.Logging.Application, SystemLevel: c.Logging.System, Group: c.Logging.Group,
			},
			OptDir:  s.optDir(v),
			Account: s.cfg.Account, Region: s.cfg.Region,
		},
	}
	r.lineageName = lineageName(s.arn(v.Function, ""))
	r.lineage = ";" + lineageKey + r.lineageName + ":1"
	r.dropped = func() {
		s.cfg.Executor.Retire(r.fn.ID)
		for _, sha := range held {
			s.releaseCode(sha)
		}
	}
	return r
}
