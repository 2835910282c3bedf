// Package examples holds the example applications, so that the binary can make a working copy of them anywhere.
package examples

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// files holds every example below the folder of its name. go.mod.txt and go.sum.txt are what an example in Go needs
// outside of this repository, where it has no go.mod of its own.
//
//go:embed orders/teal.yaml orders/order.asl.json orders/README.md orders/go.mod.txt orders/go.sum.txt orders/functions
//go:embed hello-python/teal.yaml hello-python/app.py hello-python/README.md
var files embed.FS

// Names lists the examples.
func Names() []string { return []string{"hello-python", "orders"} }

// Open returns the files of an example as they stand in this repository; it fails when there is no example of that name.
func Open(name string) (fs.FS, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("there is no example %q; there are %s", name, strings.Join(Names(), " and "))
	}
	return fs.Sub(files, name)
}

// Copy writes an example into dir, which is made when missing, as an application that stands alone: go.mod.txt becomes
// go.mod, go.sum.txt go.sum, and tests stay behind. It overwrites nothing: a file that exists is an error, and then
// nothing is written.
func Copy(name, dir string) error {
	tree, err := Open(name)
	if err != nil {
		return err
	}
	// The manifests are written for x86_64; on another machine the copy is for that one.
	arm := strings.NewReplacer(", amd64}", ", arm64}", ", x86_64}", ", arm64}")
	content := make(map[string][]byte)
	err = fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if strings.HasSuffix(path, "go.mod.txt") || strings.HasSuffix(path, "go.sum.txt") {
			to = strings.TrimSuffix(to, ".txt")
		}
		if runtime.GOARCH == "arm64" && strings.HasSuffix(path, ".yaml") {
			b = []byte(arm.Replace(string(b)))
		}
		content[to] = b
		return nil
	})
	if err != nil {
		return fmt.Errorf("example %s: %w", name, err)
	}
	for to := range content {
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fmt.Errorf("%s exists already; name an empty folder", to)
			}
			return fmt.Errorf("example %s: %w", name, err)
		}
	}
	for to, b := range content {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("example %s: %w", name, err)
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			return fmt.Errorf("example %s: %w", name, err)
		}
	}
	return nil
}
