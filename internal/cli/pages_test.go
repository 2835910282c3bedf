package cli

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/target"
)

// An endpoint that answers with pages is asked once, and what it lacks is named; an error in AWS's form stays what it is.
func TestPagesMeanLacking(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CA_BUNDLE"} { // with which the SDK makes other clients
		t.Setenv(name, "")
	}
	for _, c := range []struct {
		status     int
		kind, body string
		lacks      bool
		asked      int
	}{
		{http.StatusInternalServerError, "text/html; charset=utf-8", "<!doctype html>", true, 1},
		{http.StatusNotFound, "text/html", "<!doctype html>", true, 1},
		{http.StatusInternalServerError, "application/x-amz-json-1.0", `{"__type":"InternalError"}`, false, 2},
		{http.StatusBadRequest, "application/x-amz-json-1.0", `{"__type":"StateMachineDoesNotExist"}`, false, 1},
	} {
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(c.status)
			w.Write([]byte(c.body)) //nolint:errcheck // the client sees it
		}))
		a := &app{endpoint: s.URL}
		cfg, err := a.awsConfig(t.Context(), "", "us-east-1")
		if err != nil {
			t.Fatal(err)
		}
		cfg.RetryMaxAttempts = 2
		_, err = sfn.NewFromConfig(cfg).ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{})
		if err == nil || unasked(err) != c.lacks || asked != c.asked {
			t.Errorf("%d %s: asked %d times, %v", c.status, c.kind, asked, err)
		}
		_, err = target.New(cfg, target.Options{}).GetRouting(t.Context(), release.Ref{Kind: release.KindStateMachine, Name: "m", Alias: "live"})
		if errors.Is(err, release.ErrUnsupported) != c.lacks {
			t.Errorf("%d %s: %v", c.status, c.kind, err)
		}
		s.Close()
	}
}
