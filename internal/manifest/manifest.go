// Package manifest reads teal.yaml into a release.Spec and the settings of its rollout, and packages the functions' code.
//
// Field names are those of AWS and the Serverless Framework. What cannot be used is reported all at once, each fault with
// file, line and column, the line itself, and what to write instead.
package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/tealdeploy/teal/internal/release"
)

// FileName is what a manifest is called unless told otherwise.
const FileName = "teal.yaml"

// DefaultAlias is the alias that a release moves when the manifest names none.
const DefaultAlias = "live"

// Manifest is a manifest that was read without a fault. It is immutable.
type Manifest struct {
	Path string // the file
	Dir  string // its folder; paths in the manifest are relative to it

	// Spec is what to release. Its functions have no code until Package has made it.
	Spec     release.Spec
	Provider Provider
	Rollout  Rollout
	Ledger   string // where releases are recorded: a folder, or s3://bucket/prefix; empty for .teal beside the manifest

	code   map[string]code // by function key
	src    *source
	places map[string]*token.Position
}

// Provider says where the release goes. Empty fields leave it to the AWS settings of the environment.
type Provider struct {
	Region   string
	Endpoint string // base URL of an endpoint that speaks AWS's API
}

// Options are the surroundings of Load.
type Options struct {
	// LookupEnv gives the values of ${env:NAME}; os.LookupEnv when nil.
	LookupEnv func(name string) (string, bool)
}

// Load reads the manifest at path, and the workflow definitions that it names. The error is Diagnostics when the manifest
// has faults, and an error of the file system when it cannot be read.
func Load(path string, o Options) (*Manifest, error) {
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no manifest %s; write one with: teal init, or name it with --file: %w", path, err)
		}
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("manifest %s is a folder; name the file, such as %s", path, filepath.Join(path, FileName))
	}
	text, err := readBounded(path, maxYAML)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return parse(path, text, o)
}

// parse reads the text of a manifest whose file is, or would be, at path.
func parse(path string, text []byte, o Options) (*Manifest, error) {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	m := &Manifest{Path: path, Dir: filepath.Dir(path), code: map[string]code{}, places: map[string]*token.Position{}}
	m.src = newSource(path, text)
	node, fault := parseYAML(m.src, text)
	if fault != nil {
		return nil, Diagnostics{fault}
	}
	if node == nil {
		return nil, Diagnostics{m.src.at(0, 0, "the manifest is empty", "write one with: teal init")}
	}
	r := &reader{src: m.src, env: o.LookupEnv, places: m.places}
	r.collectAnchors(node)
	a := &application{reader: r, m: m}
	a.read(node)
	if err := r.faults.sorted(); err != nil {
		return nil, err
	}
	return m, nil
}

// Fault makes a diagnostic at a field of the manifest, such as rollout.strategy, for what only others can judge. When the
// manifest does not have the field, the nearest field around it is shown.
func (m *Manifest) Fault(path, message, hint string) error {
	for p := path; p != ""; p = parent(p) {
		if at, ok := m.places[p]; ok {
			return Diagnostics{m.src.at(at.Line, at.Column, path+": "+message, hint)}
		}
	}
	return Diagnostics{m.src.at(0, 0, path+": "+message, hint)}
}

func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

// readBounded reads a regular file of at most limit bytes; larger ones are read one byte further, for the caller to see.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return readAtMost(f, limit+1)
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// isNull reports whether a field has no value.
func (r *reader) isNull(f field) bool {
	n := r.plain(f.node)
	_, null := n.(*ast.NullNode)
	return n == nil || null
}
