package pool

// envList is a list of idle environments in the order in which they became so.
type envList struct{ first, last *env }

func (l *envList) push(e *env) {
	e.prev, e.next = l.last, nil
	if l.last != nil {
		l.last.next = e
	} else {
		l.first = e
	}
	l.last = e
}

func (l *envList) remove(e *env) {
	if e.prev == nil && e.next == nil && l.first != e { // not listed
		return
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.prev, e.next = nil, nil
}
