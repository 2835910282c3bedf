//go:build unix

package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/creack/pty"
	"golang.org/x/term"
)

// desk is a folder with a manifest, and a platform to release it to.
type desk struct {
	t   *testing.T
	dir string
	env []string
	aws aws.Config
}

const deskManifest = `app: shop
provider:
  endpoint: ${env:ENDPOINT}
  role: arn:aws:iam::000000000000:role/shop
  runtime: provided.al2023
  architectures: ["${env:ARCH}"]
functions:
  hello:
    code: ${env:FUNCTION}
    environment: {ANSWER: '"${env:COLOUR}"'}
rollout:
  steps:
    - setWeight: 10
    - pause: {duration: 1h}
`

func newDesk(t *testing.T) *desk {
	t.Helper()
	function, err := testFunction()
	must(t, err)
	room, err := os.MkdirTemp("", "teal-desk-") // functions run as users of their own where the tests run as root
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(room)) })
	must(t, os.Chmod(room, 0o711))
	s, err := startServer(serverConfig{listen: "127.0.0.1:0", data: filepath.Join(room, "data"), account: "000000000000", log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	architecture := "x86_64"
	if runtime.GOARCH == "arm64" {
		architecture = "arm64"
	}
	d := &desk{t: t, dir: t.TempDir(), env: append(os.Environ(),
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "TERM=xterm-256color", "NO_COLOR=1",
		"ENDPOINT="+s.URL(), "ARCH="+architecture, "FUNCTION="+function,
	), aws: aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(s.URL()), Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	}}
	must(t, os.WriteFile(filepath.Join(d.dir, "teal.yaml"), []byte(deskManifest), 0o600))
	return d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *desk) command(colour string, args ...string) *exec.Cmd {
	c := exec.Command("teal", args...) // see TestMain
	c.Dir, c.Env = d.dir, append(d.env, "COLOUR="+colour)
	return c
}

