package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/ledger"
)

// detach runs the same deploy in a process of its own, which goes on when this one has ended, and returns once the rollout is in
// the ledger: from then on it can be watched, steered and, should the process die, resumed, from any machine that has the
// ledger. A deploy that ends before that is reported as if it had not been detached.
func (a *app) detach(ctx context.Context, s *session, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	dir = filepath.Join(dir, "teal")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	log, err := os.CreateTemp(dir, s.manifest.Spec.App+"-"+time.Now().Format("20060102-150405")+"-*.log")
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	defer log.Close()
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return arg == "--detach" || strings.HasPrefix(arg, "--detach=") })
	c := exec.Command(self, args...) //nolint:noctx // it outlives this command
	c.Env = append(os.Environ(), a.env...)
	c.Stdout, c.Stderr = log, log
	ownSession(c)
	if err := c.Start(); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case err := <-ended:
			text, readErr := os.ReadFile(log.Name())
			if readErr != nil {
				return readErr
			}
			_, _ = a.Err.Write(text)
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return &Error{Code: exit.ExitCode(), Err: errors.New("the deploy ended before it could be left alone")}
			}
			return err
		case <-ctx.Done():
			return hint(fmt.Errorf("process %d goes on by itself: %w", c.Process.Pid, ctx.Err()), "its output is in %s", log.Name())
		case <-time.After(100 * time.Millisecond):
		}
		lock, held, err := s.ledger.Holder(ctx, s.manifest.Spec.App)
		if err != nil {
			return err
		}
		if !held || lock.Owner.PID != c.Process.Pid {
			continue
		}
		r, err := s.ledger.Rollout(ctx, s.manifest.Spec.App, lock.Rollout)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(map[string]any{"app": r.App, "rollout": r.ID, "release": r.Release, "process": c.Process.Pid, "log": log.Name()})
		}
		fmt.Fprintf(a.Out, "rollout %s goes on in process %d; its output is in %s\n", r.ID, c.Process.Pid, log.Name())
		a.progress("→ teal status --watch shows it; should its process die, teal resume goes on with it")
		return nil
	}
}
