package lambda

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// codeStore keeps deployment packages by the SHA-256 of their zip: "<sha>.zip" is the package as it was uploaded, and the
// folder "<sha>" the same unpacked, read-only. A folder is complete or absent: it is unpacked elsewhere and renamed. The
// zips are what is kept; a folder that is lost is unpacked again at the start.
//
// Code is counted by its users (records of versions, and what serves them). The count is in memory: it is rebuilt from
// the records after the start. Nothing is removed until it is complete; then what nobody needs is.
type codeStore struct {
	dir   string // of the zips
	trees string // of the folders; may be dir
	limit int64  // of a package's files, and of code with its layers; bytes
	tmp   string // begins the names of folders that are being filled or removed by this process

	mu      sync.Mutex // also held while files are put in place or removed
	refs    map[string]int
	counted bool // refs is complete (sweep)
}

// scratch begins the names of folders that are being filled or removed, by whatever process.
const scratch = "tmp-"

func openCodeStore(dir, trees string) (*codeStore, error) {
	for _, d := range []string{dir, trees} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("code folder: %w", err)
		}
	}
	return &codeStore{dir: dir, trees: trees, limit: maxUnzipped, tmp: scratch + uuid.NewString() + "-", refs: map[string]int{}}, nil
}

// staged is a checked package that is not in place yet. It holds one reference.
type staged struct {
	codeRecord
	store *codeStore
	tmp   string // unpacked; "" when the code is already in place
}

// stage checks and unpacks a zip of limit bytes at most and keeps the zip itself durably, with one reference taken. Errors are AWS's. The caller
// goes on with install, and gives the reference back with release when nothing comes of it.
func (c *codeStore) stage(zip []byte, limit int) (*staged, error) {
	if len(zip) > limit {
		return nil, tooLarge("Zipped size must be smaller than %d bytes", limit)
	}
	sum := sha256.Sum256(zip)
	st := &staged{codeRecord: codeRecord{hex.EncodeToString(sum[:]), int64(len(zip))}, store: c}
	c.hold(st.SHA256)
	if err := st.fill(zip); err != nil {
		st.discard()
		if e := c.release(st.SHA256); e != nil {
			return nil, errors.Join(err, e)
		}
		return nil, err
	}
	return st, nil
}

// fill unpacks the zip beside its place and keeps it, unless both are there already.
func (st *staged) fill(zip []byte) (err error) {
	c := st.store
	if c.installed(st.SHA256) {
		if _, err := os.Stat(c.zip(st.SHA256)); err == nil {
			return nil
		}
		return c.keepZip(st.SHA256, zip)
	}
	if st.tmp, err = os.MkdirTemp(c.trees, c.tmp); err != nil {
		return err
	}
	if err := unpack(st.tmp, c.limit, zip); err != nil {
		return asZipError(err)
	}
	return c.keepZip(st.SHA256, zip)
}

// asZipError leaves the platform's own failures (a full disk) as they are and turns what is wrong with the zip into
// AWS's answer.
func asZipError(err error) error {
	var bad *zipError
	if errors.As(err, &bad) {
		return bad.fault()
	}
	return err
}

// keepZip writes the package so that it survives power loss.
func (c *codeStore) keepZip(sha string, zip []byte) error {
	f, err := os.CreateTemp(c.dir, c.tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(zip)
	err = errors.Join(err, f.Chmod(0o400), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), c.zip(sha))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(c.dir)
}

// install puts the unpacked code in place, durably. It is idempotent.
func (st *staged) install() error {
	c := st.store
	if st.tmp == "" || c.installed(st.SHA256) {
		st.discard()
		return nil
	}
	if err := syncTree(st.tmp); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.installed(st.SHA256) { // someone else uploaded the same
		st.discard()
		return nil
	}
	if err := os.Rename(st.tmp, c.folder(st.SHA256)); err != nil {
		return err
	}
	st.tmp = ""
	return syncDir(c.trees)
}

// discard removes what was unpacked and not installed.
func (st *staged) discard() {
	if st.tmp != "" {
		_ = removeTree(st.tmp) // what stays is swept at the next start
		st.tmp = ""
	}
}

// restore unpacks a kept zip again, for a start after a crash between keepZip and install.
func (c *codeStore) restore(sha string) error {
	if c.installed(sha) {
		return nil
	}
	zip, err := os.ReadFile(c.zip(sha))
	if err != nil {
		return err
	}
	st := &staged{codeRecord: codeRecord{SHA256: sha}, store: c}
	if st.tmp, err = os.MkdirTemp(c.trees, c.tmp); err != nil {
		return err
	}
	if err := unpack(st.tmp, c.limit, zip); err != nil {
		st.discard()
		return asZipError(err)
	}
	return st.install()
}

func (c *codeStore) zip(sha string) string    { return filepath.Join(c.dir, sha+".zip") }
func (c *codeStore) folder(sha string) string { return filepath.Join(c.trees, sha) }

func (c *codeStore) installed(sha string) bool {
	_, err := os.Stat(c.folder(sha))
	return err == nil
}

// hold takes a reference.
func (c *codeStore) hold(sha string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refs[sha]++
}

// release gives a reference back, and removes the code with the last one; before the count is complete that is left to
// sweep. The caller has made durable before that nothing needs the code.
func (c *codeStore) release(sha string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refs[sha]--; c.refs[sha] > 0 || !c.counted {
		return nil
	}
	delete(c.refs, sha)
	return c.remove(sha)
}

// remove takes the folder out of its place before it is emptied, so that no half folder is ever in place.
func (c *codeStore) remove(sha string) error {
	err := os.Remove(c.zip(sha))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if !c.installed(sha) {
		return err
	}
	trash := filepath.Join(c.trees, c.tmp+uuid.NewString())
	if e := os.Rename(c.folder(sha), trash); e != nil {
		return errors.Join(err, e)
	}
	return errors.Join(err, removeTree(trash))
}

// sweep removes what a crash left behind: scratch of other processes, and code that no record refers to. Call it when all
// are held. From then on code goes with its last reference.
func (c *codeStore) sweep() error {
	c.mu.Lock()
	c.counted = true
	c.mu.Unlock()
	errs := []error{c.sweepFolder(c.dir)}
	if c.trees != c.dir {
		errs = append(errs, c.sweepFolder(c.trees))
	}
	return errors.Join(errs...)
}

func (c *codeStore) sweepFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasPrefix(name, c.tmp):
		case strings.HasPrefix(name, scratch):
			errs = append(errs, removeTree(filepath.Join(dir, name)))
		case c.refs[strings.TrimSuffix(name, ".zip")] == 0 && isSHA256(strings.TrimSuffix(name, ".zip")):
			errs = append(errs, c.remove(strings.TrimSuffix(name, ".zip")))
		}
	}
	return errors.Join(errs...)
}

func isSHA256(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// removeTree removes a folder whose folders may be read-only.
func removeTree(dir string) error {
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(p, 0o755)
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}

// syncTree makes everything below dir durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return syncPath(p)
	})
}

func syncDir(dir string) error { return syncPath(dir) }

func syncPath(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
