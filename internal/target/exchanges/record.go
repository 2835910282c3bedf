package exchanges

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// Recorder is an http.RoundTripper that keeps what passes through it.
type Recorder struct {
	through http.RoundTripper
	mu      sync.Mutex
	all     []Exchange
}

// Record makes a Recorder for what through answers.
func Record(through http.RoundTripper) *Recorder { return &Recorder{through: through} }

// RoundTrip implements http.RoundTripper.
func (r *Recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	var e Exchange
	var err error
	if e.Request, err = readRequest(q); err != nil {
		return nil, err
	}
	answer, failed := r.through.RoundTrip(q)
	if failed != nil {
		e.Answer.Lost = failed.Error()
		if errors.Is(failed, errReset) {
			e.Answer.Lost = errReset.Error()
		}
	} else {
		e.Answer.Status = answer.StatusCode
		e.Answer.Body, err = readBody(answer.Header, answerHeaders, answer.Body)
		answer.Body.Close()
		if err != nil {
			return nil, err
		}
		answer.Body = io.NopCloser(bytes.NewReader(e.Answer.bytes()))
		answer.ContentLength = int64(len(e.Answer.bytes()))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
	return answer, failed
}

// Exchanges gives what has passed.
func (r *Recorder) Exchanges() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}
