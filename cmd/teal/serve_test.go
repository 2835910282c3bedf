package main

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The platform answers once it has said that it is ready, and ends with status 0 on SIGTERM.
func TestStopsOnSIGTERM(t *testing.T) {
	t.Parallel()
	p := serve(t, "127.0.0.1:0", filepath.Join(reachableDir(t), "data"))
	resp, err := http.Get(p.URL + "/2015-03-31/functions")
	must(t, err)
	must(t, resp.Body.Close())
	must(t, p.process.Process.Signal(syscall.SIGTERM))
	ended := make(chan error, 1)
	go func() { ended <- p.process.Wait() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("teal serve ended with %v\n%s", err, p.stderr)
		}
	case <-ctx.Done():
		t.Fatal("teal serve does not end on SIGTERM")
	}
	if _, err := http.Get(p.URL); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the port still answers: %v", err)
	}
}
