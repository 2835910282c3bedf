package exchanges

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
)

// errReset is how a connection ends that was cut: the request may have been carried out.
var errReset = fmt.Errorf("read: %w", syscall.ECONNRESET)

// Player is an http.RoundTripper that answers what was recorded. About one subject, such as a function, the requests must
// come as they were recorded; about several they may come in any order.
type Player struct {
	// AnyOrder is for what asks several things about one subject at once.
	AnyOrder bool

	mu    sync.Mutex
	left  map[string][]Exchange // by subject
	wrong []string
}

// Play makes a Player of all.
func Play(all []Exchange) *Player {
	p := &Player{left: map[string][]Exchange{}}
	for _, e := range all {
		s := e.Request.subject()
		p.left[s] = append(p.left[s], e)
	}
	return p
}

// unexpected is the error that a request gets that was not recorded. The SDK does not repeat it.
type unexpected struct{ what string }

func (e *unexpected) Error() string      { return e.what }
func (*unexpected) RetryableError() bool { return false }

// RoundTrip implements http.RoundTripper.
func (p *Player) RoundTrip(q *http.Request) (*http.Response, error) {
	asked, err := readRequest(q)
	if err != nil {
		return nil, err
	}
	a, err := p.answer(asked)
	if err != nil {
		return nil, err
	}
	if a.Lost != "" {
		if a.Lost == errReset.Error() {
			return nil, errReset
		}
		return nil, errors.New(a.Lost)
	}
	h := http.Header{}
	for k, v := range a.Header {
		h.Set(k, v)
	}
	body := a.bytes()
	return &http.Response{
		Status: http.StatusText(a.Status), StatusCode: a.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: q,
	}, nil
}

func (p *Player) answer(asked Request) (Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := asked.subject()
	left := p.left[s]
	for i, e := range left {
		d := e.Request.difference(asked)
		if d == "" {
			p.left[s] = append(left[:i:i], left[i+1:]...)
			return e.Answer, nil
		}
		if !p.AnyOrder {
			return Answer{}, p.tell("about %s the target sends\n  %s\nand not, as recorded,\n  %s\n%s", s, asked, e.Request, d)
		}
	}
	return Answer{}, p.tell("about %s the target sends\n  %s\nwhich was not recorded (%d are left)", s, asked, len(left))
}

func (p *Player) tell(format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	p.wrong = append(p.wrong, what)
	return &unexpected{what}
}

// Err says what was sent otherwise than recorded, and what was recorded and not sent.
func (p *Player) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	wrong := p.wrong
	for s, left := range p.left {
		for _, e := range left {
			wrong = append(wrong, fmt.Sprintf("about %s the target did not send, as recorded,\n  %s", s, e.Request))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(wrong, "\n"))
}
