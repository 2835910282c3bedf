package memory

import (
	"hash/maphash"

	"github.com/tealdeploy/teal/internal/store"
)

// node is a persistent treap: a change copies the path to the root and leaves older roots as they were. The priority
// of a key is its hash, so the shape depends only on the keys. A nil node is the empty tree.
type node struct {
	key         string
	value       []byte
	priority    uint64
	left, right *node
}

var seed = maphash.MakeSeed()

func (n *node) get(key string) ([]byte, bool) {
	for n != nil {
		switch {
		case key < n.key:
			n = n.left
		case key > n.key:
			n = n.right
		default:
			return n.value, true
		}
	}
	return nil, false
}

func (n *node) with(key string, value []byte) *node {
	if n == nil {
		return &node{key: key, value: value, priority: maphash.String(seed, key)}
	}
	c := *n
	switch {
	case key < n.key:
		c.left = n.left.with(key, value)
		if l := c.left; l.priority > c.priority { // rotate right; l is a fresh copy
			c.left, l.right = l.right, &c
			return l
		}
	case key > n.key:
		c.right = n.right.with(key, value)
		if r := c.right; r.priority > c.priority {
			c.right, r.left = r.left, &c
			return r
		}
	default:
		c.value = value
	}
	return &c
}

func (n *node) without(key string) *node {
	if n == nil {
		return nil
	}
	switch {
	case key < n.key:
		if l := n.left.without(key); l != n.left {
			c := *n
			c.left = l
			return &c
		}
		return n
	case key > n.key:
		if r := n.right.without(key); r != n.right {
			c := *n
			c.right = r
			return &c
		}
		return n
	}
	return merge(n.left, n.right)
}

// merge joins two trees of which every key of a is below every key of b.
func merge(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		c := *a
		c.right = merge(a.right, b)
		return &c
	}
	c := *b
	c.left = merge(a, b.left)
	return &c
}

// walk calls f for the keys in r, in r's order, until f returns false; it reports whether f never did.
func (n *node) walk(r store.Range, f func(key string, value []byte) bool) bool {
	if n == nil {
		return true
	}
	first, second := n.left, n.right
	below, above := n.key < r.From, r.To != "" && n.key >= r.To
	skipFirst, skipSecond := below, above
	if r.Reverse {
		first, second = second, first
		skipFirst, skipSecond = above, below
	}
	if !skipFirst && !first.walk(r, f) {
		return false
	}
	if !below && !above && !f(n.key, n.value) {
		return false
	}
	return skipSecond || second.walk(r, f)
}
