package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/manifest"
)

func (a *app) initCommand() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Write a manifest with a function and a workflow to begin with",
		Long: `Write a manifest with a function and a workflow to begin with.

Nothing that exists is overwritten: when any of the files is there already, nothing is written.`,
		Example: `  teal init
  teal init shop --name shop`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			app, err := appName(name, dir)
			if err != nil {
				return err
			}
			files, err := manifest.Template(app)
			if err != nil {
				return usage("%v", err)
			}
			written, err := writeNew(dir, files)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(map[string]any{"app": app, "files": written})
			}
			for _, f := range written {
				fmt.Fprintln(a.Out, "wrote", f)
			}
			a.progress("→ teal serve   starts the platform; then, in another terminal: teal deploy")
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "", "the application's name (default: the folder's)")
	return c
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// appName takes the name given, or makes one of the folder's name.
func appName(name, dir string) (string, error) {
	if name != "" {
		return name, nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("folder %s: %w", dir, err)
	}
	if name = strings.Trim(notInNames.ReplaceAllString(strings.ToLower(filepath.Base(abs)), "-"), "-"); name == "" {
		return "", usage("the folder's name gives no name for the application: choose one with --name")
	}
	return name, nil
}

// writeNew writes files below dir, all or none: it refuses when one exists, and takes back what it wrote when a write fails.
func writeNew(dir string, files []manifest.File) (written []string, err error) {
	for _, f := range files {
		switch _, err := os.Lstat(filepath.Join(dir, f.Path)); {
		case err == nil:
			return nil, hint(fmt.Errorf("%s exists already; nothing was written", filepath.Join(dir, f.Path)), "choose another folder: teal init FOLDER")
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			for _, p := range written {
				err = errors.Join(err, os.Remove(p))
			}
			written = nil
		}
	}()
	for _, f := range files {
		p := filepath.Join(dir, f.Path)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return written, err
		}
		w, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return written, err
		}
		written = append(written, p)
		_, err = w.Write(f.Content)
		if err := errors.Join(err, w.Close()); err != nil {
			return written, err
		}
	}
	return written, nil
}
