package laws

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// document reads a file by its path from the root of the module.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documents lists the Markdown files of the module.
func documents(t *testing.T) (names []string) {
	t.Helper()
	eachFile(t, func(name string) {
		if strings.HasSuffix(name, ".md") {
			names = append(names, name)
		}
	})
	if len(names) < 5 {
		t.Fatalf("found only %d documents: the walk is broken", len(names))
	}
	return names
}

// eachFile walks the files of the module, by their paths from its root, what is hidden left out.
func eachFile(t *testing.T, do func(name string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.IsDir() && d.Type().IsRegular():
			do(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var code = regexp.MustCompile("`([^`]+)`")

// Why: the tables of ARCHITECTURE.md are how a newcomer finds the place to change; a path that has moved sends him away.
func TestArchitectureNamesWhatExists(t *testing.T) {
	text := document(t, "ARCHITECTURE.md")
	_, table, ok := strings.Cut(text, "## I want to… → open")
	if !ok {
		t.Fatal("ARCHITECTURE.md has lost its table \"I want to… → open\"")
	}
	declared := declarations(t)
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || strings.HasPrefix(cells[1], "---") || strings.Contains(cells[1], "I want to") {
			continue
		}
		rows++
		within := ""
		for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
			name := m[1]
			switch {
			case strings.HasPrefix(name, "internal/") || strings.HasPrefix(name, "docs/") || strings.HasPrefix(name, "cmd/"):
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
					t.Errorf("ARCHITECTURE.md, %q: %s does not exist", strings.TrimSpace(cells[1]), name)
				}
				within = name
			case strings.HasSuffix(name, ".go"):
				if within == "" {
					continue // a name of a file in general, such as service.go
				}
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(within), name)); err != nil {
					t.Errorf("ARCHITECTURE.md, %q: %s has no %s", strings.TrimSpace(cells[1]), within, name)
				}
			default:
				if within == "" || !declaredIn(declared, within, name) {
					t.Errorf("ARCHITECTURE.md, %q: %q declares no %s", strings.TrimSpace(cells[1]), within, name)
				}
			}
		}
		if within == "" {
			t.Errorf("ARCHITECTURE.md, %q: the row names no path", strings.TrimSpace(cells[1]))
		}
	}
	if rows < 15 {
		t.Errorf("the table has %d rows: it is read in the wrong way", rows)
	}
	for _, m := range regexp.MustCompile("`(internal/[a-z0-9/]+|cmd/[a-z]+)`").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", m[1])
		}
	}
}

// Why: the prose names symbols too (`rollout.Step`), and they are renamed more often than files are moved.
func TestDocumentsNameSymbolsThatExist(t *testing.T) {
	packages := map[string][]string{} // package name → folders
	for _, f := range sources(t) {
		if name := f.syntax.Name.Name; !slices.Contains(packages[name], f.pkg) {
			packages[name] = append(packages[name], f.pkg)
		}
	}
	declared := declarations(t)
	symbol := regexp.MustCompile("`([a-z0-9]+)\\.([A-Z][A-Za-z0-9]*(?:\\.[A-Z][A-Za-z0-9]*)?)(?:\\([^`]*\\))?[^`]*`")
	n := 0
	for _, doc := range documents(t) {
		for _, m := range symbol.FindAllStringSubmatch(document(t, doc), -1) {
			folders := packages[m[1]]
			if len(folders) == 0 {
				continue // not a package of ours
			}
			n++
			if !slices.ContainsFunc(folders, func(pkg string) bool { return declaredIn(declared, pkg, m[2]) }) {
				t.Errorf("%s names %s.%s, which is not declared", doc, m[1], m[2])
			}
		}
	}
	if n < 10 {
		t.Errorf("found only %d symbols in the documents: they are read in the wrong way", n)
	}
}

// declarations lists what every file declares at its top: functions, methods and fields as Type.Name, types, variables.
func declarations(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, f := range sources(t) {
		var names []string
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					name = receiver(d.Recv.List[0].Type) + "." + name
				}
				names = append(names, name)
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						names = append(names, s.Name.Name)
						switch x := s.Type.(type) {
						case *ast.StructType:
							names = append(names, members(s.Name.Name, x.Fields)...)
						case *ast.InterfaceType:
							names = append(names, members(s.Name.Name, x.Methods)...)
						}
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names = append(names, n.Name)
						}
					}
				}
			}
		}
		out[f.name] = names
	}
	return out
}

func receiver(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return "?"
}

