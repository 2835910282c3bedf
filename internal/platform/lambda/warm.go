package lambda

import (
	"maps"
	"sync"
)

// warmth is what a function's provisioned concurrency has come to. The pump (warmUp) alone writes it.
type warmth struct {
	pump sync.Mutex // held by the goroutine that works; others leave it a note
	mu   sync.Mutex
	note bool // something has changed since the pump last looked

	ready  map[*runnable]int   // environments that are ready
	failed map[*runnable]error // why they are not; asked again with the next change
}

// wanted says how many environments each runnable is to keep ready.
func (n *snapshot) wanted() map[*runnable]int {
	want := map[*runnable]int{}
	for q := range n.warm {
		for version, k := range n.shares(q) {
			if v := n.versions[version]; v != nil && v.run != nil && k > 0 {
				want[v.run] += k
			}
		}
	}
	return want
}

// warmUp makes what is ready follow what is wanted, in the background. It is called after every change of a function that
// has, or had, provisioned concurrency; one goroutine a function works at a time.
func (s *Service) warmUp(f *function) {
	if s.provisioner == nil || f == nil {
		return
	}
	f.warm.mu.Lock()
	f.warm.note = true
	f.warm.failed = nil
	f.warm.mu.Unlock()
	s.work.Go(func() {
		f.warm.pump.Lock()
		defer f.warm.pump.Unlock()
		for f.warm.take() && s.lifetime.Err() == nil {
			s.warmOnce(f)
		}
	})
}

// readyFor says how many environments of a version are ready.
func (w *warmth) readyFor(r *runnable) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ready[r]
}

func (w *warmth) take() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	note := w.note
	w.note = false
	return note
}

// warmOnce first makes ready what is missing and then gives up what is not wanted any more, so that an alias that moves
// has its new version ready before the old one is let go.
func (s *Service) warmOnce(f *function) {
	var want map[*runnable]int
	if n := f.state.Load(); n != nil {
		want = n.wanted()
	}
	f.warm.mu.Lock()
	have := f.warm.ready
	if f.warm.ready = maps.Clone(have); f.warm.ready == nil {
		f.warm.ready = map[*runnable]int{}
	}
	f.warm.mu.Unlock()
	for r, k := range want {
		if have[r] != k {
			s.provision(f, r, k)
		}
	}
	for r := range have {
		if want[r] == 0 {
			s.provision(f, r, 0)
		}
	}
}

// provision asks the executor for exactly k environments of r and records how it went.
func (s *Service) provision(f *function, r *runnable, k int) {
	var err error
	if k > 0 && !r.acquire() {
		return // retired meanwhile: the change that did it has left a note
	} else if k > 0 {
		defer r.release()
	}
	if err = s.provisioner.Provision(s.lifetime, &r.fn, k); err != nil && s.lifetime.Err() == nil {
		s.cfg.Logger.Warn("lambda: environments cannot be made ready", "function", r.fn.ARN, "wanted", k, "error", err)
	}
	f.warm.mu.Lock()
	defer f.warm.mu.Unlock()
	switch {
	case err != nil:
		delete(f.warm.ready, r)
		if f.warm.failed == nil {
			f.warm.failed = map[*runnable]error{}
		}
		f.warm.failed[r] = err
	case k == 0:
		delete(f.warm.ready, r)
	default:
		f.warm.ready[r] = k
	}
}
