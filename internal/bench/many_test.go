package bench

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/platform/lambda"
	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// BenchmarkMany is a platform with 1,000 functions of ten versions and an alias each against one with 100 such functions: the
// time from a start to the first answer, which is a page of the list, that of the first invocation then, and the medians of
// pages and of warm invocations.
func BenchmarkMany(b *testing.B) {
	dir := reachableDir(b)
	teal := filepath.Join(dir, "teal")
	build(b, teal, "../../cmd/teal")
	code := zipFolder(b, buildFunction(b))
	sizes := []int{100, 1000}
	seen := map[string][]float64{}
	for _, n := range sizes {
		populate(b, filepath.Join(dir, strconv.Itoa(n)), n, code)
	}
	for i := 0; b.Loop(); i++ {
		for k := range sizes {
			n := sizes[(i+k)%len(sizes)]
			p := startTeal(b, teal, filepath.Join(dir, strconv.Itoa(n)))
			where, err := url.Parse(p.url)
			if err != nil {
				b.Fatal(err)
			}
			add := func(what string, v float64) {
				name := fmt.Sprintf("%s-of-%d", what, n)
				seen[name] = append(seen[name], v)
			}
			add("start-ms", p.ms)
			invoke := once(b, where.Host, invokeRequest(where.Host), event)
			began := time.Now()
			if err := invoke(); err != nil {
				b.Fatal(err)
			}
			add("first-ms", float64(time.Since(began))/1e6)
			list := fmt.Appendf(nil, "GET /2015-03-31/functions/?MaxItems=50 HTTP/1.1\r\nHost: %s\r\n\r\n", where.Host)
			pages := load(b, 1, func() func() error { return once(b, where.Host, list, "") })
			add("page-µs", pages.p50)
			add("warm-µs", load(b, 1, func() func() error { return invoke }).p50)
			if m := residentMiB(p.pid); m > 0 {
				add("MiB", m)
			}
			p.stop()
		}
	}
	b.ReportMetric(0, "ns/op")
	for name, values := range seen {
		b.ReportMetric(median(values), name)
	}
}

// once gives the operation of one connection, which the benchmark closes at its end. want "" takes any answer with status 200.
func once(b *testing.B, addr string, request []byte, want string) func() error {
	c, err := dial(addr, request, want)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.conn.Close() })
	return c.do
}

// populate fills a data folder with n functions of ten versions each. The last is called bench and has the code of that name.
func populate(b *testing.B, data string, n int, bench []byte) {
	b.Helper()
	db, err := sqlite.Open(filepath.Join(data, "db", "teal.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	s, err := lambda.New(lambda.Config{Store: db, Executor: idle{}, DataDir: data})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	script := zipOf(b, "bootstrap", []byte("#!/bin/sh\n"))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 64) // as many commits are written together
	for i := range n {
		name, code := fmt.Sprintf("a-function-%04d", i), script
		if i == n-1 {
			name, code = "bench", bench
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := tenVersions(b, s, name, code); err != nil {
				b.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
}

func tenVersions(b *testing.B, s *lambda.Service, name string, code []byte) error {
	ctx := b.Context()
	_, err := s.CreateFunction(ctx, &sdk.CreateFunctionInput{
		FunctionName: &name, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Publish: true,
		Role: aws.String("arn:aws:iam::000000000000:role/bench"), Code: &types.FunctionCode{ZipFile: code},
		Environment: &types.Environment{Variables: map[string]string{"TABLE": "orders", "STAGE": "production"}},
	})
	for v := 2; v <= 10 && err == nil; v++ {
		if _, err = s.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: &name, Description: aws.String("number " + strconv.Itoa(v))}); err == nil {
			_, err = s.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: &name})
		}
	}
	if err == nil {
		_, err = s.CreateAlias(ctx, &sdk.CreateAliasInput{
			FunctionName: &name, Name: aws.String("live"), FunctionVersion: aws.String("9"),
			RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"10": 0.1}},
		})
	}
	return err
}
