package pool

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var rewrite = flag.Bool("rewrite", false, "write what the scheduler does into testdata/sched")

// TestSchedulerScripts runs testdata/sched/*.txt: each line that begins with ">" is an event with its time, and the lines
// after it are what the scheduler does.
func TestSchedulerScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/sched/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(b))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(b) {
				t.Errorf("the scheduler does:\n%s", got)
			}
		})
	}
}

// script names environments and requests in the order of their appearance.
type script struct {
	s        *sched
	envs     map[string]*env
	names    map[*env]string
	tickets  map[string]*ticket
	requests map[*request]string

	provisions map[*provision]string
}

func runScript(t *testing.T, text string) string {
	t.Helper()
	x := &script{envs: map[string]*env{}, names: map[*env]string{}, tickets: map[string]*ticket{}, requests: map[*request]string{}, provisions: map[*provision]string{}}
	x.s = newSched(limits{concurrency: 100, environments: 100, starts: 100, young: time.Second, patience: 50 * time.Millisecond, idle: time.Minute, full: 2 * time.Second})
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
			out.WriteString(line + "\n")
		case line[0] == '>':
			out.WriteString(line + "\n")
			for _, did := range x.event(t, strings.Fields(line[1:])) {
				out.WriteString(did + "\n")
			}
		}
	}
	return out.String()
}

