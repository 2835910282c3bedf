package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"
)

// executedVersion is the header in which the platform's gateway names the function version that answered.
const executedVersion = "X-Teal-Executed-Version"

// traffic is a steady stream of requests to one URL, with every answer counted under the version that gave it.
type traffic struct {
	url    string
	client *http.Client
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	counts map[string]*tally
	sent   int
	lost   []string // what happened to requests that got no answer from a function; the first few
	nLost  int
}

// tally counts the answers of one version.
type tally struct {
	Version string `json:"version"`
	OK      int    `json:"ok"`
	Failed  int    `json:"failed"` // answered with a status of 500 or above
}

// startTraffic sends perSecond requests each second from a fixed number of senders until Stop. A request counts as lost
// when it gets no answer, or one that no version stands behind.
func startTraffic(ctx context.Context, url string, perSecond int) *traffic {
	ctx, cancel := context.WithCancel(ctx)
	const senders = 8
	t := &traffic{url: url, stop: cancel, counts: map[string]*tally{}, client: &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: senders},
	}}
	ticks := make(chan struct{})
	t.done.Add(1 + senders)
	go func() {
		defer t.done.Done()
		defer close(ticks)
		every := time.NewTicker(time.Second / time.Duration(perSecond))
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				select {
				case ticks <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	for range senders {
		go func() {
			defer t.done.Done()
			for range ticks {
				t.send()
			}
		}()
	}
	return t
}

// send makes one request; it is not cut off by Stop, so that nothing is lost by the counting itself.
func (t *traffic) send() {
	t.mu.Lock()
	t.sent++
	t.mu.Unlock()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, t.url, nil)
	if err != nil {
		t.lose(err.Error())
		return
	}
	resp, err := t.client.Do(req)
	if err != nil {
		t.lose(err.Error())
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	version := resp.Header.Get(executedVersion)
	switch {
	case err != nil:
		t.lose(err.Error())
	case version == "":
		t.lose(fmt.Sprintf("status %d from no version: %.120s", resp.StatusCode, body))
	case resp.StatusCode == http.StatusOK:
		t.count(version, true)
	case resp.StatusCode >= 500:
		t.count(version, false)
	default:
		t.lose(fmt.Sprintf("status %d from version %s: %.120s", resp.StatusCode, version, body))
	}
}

func (t *traffic) count(version string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts[version]
	if c == nil {
		c = &tally{Version: version}
		t.counts[version] = c
	}
	if ok {
		c.OK++
	} else {
		c.Failed++
	}
}

func (t *traffic) lose(why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nLost++
	if len(t.lost) < 5 {
		t.lost = append(t.lost, why)
	}
}

// Stop ends the stream and waits for the answers of what was sent.
func (t *traffic) Stop() {
	t.stop()
	t.done.Wait()
	t.client.CloseIdleConnections()
}

// Counts returns the answers by version, the oldest version first.
func (t *traffic) Counts() []tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]tally, 0, len(t.counts))
	for _, c := range t.counts {
		out = append(out, *c)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i].Version, out[j].Version
		return len(a) < len(b) || (len(a) == len(b) && a < b)
	})
	return out
}

// Sent and Lost count requests; Lost also says what happened to the first few.
func (t *traffic) Sent() int { t.mu.Lock(); defer t.mu.Unlock(); return t.sent }

func (t *traffic) Lost() (int, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nLost, strings.Join(t.lost, "; ")
}
