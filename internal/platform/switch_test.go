package platform

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// history is what an alias named, switch by switch.
type history struct {
	mu     sync.Mutex
	named  []map[string]bool // by switch; the last may be under way
	stands atomic.Int64      // the last switch that has been answered
}

// begin notes a switch before it is asked for, and end that it has been answered.
func (h *history) begin(versions ...string) {
	set := map[string]bool{}
	for _, v := range versions {
		set[v] = true
	}
	h.mu.Lock()
	h.named = append(h.named, set)
	h.mu.Unlock()
}

func (h *history) end() { h.stands.Add(1) }

// allows reports whether a request that began when the switch since stood, and has ended now, may have run on version.
func (h *history) allows(since int64, version string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, set := range h.named[since:] {
		if set[version] {
			return true
		}
	}
	return false
}

// Requests at concurrency 64 while the alias is switched 200 times: none fails or is lost, and none that starts after a
// switch was answered runs on a version that the alias names no longer.
func TestSwitchUnderLoad(t *testing.T) {
	const requests, atOnce, switches = 10_000, 64, 200
	r := start(t, Config{})
	r.create("f", map[string]string{"ANSWER": `"0"`})
	for _, v := range []string{"1", "2", "3"} {
		if got := r.publish("f", map[string]string{"ANSWER": `"` + v + `"`}); got != v {
			t.Fatalf("version %s was published as %s", v, got)
		}
	}
	h := &history{}
	h.begin("1")
	_, err := r.lambda.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: aws.String("f"), Name: aws.String("live"), FunctionVersion: aws.String("1")})
	must(t, err)

	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	defer client.CloseIdleConnections()
	var begun, answered atomic.Int64
	seen := map[string]*atomic.Int64{"1": {}, "2": {}, "3": {}}
	invoke := func() error {
		since := h.stands.Load()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/2015-03-31/functions/f/invocations?Qualifier=live", bytes.NewReader([]byte(`{}`)))
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		version := resp.Header.Get("X-Amz-Executed-Version")
		switch {
		case resp.StatusCode != http.StatusOK || resp.Header.Get("X-Amz-Function-Error") != "":
			return fmt.Errorf("status %d: %s", resp.StatusCode, body)
		case string(body) != `"`+version+`"`:
			return fmt.Errorf("version %s answered %s", version, body)
		case !h.allows(since, version):
			return fmt.Errorf("a request that began after switch %d ran on version %s", since, version)
		}
		seen[version].Add(1)
		answered.Add(1)
		return nil
	}
	var load sync.WaitGroup
	for range atOnce {
		load.Go(func() {
			for begun.Add(1) <= requests {
				if err := invoke(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range switches {
		// Switches are spread over the requests; the load may not be faster than they are.
		for answered.Load() < int64(n*requests/switches) && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		primary, other := fmt.Sprint(1+n%3), fmt.Sprint(1+(n+1)%3)
		in := &lambda.UpdateAliasInput{
			FunctionName: aws.String("f"), Name: aws.String("live"), FunctionVersion: &primary,
			RoutingConfig: &lambdatypes.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}},
		}
		named := []string{primary}
		if n%2 == 1 {
			in.RoutingConfig.AdditionalVersionWeights[other] = 0.1
			named = append(named, other)
		}
		h.begin(named...)
		_, err := r.lambda.UpdateAlias(t.Context(), in)
		must(t, err)
		h.end()
	}
	load.Wait()
	if n := answered.Load(); n != requests {
		t.Errorf("%d of %d requests were answered as they should", n, requests)
	}
	for v, n := range seen {
		if n.Load() < requests/10 {
			t.Errorf("version %s answered %d of %d requests: it was hardly switched to", v, n.Load(), requests)
		}
	}
}