func (x *script) event(t *testing.T, w []string) (did []string) {
	t.Helper()
	dur := func(s string) time.Duration {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	now := time.Unix(1000, 0)
	if last := w[len(w)-1]; last[0] == '@' {
		now = now.Add(dur(last[1:]))
	}
	e := func() *env {
		if x.envs[w[1]] == nil {
			t.Fatalf("no environment %s", w[1])
		}
		return x.envs[w[1]]
	}
	switch w[0] {
	case "limit":
		n, _ := strconv.Atoi(w[2])
		switch w[1] {
		case "concurrency":
			x.s.concurrency = n
		case "environments":
			x.s.environments = n
		case "starts":
			x.s.starts = n
		default:
			t.Fatalf("no limit %s", w[1])
		}
	case "request": // function, name
		r := &request{f: &Function{ID: w[1]}}
		x.requests[r] = w[2]
		if !x.s.request(r, now) {
			did = append(did, "throttled "+w[2])
		}
	case "keep": // function, number, name
		n, _ := strconv.Atoi(w[2])
		pv := &provision{}
		x.provisions[pv] = w[3]
		x.s.keepWarm(&Function{ID: w[1]}, n, pv, now)
	case "started":
		x.s.started(e(), dur(w[2]), now)
	case "failed":
		x.s.failed(e(), now)
	case "done":
		x.s.done(e(), dur(w[2]), now)
	case "broken":
		x.s.broken(e(), dur(w[2]), now)
	case "died":
		x.s.died(e(), now)
	case "returned":
		x.s.returned(e(), x.tickets[w[2]], now)
	case "ready":
		x.s.ready(e(), now)
	case "retire":
		x.s.retire(w[1])
	case "tick":
		x.s.tick(now)
	case "close":
		x.s.close()
	default:
		t.Fatalf("no event %s", w[0])
	}
	for _, a := range x.s.out {
		text := []string{"run", "init", "start", "end", "throttle", "warm", "fail"}[a.verb]
		if a.env != nil {
			if x.names[a.env] == "" {
				name := "e" + strconv.Itoa(len(x.names)+1)
				x.names[a.env], x.envs[name] = name, a.env
			}
			text += " " + x.names[a.env]
		}
		if a.provision != nil {
			text += " " + x.provisions[a.provision]
		}
		if a.ticket != nil {
			name := x.requests[a.ticket.x]
			x.tickets[name] = a.ticket
			text += " " + name
		}
		did = append(did, text)
	}
	x.s.out = nil
	if w[0] == "tick" || w[0] == "request" {
		if !x.s.wake.IsZero() {
			did = append(did, "wake "+x.s.wake.Sub(time.Unix(1000, 0)).String())
		}
	}
	return did
}

// TestSchedulerKeepsItsPromises drives the scheduler at random and checks after every event that its counts are true, that
// an environment has one request at most, and at the end that nothing was lost.
func TestSchedulerKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := limits{
			concurrency:  rapid.IntRange(1, 12).Draw(t, "concurrency"),
			environments: rapid.IntRange(1, 8).Draw(t, "environments"),
			starts:       rapid.IntRange(1, 4).Draw(t, "starts"),
			young:        100 * time.Millisecond, patience: 50 * time.Millisecond, idle: time.Second, full: 300 * time.Millisecond,
		}
		s := newSched(l)
		now := time.Unix(1000, 0)
		accepted, finished := 0, 0
		holds := map[*env]*ticket{}
		asked := map[*provision]bool{}
		keep := func(f, n int) {
			x := &provision{}
			asked[x] = true
			s.keepWarm(&Function{ID: fmt.Sprint("f", f)}, n, x, now)
		}
		var starting, unready []*env
		absorb := func() {
			for _, a := range s.out {
				if a.provision != nil {
					if !asked[a.provision] {
						t.Fatal("a provision is answered twice")
					}
					delete(asked, a.provision)
					continue
				}
				switch a.verb {
				case doRun, doInit:
					if holds[a.env] != nil {
						t.Fatal("an environment got a second request")
					}
					holds[a.env] = a.ticket
				case doStart:
					starting = append(starting, a.env)
				case doThrottle, doFail:
					finished++
				case doEnd:
					if holds[a.env] != nil {
						t.Fatal("a busy environment was ended")
					}
				}
			}
			s.out = nil
			if s.inFlight != accepted-finished || s.inFlight > l.concurrency {
				t.Fatalf("%d in flight, %d accepted, %d finished, limit %d", s.inFlight, accepted, finished, l.concurrency)
			}
			if s.envs > l.environments || s.envs < len(holds)+len(starting) {
				t.Fatalf("%d environments (limit %d), of which %d are busy and %d start", s.envs, l.environments, len(holds), len(starting))
			}
			idle := 0
			for e := s.idle.first; e != nil; e = e.next {
				idle++
			}
			for _, f := range s.functions {
				for _, e := range f.idle {
					if !e.kept {
						idle--
					}
				}
				if f.warm > f.kept || f.kept > f.envs {
					t.Fatalf("%d environments, %d provisioned, %d of them warm", f.envs, f.kept, f.warm)
				}
				if f.asked == nil && f.kept < f.keep && !f.hungry {
					t.Fatal("a provisioned environment is forgotten")
				}
				if len(f.waiting) > 0 && len(f.idle) > 0 {
					t.Fatal("a request waits beside an idle environment")
				}
				if len(f.waiting) > 0 && !f.hungry {
					t.Fatal("a waiting request is forgotten")
				}
			}
			if idle != 0 {
				t.Fatal("the lists of idle environments differ")
			}
		}
		busy := func() []*env {
			var out []*env
			for e := range holds {
				out = append(out, e)
			}
			slices.SortFunc(out, func(a, b *env) int { return a.since.Compare(b.since) })
			return out
		}
		step := func(kind int) {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "ms")) * time.Millisecond)
			switch kind {
			case 0, 1, 2:
				if s.request(&request{f: &Function{ID: fmt.Sprint("f", rapid.IntRange(0, 2).Draw(t, "f"))}}, now) {
					accepted++
				}
			case 3:
				if len(starting) > 0 {
					e := starting[0]
					starting = starting[1:]
					if rapid.Bool().Draw(t, "fails") {
						s.failed(e, now)
					} else {
						s.started(e, 10*time.Millisecond, now)
					}
				}
			case 4, 5:
				if b := busy(); len(b) > 0 {
					e := b[0]
					tk := holds[e]
					delete(holds, e)
					switch rapid.IntRange(0, 5).Draw(t, "end") {
					case 0:
						finished++
						s.broken(e, time.Millisecond, now)
					case 1:
						s.returned(e, tk, now)
						unready = append(unready, e)
					case 2:
						finished++
						s.died(e, now)
						s.done(e, time.Millisecond, now)
					default:
						finished++
						s.done(e, time.Millisecond, now)
					}
				}
			case 6:
				if len(unready) > 0 {
					e := unready[0]
					unready = unready[1:]
					if rapid.Bool().Draw(t, "dies") {
						s.died(e, now)
					} else {
						s.ready(e, now)
					}
				}
			case 7:
				s.retire(fmt.Sprint("f", rapid.IntRange(0, 2).Draw(t, "f")))
			case 8:
				if s.idle.first != nil {
					s.died(s.idle.first, now)
				}
			case 9:
				s.tick(now)
			case 10:
				keep(rapid.IntRange(0, 2).Draw(t, "f"), rapid.IntRange(0, 4).Draw(t, "kept"))
			}
			absorb()
		}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			step(rapid.IntRange(0, 10).Draw(t, "event"))
		}
		// everything answers from now on, and the clock is obeyed
		for range 10_000 {
			if s.inFlight == 0 && len(starting) == 0 && len(unready) == 0 && len(asked) == 0 {
				break
			}
			for len(starting) > 0 {
				e := starting[0]
				starting = starting[1:]
				s.started(e, 10*time.Millisecond, now)
				absorb()
			}
			for len(unready) > 0 {
				e := unready[0]
				unready = unready[1:]
				s.ready(e, now)
				absorb()
			}
			for _, e := range busy() {
				delete(holds, e)
				finished++
				s.done(e, time.Millisecond, now)
				absorb()
			}
			if !s.wake.IsZero() && s.wake.After(now) {
				now = s.wake
			}
			s.tick(now)
			absorb()
		}
		if s.inFlight != 0 {
			t.Fatalf("%d requests are never served", s.inFlight)
		}
		if len(asked) != 0 {
			t.Fatalf("%d provisions are never answered", len(asked))
		}
		for _, f := range s.functions {
			if f.warm < f.keep {
				t.Fatalf("%d of %d provisioned environments are warm", f.warm, f.keep)
			}
		}
		for f := range 3 {
			keep(f, 0)
			absorb()
		}
		now = now.Add(time.Hour)
		s.tick(now)
		absorb()
		if s.envs != 0 || len(s.functions) != 0 {
			t.Fatalf("%d environments and %d functions stay for ever", s.envs, len(s.functions))
		}
	})
}
