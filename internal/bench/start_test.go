package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkStart starts `teal serve` on a new data folder, and on one that is there, and tells the time to its first answer to
// an AWS client and the memory of the idle process (resident, after the answer; on Linux). The start of the same binary for
// `teal --version`, which opens nothing, stands beside it.
func BenchmarkStart(b *testing.B) {
	dir := reachableDir(b)
	teal := filepath.Join(dir, "teal")
	build(b, teal, "../../cmd/teal")
	startOnce(b, teal, filepath.Join(dir, "data"))
	ms, mib := map[string][]float64{}, []float64{}
	names := []string{"new", "again", "version"}
	for i := 0; b.Loop(); i++ {
		for _, k := range rand.Perm(len(names)) {
			var took, memory float64
			switch names[k] {
			case "new":
				took, memory = startOnce(b, teal, filepath.Join(dir, fmt.Sprintf("data-%d", i)))
				mib = append(mib, memory)
			case "again":
				took, _ = startOnce(b, teal, filepath.Join(dir, "data"))
			case "version":
				began := time.Now()
				if err := exec.Command(teal, "--version").Run(); err != nil {
					b.Fatal(err)
				}
				took = float64(time.Since(began)) / 1e6
			}
			ms[names[k]] = append(ms[names[k]], took)
		}
	}
	b.ReportMetric(0, "ns/op")
	for name, took := range ms {
		b.ReportMetric(median(took), name+"-ms")
	}
	if m := median(mib); m > 0 {
		b.ReportMetric(m, "idle-MiB")
	}
}

// startOnce gives milliseconds and MiB; 0 MiB where the machine does not tell.
func startOnce(b *testing.B, teal, data string) (ms, mib float64) {
	b.Helper()
	p := startTeal(b, teal, data)
	defer p.stop()
	return p.ms, residentMiB(p.pid)
}

// served is a `teal serve`.
type served struct {
	url  string
	ms   float64 // from its start to its first answer
	pid  int
	stop func()
}

func startTeal(b *testing.B, teal, data string) *served {
	b.Helper()
	c := exec.Command(teal, "serve", "--listen", "127.0.0.1:0", "--data", data)
	var complaint bytes.Buffer
	c.Stderr = &complaint
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	p := &served{pid: c.Process.Pid, stop: sync.OnceFunc(func() {
		_ = c.Process.Signal(os.Interrupt)
		if err := c.Wait(); err != nil {
			b.Errorf("teal serve: %v\n%s", err, complaint.String())
		}
	})}
	b.Cleanup(p.stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	at := strings.Index(line, "http://")
	if err != nil || at < 0 {
		b.Fatalf("teal serve says %q: %v", line, err)
	}
	p.url = strings.Fields(line[at:])[0]
	answer, err := http.Get(p.url + "/2015-03-31/functions/")
	if err != nil {
		b.Fatal(err)
	}
	p.ms = float64(time.Since(began)) / 1e6
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("first answer: %s %s %v", answer.Status, body, err)
	}
	return p
}

func residentMiB(pid int) float64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}
