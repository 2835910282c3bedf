package s3

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// blobs keeps contents as files that are written once, never changed, and removed when no record names them and nobody
// reads them any more.
type blobs struct {
	dir     string
	session string // how the names of this run's files begin

	mu     sync.Mutex
	pins   map[string]int  // readers of a file
	doomed map[string]bool // files to remove after their last reader
}

// shards are the folders that files are spread over, by the last letter of their names (base 32).
const shards = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

func openBlobs(dir string) (*blobs, error) {
	b := &blobs{dir: dir, session: rand.Text()[:8], pins: map[string]int{}, doomed: map[string]bool{}}
	for _, c := range shards {
		if err := os.MkdirAll(filepath.Join(dir, string(c)), 0o700); err != nil {
			return nil, fmt.Errorf("folder of objects: %w", err)
		}
	}
	return b, syncDir(dir)
}

func (b *blobs) path(name string) string { return filepath.Join(b.dir, name[len(name)-1:], name) }

// syncDir makes the names in a folder durable. Where folders cannot be opened for that (Windows) the system sees to it.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

// blobFile is a file under way: write, then seal or discard.
type blobFile struct {
	*os.File
	name string
}

func (b *blobs) create() (*blobFile, error) {
	name := b.session + rand.Text()
	f, err := os.OpenFile(b.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &blobFile{f, name}, nil
}

// seal makes the file durable under its name. After an error it is gone.
func (f *blobFile) seal() error {
	err := errors.Join(f.Sync(), f.Close(), syncDir(filepath.Dir(f.Name())))
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func (f *blobFile) discard() {
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// pin keeps files from being removed until unpin is called, once.
func (b *blobs) pin(names []string) (unpin func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range names {
		b.pins[n]++
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, n := range names {
			if b.pins[n]--; b.pins[n] > 0 {
				continue
			}
			delete(b.pins, n)
			if b.doomed[n] {
				delete(b.doomed, n)
				_ = os.Remove(b.path(n)) // what stays is swept after the next start
			}
		}
	}
}

// remove takes away files that no record names any more, now or after their last reader.
func (b *blobs) remove(names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range names {
		if b.pins[n] > 0 {
			b.doomed[n] = true
			continue
		}
		_ = os.Remove(b.path(n))
	}
}

// old lists the files of earlier runs.
func (b *blobs) old() (map[string]bool, error) {
	names := map[string]bool{}
	for _, c := range shards {
		entries, err := os.ReadDir(filepath.Join(b.dir, string(c)))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), b.session) && e.Type().IsRegular() {
				names[e.Name()] = true
			}
		}
	}
	return names, nil
}

// content reads length bytes from offset of the segments, opening one file after the other. done runs at Close.
type content struct {
	blobs    *blobs
	segments []segment
	offset   int64 // into the first segment
	left     int64
	file     *os.File
	done     func()
}

var _ io.ReadCloser = (*content)(nil)

func (b *blobs) open(segments []segment, offset, length int64, done func()) *content {
	for len(segments) > 0 && offset >= segments[0].Size {
		offset -= segments[0].Size
		segments = segments[1:]
	}
	return &content{blobs: b, segments: segments, offset: offset, left: length, done: done}
}

func (c *content) Read(p []byte) (int, error) {
	for c.left > 0 {
		if c.file == nil {
			if err := c.next(); err != nil {
				return 0, err
			}
		}
		if int64(len(p)) > c.left {
			p = p[:c.left]
		}
		n, err := c.file.Read(p)
		c.left -= int64(n)
		if err == io.EOF {
			_ = c.file.Close()
			c.file, err = nil, nil
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
	return 0, io.EOF
}

func (c *content) next() error {
	for len(c.segments) > 0 && c.segments[0].File == "" {
		c.segments = c.segments[1:]
	}
	if len(c.segments) == 0 {
		return io.ErrUnexpectedEOF
	}
	f, err := os.Open(c.blobs.path(c.segments[0].File))
	if err != nil {
		return err
	}
	if _, err := f.Seek(c.offset, io.SeekStart); err != nil {
		_ = f.Close()
		return err
	}
	c.file, c.offset, c.segments = f, 0, c.segments[1:]
	return nil
}

// Close lets go of the content; it is idempotent.
func (c *content) Close() error {
	if c.file != nil {
		_ = c.file.Close()
		c.file = nil
	}
	c.left = 0
	if c.done != nil {
		c.done()
		c.done = nil
	}
	return nil
}
