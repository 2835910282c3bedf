package interp

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/asl"
)

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

var rewrite = flag.Bool("rewrite", false, "write what the scripts in testdata give into the scripts")

// TestScripts runs the scripts in testdata. A script is a list of blocks, with blank lines between them:
//
//	command arguments
//	body
//	----
//	output
//
// The commands:
//
//	machine                 the body is the definition; the output its diagnostics, or ok
//	start INPUT             begins an execution
//	reply N JSON            answers command N
//	fail N ERROR CAUSE      lets command N fail
//	tick DURATION           lets time pass and fires the timers that fall due
//	stop ERROR CAUSE        stops the execution
//	started N WORKER        a worker has fetched the activity's task N
//	beat N                  a heartbeat for N
//	submitted N JSON        the request of command N was accepted
//	refused N ERROR CAUSE   the request of command N was not accepted
//	items N CURSOR JSON     answers command N with a page of items; the cursor is - after the last one
//	limits N JSON           changes the limits of the Map run that command N has started
//	redrive                 goes on after the execution has ended
//
// The output of a step shows the history (id, previous id, type, details) and, after arrows, the commands.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			p := &script{}
			for i, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
				if i > 0 {
					out.WriteString("\n")
				}
				input, want, ok := strings.Cut(block, "\n----")
				if !ok {
					out.WriteString(block + "\n") // a comment
					continue
				}
				got := p.run(input)
				fmt.Fprintf(&out, "%s\n----\n%s\n", input, got)
				if want = strings.TrimSpace(want); got != want && !*rewrite {
					t.Errorf("%s\ngot:\n%s\nwant:\n%s", input, got, want)
				}
			}
			if *rewrite {
				if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

type script struct {
	m      *asl.StateMachine
	s      *State
	now    time.Time
	timers map[int64]time.Time
	// tokenText matches the tokens of this execution, which are long.
	tokenText *regexp.Regexp
}

func (p *script) run(block string) string {
	lines := strings.Split(block, "\n")
	for len(lines) > 1 && strings.HasPrefix(lines[0], "#") {
		lines = lines[1:]
	}
	words := strings.SplitN(lines[0], " ", 4)
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	rest := func(i int) string { return strings.Join(words[min(i, len(words)):], " ") }
	id, _ := strconv.ParseInt(arg(1), 10, 64)
	switch words[0] {
	case "machine":
		m, ds := asl.Parse([]byte(strings.Join(lines[1:], "\n")), asl.Options{Integration: func(string, string) bool { return true }})
		p.m, p.s = m, nil
		if m == nil {
			return asl.Summary(ds)
		}
		return "ok"
	case "start":
		p.now, p.timers = begin, map[int64]time.Time{}
		p.s = Start(p.m, options(rest(1)))
		p.tokenText = regexp.MustCompile(`[A-Za-z0-9+/]{100,}=*`)
		return p.step(Event{Kind: EventStart})
	case "reply":
		return p.step(Event{Kind: EventTaskSucceeded, Command: id, Output: json.RawMessage(rest(2))})
	case "fail":
		return p.step(Event{Kind: EventTaskFailed, Command: id, Error: arg(2), Cause: rest(3)})
	case "timer":
		return p.step(Event{Kind: EventTimer, Command: id})
	case "started":
		return p.step(Event{Kind: EventActivityStarted, Command: id, Worker: arg(2)})
	case "beat":
		return p.step(Event{Kind: EventHeartbeat, Command: id})
	case "submitted":
		return p.step(Event{Kind: EventTaskSubmitted, Command: id, Output: json.RawMessage(rest(2))})
	case "refused":
		return p.step(Event{Kind: EventSubmitFailed, Command: id, Error: arg(2), Cause: rest(3)})
	case "items":
		return p.step(Event{Kind: EventItemsRead, Command: id, Cursor: strings.Trim(arg(2), "-"), Output: json.RawMessage(rest(3))})
	case "limits":
		l := &MapRunLimits{}
		if err := json.Unmarshal([]byte(rest(2)), l); err != nil {
			return err.Error()
		}
		return p.step(Event{Kind: EventMapRunUpdated, Command: id, Limits: l})
	case "redrive":
		return p.step(Event{Kind: EventRedrive})
	case "stop":
		return p.step(Event{Kind: EventStop, Error: arg(1), Cause: rest(2)})
	case "tick":
		d, err := time.ParseDuration(arg(1))
		if err != nil {
			return err.Error()
		}
		return p.tick(p.now.Add(d))
	}
	return "unknown command " + words[0]
}

// token shows what a task's token says.
func (p *script) token(token string) string {
	if token == "" {
		return ""
	}
	execution, command, ok := ParseToken(p.s.Options.TokenKey, token)
	return fmt.Sprintf(" token for %s command %d %v", execution, command, ok)
}

func plainJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// tick fires all timers that are due until then, in order.
func (p *script) tick(until time.Time) string {
	var out []string
	for {
		next := int64(0)
		for id, due := range p.timers {
			if !due.After(until) && (next == 0 || due.Before(p.timers[next]) || due.Equal(p.timers[next]) && id < next) {
				next = id
			}
		}
		if next == 0 {
			p.now = until
			if out == nil {
				return "nothing is due"
			}
			return strings.Join(out, "\n")
		}
		if due := p.timers[next]; due.After(p.now) {
			p.now = due
		}
		out = append(out, p.step(Event{Kind: EventTimer, Command: next}))
	}
}

func (p *script) step(ev Event) string {
	ev.At, ev.Seed = p.now, 42
	data, err := json.Marshal(p.s)
	if err != nil {
		return err.Error()
	}
	s := &State{}
	if err := json.Unmarshal(data, s); err != nil {
		return err.Error()
	}
	out, err := Step(p.m, s, ev)
	if err != nil {
		after, _ := json.Marshal(s)
		if !bytes.Equal(data, after) {
			return "the state has changed although the step failed: " + err.Error()
		}
		if errors.Is(err, ErrStale) {
			return "stale"
		}
		return err.Error()
	}
	p.s = s
	if _, open := s.Open[ev.Command]; !open {
		delete(p.timers, ev.Command)
	}
	var lines []string
	for _, e := range out.History {
		line := fmt.Sprintf("%d %d %s", e.ID, e.PreviousID, e.Type)
		if e.Details != nil {
			d, _ := json.Marshal(e.Details)
			text := string(d)
			for _, noise := range []string{
				`,"inputDetails":{"truncated":false}`, `,"outputDetails":{"truncated":false}`,
				`,"assignedVariablesDetails":{"truncated":false}`, `,"roleArn":"arn:aws:iam::111111111111:role/role"`,
			} {
				text = strings.ReplaceAll(text, noise, "")
			}
			line += " " + text
		}
		lines = append(lines, line)
	}
	for _, c := range out.Commands {
		line := fmt.Sprintf("-> %d ", c.ID)
		switch {
		case c.InvokeTask != nil:
			line += fmt.Sprintf("InvokeTask %s %s %s", c.InvokeTask.State, c.InvokeTask.Resource, c.InvokeTask.Input)
			line += p.token(c.InvokeTask.Token)
		case c.ScheduleActivity != nil:
			line += fmt.Sprintf("ScheduleActivity %s %s %s", c.ScheduleActivity.State, c.ScheduleActivity.Activity, c.ScheduleActivity.Input)
			line += p.token(c.ScheduleActivity.Token)
		case c.StartMapRun != nil:
			line += "StartMapRun " + plainJSON(c.StartMapRun)
		case c.ReadItems != nil:
			line += "ReadItems " + plainJSON(c.ReadItems)
		case c.StartChild != nil:
			line += "StartChild " + plainJSON(c.StartChild)
		case c.WriteResults != nil:
			line += "WriteResults " + plainJSON(c.WriteResults)
		case c.FinishMapRun != nil:
			line += "FinishMapRun " + plainJSON(c.FinishMapRun)
		case c.StartTimer != nil:
			line += fmt.Sprintf("StartTimer in %s", c.StartTimer.Due.Sub(p.now))
			p.timers[c.ID] = c.StartTimer.Due
		case c.Cancel != nil:
			line += fmt.Sprintf("Cancel %d", c.Cancel.Command)
			delete(p.timers, c.Cancel.Command)
		case c.Complete != nil:
			line += strings.Join(slices.DeleteFunc([]string{
				"Complete", c.Complete.Status, string(c.Complete.Output),
				c.Complete.Error, c.Complete.Cause,
			}, func(s string) bool { return s == "" }), " ")
		}
		lines = append(lines, line)
	}
	if lines == nil {
		return "nothing"
	}
	text := strings.Join(lines, "\n")
	if p.tokenText != nil {
		text = p.tokenText.ReplaceAllString(text, "TOKEN")
	}
	return uuids.ReplaceAllString(text, "UUID")
}
