package pool

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/proc"
)

// BenchmarkWarm compares warm invocations of the same unmodified aws-lambda-go function through the pool (scheduler,
// deadlines, logs with START/END/REPORT on) with the bare Runtime API cycle, which does nothing that is not needed to get
// an event to a process and its answer back. Every iteration is one round of each, in turn; the figures are medians over
// the rounds, the ratios medians of the ratios within a round. "direct" calls from inside the process; "http" puts the same
// hand-written HTTP front before both, which makes it the two-hop cycle.
//
//	go test -run '^$' -bench Warm -benchtime 10x ./internal/pool
func BenchmarkWarm(b *testing.B) {
	for _, front := range []bool{false, true} {
		name := map[bool]string{false: "direct", true: "http"}[front]
		for _, c := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/%d", name, c), func(b *testing.B) { benchmarkWarm(b, c, front) })
		}
	}
}

const round = time.Second

// counted is a log that only counts.
type counted struct{ n *atomic.Int64 }

func (c counted) Put(_, _ string, events []LogEvent) {
	if c.n != nil {
		c.n.Add(int64(len(events)))
	}
}

func benchmarkWarm(b *testing.B, concurrency int, front bool) {
	var lines atomic.Int64
	p := newPool(b, Config{Logs: counted{&lines}})
	f := goFunction("bench", nil)
	payload := []byte(`{"do":"echo","echo":"hello"}`)
	var n atomic.Int64
	viaPool := func(in []byte) ([]byte, error) {
		id := fmt.Appendf(make([]byte, 0, 36), "00000000-0000-0000-0000-%012d", n.Add(1))
		r, err := p.Invoke(context.Background(), f, Invocation{RequestID: string(id), InvokedARN: f.ARN, Payload: in})
		return r.Payload, err
	}
	bare := newBare(b, p, f, concurrency)
	load := func(call func([]byte) ([]byte, error)) sample {
		if front {
			return httpLoad(b, concurrency, payload, call)
		}
		return directLoad(b, concurrency, payload, call)
	}
	load(viaPool) // start what is needed
	load(bare.invoke)
	var ps, bs []sample
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			ps = append(ps, load(viaPool))
			bs = append(bs, load(bare.invoke))
		} else {
			bs = append(bs, load(bare.invoke))
			ps = append(ps, load(viaPool))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(medianOf(ps, func(s sample) float64 { return s.rate }), "pool-req/s")
	b.ReportMetric(medianOf(bs, func(s sample) float64 { return s.rate }), "bare-req/s")
	b.ReportMetric(medianOf(ps, func(s sample) float64 { return s.p50 }), "pool-p50-µs")
	b.ReportMetric(medianOf(bs, func(s sample) float64 { return s.p50 }), "bare-p50-µs")
	b.ReportMetric(medianOf(ps, func(s sample) float64 { return s.cpu }), "pool-cpu-µs")
	b.ReportMetric(medianOf(bs, func(s sample) float64 { return s.cpu }), "bare-cpu-µs")
	ratios := make([]float64, len(ps))
	for i := range ps {
		ratios[i] = ps[i].rate / bs[i].rate
	}
	b.ReportMetric(median(ratios), "ratio-req")
	for i := range ps {
		ratios[i] = ps[i].cpu / bs[i].cpu
	}
	b.ReportMetric(median(ratios), "ratio-cpu")
	b.ReportMetric(float64(p.processes()), "envs")
}

// sample is one round: requests per second, the median latency and the processor time of this process per request.
type sample struct{ rate, p50, cpu float64 }

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func medianOf(v []sample, get func(sample) float64) float64 {
	out := make([]float64, len(v))
	for i, s := range v {
		out[i] = get(s)
	}
	return median(out)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs worker in concurrency goroutines for one round; worker performs one request.
func measure(b *testing.B, concurrency int, worker func() func() error) sample {
	b.Helper()
	var wg sync.WaitGroup
	took := make([][]float64, concurrency)
	begin, cpu := time.Now(), cpuTime()
	for i := range concurrency {
		one := worker()
		wg.Go(func() {
			for last := begin; last.Sub(begin) < round; {
				if err := one(); err != nil {
					b.Error(err)
					return
				}
				now := time.Now()
				took[i] = append(took[i], float64(now.Sub(last))/1e3)
				last = now
			}
		})
	}
	wg.Wait()
	all := slices.Concat(took...)
	if len(all) == 0 {
		b.Fatal("no request succeeded")
	}
	return sample{float64(len(all)) / time.Since(begin).Seconds(), median(all), float64(cpuTime()-cpu) / 1e3 / float64(len(all))}
}

func directLoad(b *testing.B, concurrency int, payload []byte, call func([]byte) ([]byte, error)) sample {
	return measure(b, concurrency, func() func() error {
		return func() error {
			out, err := call(payload)
			if err == nil && string(out) != `"hello"` {
				err = fmt.Errorf("answer %q", out)
			}
			return err
		}
	})
}

// httpLoad calls through a front that speaks just enough HTTP.
func httpLoad(b *testing.B, concurrency int, payload []byte, call func([]byte) ([]byte, error)) sample {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				r := bufio.NewReader(nc)
				var out []byte
				for {
					_, in, err := readMessage(r)
					if err != nil {
						return
					}
					answer, err := call(in)
					if err != nil {
						return
					}
					out = fmt.Appendf(out[:0], "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
					if _, err := nc.Write(out); err != nil {
						return
					}
				}
			}()
		}
	}()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	request := fmt.Appendf(nil, "POST /2015-03-31/functions/fun/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(payload), payload)
	return measure(b, concurrency, func() func() error {
		nc, err := net.Dial("tcp4", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, nc)
		r := bufio.NewReader(nc)
		return func() error {
			if _, err := nc.Write(request); err != nil {
				return err
			}
			_, out, err := readMessage(r)
			if err == nil && string(out) != `"hello"` {
				err = fmt.Errorf("answer %q", out)
			}
			return err
		}
	})
}

