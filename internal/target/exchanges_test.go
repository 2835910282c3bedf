package target_test

import (
	"flag"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/target"
	"github.com/tealdeploy/teal/internal/target/exchanges"
	"github.com/tealdeploy/teal/internal/target/targettest"
)

var record = flag.String("record", "", "record the exchanges anew: WHAT=ENDPOINT, such as moto=http://127.0.0.1:5000; everything else is skipped")

// wire gives targets whose every exchange is recorded, or replayed from testdata/exchanges.
type wire struct {
	origin  string                                    // the folder of the recordings, named for who answered
	through func(http.RoundTripper) http.RoundTripper // while recording, what stands before the endpoint; nil for nothing
	player  func(*exchanges.Player)                   // nil, or what is said to the player
}

// open gives the target of one test, whose last name is that of the file.
func (w wire) open(t *testing.T, o target.Options) *target.Target {
	t.Helper()
	file := filepath.Join("testdata", "exchanges", w.origin, strings.ReplaceAll(path.Base(t.Name()), "_", "-")+".http")
	origin, endpoint, recording := strings.Cut(*record, "=")
	var through http.RoundTripper
	switch mine := origin == w.origin || origin+"-on-bad-days" == w.origin; {
	case recording && !mine:
		t.Skip("recording " + origin)
	case recording:
		at := http.DefaultTransport
		if w.through != nil {
			at = w.through(at)
		}
		r := exchanges.Record(at)
		t.Cleanup(func() {
			if err := exchanges.Save(file, endpoint, r.Exchanges()); err != nil {
				t.Error(err)
			}
		})
		through = r
	default:
		all, err := exchanges.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		p := exchanges.Play(all)
		if w.player != nil {
			w.player(p)
		}
		t.Cleanup(func() {
			if err := p.Err(); err != nil {
				t.Error(err)
			}
		})
		through, endpoint = p, "http://endpoint.test"
	}
	return target.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: through},
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
		Retryer: func() aws.Retryer { // as the SDK's own, but for the pauses
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
		},
	}, o)
}

// names gives the same names in every run.
func names() func(what string) string {
	var mu sync.Mutex
	used := map[string]int{}
	return func(what string) string {
		mu.Lock()
		defer mu.Unlock()
		used[what]++
		if n := used[what]; n > 1 {
			what = fmt.Sprint(what, "-", n)
		}
		return "teal-" + what
	}
}

// motoLacks is what moto's server (5.2.1) does otherwise than AWS, by the part of the suite that cannot be recorded from it.
var motoLacks = map[string]string{
	"publish settings":          "moto forgets ephemeral storage, tracing and logging when a function is updated",
	"route a function":          "moto does not compare the revision of an alias, and calls one that exists a ConflictException",
	"publish a workflow":        "moto has no versions of state machines",
	"route a workflow":          "moto has no versions of state machines",
	"observe and plan":          "moto has no versions of state machines",
	"routes":                    "moto has no versions of state machines",
	"executions":                "moto has no versions of state machines",
	"prune functions":           "moto cannot list function URLs and provisioned concurrency, so nothing counts as unused",
	"prune workflows":           "moto has no versions of state machines",
	"prune an Express workflow": "moto has no versions of state machines",
	"invoke versions":           "moto runs functions in Docker only",
	"provision versions":        "moto has no provisioned concurrency",
}

// What the suite sends is what was recorded, and what was answered is understood: by the embedded platform, all of it, and by
// moto's server, what it can do. .ci/exchanges holds the recordings against AWS's own models of its services.
func TestSuiteOnTheWire(t *testing.T) {
	for _, origin := range []struct {
		name  string
		lacks map[string]string
	}{{"platform", nil}, {"moto", motoLacks}} {
		t.Run(origin.name, func(t *testing.T) {
			s := targettest.Suite{
				Open: func(t *testing.T) *target.Target { return wire{origin: origin.name}.open(t, target.Options{}) },
				Name: names(),
				Skip: func(part string) string { return origin.lacks[part] },
				Now:  func() time.Time { return time.Unix(exchanges.Moment, 0).Add(time.Minute) },
			}
			if recording, _, _ := strings.Cut(*record, "="); recording == origin.name {
				s.Now = time.Now
			}
			s.Upkeep(t) // first: it reads every state machine of the account, and while recording there are no others yet
			s.Exercise(t)
			s.Invocations(t, func(_ *testing.T, answer string) release.Function { return targettest.Function("", answer) })
		})
	}
}

// An endpoint is asked for every operation that Teal needs, and what it lacks is named.
func TestProbeOnTheWire(t *testing.T) {
	for origin, lacks := range map[string][]string{
		"platform": nil,
		"moto": {
			"lambda:GetProvisionedConcurrencyConfig", "lambda:ListFunctionUrlConfigs", "states:ListStateMachineVersions", "states:PublishStateMachineVersion",
		},
	} {
		t.Run(origin+"/probe", func(t *testing.T) {
			g := wire{origin: origin, player: func(p *exchanges.Player) { p.AnyOrder = true }}.open(t, target.Options{MaxAttempts: 1})
			all, err := g.Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range all {
				if p.Denied {
					t.Errorf("%+v", p)
				}
				if p.Lacks {
					got = append(got, p.Operation)
				}
			}
			if len(all) != 20 || !slices.Equal(got, lacks) {
				t.Errorf("of %d operations the endpoint lacks %v, want %v", len(all), got, lacks)
			}
		})
	}
}
