package examples

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/manifest"
)

// TestManifests: what the examples say is what teal reads.
func TestManifests(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			if _, err := manifest.Load(filepath.Join(name, manifest.FileName), manifest.Options{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestStandaloneCopyBuilds builds a copy outside of the repository with what the module cache has.
func TestStandaloneCopyBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles four programs")
	}
	dir := filepath.Join(t.TempDir(), "shop")
	if err := Copy("orders", dir); err != nil {
		t.Fatal(err)
	}
	if found, err := filepath.Glob(filepath.Join(dir, "*.txt")); err != nil || len(found) > 0 {
		t.Errorf("left over: %v, %v", found, err)
	}
	environment := map[string]string{"RELEASE": "green", "TEAL_GOARCH": runtime.GOARCH}
	m, err := manifest.Load(filepath.Join(dir, manifest.FileName), manifest.Options{LookupEnv: func(name string) (string, bool) {
		v, ok := environment[name]
		return v, ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	builds := m.Builds()
	if len(builds) != 1 {
		t.Fatalf("%d build commands, want one for all functions: %+v", len(builds), builds)
	}
	build := exec.CommandContext(t.Context(), "sh", "-c", builds[0].Command)
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", builds[0].Command, err, out)
	}
	spec, err := m.Package(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	digests := make(map[string]bool)
	for _, f := range spec.Functions {
		z, err := zip.NewReader(bytes.NewReader(f.Code), f.CodeSize)
		if err != nil {
			t.Fatal(err)
		}
		if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode().Perm()&0o100 == 0 {
			t.Errorf("package of %s: %v", f.Key, z.File[0].Name)
		}
		program, err := os.ReadFile(filepath.Join(dir, "build", f.Key))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(program, []byte("green")) {
			t.Errorf("the colour is not in the code of %s", f.Key)
		}
		digests[f.CodeSHA256] = true
	}
	if len(digests) != len(spec.Functions) {
		t.Errorf("%d packages for %d functions", len(digests), len(spec.Functions))
	}
}

// TestModuleFilesFollowTheRepository: the copy's versions are those that the repository is tested with.
func TestModuleFilesFollowTheRepository(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	sums := read("../go.sum")
	for line := range strings.Lines(read("orders/go.sum.txt")) {
		if !strings.Contains(sums, line) {
			t.Errorf("orders/go.sum.txt: the repository has no %s", strings.TrimSpace(line))
		}
	}
	mod := read("../go.mod")
	for line := range strings.Lines(read("orders/go.mod.txt")) {
		if f := strings.Fields(line); len(f) >= 2 && strings.HasPrefix(f[0], "github.com/") && !strings.Contains(mod, f[0]+" "+f[1]+"\n") && !strings.Contains(mod, f[0]+" "+f[1]+" ") {
			t.Errorf("orders/go.mod.txt: the repository does not require %s %s", f[0], f[1])
		}
	}
}

func TestCopy(t *testing.T) {
	dir := t.TempDir()
	if err := Copy("hello-python", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.Load(filepath.Join(dir, manifest.FileName), manifest.Options{}); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, "app.py")); err != nil {
		t.Fatal(err)
	}
	if err := Copy("hello-python", dir); err == nil {
		t.Error("wrote over a manifest")
	}
	if _, err := os.Stat(filepath.Join(dir, "app.py")); err == nil {
		t.Error("half a copy was made")
	}
	if err := Copy("nothing", dir); err == nil || !strings.Contains(err.Error(), "hello-python and orders") {
		t.Errorf("got %v", err)
	}
}
