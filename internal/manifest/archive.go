package manifest

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Lambda's bounds on a package that is uploaded directly.
//
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxZipped   = 50 << 20  // bytes
	maxUnzipped = 250 << 20 // bytes
	maxFiles    = 50_000    // ours: more are a mistake in the path
)

// bootstrap is the executable that provided runtimes start.
const bootstrap = "bootstrap"

// zipEpoch is the time of every entry: the first that a zip can hold.
var zipEpoch = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// Archive makes the zip of a function's code from a folder, a single file, or a .zip, which is checked and taken as it is.
//
// The same content gives the same bytes: entries are sorted, their times fixed, and their modes 0755 where the owner may
// execute and 0644 elsewhere; .git, __pycache__ and .DS_Store are left out. For provided runtimes a single file becomes
// bootstrap, and bootstrap is always executable. Symbolic links to files inside the folder are replaced by what they lead
// to; all others are refused, as is all that is no file. Archives beyond Lambda's limits are refused.
func Archive(name, runtime string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	var out []byte
	switch {
	case info.IsDir():
		out, err = archiveFolder(name, runtime)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is neither a file nor a folder", name)
	case strings.EqualFold(filepath.Ext(name), ".zip"):
		if out, err = readBounded(name, maxZipped); err == nil {
			err = checkZip(out)
		}
	default:
		out, err = archiveFile(name, runtime, info)
	}
	if err != nil {
		return nil, err
	}
	if len(out) > maxZipped {
		return nil, fmt.Errorf("the package has more than %d MiB zipped, which is Lambda's limit for direct uploads; leave out what the function does not need", maxZipped>>20)
	}
	return out, nil
}

func provided(runtime string) bool { return strings.HasPrefix(runtime, "provided") }

// packer writes entries one after the other and keeps count.
type packer struct {
	buf     bytes.Buffer
	zip     *zip.Writer
	files   int
	bytes   int64
	runtime string
}

func newPacker(runtime string) *packer {
	p := &packer{runtime: runtime}
	p.zip = zip.NewWriter(&p.buf)
	return p
}

func (p *packer) add(name string, mode fs.FileMode, content io.Reader) error {
	if p.files++; p.files > maxFiles {
		return fmt.Errorf("there are more than %d files; name the folder that the function needs", maxFiles)
	}
	perm := fs.FileMode(0o644)
	if mode&0o100 != 0 || (name == bootstrap && provided(p.runtime)) {
		perm = 0o755
	}
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: zipEpoch}
	h.SetMode(perm)
	w, err := p.zip.CreateHeader(h)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(content, maxUnzipped-p.bytes+1))
	if err != nil {
		return err
	}
	if p.bytes += n; p.bytes > maxUnzipped {
		return fmt.Errorf("the files have more than %d MiB, which is Lambda's limit; leave out what the function does not need", maxUnzipped>>20)
	}
	return nil
}

func (p *packer) finish() ([]byte, error) {
	if err := p.zip.Close(); err != nil {
		return nil, err
	}
	return p.buf.Bytes(), nil
}

func archiveFile(name, runtime string, info fs.FileInfo) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := newPacker(runtime)
	entry := filepath.Base(name)
	if provided(runtime) {
		entry = bootstrap
	}
	if err := p.add(entry, info.Mode(), f); err != nil {
		return nil, err
	}
	return p.finish()
}

// archiveFolder packs what is below dir. It reads through an os.Root, so no link leads out of the folder.
func archiveFolder(dir, runtime string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	p := newPacker(runtime)
	entry := false
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error { // in lexical order
		if err != nil {
			return err
		}
		switch d.Name() {
		case ".git", "__pycache__":
			if d.IsDir() {
				return fs.SkipDir
			}
		case ".DS_Store":
			return nil
		}
		if d.IsDir() {
			return nil
		}
		mode := d.Type()
		if mode&fs.ModeSymlink != 0 {
			to, err := root.Stat(name)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return fmt.Errorf("%s is a symbolic link to nothing; remove it", name)
			case err != nil:
				return fmt.Errorf("%s is a symbolic link that leads out of %s; put the file itself there", name, dir)
			case to.IsDir():
				return fmt.Errorf("%s is a symbolic link to a folder; put the folder itself there", name)
			}
			mode = to.Mode()
		}
		if !mode.IsRegular() { // opening a pipe would wait for its writer
			return fmt.Errorf("%s is neither a file nor a folder; remove it", name)
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		entry = entry || name == bootstrap
		return p.add(name, info.Mode(), f)
	})
	if err != nil {
		return nil, err
	}
	switch {
	case p.files == 0:
		return nil, fmt.Errorf("folder %s is empty; build the function first", dir)
	case provided(runtime) && !entry:
		return nil, fmt.Errorf("folder %s has no file %s, which runtime %s starts; build the function with -o %s", dir, bootstrap, runtime, filepath.Join(dir, bootstrap))
	}
	return p.finish()
}

// checkZip refuses a zip that cannot be read, and one whose entries would be written outside the folder it is unpacked to.
func checkZip(text []byte) error {
	if len(text) > maxZipped {
		return nil // reported by size
	}
	r, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return fmt.Errorf("this is no zip that can be read: %w", err)
	}
	if len(r.File) == 0 {
		return errors.New("the zip is empty")
	}
	var size uint64
	for _, f := range r.File {
		if !safe(f.Name) {
			return fmt.Errorf("entry %q of the zip would be written outside of its folder; make the zip anew", f.Name)
		}
		if f.Mode()&fs.ModeSymlink != 0 {
			to, err := readLink(f)
			if err != nil {
				return fmt.Errorf("entry %q of the zip: %w", f.Name, err)
			}
			if path.IsAbs(to) || !safe(path.Join(path.Dir(f.Name), to)) {
				return fmt.Errorf("entry %q of the zip is a symbolic link to %q, outside of its folder; make the zip anew", f.Name, to)
			}
		}
		if size += f.UncompressedSize64; size > maxUnzipped || f.UncompressedSize64 > maxUnzipped {
			return fmt.Errorf("the zip's files have more than %d MiB, which is Lambda's limit", maxUnzipped>>20)
		}
	}
	return nil
}

// safe reports whether a name in a zip stays inside the folder that it is unpacked to.
func safe(name string) bool {
	return name != "" && !strings.ContainsAny(name, "\\\x00") && filepath.IsLocal(strings.TrimSuffix(name, "/"))
}

func readLink(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	to, err := readAtMost(r, 4096)
	return string(to), err
}
