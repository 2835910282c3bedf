package manifest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/goccy/go-yaml/token"

	"github.com/tealdeploy/teal/internal/release"
)

// Build is a command that makes the code of one or more functions.
type Build struct {
	Function string // the key of the function that is built, the first of them when several share the command
	Command  string // for sh -c
	Dir      string // to run it in: the manifest's folder
}

// Runner runs a build. Its error tells what the command printed. It is never called by two goroutines at once.
type Runner func(ctx context.Context, b Build) error

// code is where a function's code comes from.
type code struct {
	Build
	path    string
	runtime string
	at      *token.Position
}

// Builds lists the build commands in the order of the functions' keys; one that several functions share stands once.
func (m *Manifest) Builds() []Build {
	var out []Build
	seen := map[string]bool{}
	for _, f := range m.Spec.Functions {
		if b := m.code[f.Key].Build; b.Command != "" && !seen[b.Command] {
			seen[b.Command] = true
			out = append(out, b)
		}
	}
	return out
}

// Package runs the builds with run, makes the zips, and returns the Spec with the code in it; m itself stays as it is.
// With a nil run nothing is built, and what earlier builds left is taken. It stops at the first build that fails; what is
// wrong with the functions' code comes as Diagnostics, all at once.
func (m *Manifest) Package(ctx context.Context, run Runner) (release.Spec, error) {
	if run != nil {
		for _, b := range m.Builds() {
			if err := run(ctx, b); err != nil {
				return release.Spec{}, fmt.Errorf("build of function %s failed (%s): %w", b.Function, b.Command, err)
			}
		}
	}
	type origin struct{ path, runtime string }
	made := map[origin][]byte{}
	var faults Diagnostics
	spec := m.Spec
	spec.Functions = append([]release.Function(nil), m.Spec.Functions...)
	for i := range spec.Functions {
		if err := ctx.Err(); err != nil {
			return release.Spec{}, err
		}
		f := &spec.Functions[i]
		c := m.code[f.Key]
		path := c.path
		if !filepath.IsAbs(path) {
			path = filepath.Join(m.Dir, filepath.FromSlash(path))
		}
		from := origin{path, c.runtime}
		text, ok := made[from]
		if !ok {
			var err error
			if text, err = Archive(path, c.runtime); err != nil {
				hint := ""
				if errors.Is(err, fs.ErrNotExist) {
					if hint = "name an existing folder, file or .zip"; c.Command != "" {
						hint = fmt.Sprintf("the build (%s) has to make it", c.Command)
					}
				}
				faults = append(faults, m.src.at(c.at.Line, c.at.Column, fmt.Sprintf("code of function %s: %v", f.Key, err), hint))
				continue
			}
			made[from] = text
		}
		sum := sha256.Sum256(text)
		f.Code, f.CodeSize, f.CodeSHA256 = text, int64(len(text)), base64.StdEncoding.EncodeToString(sum[:])
	}
	if err := faults.sorted(); err != nil {
		return release.Spec{}, err
	}
	return spec, nil
}
