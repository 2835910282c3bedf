package bench

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// idleEnvironments is how many of them BenchmarkIdle divides the memory by.
const idleEnvironments = 16

// BenchmarkIdle tells what an environment that waits for requests holds, in resident memory, on Linux: the platform's own
// process for it (its growth, to some 30 KiB either way), and the function's processes (their proportional shares, so that
// pages that several hold are counted once).
func BenchmarkIdle(b *testing.B) {
	dir := reachableDir(b)
	teal := filepath.Join(dir, "teal")
	build(b, teal, "../../cmd/teal")
	for _, l := range languages(b) {
		b.Run(l.name, func(b *testing.B) {
			var platform, function []float64
			for b.Loop() {
				data := reachableDir(b)
				p := startTeal(b, teal, data)
				where, err := url.Parse(p.url)
				if err != nil {
					b.Fatal(err)
				}
				api := createFunction(b, where.Host, l)
				provision(b, api, 1) // what the first environment brings for all
				before := residentMiB(p.pid)
				shared := proportionalMiB(p.pid)
				provision(b, api, 1+idleEnvironments)
				platform = append(platform, (residentMiB(p.pid)-before)*1024/idleEnvironments)
				function = append(function, (proportionalMiB(p.pid)-shared)/idleEnvironments)
				p.stop()
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(platform), "platform-KiB")
			b.ReportMetric(median(function), "function-MiB")
		})
	}
}

// provision returns when n environments of version 1 are ready.
func provision(b *testing.B, api *lambda.Client, n int32) {
	b.Helper()
	name, version := aws.String("bench"), aws.String("1")
	if _, err := api.PutProvisionedConcurrencyConfig(b.Context(), &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: version, ProvisionedConcurrentExecutions: &n}); err != nil {
		b.Fatal(err)
	}
	for {
		out, err := api.GetProvisionedConcurrencyConfig(b.Context(), &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: version})
		switch {
		case err != nil:
			b.Fatal(err)
		case out.Status == types.ProvisionedConcurrencyStatusEnumFailed:
			b.Fatal(aws.ToString(out.StatusReason))
		case out.Status == types.ProvisionedConcurrencyStatusEnumReady:
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// proportionalMiB adds up the proportional shares of all processes that descend from pid, without its own; 0 where the
// machine does not tell.
func proportionalMiB(pid int) (sum float64) {
	children := map[string][]string{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	for _, f := range stats {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		if rest := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])); len(rest) > 1 {
			children[rest[1]] = append(children[rest[1]], filepath.Base(filepath.Dir(f)))
		}
	}
	for all := children[strconv.Itoa(pid)]; len(all) > 0; {
		one := all[0]
		all = append(all[1:], children[one]...)
		rollup, err := os.ReadFile("/proc/" + one + "/smaps_rollup")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(rollup)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				sum += kib / 1024
			}
		}
	}
	return sum
}
