package states

import (
	"container/heap"
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
