package lambda

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entry is one entry of a zip that is made for a test.
type zipEntry struct {
	name, content string
	mode          fs.FileMode
}

func zipEntries(t *testing.T, entries ...zipEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpackRefusesAttacks(t *testing.T) {
	const link = fs.ModeSymlink | 0o777
	crc := zipEntries(t, zipEntry{"a", "some content", 0o644})
	damaged := bytes.Clone(crc)
	damaged[40] ^= 0xff
	// A directory entry that promises few bytes while the stream holds many must not get past the limit by its promise.
	understated := zipEntries(t, zipEntry{"a", strings.Repeat("x", 1<<20), 0o644})
	at := bytes.Index(understated, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(understated[at+24:], 1)

	for name, c := range map[string]struct {
		zip  []byte
		want string // part of the message
	}{
		"garbage":                  {[]byte("PK but no zip"), "Could not unzip uploaded file. Please check your file"},
		"nothing":                  {nil, "Could not unzip"},
		"empty":                    {zipEntries(t), "Uploaded file must be a non-empty zip"},
		"parent folder":            {zipEntries(t, zipEntry{"../evil", "x", 0o644}), `"../evil" does not lie below`},
		"parent folder, hidden":    {zipEntries(t, zipEntry{"a/../../evil", "x", 0o644}), "does not lie below"},
		"absolute":                 {zipEntries(t, zipEntry{"/etc/evil", "x", 0o644}), "does not lie below"},
		"backslash":                {zipEntries(t, zipEntry{`..\evil`, "x", 0o644}), "does not lie below"},
		"link out":                 {zipEntries(t, zipEntry{"l", "../../etc", link}), "leads out of the package"},
		"absolute link":            {zipEntries(t, zipEntry{"l", "/etc/passwd", link}), "leads out of the package"},
		"link out by another link": {zipEntries(t, zipEntry{"d/here", ".", link}, zipEntry{"out", "d/here/../../x", link}), "leads out of the package"},
		"link out by two steps":    {zipEntries(t, zipEntry{"a/b/c/", "", fs.ModeDir | 0o755}, zipEntry{"up", "a/b/c", link}, zipEntry{"a/b/c/out", "../../../../..", link}), "leads out of the package"},
		"file through a link out":  {zipEntries(t, zipEntry{"l", "..", link}, zipEntry{"l/evil", "x", 0o644}), "leads out of the package"},
		"device":                   {zipEntries(t, zipEntry{"null", "", fs.ModeDevice | fs.ModeCharDevice | 0o666}), "neither a file"},
		"pipe":                     {zipEntries(t, zipEntry{"p", "", fs.ModeNamedPipe | 0o666}), "neither a file"},
		"file and folder":          {zipEntries(t, zipEntry{"a", "x", 0o644}, zipEntry{"a/b", "x", 0o644}), "does not fit"},
		"damaged content":          {damaged, "Could not unzip"},
		"understated size":         {understated, "Could not unzip"},
	} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			dir := filepath.Join(outside, "code")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := unpack(dir, maxUnzipped, c.zip)
			var bad *zipError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if _, message := codeAndMessage(bad.fault()); !strings.Contains(message, c.want) {
				t.Errorf("got %q, want %q in it", message, c.want)
			}
			entries, err := os.ReadDir(outside)
			if err != nil || len(entries) != 1 {
				t.Errorf("something was written outside: %v %v", entries, err)
			}
		})
	}
}

func TestUnpackLimitsTheSize(t *testing.T) {
	half := strings.Repeat("\x00", 1<<16)
	zip := zipEntries(t, zipEntry{"a", half, 0o644}, zipEntry{"b", half, 0o644})
	dir := t.TempDir()
	t.Cleanup(func() { _ = removeTree(dir) })
	if err := unpack(dir, 1<<17, zip); err != nil {
		t.Errorf("exactly the limit: %v", err)
	}
	err := unpack(t.TempDir(), 1<<17-1, zip)
	var bad *zipError
	if !errors.As(err, &bad) {
		t.Fatalf("got %v", err)
	}
	wantError(t, bad.fault(), "InvalidParameterValueException", "Unzipped size must be smaller than 131071 bytes")
}

func TestUnpackKeepsWhatAFunctionNeeds(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { _ = removeTree(dir) })
	err := unpack(dir, maxUnzipped, zipEntries(t,
		zipEntry{"bootstrap", "#!/bin/sh", 0o700},
		zipEntry{"lib/", "", fs.ModeDir | 0o755},
		zipEntry{"lib/a.py", "old", 0o600},
		zipEntry{"lib/a.py", "new", 0o600},
		zipEntry{"deep/er/b.py", "b", 0o644},
		zipEntry{"lib/link.py", "../deep/er/b.py", fs.ModeSymlink | 0o777},
		zipEntry{"root", ".", fs.ModeSymlink | 0o777},
	))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		content string
		perm    fs.FileMode
	}{
		"bootstrap":    {"#!/bin/sh", 0o555},
		"lib/a.py":     {"new", 0o444},
		"deep/er/b.py": {"b", 0o444},
		"lib/link.py":  {"b", 0o444},
	} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(content) != want.content {
			t.Errorf("%s: %q, %v", name, content, err)
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want.perm {
			t.Errorf("%s: mode %v, %v; want %v", name, info.Mode(), err, want.perm)
		}
	}
	for _, folder := range []string{".", "lib", "deep", "deep/er"} {
		if info, err := os.Stat(filepath.Join(dir, folder)); err != nil || info.Mode().Perm() != 0o555 {
			t.Errorf("%s: mode %v, %v; want read-only", folder, info.Mode(), err)
		}
	}
}