// run runs teal without a terminal.
func (d *desk) run(colour string, args ...string) {
	d.t.Helper()
	if out, err := d.command(colour, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("teal %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// wantRouting looks where the alias is, such as 1, or 1 10% 2.
func (d *desk) wantRouting(want string) {
	d.t.Helper()
	out, err := lambda.NewFromConfig(d.aws).GetAlias(context.Background(), &lambda.GetAliasInput{FunctionName: aws.String("shop-hello"), Name: aws.String("live")})
	must(d.t, err)
	got := aws.ToString(out.FunctionVersion)
	if out.RoutingConfig != nil {
		for v, weight := range out.RoutingConfig.AdditionalVersionWeights {
			got += fmt.Sprintf(" %.0f%% %s", weight*100, v)
		}
	}
	if got != want {
		d.t.Errorf("the alias is at %s, want %s", got, want)
	}
}

// sitting is teal on a terminal of 100 columns and 30 rows.
type sitting struct {
	t        *testing.T
	command  *exec.Cmd
	keyboard *os.File
	tty      *os.File
	before   *term.State
	pieces   chan []byte // what teal writes; closed when the terminal is
	screen   *screen
}

func (d *desk) sit(colour string, args ...string) *sitting {
	d.t.Helper()
	keyboard, tty, err := pty.Open()
	must(d.t, err)
	must(d.t, pty.Setsize(tty, &pty.Winsize{Rows: 30, Cols: 100}))
	before, err := term.GetState(int(tty.Fd()))
	must(d.t, err)
	s := &sitting{
		t: d.t, command: d.command(colour, args...), keyboard: keyboard, tty: tty, before: before,
		pieces: make(chan []byte), screen: newScreen(30, 100),
	}
	s.command.Stdin, s.command.Stdout, s.command.Stderr = tty, tty, tty
	s.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(d.t, s.command.Start())
	go func() {
		defer close(s.pieces)
		for {
			piece := make([]byte, 4096)
			n, err := keyboard.Read(piece)
			if n > 0 {
				s.pieces <- piece[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	d.t.Cleanup(func() {
		_ = s.command.Process.Kill() // where the test failed
		_ = s.command.Wait()
		_ = tty.Close()
		_ = keyboard.Close()
		for range s.pieces { //nolint:revive // until its reader has ended
		}
	})
	return s
}

// sees waits until all the texts are on the screen at once.
func (s *sitting) sees(texts ...string) {
	s.t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		seen, missing := s.screen.text(), ""
		for _, text := range texts {
			if !strings.Contains(seen, text) {
				missing = text
			}
		}
		if missing == "" {
			return
		}
		select {
		case piece := <-s.pieces:
			_, _ = s.screen.Write(piece)
		case <-deadline:
			s.t.Fatalf("%q is not to be seen on\n%s", missing, seen)
		}
	}
}

func (s *sitting) press(keys string) {
	s.t.Helper()
	_, err := io.WriteString(s.keyboard, keys)
	must(s.t, err)
}

// rawNow checks that the terminal hands over every key, which is what is to be undone at the end.
func (s *sitting) rawNow() {
	s.t.Helper()
	if now, err := term.GetState(int(s.tty.Fd())); err != nil || reflect.DeepEqual(now, s.before) {
		s.t.Errorf("the terminal is as it was before (%v)", err)
	}
	if s.screen.modes["25"] {
		s.t.Error("the cursor is shown in the middle of the view")
	}
}

// ends waits for the end of teal, and checks its exit status and that the terminal is as it was before.
func (s *sitting) ends(code int) {
	s.t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.command.Wait()
	}()
	deadline := time.After(2 * time.Minute)
	for running := true; running; {
		select {
		case piece := <-s.pieces:
			_, _ = s.screen.Write(piece)
		case <-ended:
			running = false
		case <-deadline:
			s.t.Fatalf("it goes on:\n%s", s.screen.text())
		}
	}
	after, err := term.GetState(int(s.tty.Fd()))
	must(s.t, err)
	if !reflect.DeepEqual(after, s.before) {
		s.t.Errorf("the terminal was left as %+v, and was %+v", after, s.before)
	}
	must(s.t, s.tty.Close())
	for piece := range s.pieces {
		_, _ = s.screen.Write(piece)
	}
	if got := s.command.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit status %d, want %d:\n%s", got, code, s.screen.text())
	}
	for mode, set := range s.screen.modes {
		if set != (mode == "25") {
			s.t.Errorf("mode %s of the terminal was left %v", mode, set)
		}
	}
	if len(s.screen.unknown) > 0 {
		s.t.Errorf("the test's terminal does not know %q", s.screen.unknown)
	}
}

const keysAre = "p promote · space pause · a abort · ctrl+c leave"

// Why: what a person who watches presses must reach the rollout, on a real terminal, and leave the terminal as it was.
func TestKeysOnATerminal(t *testing.T) {
	d := newDesk(t)
	d.run("blue", "deploy")

	t.Run("pause, resume, promote", func(t *testing.T) {
		s := d.sit("green", "deploy")
		s.t = t
		s.sees("shop  green re-", "✔ publish", "◌ shift", "10 % green  step 1 of 2", "shop-hello:live  1 → 2         10 %", "next step in", keysAre)
		s.rawNow()
		s.press(" ")
		s.sees("pause ro-", "? y, or any other key for no")
		s.press("n")
		s.sees("not asked to pause", keysAre)
		s.press(" ")
		s.sees("pause ro-")
		s.press("y")
		s.sees("asked to pause", "paused by", "space resume")
		d.wantRouting("1 10% 2")
		s.press(" y")
		s.sees("asked to resume", "next step in", "space pause")
		d.wantRouting("1 10% 2")
		s.press("p")
		s.sees("promote ro-")
		s.press("y")
		s.ends(ExitDone)
		s.sees("shop-hello:live  1 → 2         100 %", "✔ shop serves re-")
		d.wantRouting("2")
	})

	t.Run("abort", func(t *testing.T) {
		s := d.sit("red", "deploy")
		s.t = t
		s.sees("next step in", keysAre)
		d.wantRouting("2 10% 3")
		s.press("a")
		s.sees("abort ro-")
		s.press("y")
		s.ends(ExitRolledBack)
		s.sees("rolled-back", "by key")
		d.wantRouting("2")
	})

	t.Run("status of a rollout that another process drives", func(t *testing.T) {
		d.run("brown", "deploy", "--detach")
		first := d.sit("brown", "status", "--watch")
		first.t = t
		first.sees("10 % green  step 1 of 2", "next step in", keysAre)
		first.press("\x03") // Ctrl-C leaves, and the rollout goes on
		first.ends(ExitFailed)
		d.wantRouting("2 10% 4")

		s := d.sit("brown", "status", "-w")
		s.t = t
		s.sees("next step in", keysAre)
		s.rawNow()
		s.press("p")
		s.sees("promote ro-")
		s.press("y")
		s.ends(ExitDone)
		d.wantRouting("4")

		// A rollout that nobody attends is parked when it is paused, and that is the end of watching.
		d.run("black", "deploy", "--detach")
		s = d.sit("black", "status", "-w")
		s.t = t
		s.sees("next step in", keysAre)
		s.press(" ")
		s.sees("pause ro-")
		s.press("y")
		s.ends(ExitPaused)
		s.sees("is unfinished", "→ teal resume, teal promote or teal rollback")
		d.wantRouting("4 10% 5")
	})
}
