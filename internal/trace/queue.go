package trace

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	maxQueue   = 4096 // spans; some 2 MiB
	maxBatch   = 512  // spans of one post
	gather     = time.Second
	firstPause = time.Second
	maxPause   = 30 * time.Second
	patience   = 2 * time.Second // of close
)

// queue holds spans until the collector has them. A batch that the collector could not take is tried again, with growing
// pauses, while the queue fills up behind it.
type queue struct {
	cfg    Config
	client *http.Client
	first  time.Duration      // until a batch is sent again
	stop   context.CancelFunc // of the goroutine's pauses and posts
	done   chan struct{}
	wake   chan struct{} // capacity 1

	mu      sync.Mutex
	spans   []span
	dropped int // since the last word about it
	closing bool
}

func startQueue(cfg Config) *queue {
	ctx, stop := context.WithCancel(context.Background())
	q := &queue{
		cfg: cfg, first: firstPause, stop: stop, done: make(chan struct{}), wake: make(chan struct{}, 1),
		client: &http.Client{
			Timeout:       cfg.Timeout,
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	go q.run(ctx)
	return q
}

func (q *queue) put(s span) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing || len(q.spans) >= maxQueue {
		q.dropped++
		return
	}
	q.spans = append(q.spans, s)
	if n := len(q.spans); n == 1 || n == maxBatch {
		q.poke()
	}
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take gives the next batch, and what was dropped since the last.
func (q *queue) take() (batch []span, dropped int, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.spans), maxBatch)
	batch = append(batch, q.spans[:n]...)
	rest := copy(q.spans, q.spans[n:])
	clear(q.spans[rest:])
	q.spans = q.spans[:rest]
	dropped, q.dropped = q.dropped, 0
	return batch, dropped, q.closing
}

// waiting tells how many spans there are, and whether more will come.
func (q *queue) waiting() (n int, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.spans), q.closing
}

// run sends until the queue is closed and empty, or ctx ends. It gathers for a second what comes together.
func (q *queue) run(ctx context.Context) {
	defer close(q.done)
	for ctx.Err() == nil {
		n, closing := q.waiting()
		switch {
		case n == 0 && closing:
			return
		case n == 0:
			q.pause(ctx, 0)
			continue
		case n < maxBatch && !closing:
			q.pause(ctx, gather)
		}
		batch, dropped, _ := q.take()
		if dropped > 0 {
			q.cfg.Logger.Warn("trace: spans were dropped, the collector is slower than they come", "count", dropped)
		}
		q.send(ctx, batch)
	}
}

// pause returns when d has passed, the queue has a full batch or is being closed, or ctx has ended; 0 waits for the rest only.
func (q *queue) pause(ctx context.Context, d time.Duration) {
	var after <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-q.wake:
	case <-after:
	case <-ctx.Done():
	}
}

// send posts a batch until the collector has taken or refused it. A queue that is being closed tries once.
func (q *queue) send(ctx context.Context, batch []span) {
	body := encode(&q.cfg, batch)
	for pause := q.first; ; pause = min(2*pause, maxPause) {
		again, err := q.post(ctx, body)
		if err == nil {
			return
		}
		_, closing := q.waiting()
		if again == nil || closing || ctx.Err() != nil {
			q.cfg.Logger.Error("trace: spans were not taken by the collector and are lost", "count", len(batch), "error", err)
			return
		}
		wait := max(pause, *again)
		q.cfg.Logger.Warn("trace: the collector took no spans; trying again", "count", len(batch), "error", err, "pause", wait)
		q.rest(ctx, wait)
	}
}

// rest is a pause that only closing ends early.
func (q *queue) rest(ctx context.Context, d time.Duration) {
	for until := time.Now().Add(d); ctx.Err() == nil; {
		left := time.Until(until)
		if _, closing := q.waiting(); closing || left <= 0 {
			return
		}
		q.pause(ctx, left)
	}
}

// post sends a batch once. On an error, again is how long the collector wants to be left alone, nil when another try would
// meet the same.
func (q *queue) post(ctx context.Context, body []byte) (again *time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, q.cfg.Endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range q.cfg.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "OTel-OTLP-Exporter-Teal")
	resp, err := q.client.Do(r)
	if err != nil {
		return new(time.Duration), err
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // for the message only
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return nil, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = new(time.Duration)
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			*again = min(time.Duration(s)*time.Second, maxPause)
		}
	}
	return again, fmt.Errorf("%s answered %s: %.200s", q.cfg.Endpoint, resp.Status, said)
}

func (q *queue) close() error {
	q.mu.Lock()
	q.closing = true
	q.mu.Unlock()
	q.poke()
	t := time.AfterFunc(patience, q.stop)
	<-q.done
	t.Stop()
	q.stop()
	q.client.CloseIdleConnections()
	if batch, dropped, _ := q.take(); len(batch)+dropped > 0 {
		left, _ := q.waiting()
		q.cfg.Logger.Warn("trace: spans are lost with the platform's end", "count", len(batch)+left+dropped)
	}
	return nil
}
