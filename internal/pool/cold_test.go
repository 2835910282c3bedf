package pool

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/proc"
)

// BenchmarkCold gives the time from the call to the answer of a new environment, with an interpreter started ahead and
// without one, beside the bare spawn: the same program started by os/exec with no isolation, and answered by a few lines
// over TCP. Every iteration is one of each, in turn; the figures are medians, the ratio a median of ratios.
//
//	go test -run '^$' -bench Cold -benchtime 20x ./internal/pool
func BenchmarkCold(b *testing.B) {
	for _, l := range []struct{ runtime, folder, handler string }{{"provided.al2023", "", "bootstrap"}, {"python3.11", "python", "app.handler"}, {"nodejs20.x", "node", "index.handler"}} {
		b.Run(l.runtime, func(b *testing.B) {
			without := newPool(b, Config{Ahead: -1, Logs: counted{}})
			with := newPool(b, Config{Ahead: 1, Logs: counted{}})
			f := goFunction("cold", nil)
			if l.folder != "" {
				f = language(b, with, l.runtime, l.folder)(l.handler)
			}
			rt, err := without.sandbox.Find(f.Runtime)
			if err != nil {
				b.Fatal(err)
			}
			var took [3][]float64
			for i := 0; b.Loop(); i++ {
				for k := range took {
					k = (k + i) % len(took)
					var d time.Duration
					switch k {
					case 0:
						d = bareCold(b, without, f, rt)
					case 1:
						d = poolCold(b, without, f, i)
					case 2:
						with.stock.wait(rt)
						d = poolCold(b, with, f, i)
					}
					took[k] = append(took[k], float64(d)/1e6)
				}
			}
			ratio := make([]float64, len(took[0]))
			for i := range ratio {
				ratio[i] = took[1][i] / took[0][i]
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(took[0]), "bare-ms")
			b.ReportMetric(median(took[1]), "cold-ms")
			b.ReportMetric(median(took[2]), "ahead-ms")
			b.ReportMetric(median(ratio), "ratio-cold")
		})
	}
}

// wait returns when an interpreter stands ready and has loaded its bootstrap: it sleeps then.
func (s *stock) wait(r proc.Runtime) {
	for s.size > 0 && r.Kind != proc.KindProvided {
		s.mu.Lock()
		sh := s.shelves[r.Path]
		ready := sh != nil && len(sh.ready) > 0
		pid := 0
		if ready {
			pid = sh.ready[0].process.Pid()
		}
		s.mu.Unlock()
		if ready {
			if b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/wchan"); string(b) == "anon_pipe_read" || string(b) == "pipe_read" || string(b) == "0" {
				break
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(150 * time.Millisecond)
}

func poolCold(b *testing.B, p *Pool, f *Function, i int) time.Duration {
	g := *f
	g.ID = strconv.Itoa(i)
	begin := time.Now()
	r, err := p.Invoke(context.Background(), &g, call(`{"do":"echo","echo":1}`))
	d := time.Since(begin)
	if err != nil || r.FunctionError != "" {
		b.Fatalf("%s %v", r.Payload, err)
	}
	p.Retire(g.ID)
	for p.processes() > 0 {
		time.Sleep(time.Millisecond)
	}
	return d
}

func bareCold(b *testing.B, p *Pool, f *Function, r proc.Runtime) time.Duration {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	args := map[proc.Kind][]string{
		proc.KindProvided: {filepath.Join(f.CodeDir, "bootstrap")},
		proc.KindPython:   {r.Path, filepath.Join(p.runtime, "bootstrap.py")},
		proc.KindNode:     {r.Path, filepath.Join(p.runtime, "bootstrap.mjs")},
	}[r.Kind]
	c := exec.Command(args[0], args[1:]...)
	c.Dir = f.CodeDir
	c.Env = p.variables(f, r, proc.Paths{Task: f.CodeDir, Runtime: p.runtime, Temp: "/tmp"}, ln.Addr().String(), "x", false)
	begin := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	x := &bareConn{nc: nc, r: bufio.NewReader(nc)}
	out, err := x.invoke([]byte(`{"do":"echo","echo":1}`))
	d := time.Since(begin)
	if err != nil || string(out) != "1" {
		b.Fatal(string(out), err)
	}
	c.Process.Kill()
	c.Wait()
	nc.Close()
	return d
}
