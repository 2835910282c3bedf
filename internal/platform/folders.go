package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tealdeploy/teal/internal/proc"
)

// folders is where things are kept. Functions must reach their code and nothing else. Where they have a tree of files of
// their own they see no more (package proc); but not every machine gives that, so the database stands in a folder that only
// the platform's user can enter, and where functions run as users of their own the folders on the way to the code can be
// passed but not listed.
type folders struct {
	data     string // where all of it is, unless functions could not reach it
	database string // the file
	code     string // of unpacked code
	objects  string // of S3's objects; the platform's alone
	run      string // of what running functions need; worthless once they have ended
}

// systemFolder is where functions find their code when a platform that runs as root keeps its data where no other user can go.
const systemFolder = "/var/lib/teal/platforms"

func openFolders(data string) (folders, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return folders{}, fmt.Errorf("data folder: %w", err)
	}
	f := folders{
		data: data, database: filepath.Join(data, "db", "teal.db"), code: filepath.Join(data, "code"), run: filepath.Join(data, "run"),
		objects: filepath.Join(data, "objects"),
	}
	mode := os.FileMode(0o700)
	if proc.Unprivileged() {
		mode = 0o711
	}
	if err := os.MkdirAll(data, mode); err != nil {
		return folders{}, fmt.Errorf("data folder: %w", err)
	}
	if !proc.Unprivileged() {
		return f, nil
	}
	if err := os.MkdirAll(f.code, mode); err != nil {
		return folders{}, fmt.Errorf("data folder: %w", err)
	}
	if _, ok := proc.Reachable(f.code); ok {
		return f, nil
	}
	id := sha256.Sum256([]byte(data))
	public := filepath.Join(systemFolder, hex.EncodeToString(id[:8]))
	f.code, f.run = filepath.Join(public, "code"), filepath.Join(public, "run")
	if err := os.MkdirAll(f.code, mode); err != nil {
		return folders{}, fmt.Errorf("functions run as users of their own, who cannot reach the data folder %s; their code needs a place: %w", data, err)
	}
	if at, ok := proc.Reachable(f.code); !ok {
		return folders{}, fmt.Errorf("functions run as users of their own, who can reach neither %s nor %s; run chmod o+x %s", data, f.code, at)
	}
	return f, nil
}