// bareRuntime is the bare cycle: processes with one connection each.
type bareRuntime struct {
	start func() (*bareConn, error)
	idle  chan *bareConn
}

type bareConn struct {
	nc  net.Conn
	r   *bufio.Reader
	out []byte
	end func()
}

func newBare(b *testing.B, p *Pool, f *Function, n int) *bareRuntime {
	x := &bareRuntime{idle: make(chan *bareConn, n)}
	x.start = func() (*bareConn, error) {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		slot, err := p.sandbox.Slot()
		if err != nil {
			return nil, err
		}
		at := slot.Paths(f.room())
		rt, _ := p.sandbox.Find(f.Runtime)
		process, err := slot.Start(proc.Spec{Path: at.Task + "/bootstrap", Dir: at.Task, Room: f.room(), Env: p.variables(f, rt, at, ln.Addr().String(), "x", false), Line: func([]byte) {}})
		if err != nil {
			return nil, err
		}
		nc, err := ln.Accept()
		if err != nil {
			return nil, err
		}
		return &bareConn{nc: nc, r: bufio.NewReader(nc), end: func() {
			process.Kill()
			<-process.Done()
			nc.Close()
			slot.Release()
		}}, nil
	}
	for range n {
		c, err := x.start()
		if err != nil {
			b.Fatal(err)
		}
		x.idle <- c
	}
	b.Cleanup(func() {
		for range n {
			(<-x.idle).end()
		}
	})
	return x
}

// invoke starts another process when one has gone: net/http's client dials again, in vain here, when it does not trust its
// connection any more, as happens on a busy machine.
func (x *bareRuntime) invoke(payload []byte) ([]byte, error) {
	c := <-x.idle
	defer func() { x.idle <- c }()
	for {
		body, err := c.invoke(payload)
		if err == nil {
			return body, nil
		}
		c.end()
		if c, err = x.start(); err != nil {
			return nil, err
		}
	}
}

func (c *bareConn) invoke(payload []byte) ([]byte, error) {
	if _, _, err := readMessage(c.r); err != nil { // the request for the event
		return nil, err
	}
	c.out = append(c.out[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 00000000-0000-0000-0000-000000000000\r\nLambda-Runtime-Deadline-Ms: "...)
	c.out = strconv.AppendInt(c.out, time.Now().Add(30*time.Second).UnixMilli(), 10)
	c.out = append(c.out, "\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:fun:7\r\nContent-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(payload)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, payload...)
	if _, err := c.nc.Write(c.out); err != nil {
		return nil, err
	}
	_, body, err := readMessage(c.r)
	if err != nil {
		return nil, err
	}
	_, err = c.nc.Write(bareAccepted)
	return body, err
}

var bareAccepted = []byte("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

// readMessage reads the first line and the body of a well-formed HTTP message.
func readMessage(r *bufio.Reader) (first string, body []byte, err error) {
	size, chunked := 0, false
	for i := 0; ; i++ {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case i == 0:
			first = "" // nobody asks
		case len(line) == 0 && !chunked:
			body = make([]byte, size)
			_, err := io.ReadFull(r, body)
			return first, body, err
		case len(line) == 0:
			body, err := readChunks(r)
			return first, body, err
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			if size, err = strconv.Atoi(string(line[16:])); err != nil {
				return "", nil, err
			}
		case bytes.Equal(line, []byte("Transfer-Encoding: chunked")):
			chunked = true
		}
	}
}

func readChunks(r *bufio.Reader) (body []byte, err error) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 31)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			for {
				line, err := r.ReadSlice('\n')
				if err != nil || len(bytes.TrimRight(line, "\r\n")) == 0 {
					return body, err
				}
			}
		}
		at := len(body)
		body = append(body, make([]byte, n)...)
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			return nil, err
		}
		if _, err := r.Discard(2); err != nil {
			return nil, err
		}
	}
}

// BenchmarkLanguages gives warm invocations per second of the interpreted languages through the pool.
func BenchmarkLanguages(b *testing.B) {
	for _, l := range []struct{ runtime, folder, handler string }{{"python3.11", "python", "app.handler"}, {"nodejs20.x", "node", "index.handler"}} {
		for _, c := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/%d", l.runtime, c), func(b *testing.B) {
				p := newPool(b, Config{Logs: counted{new(atomic.Int64)}})
				f := language(b, p, l.runtime, l.folder)(l.handler)
				load := func() sample {
					return directLoad(b, c, []byte(`{"do":"echo","echo":"hello"}`), func(in []byte) ([]byte, error) {
						r, err := p.Invoke(context.Background(), f, Invocation{RequestID: "00000000-0000-0000-0000-000000000000", InvokedARN: f.ARN, Payload: in})
						return r.Payload, err
					})
				}
				load()
				var s []sample
				for b.Loop() {
					s = append(s, load())
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(medianOf(s, func(s sample) float64 { return s.rate }), "req/s")
				b.ReportMetric(medianOf(s, func(s sample) float64 { return s.p50 }), "p50-µs")
				b.ReportMetric(medianOf(s, func(s sample) float64 { return s.cpu }), "cpu-µs")
			})
		}
	}
}