func members(of string, list *ast.FieldList) (names []string) {
	for _, f := range list.List {
		for _, n := range f.Names {
			names = append(names, of+"."+n.Name)
		}
	}
	return names
}

// declaredIn reports whether a file, or a file of a folder, declares the symbol.
func declaredIn(declared map[string][]string, within, symbol string) bool {
	for name, symbols := range declared {
		if (name == within || path.Dir(name) == within) && slices.Contains(symbols, symbol) {
			return true
		}
	}
	return false
}

// Why: a package is read from its comment; without one a reader guesses.
func TestEveryPackageHasAComment(t *testing.T) {
	commented, packages := map[string]bool{}, map[string]bool{}
	for _, f := range sources(t) {
		packages[f.pkg] = true
		clause, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f.name), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if clause.Doc == nil {
			continue
		}
		want := "Package " + clause.Name.Name + " "
		if clause.Name.Name == "main" {
			want = "Command " + path.Base(f.pkg) + " "
		}
		if first := clause.Doc.Text(); !strings.HasPrefix(first, want) {
			t.Errorf("%s: the package comment begins with %.40q, want %q", f.name, first, want)
		}
		commented[f.pkg] = true
	}
	for pkg := range packages {
		if !commented[pkg] {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

// Why: decisions are cited by number; a gap looks like one that was hidden.
func TestDecisionsAreNumbered(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(root, "docs/decisions"))
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^(\d{4})-[a-z0-9]+(-[a-z0-9]+)*\.md$`)
	for i, e := range entries { // sorted by name
		m := form.FindStringSubmatch(e.Name())
		if m == nil {
			t.Errorf("docs/decisions/%s is not named as NNNN-title.md", e.Name())
			continue
		}
		if n, _ := strconv.Atoi(m[1]); n != i+1 {
			t.Errorf("docs/decisions/%s has the number %d, want %d", e.Name(), n, i+1)
		}
		if heading, _, _ := strings.Cut(document(t, "docs/decisions/"+e.Name()), "\n"); !strings.HasPrefix(heading, fmt.Sprintf("# %d. ", i+1)) {
			t.Errorf("docs/decisions/%s begins with %q, want its number and a sentence", e.Name(), heading)
		}
	}
	if len(entries) < 4 {
		t.Errorf("found only %d decisions", len(entries))
	}
}

// Why: a dead link is a document that nobody has read since.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	block := regexp.MustCompile("(?s)\n```.*?\n```")
	inline := regexp.MustCompile("`[^`\n]*`")
	for _, doc := range documents(t) {
		text := inline.ReplaceAllString(block.ReplaceAllString(document(t, doc), "\n"), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" || strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, path.Dir(doc), filepath.FromSlash(to))); err != nil {
				t.Errorf("%s links to %s, which does not exist", doc, m[1])
			}
		}
	}
}

// Why: decisions outlive lines; a symbol can be searched for, and a line number is wrong after the next change.
func TestDocumentsReferToSymbolsNotLines(t *testing.T) {
	line := regexp.MustCompile(`[a-z]\.go:\d+`)
	for _, doc := range documents(t) {
		if at := line.FindString(document(t, doc)); at != "" {
			t.Errorf("%s refers to a line (%s): name the symbol", doc, at)
		}
	}
}

// Why: what is true of one machine, or of how a piece came to be written, says nothing to who reads it elsewhere.
func TestNothingSpeaksOfAWorkplace(t *testing.T) {
	// Written in parts, as this file is searched too.
	words := []string{"/wo" + "rk/", "/ho" + "me/", "/Us" + "ers/", "proxy." + "golang", "sub" + "agent", "CONTRACTS" + ".md", "DESIGN" + ".md", "LIBRARIES" + ".md", "STYLE" + ".md"}
	prose := []string{"hel" + "per", "TO" + "DO", "FIX" + "ME"} // of documents only: helper is a word of Go's testing
	eachFile(t, func(name string) {
		ext := path.Ext(name)
		if ext != ".go" && ext != ".md" && ext != ".yml" && ext != ".yaml" && path.Base(name) != "Makefile" {
			return
		}
		text := document(t, name)
		banned := words
		if ext == ".md" {
			banned = append(slices.Clone(words), prose...)
		}
		for _, w := range banned {
			if i := strings.Index(text, w); i >= 0 {
				t.Errorf("%s:%d says %q", name, 1+strings.Count(text[:i], "\n"), w)
			}
		}
	})
}
