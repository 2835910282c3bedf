package pool

import (
	"errors"
	"sync"
)

// errLeft ends what goes to a caller that has left.
var errLeft = errors.New("pool: the caller has left")

// outlet is the way to a caller's Stream, which is closed when the caller leaves while its invocation goes on.
type outlet struct {
	mu      sync.Mutex
	to      Stream
	started bool
}

// Start tells the caller the content type.
func (o *outlet) Start(contentType string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.started = true
	if o.to == nil {
		return errLeft
	}
	return o.to.Start(contentType)
}

// Write gives the caller a piece.
func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.to == nil {
		return 0, errLeft
	}
	return o.to.Write(p)
}

// leave ends the calls of the caller's Stream: none is under way when it returns.
func (o *outlet) leave() {
	if o == nil {
		return
	}
	o.mu.Lock()
	o.to = nil
	o.mu.Unlock()
}

// whole gives the caller a response that was not streamed.
func (o *outlet) whole(contentType string, payload []byte) {
	if contentType == "" {
		contentType = "application/json"
	}
	if o.Start(contentType) == nil {
		_, _ = o.Write(payload) // an error is the caller's own
	}
}
