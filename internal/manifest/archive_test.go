package manifest

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// entries lists a zip as "mode name content", one entry each.
func zipEntries(t *testing.T, text []byte) []string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range r.File {
		c, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f.Mode().String()+" "+f.Name+" "+string(b))
	}
	return out
}

func TestArchiveOfAFolder(t *testing.T) {
	dir := write(t, map[string]string{"app.py": "a", "lib/z.py": "z", "lib/b.sh": "b", ".git/config": "x", "__pycache__/app.pyc": "x", "lib/.DS_Store": "x"})
	if err := os.Chmod(filepath.Join(dir, "lib/b.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("lib/z.py", filepath.Join(dir, "link.py")); err != nil {
		t.Fatal(err)
	}
	one, err := Archive(dir, "python3.13")
	if err != nil {
		t.Fatal(err)
	}
	want := "-rw-r--r-- app.py a|-rwxr-xr-x lib/b.sh b|-rw-r--r-- lib/z.py z|-rw-r--r-- link.py z"
	if got := strings.Join(zipEntries(t, one), "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Neither the time of a file nor the group's rights change the bytes.
	if err := os.Chtimes(filepath.Join(dir, "app.py"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "app.py"), 0o664); err != nil {
		t.Fatal(err)
	}
	if two, err := Archive(dir, "python3.13"); err != nil || !bytes.Equal(one, two) {
		t.Errorf("the same content gave other bytes: %v", err)
	}
}

func TestArchiveForProvidedRuntimes(t *testing.T) {
	dir := write(t, map[string]string{"out/bootstrap": "b", "single": "s", "none/x": "x"})
	for path, want := range map[string]string{"out": "-rwxr-xr-x bootstrap b", "single": "-rwxr-xr-x bootstrap s"} {
		text, err := Archive(filepath.Join(dir, path), "provided.al2023")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(zipEntries(t, text), "|"); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if _, err := Archive(filepath.Join(dir, "none"), "provided.al2023"); err == nil || !strings.Contains(err.Error(), "has no file bootstrap") {
		t.Errorf("err = %v", err)
	}
}

// zipOf makes a zip with one entry.
func zipOf(t *testing.T, name string, mode fs.FileMode, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: name}
	h.SetMode(mode)
	e, err := w.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(e, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestArchiveRefusesWhatWouldLeaveItsFolder(t *testing.T) {
	dir := write(t, map[string]string{
		"dots.zip": zipOf(t, "../x", 0o644, "x"), "root.zip": zipOf(t, "/x", 0o644, "x"), "win.zip": zipOf(t, `..\x`, 0o644, "x"),
		"link.zip": zipOf(t, "a/l", fs.ModeSymlink|0o777, "../../etc/passwd"), "none.zip": "this is no zip", "out/x": "x", "abs/x": "x", "gone/x": "x", "folder/x": "x",
		"good.zip": zipOf(t, "a/l", fs.ModeSymlink|0o777, "../x"), "secret": "s",
	})
	for link, to := range map[string]string{"out/l": "../secret", "abs/l": "/etc/passwd", "gone/l": "nothing", "folder/l": "."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"dots.zip": "outside of its folder", "root.zip": "outside of its folder", "win.zip": "outside of its folder", "link.zip": "symbolic link",
		"none.zip": "no zip that can be read", "out": "leads out of", "abs": "leads out of", "gone": "symbolic link to nothing", "folder": "link to a folder", "empty": "is empty",
	} {
		if _, err := Archive(filepath.Join(dir, name), "python3.13"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: err = %v, want %q", name, err, says)
		}
	}
	ready, err := Archive(filepath.Join(dir, "good.zip"), "python3.13")
	if want, _ := os.ReadFile(filepath.Join(dir, "good.zip")); err != nil || !bytes.Equal(ready, want) {
		t.Errorf("a ready zip was not taken as it is: %v", err)
	}
}

func TestPackageBuildsOnceAndFillsInTheCode(t *testing.T) {
	dir := write(t, map[string]string{"teal.yaml": head + `functions:
  a: {handler: a.b, code: out, build: make all}
  b: {handler: a.b, code: out, build: make all}
  c: {handler: a.b, code: missing, build: make c}
  d: {handler: a.b, code: also-missing}
`})
	m, err := Load(filepath.Join(dir, "teal.yaml"), env())
	if err != nil {
		t.Fatal(err)
	}
	var ran []string
	run := func(_ context.Context, b Build) error {
		ran = append(ran, b.Function+": "+b.Command)
		return os.MkdirAll(filepath.Join(b.Dir, "out"), 0o755)
	}
	if err := os.MkdirAll(filepath.Join(dir, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "out", "a.py"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = m.Package(t.Context(), run)
	var d Diagnostics
	if !errors.As(err, &d) || len(d) != 2 || !strings.Contains(err.Error(), "teal.yaml:6:27: code of function c") || !strings.Contains(err.Error(), "the build (make c) has to make it") {
		t.Fatalf("err = %v", err)
	}
	if got := strings.Join(ran, ", "); got != "a: make all, c: make c" {
		t.Errorf("ran %s", got)
	}
	for _, name := range []string{"missing", "also-missing"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("y"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	spec, err := m.Package(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f := spec.Functions; f[0].CodeSHA256 == "" || f[0].CodeSHA256 != f[1].CodeSHA256 || f[2].CodeSHA256 == f[0].CodeSHA256 || int(f[0].CodeSize) != len(f[0].Code) {
		t.Errorf("functions = %+v", f)
	}
	if m.Spec.Functions[0].Code != nil {
		t.Error("Package changed the manifest")
	}
	if _, err := m.Package(t.Context(), func(context.Context, Build) error { return errors.New("exit status 2") }); err == nil || err.Error() != "build of function a failed (make all): exit status 2" {
		t.Errorf("err = %v", err)
	}
}
