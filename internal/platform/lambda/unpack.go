package lambda

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
	"syscall"
)

// AWS's limits of a deployment package, in bytes, and ours of its entries.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxZip      = 52428800  // 50 MiB, uploaded directly
	maxUnzipped = 262144000 // 250 MiB
	maxEntries  = 100_000
	maxLink     = 4096 // length of a symbolic link's target
)

// zipError is what is wrong with an uploaded zip.
type zipError struct {
	reason string // "" when there is nothing to add to AWS's sentence
	limit  bool   // the reason is AWS's whole sentence
}

func (e *zipError) Error() string { return "zip: " + e.reason }

func (e *zipError) fault() error {
	switch {
	case e.limit:
		return invalid("%s", e.reason)
	case e.reason == "":
		return invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
	}
	return invalid("Could not unzip uploaded file. Please check your file, then try to upload again. (%s)", e.reason)
}

func badEntry(name, why string) error {
	return &zipError{reason: fmt.Sprintf("entry %q %s", name, why)}
}

// unpack writes the files of zips, one over the other, below dir, an empty folder, read-only and with their executable
// bits. It refuses entries that lead out of dir, by name or through symbolic links, anything that is no file, folder or
// link, and files of more than limit bytes together. Errors about the zip are *zipError. What was written before an error
// is the caller's to remove.
func unpack(dir string, limit int64, zips ...[]byte) error {
	left := limit
	for _, data := range zips {
		if err := unpackOne(data, dir, limit, &left); err != nil {
			return err
		}
	}
	return protect(dir)
}

// unpackOne writes one zip's files. left is what may still be written of limit bytes.
func unpackOne(data []byte, dir string, limit int64, left *int64) error {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // insecure names are refused below, by name
		return &zipError{}
	}
	if len(r.File) == 0 {
		return &zipError{reason: "Uploaded file must be a non-empty zip", limit: true}
	}
	if len(r.File) > maxEntries {
		return &zipError{reason: fmt.Sprintf("it has %d entries, more than %d", len(r.File), maxEntries)}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var links []string
	for _, f := range r.File {
		name := strings.TrimSuffix(f.Name, "/")
		switch {
		case name == "" || strings.Contains(name, `\`) || strings.ContainsRune(name, 0) || !filepath.IsLocal(name):
			return badEntry(f.Name, "does not lie below the package's root")
		case f.Flags&1 != 0:
			return badEntry(f.Name, "is encrypted")
		}
		name = path.Clean(name)
		mode := f.Mode()
		switch {
		case mode.IsDir():
			err = root.MkdirAll(name, 0o755)
		case mode&fs.ModeSymlink != 0:
			links = append(links, name)
			err = unpackLink(root, f, name)
		case mode.IsRegular():
			if err = unpackFile(root, f, name, left); err == nil && *left < 0 {
				err = &zipError{reason: fmt.Sprintf("Unzipped size must be smaller than %d bytes", limit), limit: true}
			}
		default:
			return badEntry(f.Name, "is neither a file, a folder nor a symbolic link")
		}
		if err != nil {
			return entryError(f.Name, err)
		}
	}
	for _, l := range links {
		// Root follows a link only inside of the folder. A link to nothing is harmless.
		if _, err := root.Stat(l); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return badEntry(l, "is a symbolic link that leads out of the package or nowhere")
		}
	}
	return nil
}

// entryError tells a bad zip from a failing disk: the kinds that a zip can cause are those of paths and of the format.
func entryError(name string, err error) error {
	var bad *zipError
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &bad):
		return err
	case errors.Is(err, zip.ErrFormat), errors.Is(err, zip.ErrChecksum), errors.Is(err, zip.ErrAlgorithm), errors.Is(err, io.ErrUnexpectedEOF):
		return &zipError{}
	case errors.As(err, &pathErr), errors.As(err, &linkErr):
		if isDiskFailure(err) {
			return err
		}
		return badEntry(name, "does not fit into the package's folders")
	case isDiskFailure(err):
		return err
	}
	return &zipError{} // damaged compressed data
}

func unpackFile(root *os.Root, f *zip.File, name string, left *int64) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	perm := fs.FileMode(0o444) | f.Mode().Perm()&0o111
	if f.Mode().Perm()&0o111 != 0 {
		perm |= 0o111 // whoever runs the function may execute what its author may
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // the later of two entries of one name counts
		if err = root.Remove(name); err == nil {
			out, err = root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(in, *left+1))
	*left -= n
	return errors.Join(err, out.Chmod(perm), out.Close())
}

func unpackLink(root *os.Root, f *zip.File, name string) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	target, err := io.ReadAll(io.LimitReader(in, maxLink+1))
	switch {
	case err != nil:
		return err
	case len(target) > maxLink:
		return badEntry(f.Name, "is a symbolic link with too long a target")
	case path.IsAbs(string(target)) || !filepath.IsLocal(path.Join(path.Dir(name), string(target))) && path.Join(path.Dir(name), string(target)) != ".":
		return badEntry(f.Name, "is a symbolic link that leads out of the package")
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	err = root.Symlink(string(target), name)
	if errors.Is(err, fs.ErrExist) { // the later of two entries of one name counts
		if err = root.Remove(name); err == nil {
			err = root.Symlink(string(target), name)
		}
	}
	return err
}

// protect takes the right to write from all folders below dir, dir included.
func protect(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(p, 0o555)
		}
		return err
	})
}

// isDiskFailure reports whether err is the machine's trouble and not the zip's.
func isDiskFailure(err error) bool {
	for _, e := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
