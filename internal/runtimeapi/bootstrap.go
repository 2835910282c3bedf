package runtimeapi

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
)

// bootstraps are the runtimes of the interpreted languages: each runs one handler and speaks the Runtime API.
//
//go:embed bootstrap/bootstrap.py bootstrap/bootstrap.mjs
var bootstraps embed.FS

// WriteBootstraps puts bootstrap.py and bootstrap.mjs into dir, readable for every user.
func WriteBootstraps(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("runtimeapi: directory of the bootstraps: %w", err)
	}
	for _, name := range []string{"bootstrap.py", "bootstrap.mjs"} {
		b, err := bootstraps.ReadFile("bootstrap/" + name)
		if err != nil {
			return fmt.Errorf("runtimeapi: %w", err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return fmt.Errorf("runtimeapi: bootstrap: %w", err)
		}
		if err := os.Chmod(path, 0o644); err != nil { // whatever the umask
			return fmt.Errorf("runtimeapi: bootstrap: %w", err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("runtimeapi: directory of the bootstraps: %w", err)
	}
	return nil
}
