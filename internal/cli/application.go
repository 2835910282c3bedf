package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/manifest"
	"github.com/tealdeploy/teal/internal/release"
)

// loadManifest reads the manifest that --file names.
func (a *app) loadManifest() (*manifest.Manifest, error) {
	return manifest.Load(a.manifest, manifest.Options{LookupEnv: a.lookupEnv})
}

// packaged builds and zips the application's functions.
func (a *app) packaged(ctx context.Context, m *manifest.Manifest) (release.Spec, error) {
	return m.Package(ctx, func(ctx context.Context, b manifest.Build) error {
		began := time.Now()
		c := exec.CommandContext(ctx, "sh", "-c", b.Command)
		c.Dir = b.Dir
		c.Env = append(os.Environ(), a.env...)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		a.progress("building %s", b.Function)
		if err := c.Run(); err != nil {
			return fmt.Errorf("%w after %s\n%s", err, time.Since(began).Round(time.Millisecond), strings.TrimSpace(out.String()))
		}
		return nil
	})
}

// lookupEnv finds a variable in what the command adds to the environment, then in the environment.
func (a *app) lookupEnv(name string) (string, bool) {
	for i := len(a.env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(a.env[i], name+"="); ok {
			return v, true
		}
	}
	return os.LookupEnv(name)
}

// openLedger opens the ledger that --ledger or the manifest names: a folder, or a place in S3.
func (a *app) openLedger(m *manifest.Manifest, cfg aws.Config) (ledger.Ledger, error) {
	place := a.ledger
	if place == "" {
		place = m.Ledger
		switch {
		case place == "":
			place = filepath.Join(filepath.Dir(a.manifest), ".teal")
		case !ledger.IsS3(place) && !filepath.IsAbs(place):
			place = filepath.Join(m.Dir, place)
		}
	}
	if !ledger.IsS3(place) {
		return ledger.Folder(place)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })
	books, err := ledger.S3(client, place)
	if err != nil {
		return nil, usage("%v", err)
	}
	return books, nil
}

// owner is who holds a lock that this command takes.
func owner() ledger.Owner {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return ledger.Owner{By: who(), Host: host, PID: os.Getpid(), Run: ciRun()}
}

// ciRun is the URL of the run of the CI system that the command is part of, empty elsewhere.
func ciRun() string {
	if id := os.Getenv("GITHUB_RUN_ID"); id != "" {
		return first(os.Getenv("GITHUB_SERVER_URL"), "https://github.com") + "/" + os.Getenv("GITHUB_REPOSITORY") + "/actions/runs/" + id
	}
	return first(os.Getenv("CI_JOB_URL"), os.Getenv("BUILD_URL"), os.Getenv("CIRCLE_BUILD_URL"), os.Getenv("BUILDKITE_BUILD_URL"))
}

// who names the person, or on a CI system the person who caused the run.
func who() string {
	if name := first(os.Getenv("GITHUB_ACTOR"), os.Getenv("GITLAB_USER_LOGIN")); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}

// commit names the commit of the application's folder, when it is a Git checkout; it ends in + when files are changed.
func commit(ctx context.Context, dir string) string {
	git := func(args ...string) (string, bool) {
		c := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
		out, err := c.Output()
		return strings.TrimSpace(string(out)), err == nil
	}
	id, ok := git("rev-parse", "--short=12", "HEAD")
	if !ok {
		return ""
	}
	if changed, ok := git("status", "--porcelain", "."); ok && changed != "" {
		id += "+"
	}
	return id
}
