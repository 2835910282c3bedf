package laws

import (
	"go/ast"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/manifest"
	"github.com/tealdeploy/teal/internal/rollout"
)

// fenced gives the blocks of a language in a Markdown text.
func fenced(text, language string) (blocks []string) {
	for {
		_, rest, ok := strings.Cut(text, "\n```"+language+"\n")
		if !ok {
			return blocks
		}
		block, after, ok := strings.Cut(rest, "\n```")
		if !ok {
			return blocks
		}
		blocks, text = append(blocks, block+"\n"), after
	}
}

// Why: people copy the example; one that does not load is worse than none.
func TestManifestExampleLoads(t *testing.T) {
	blocks := fenced(document(t, "docs/manifest.md"), "yaml")
	if len(blocks) != 2 {
		t.Fatalf("docs/manifest.md has %d examples in yaml, want one with everything, and one with a router", len(blocks))
	}
	var read []*manifest.Manifest
	for _, block := range blocks {
		path := filepath.Join(t.TempDir(), manifest.FileName)
		if err := os.WriteFile(path, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Load(path, manifest.Options{LookupEnv: func(string) (string, bool) { return "", false }})
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, m)
	}
	if r := read[1].Spec.Router; r == nil || len(r.Slots) != 2 {
		t.Errorf("the example with a router is read with %+v", r)
	}
	m := read[0]
	if s := m.Spec; s.App != "shop" || len(s.Functions) != 4 || len(s.Workflows) != 1 || len(s.Routes) != 3 || len(m.Rollout.Steps) != 7 {
		t.Errorf("the example is read as %+v, %+v", s, m.Rollout)
	}
	for name := range manifestFields(t) {
		if alias := map[string]bool{"service": true, "analysis": true, "type": true, "percentage": true}[name]; !alias && !strings.Contains(blocks[0]+blocks[1], name+":") && name != "strategy" {
			t.Errorf("the example has everything in it, but not %s", name)
		}
	}
}

// Why: a field that is not documented is found by reading the code, or not at all.
func TestManifestFieldsAreDocumented(t *testing.T) {
	text := document(t, "docs/manifest.md")
	for name, where := range manifestFields(t) {
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+":") && !strings.Contains(text, "{"+name+": ") {
			t.Errorf("%s reads the field %s, which docs/manifest.md does not tell", where, name)
		}
	}
	for _, preset := range rollout.Presets() {
		if !strings.Contains(text, "`"+preset+"`") {
			t.Errorf("docs/manifest.md does not tell of the strategy %s", preset)
		}
	}
}

// manifestFields finds the fields that the manifest's reader takes: the keys of its tables of functions.
func manifestFields(t *testing.T) map[string]string {
	t.Helper()
	fields := map[string]string{}
	for _, f := range sources(t) {
		if f.pkg != "internal/manifest" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			table, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			kind, ok := table.Type.(*ast.MapType)
			if !ok {
				return true
			}
			if _, ok := kind.Value.(*ast.FuncType); !ok {
				return true
			}
			for _, e := range table.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.BasicLit); ok {
						if name, err := strconv.Unquote(key.Value); err == nil {
							fields[name] = f.name
						}
					}
				}
			}
			return true
		})
	}
	if len(fields) < 30 {
		t.Fatalf("found only %d fields: the manifest is read in another way now", len(fields))
	}
	return fields
}
