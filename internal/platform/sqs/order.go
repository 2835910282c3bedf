package sqs

import (
	"cmp"
	"container/heap"
	"slices"
)

// order decides which messages of a queue are next. It has no clock, no lock and no store: time comes in.
type order interface {
	// put adds a message.
	put(m *message)
	// drop removes a message that is in.
	drop(m *message)
	// moved says that the Due of a message that is in was changed.
	moved(m *message)
	// next lists up to n messages that can be received now, in their order. They stay in, and are the caller's to move.
	next(now int64, n int) []*message
	// due is when, after next has listed nothing, it may list something though nothing was put, dropped or moved; ok is
	// false when that is never.
	due(now int64) (at int64, ok bool)
	// each calls f with every message until f returns false.
	each(f func(*message) bool)
	len() int
}

func newOrder(fifo bool) order {
	if fifo {
		return &byGroup{}
	}
	return &byTime{at: map[*message]int{}}
}

// byTime is the order of a standard queue: by the time from which on a message can be received, so that one which comes
// back again and again does not hold up the others.
type byTime struct {
	all []*message
	at  map[*message]int // place in all
}

// Len, Less, Swap, Push and Pop make the heap.
func (o *byTime) Len() int { return len(o.all) }

// Less orders by time, and messages of one time as they were sent.
func (o *byTime) Less(i, j int) bool {
	a, b := o.all[i], o.all[j]
	if a.Due != b.Due {
		return a.Due < b.Due
	}
	return a.serial < b.serial
}

// Swap exchanges two places.
func (o *byTime) Swap(i, j int) {
	o.all[i], o.all[j] = o.all[j], o.all[i]
	o.at[o.all[i]], o.at[o.all[j]] = i, j
}

// Push appends a message.
func (o *byTime) Push(x any) {
	m := x.(*message)
	o.at[m] = len(o.all)
	o.all = append(o.all, m)
}

// Pop removes the last message.
func (o *byTime) Pop() any {
	last := len(o.all) - 1
	m := o.all[last]
	o.all[last] = nil
	o.all = o.all[:last]
	delete(o.at, m)
	return m
}

func (o *byTime) put(m *message)   { heap.Push(o, m) }
func (o *byTime) drop(m *message)  { heap.Remove(o, o.at[m]) }
func (o *byTime) moved(m *message) { heap.Fix(o, o.at[m]) }
func (o *byTime) len() int         { return len(o.all) }

func (o *byTime) next(now int64, n int) []*message {
	var found []*message
	for len(found) < n && len(o.all) > 0 && o.all[0].Due <= now {
		found = append(found, heap.Pop(o).(*message))
	}
	for _, m := range found {
		heap.Push(o, m)
	}
	return found
}

func (o *byTime) due(now int64) (int64, bool) {
	if len(o.all) == 0 || o.all[0].Due <= now {
		return 0, false
	}
	return o.all[0].Due, true
}

func (o *byTime) each(f func(*message) bool) {
	for _, m := range o.all {
		if !f(m) {
			return
		}
	}
}

// byGroup is the order of a FIFO queue: as sent, and of a group nothing while one of its messages is hidden.
type byGroup struct{ all []*message }

func (o *byGroup) find(m *message) int {
	i, _ := slices.BinarySearchFunc(o.all, m.serial, func(m *message, serial uint64) int { return cmp.Compare(m.serial, serial) })
	return i
}

func (o *byGroup) put(m *message)  { o.all = slices.Insert(o.all, o.find(m), m) }
func (o *byGroup) drop(m *message) { i := o.find(m); o.all = slices.Delete(o.all, i, i+1) }
func (o *byGroup) moved(*message)  {}
func (o *byGroup) len() int        { return len(o.all) }

func (o *byGroup) next(now int64, n int) []*message {
	held := map[string]bool{}
	for _, m := range o.all {
		if m.Due > now && m.Receives > 0 {
			held[m.Group] = true
		}
	}
	var found []*message
	for _, m := range o.all {
		switch {
		case len(found) == n:
			return found
		case held[m.Group]:
		case m.Due > now: // delayed: what was sent after it waits too
			held[m.Group] = true
		default:
			found = append(found, m)
		}
	}
	return found
}

func (o *byGroup) due(now int64) (at int64, ok bool) {
	for _, m := range o.all {
		if m.Due > now && (!ok || m.Due < at) {
			at, ok = m.Due, true
		}
	}
	return at, ok
}

func (o *byGroup) each(f func(*message) bool) {
	for _, m := range o.all {
		if !f(m) {
			return
		}
	}
}
