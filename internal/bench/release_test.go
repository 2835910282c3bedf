package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"golang.org/x/sync/errgroup"

	"github.com/tealdeploy/teal/internal/platform"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/target"
)

// BenchmarkRelease plans and publishes a release of 50 functions and 10 workflows of five tasks each: as fast as the platform
// goes, and within the rates that AWS documents, where the busiest second is reported too.
func BenchmarkRelease(b *testing.B) {
	for _, limited := range []bool{false, true} {
		name := "as-fast-as-the-platform"
		if limited {
			name = "at-AWS's-rates"
		}
		b.Run(name, func(b *testing.B) {
			var plans, publications time.Duration
			busiest := 0
			for i := range b.N {
				plan, publication, most := releaseOnce(b, limited, i)
				plans, publications, busiest = plans+plan, publications+publication, max(busiest, most)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(plans.Milliseconds())/float64(b.N), "plan-ms")
			b.ReportMetric(float64(publications.Milliseconds())/float64(b.N), "publish-ms")
			b.ReportMetric(float64(busiest), "lambda-requests/busiest-second")
		})
	}
}

func releaseOnce(b *testing.B, limited bool, round int) (plan, publication time.Duration, busiest int) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	p, err := platform.New(platform.Config{DataDir: reachableDir(b), Address: l.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	traffic := &counted{Handler: p}
	srv := &http.Server{Handler: traffic}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close(); _ = p.Close() }()
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://" + l.Addr().String()), Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}
	g := target.New(cfg, target.Options{Limited: limited})

	spec := manyFunctions(b, 50, 10, fmt.Sprint("blue ", round))
	publish(b, g, spec)
	if limited { // the plan of a release that comes later, when the account is quiet
		g = target.New(cfg, target.Options{Limited: true})
	}
	spec = manyFunctions(b, 50, 10, fmt.Sprint("green ", round))
	begun := time.Now()
	observed, err := g.Observe(b.Context(), spec)
	if err != nil {
		b.Fatal(err)
	}
	made, err := release.MakePlan(spec, observed)
	if err != nil {
		b.Fatal(err)
	}
	plan = time.Since(begun)
	if made.Empty() {
		b.Fatal("there is nothing to do")
	}
	traffic.reset()
	begun = time.Now()
	publish(b, g, spec)
	return plan, time.Since(begun), traffic.busiest()
}

// counted counts the requests of Lambda's control plane by the second since the first.
type counted struct {
	http.Handler
	mu    sync.Mutex
	times []time.Time
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/2015-03-31/functions") {
		c.mu.Lock()
		c.times = append(c.times, time.Now())
		c.mu.Unlock()
	}
	c.Handler.ServeHTTP(w, r)
}

func (c *counted) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = nil
}

// busiest is the most requests within any second.
func (c *counted) busiest() (most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := 0
	for i, at := range c.times {
		for at.Sub(c.times[from]) > time.Second {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

func manyFunctions(b *testing.B, functions, workflows int, says string) release.Spec {
	b.Helper()
	const role = "arn:aws:iam::000000000000:role/bench"
	s := release.Spec{App: "many"}
	for i := range functions {
		var code bytes.Buffer
		z := zip.NewWriter(&code)
		w, err := z.Create("app.py")
		if err == nil {
			_, err = fmt.Fprintf(w, "def handler(event, context):\n    return %q\n", says)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
		sum := sha256.Sum256(code.Bytes())
		key := fmt.Sprintf("f%02d", i)
		s.Functions = append(s.Functions, release.Function{
			Key: key, Name: "many-" + key, Alias: "live", Runtime: "python3.13", Handler: "app.handler", Role: role,
			Code: code.Bytes(), CodeSize: int64(code.Len()), CodeSHA256: base64.StdEncoding.EncodeToString(sum[:]),
		})
	}
	for i := range workflows {
		var states []string
		for j := range 5 {
			next := fmt.Sprintf(`"Next":"S%d"`, j+1)
			if j == 4 {
				next = `"End":true`
			}
			states = append(states, fmt.Sprintf(`"S%d":{"Type":"Task","Resource":"${f%02d.Arn}",%s}`, j, (i*5+j)%functions, next))
		}
		key := fmt.Sprintf("w%02d", i)
		s.Workflows = append(s.Workflows, release.Workflow{
			Key: key, Name: "many-" + key, Alias: "live", Role: role, Type: release.TypeStandard, UseExactVersion: true,
			Definition: json.RawMessage(`{"StartAt":"S0","States":{` + strings.Join(states, ",") + `}}`),
		})
	}
	return s
}

// publish does what a rollout does before any traffic moves.
func publish(b *testing.B, g *target.Target, s release.Spec) {
	b.Helper()
	versions := make([]release.FunctionVersion, len(s.Functions))
	work, ctx := errgroup.WithContext(context.Background())
	for i, f := range s.Functions {
		work.Go(func() (err error) { versions[i], err = g.PublishFunction(ctx, f); return err })
	}
	if err := work.Wait(); err != nil {
		b.Fatal(err)
	}
	id, err := g.Identity(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	resolver, err := release.NewResolver(id, s.Functions, versions)
	if err != nil {
		b.Fatal(err)
	}
	work, ctx = errgroup.WithContext(context.Background())
	for _, w := range s.Workflows {
		work.Go(func() error {
			pinned, _, err := release.PinDefinition(w.Definition, resolver, w.PinOptions())
			if err == nil {
				_, err = g.PublishWorkflow(ctx, w, pinned)
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		b.Fatal(err)
	}
}
