package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/rollout"
)

// watcher shows a rollout while it goes on. Observe may be called from any goroutine; Close leaves the last state standing.
type watcher interface {
	Observe(rollout.State)
	Close()
}

// watch shows a rollout on standard error: as a live view on a terminal, as plain lines elsewhere.
func (a *app) watch() watcher {
	if terminal(a.Err) {
		c := a.clock
		if c == nil {
			c = clock.System
		}
		return newLiveView(a.Err, c)
	}
	return &plainLines{w: a.Err}
}

// plainLines writes a line for every change of phase and every note; steps and verdicts have notes.
type plainLines struct {
	w  io.Writer
	mu sync.Mutex

	phase rollout.Phase
	noted time.Time
	notes map[string]bool // the texts of the notes at noted
}

func (l *plainLines) Observe(s rollout.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := s.Now.Format("15:04:05")
	for _, n := range s.Notes {
		if n.At.Before(l.noted) || l.notes[n.Text] && n.At.Equal(l.noted) {
			continue
		}
		if n.At.After(l.noted) {
			l.noted, l.notes = n.At, map[string]bool{}
		}
		l.notes[n.Text] = true
		mark := " "
		if n.Level != rollout.Info {
			mark = "⚠"
		}
		fmt.Fprintf(l.w, "%s %s %s\n", n.At.Format("15:04:05"), mark, n.Text)
	}
	if s.Phase != l.phase {
		l.phase = s.Phase
		line := fmt.Sprintf("%s ● %s %s", at, s.Plan.App, s.Phase)
		if s.Phase.Ended() || s.Phase == rollout.RollingBack {
			if s.Cause != "" {
				line += ": " + s.Cause
			}
		}
		fmt.Fprintln(l.w, line)
	}
}

func (l *plainLines) Close() {}

// told leaves out the notes that the process before has told.
func (l *plainLines) told(s rollout.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = map[string]bool{}
	for _, n := range s.Notes {
		l.noted = n.At
		l.notes[n.Text] = true
	}
}

// liveView redraws the rollout in place, twice a second and whenever its state changes.
type liveView struct {
	program *tea.Program
	done    chan struct{}
}

func newLiveView(w io.Writer, c clock.Clock) *liveView {
	v := &liveView{done: make(chan struct{})}
	v.program = tea.NewProgram(liveModel{clock: c, paint: painter{colour: os.Getenv("NO_COLOR") == ""}},
		tea.WithOutput(w), tea.WithInput(nil), tea.WithoutSignalHandler())
	go func() {
		defer close(v.done)
		if _, err := v.program.Run(); err != nil {
			fmt.Fprintln(w, "the live view ended:", err)
		}
	}()
	return v
}

func (v *liveView) Observe(s rollout.State) { v.program.Send(s) }

func (v *liveView) Close() {
	v.program.Send(tea.QuitMsg{})
	<-v.done
}

// liveModel is bubbletea's model: the latest state and the time.
type liveModel struct {
	clock clock.Clock // by which the rollout waits
	state rollout.State
	seen  bool
	now   time.Time
	paint painter
}

type tick struct{}

func nextTick() tea.Cmd {
	return tea.Tick(500*time.Millisecond, func(time.Time) tea.Msg { return tick{} })
}

func (m liveModel) Init() tea.Cmd { return nextTick() }

func (m liveModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case rollout.State:
		m.state, m.seen, m.now = msg, true, m.clock.Now()
	case tick:
		m.now = m.clock.Now()
		return m, nextTick()
	}
	return m, nil
}

func (m liveModel) View() tea.View {
	if !m.seen {
		return tea.NewView("")
	}
	return tea.NewView(strings.Join(render(m.state, m.now, m.paint), "\n") + "\n")
}
