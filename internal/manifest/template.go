package manifest

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"text/template"

	"github.com/tealdeploy/teal/internal/release"
)

//go:embed template
var templates embed.FS

// File is one file of a starter application.
type File struct {
	Path    string // with slashes, relative to the application's folder
	Content []byte
}

// Template makes a small application to start from: a commented teal.yaml, a function in Go for this machine's
// architecture, and a workflow that calls it, sorted by path. It fails when name is no name for an application.
func Template(name string) ([]File, error) {
	if !appForm.MatchString(name) {
		return nil, fmt.Errorf("%q is no name for an application: begin with a letter, go on with letters, digits, - and _, at most 39 characters", name)
	}
	data := struct{ App, GOARCH, Architecture string }{name, "amd64", release.DefaultArchitecture}
	if runtime.GOARCH == "arm64" {
		data.GOARCH, data.Architecture = "arm64", "arm64"
	}
	var out []File
	err := fs.WalkDir(templates, "template", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		t, err := template.ParseFS(templates, p)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, data); err != nil {
			return err
		}
		p = strings.TrimSuffix(strings.TrimPrefix(p, "template/"), ".tmpl")
		if p == "gitignore" { // embedded under a name that is not hidden
			p = ".gitignore"
		}
		out = append(out, File{p, b.Bytes()})
		return nil
	})
	return out, err
}
