package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/tealdeploy/teal/internal/controller"
	"github.com/tealdeploy/teal/internal/health"
	"github.com/tealdeploy/teal/internal/target"
)

// hooks runs the hooks of a session's rollout. Commands run in the manifest's folder.
func (a *app) hooks(s *session) controller.Hooks {
	return controller.NewHooks(controller.HookConfig{
		Functions:   port{s.target},
		Workflows:   workflows{s.target},
		Deployments: s.target,
		HTTP:        health.NewHTTPClient(),
		Command:     a.hookCommand(s.manifest.Dir),
		Clock:       s.clock,
	})
}

// workflows makes controller.Workflows of the adapter.
type workflows struct{ *target.Target }

func (w workflows) StartExecution(ctx context.Context, versionARN, name string, input json.RawMessage) (string, error) {
	return w.Target.StartExecution(ctx, versionARN, name, input)
}

func (w workflows) Execution(ctx context.Context, arn string) (status, output, failure string, err error) {
	e, err := w.DescribeExecution(ctx, arn)
	if err != nil {
		return "", "", "", err
	}
	if failure = e.Error; e.Cause != "" {
		failure += ": " + e.Cause
	}
	return e.Status, string(e.Output), failure, nil
}

// hookCommand runs commands by sh -c in a folder, with the environment that builds get.
func (a *app) hookCommand(dir string) controller.Command {
	return func(ctx context.Context, command string, variables []string, document []byte) (output, failure string, err error) {
		c := exec.CommandContext(ctx, "sh", "-c", command)
		c.Dir = dir
		c.Env = append(append(os.Environ(), a.env...), variables...)
		c.Stdin = bytes.NewReader(document)
		out := &lastBytes{}
		c.Stdout, c.Stderr = out, out
		withChildren(c)
		c.WaitDelay = 5 * time.Second // for what holds its output open
		err = c.Run()
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return out.String(), "", ctx.Err()
		case errors.As(err, &exit):
			return out.String(), exit.String(), nil
		case err != nil:
			return out.String(), "", fmt.Errorf("command %q: %w", command, err)
		}
		return out.String(), "", nil
	}
}

// lastBytes keeps the end of what is written to it: that is where a test says what was wrong.
type lastBytes struct{ kept []byte }

const mostOutput = 4096

func (l *lastBytes) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p[max(0, len(p)-mostOutput):]...)
	if extra := len(l.kept) - mostOutput; extra > 0 {
		l.kept = append(l.kept[:0], l.kept[extra:]...)
	}
	return len(p), nil
}

func (l *lastBytes) String() string { return string(l.kept) }
