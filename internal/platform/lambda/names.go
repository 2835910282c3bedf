package lambda

import (
	"slices"
	"sync"
)

// names is the sorted list of all functions, so that a page of them costs no more where there are many.
type names struct {
	mu   sync.RWMutex
	list []string // never changed in place
}

func (n *names) all() []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.list
}

// fill takes a whole list at once.
func (n *names) fill(list []string) {
	slices.Sort(list)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = list
}

func (n *names) add(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i, found := slices.BinarySearch(n.list, name); !found {
		n.list = slices.Insert(slices.Clone(n.list), i, name)
	}
}

func (n *names) remove(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i, found := slices.BinarySearch(n.list, name); found {
		n.list = slices.Delete(slices.Clone(n.list), i, i+1)
	}
}
