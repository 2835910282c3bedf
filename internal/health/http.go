package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/rollout"
)

// Answer is what came of an HTTP request: as expected, or why not.
type Answer struct {
	OK     bool
	Reason string // such as "status 503 in 12ms"
	Body   string // its first mostBody bytes
}

const (
	mostBody       = 64 << 10 // of an answer, what is read and searched
	requestTimeout = 10 * time.Second
)

// NewHTTPClient makes the client for probes and hooks. Redirects are answers, not followed: what is probed is what was named.
func NewHTTPClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: requestTimeout},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Ask makes a request and compares the answer with what is expected. That nothing answers in time is an Answer too; an error
// means that the request cannot be made as it is written, or that ctx has ended. Plain http leaves this machine only by an
// error. It is safe for concurrent use.
func Ask(ctx context.Context, client *http.Client, r rollout.Request) (Answer, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return Answer{}, fmt.Errorf("URL %q: %w", r.URL, err)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !onThisMachine(u.Hostname())) {
		return Answer{}, fmt.Errorf("%s: only https is asked, or http on this machine", r.URL)
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = requestTimeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(limited, method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("User-Agent", "teal")
	for name, value := range r.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	began := time.Now()
	resp, err := client.Do(req)
	took := func() time.Duration { return time.Since(began).Round(time.Millisecond) }
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		return Answer{Reason: fmt.Sprintf("no answer after %s: %v", took(), err)}, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostBody))
	a := Answer{Body: string(body), Reason: fmt.Sprintf("status %d in %s", resp.StatusCode, took())}
	switch {
	case err != nil:
		a.Reason += fmt.Sprintf(", but the body broke off: %v", err)
	case len(r.Status) > 0 && !slices.Contains(r.Status, resp.StatusCode):
		a.Reason += fmt.Sprintf(", expected %v", r.Status)
	case len(r.Status) == 0 && (resp.StatusCode < 200 || resp.StatusCode > 299):
		a.Reason += ", expected 200 to 299"
	case r.Expect != "" && !strings.Contains(a.Body, r.Expect):
		a.Reason += fmt.Sprintf(", but the body has no %q", r.Expect)
	default:
		a.OK = true
	}
	return a, nil
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// Probes makes the HTTP requests of a check, once each.
type Probes struct {
	client *http.Client
	now    func() time.Time
}

var _ Source = (*Probes)(nil)

// NewProbes makes the source; now may be nil for the machine's clock.
func NewProbes(client *http.Client, now func() time.Time) *Probes {
	return &Probes{client: client, now: clockOr(now)}
}

// Observe implements Source by findings: as expected is Healthy, anything else Unhealthy, what cannot be asked an Error.
func (p *Probes) Observe(ctx context.Context, check rollout.Check) (rollout.Observation, error) {
	o := rollout.Observation{At: p.now(), Findings: make([]rollout.Finding, len(check.Probes))}
	var wg sync.WaitGroup
	for i, probe := range check.Probes {
		wg.Go(func() {
			f := rollout.Finding{Source: "probe " + probe.Name, Judgement: rollout.Unhealthy, DryRun: probe.DryRun}
			a, err := Ask(ctx, p.client, probe.Request)
			switch {
			case err != nil:
				f.Judgement, f.Reason = rollout.Error, err.Error()
			case a.OK:
				f.Judgement, f.Reason = rollout.Healthy, a.Reason
			default:
				f.Reason = a.Reason
			}
			o.Findings[i] = f
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return rollout.Observation{}, ctx.Err()
	}
	return o, nil
}
