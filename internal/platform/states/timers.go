package states

import (
	"container/heap"
	"slices"
	"time"

	"github.com/tealdeploy/teal/internal/asl/interp"
)

// timer is one StartTimer that has not been answered or cancelled.
type timer struct {
	x       *execution
	command int64
	due     time.Time
	place   int // in the heap
}

func (t *timer) event() interp.Event {
	return interp.Event{Kind: interp.EventTimer, Command: t.command, At: t.due}
}

// timers is the heap of a shard's timers, the earliest first; those due at once keep the order of their commands.
type timers struct{ heap timerHeap }

func (ts *timers) add(t *timer) { heap.Push(&ts.heap, t) }

func (ts *timers) remove(t *timer) {
	if t.place >= 0 {
		heap.Remove(&ts.heap, t.place)
	}
}

func (ts *timers) next() (time.Time, bool) {
	if len(ts.heap) == 0 {
		return time.Time{}, false
	}
	return ts.heap[0].due, true
}

// due takes the earliest timer when its time has come, else it returns nil.
func (ts *timers) due(now time.Time) *timer {
	if len(ts.heap) == 0 || ts.heap[0].due.After(now) {
		return nil
	}
	return heap.Pop(&ts.heap).(*timer)
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].command < h[j].command
	}
	return h[i].due.Before(h[j].due)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *timerHeap) Push(v any) {
	t := v.(*timer)
	t.place = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.place = -1
	return t
}

// parkedTimer is the earliest timer of an execution that is in the store only.
type parkedTimer struct {
	due    int64 // nanoseconds since 1970
	serial string
}

// parked holds one timer at most for each execution. An entry of the heap that is not the one of the map is stale.
type parked struct {
	heap parkedHeap
	at   map[string]int64
}

func (p *parked) add(t parkedTimer) {
	if p.at == nil {
		p.at = map[string]int64{}
	}
	p.at[t.serial] = t.due
	heap.Push(&p.heap, t)
	if len(p.heap) > 2*len(p.at)+1024 {
		p.heap = slices.DeleteFunc(p.heap, p.stale)
		heap.Init(&p.heap)
	}
}

func (p *parked) remove(serial string) { delete(p.at, serial) }

func (p *parked) stale(t parkedTimer) bool {
	due, ok := p.at[t.serial]
	return !ok || due != t.due
}

func (p *parked) next() (time.Time, bool) {
	for len(p.heap) > 0 && p.stale(p.heap[0]) {
		heap.Pop(&p.heap)
	}
	if len(p.heap) == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, p.heap[0].due), true
}

// due takes the earliest timer when its time has come.
func (p *parked) due(now time.Time) (parkedTimer, bool) {
	next, ok := p.next()
	if !ok || next.After(now) {
		return parkedTimer{}, false
	}
	t := heap.Pop(&p.heap).(parkedTimer)
	delete(p.at, t.serial)
	return t, true
}

type parkedHeap []parkedTimer

func (h parkedHeap) Len() int           { return len(h) }
func (h parkedHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h parkedHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *parkedHeap) Push(v any)        { *h = append(*h, v.(parkedTimer)) }

func (h *parkedHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = parkedTimer{}
	*h = old[:len(old)-1]
	return t
}
