package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// get reads an object.
func (f *FolderLedger) get(into any, parts ...string) error {
	if err := names(parts...); err != nil {
		return err
	}
	raw, err := os.ReadFile(f.path(parts...))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", filepath.Join(parts...), ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("ledger: %s is damaged: %w", f.path(parts...), err)
	}
	return nil
}

// put writes an object aside, syncs it and renames it into place: a reader sees the old one or the new one, whole.
func (f *FolderLedger) put(v any, parts ...string) (err error) {
	if err := names(parts...); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	path := f.path(parts...)
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return err
	}
	aside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	file, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	_, err = file.Write(append(raw, '\n'))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(aside, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("ledger: writing %s: %w", path, err)
	}
	return nil
}

// makeDirs makes a folder durable, with those above it that are missing.
func makeDirs(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	for range 2 { // at most rollouts/<id> is new below the application's folder
		dir = filepath.Dir(dir)
		if err := syncDir(dir); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// appendLog adds one line, a checksum and a JSON text, to a log, and syncs it. What stands behind the last whole line was
// torn off by the death of its writer, was never acknowledged, and is cut. next gets the JSON text of the last line, nil when
// there is none, and gives what to add. The caller keeps other writers out.
func (f *FolderLedger) appendLog(path string, next func(last []byte) (any, error)) error {
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer file.Close() // the write is synced below
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	end, known := f.tail(path)
	if !known || end.whole != size {
		if end, err = readTail(path); err != nil {
			return err
		}
	}
	v, err := next(end.last)
	if err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	line := append([]byte(fmt.Sprintf("%08x ", crc32.ChecksumIEEE(text))), text...)
	if end.whole < size {
		err = file.Truncate(end.whole)
	}
	if err == nil {
		_, err = file.WriteAt(append(line, '\n'), end.whole)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil && end.whole == 0 {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("ledger: appending to %s: %w", path, err)
	}
	f.keepTail(path, logTail{whole: end.whole + int64(len(line)) + 1, last: text})
	return nil
}

// logTail is the end of a log: the length of its whole lines, and the JSON text of the last one, nil when there is none.
type logTail struct {
	whole int64
	last  []byte
}

// tail gives the end of a log as this process left it. It is still the end when the file has that length: logs only grow,
// and what is cut off was torn.
func (f *FolderLedger) tail(path string) (logTail, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tails[path]
	return t, ok
}

func (f *FolderLedger) keepTail(path string, t logTail) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tails[path] = t
}

func readTail(path string) (logTail, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return logTail{}, fmt.Errorf("ledger: %w", err)
	}
	texts, whole, err := splitLog(path, raw)
	if err != nil || len(texts) == 0 {
		return logTail{}, err
	}
	return logTail{whole: int64(whole), last: texts[len(texts)-1]}, nil
}

// splitLog returns the JSON texts of a log and the length of its whole lines. A damaged line is the end of the log when
// nothing whole follows it; before a whole line it is an error.
func splitLog(path string, raw []byte) (texts [][]byte, whole int, err error) {
	damaged := 0
	for at, n := 0, 1; at < len(raw); n++ {
		end := bytes.IndexByte(raw[at:], '\n')
		if end < 0 {
			break
		}
		text, ok := checkLine(raw[at : at+end])
		at += end + 1
		switch {
		case !ok && damaged == 0:
			damaged = n
		case ok && damaged > 0:
			return nil, 0, fmt.Errorf("ledger: line %d of %s is damaged, and whole lines follow it: restore the file from a copy", damaged, path)
		case ok:
			texts, whole = append(texts, text), at
		}
	}
	return texts, whole, nil
}

func checkLine(line []byte) (text []byte, ok bool) {
	sum, text, found := bytes.Cut(line, []byte(" "))
	if !found {
		return nil, false
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	return text, err == nil && uint32(want) == crc32.ChecksumIEEE(text)
}

// readLog returns the entries of a log that keep wants.
func readLog[T any](path string, keep func(T) bool) ([]T, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	texts, _, err := splitLog(path, raw)
	if err != nil {
		return nil, err
	}
	var all []T
	for _, text := range texts {
		var one T
		if err := json.Unmarshal(text, &one); err != nil {
			return nil, fmt.Errorf("ledger: %s: %w", path, err)
		}
		if keep(one) {
			all = append(all, one)
		}
	}
	return all, nil
}
