package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/term"

	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/rollout"
)

// watcher shows a rollout while it goes on. Observe may be called from any goroutine; Close leaves the last state standing,
// and may be called again.
type watcher interface {
	Observe(rollout.State)
	Close()
	// Context is the context of the rollout: it ends when the person who watches interrupts.
	Context(ctx context.Context) context.Context
	// Attends reports whether a person is there who can steer the rollout, so that it waits for them when it pauses.
	Attends() bool
}

// watch shows a rollout on standard error: as a live view on a terminal, as plain lines elsewhere. Where there is a keyboard
// too, keys steer it: they send the same wishes as the verbs do, through the ledger.
func (a *app) watch(s *session) watcher {
	if !terminal(a.Err) {
		return &plainLines{w: a.Err}
	}
	m := liveModel{clock: a.clock, paint: painter{colour: os.Getenv("NO_COLOR") == ""}}
	in, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return newLiveView(a.Err, nil, m)
	}
	m.send = func(at rollout.State, kind rollout.EventKind) error {
		ctx, cancel := context.WithTimeout(context.Background(), wishTime)
		defer cancel()
		_, err := s.ledger.Send(ctx, at.Plan.App, at.Plan.ID, ledger.Command{Kind: string(kind), By: who(), Reason: "by key", At: time.Now()})
		return err
	}
	return newLiveView(a.Err, in, m)
}

// wishTime bounds how long a key's wish may take to reach the ledger.
const wishTime = 10 * time.Second

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

func (l *plainLines) Attends() bool { return false }

func (l *plainLines) Context(ctx context.Context) context.Context { return ctx }

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
	program   *tea.Program
	done      chan struct{}
	once      sync.Once
	keys      bool
	interrupt chan struct{} // closed by Ctrl-C, which a terminal in raw mode hands over as a key
}

func newLiveView(w io.Writer, in io.Reader, m liveModel) *liveView {
	v := &liveView{keys: m.send != nil, done: make(chan struct{}), interrupt: make(chan struct{})}
	m.interrupt = sync.OnceFunc(func() { close(v.interrupt) })
	v.program = tea.NewProgram(m, tea.WithOutput(w), tea.WithInput(in), tea.WithoutSignalHandler())
	go func() {
		defer close(v.done)
		if _, err := v.program.Run(); err != nil {
			fmt.Fprintln(w, "the live view ended:", err)
		}
	}()
	return v
}

func (v *liveView) Attends() bool { return v.keys }

func (v *liveView) Observe(s rollout.State) { v.program.Send(s) }

func (v *liveView) Close() {
	v.once.Do(func() {
		v.program.Send(tea.QuitMsg{})
		<-v.done
	})
}

func (v *liveView) Context(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-v.interrupt:
		case <-v.done:
		case <-ctx.Done():
		}
		select {
		case <-v.interrupt:
			cancel()
		default: // the view has ended, and the rollout goes on
		}
	}()
	return ctx
}

// liveModel is bubbletea's model: the latest state, what the checks saw, the time, and what a person is about to ask for.
type liveModel struct {
	state rollout.State
	seen  bool
	trend trend
	now   time.Time
	clock clock.Clock // by which the rollout waits; nil for the system's
	paint painter

	send      func(rollout.State, rollout.EventKind) error // nil: keys do nothing
	interrupt func()
	asked     rollout.EventKind // waits for a yes
	told      string            // how the last wish went
}

type tick time.Time

// wished is the answer to a wish that was sent.
type wished struct {
	kind rollout.EventKind
	err  error
}

func nextTick() tea.Cmd {
	return tea.Tick(500*time.Millisecond, func(t time.Time) tea.Msg { return tick(t) })
}

func (m liveModel) time() time.Time {
	if m.clock == nil {
		return clock.System.Now()
	}
	return m.clock.Now()
}

func (m liveModel) Init() tea.Cmd { return nextTick() }

func (m liveModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case rollout.State:
		m.state, m.seen, m.now = msg, true, m.time()
		m.trend.observe(msg)
	case tick:
		m.now = m.time()
		return m, nextTick()
	case wished:
		m.told = "asked to " + string(msg.kind)
		if msg.err != nil {
			m.told = fmt.Sprintf("could not ask to %s: %v", msg.kind, msg.err)
		}
	case tea.KeyPressMsg:
		return m.key(msg.String())
	}
	return m, nil
}

// key takes a key. What changes the rollout asks back first.
func (m liveModel) key(key string) (tea.Model, tea.Cmd) {
	if key == "ctrl+c" {
		if m.interrupt != nil {
			m.interrupt()
		}
		return m, nil
	}
	if m.send == nil || !m.seen || m.state.Phase.Ended() {
		return m, nil
	}
	if kind := m.asked; kind != "" {
		m.asked = ""
		if key != "y" {
			m.told = "not asked to " + string(kind)
			return m, nil
		}
		state, send := m.state, m.send
		return m, func() tea.Msg { return wished{kind, send(state, kind)} }
	}
	switch key {
	case "p":
		m.asked = rollout.EventPromote
	case "space", " ":
		if m.asked = rollout.EventPause; m.state.Paused.Reason != rollout.NotPaused {
			m.asked = rollout.EventResume
		}
	case "a":
		m.asked = rollout.EventAbort
	}
	return m, nil
}

func (m liveModel) View() tea.View {
	if !m.seen {
		return tea.NewView("")
	}
	lines := render(m.state, m.now, m.paint)
	if plots := m.trend.plots(m.state, m.paint); len(plots) > 0 {
		lines = append(append(lines, ""), plots...)
	}
	if foot := m.foot(); foot != "" {
		lines = append(lines, "", foot)
	}
	return tea.NewView(strings.Join(lines, "\n") + "\n")
}

// foot tells which keys there are, what is about to be asked for, and how that went.
func (m liveModel) foot() string {
	if m.send == nil || m.state.Phase.Ended() {
		return ""
	}
	if m.asked != "" {
		return m.paint.paint(yellow, fmt.Sprintf("%s %s? y, or any other key for no", m.asked, m.state.Plan.ID))
	}
	pause := "pause"
	if m.state.Paused.Reason != rollout.NotPaused {
		pause = "resume"
	}
	keys := m.paint.paint(dim, "p promote · space "+pause+" · a abort · ctrl+c leave")
	if m.told != "" {
		keys += "   " + m.told
	}
	return keys
}
