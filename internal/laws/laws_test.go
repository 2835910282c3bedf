// Package laws holds the rules of the house as tests over the import graph and the source. They read the tree as text,
// so they hold for every build tag.
package laws

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tealdeploy/teal"

// ranks is the house: arrows point only downwards or sideways, never up. A package that is not named here takes the
// rank of its nearest named parent; one that has none fails the test.
var ranks = map[string]int{
	"internal/alias": 0, "internal/arn": 0, "internal/fault": 0, "internal/headstart": 0, "internal/jsontext": 0,

	"internal/release": 1, "internal/rollout": 1, "internal/asl": 1, "internal/jsonpath": 1, "internal/jsonata": 1,
	"internal/vtl": 1,

	"internal/platform/cloudwatch/alarm": 1, "internal/platform/cloudwatch/metricmath": 1,

	"internal/awsproto": 2, "internal/front": 2, "internal/runtimeapi": 2, "internal/pool": 2, "internal/proc": 2, "internal/store": 2,
	"internal/clock": 2, "internal/executeapi": 2, "internal/trace": 2,

	"internal/target": 3, "internal/health": 3, "internal/ledger": 3,
	"internal/platform/apigateway": 3, "internal/platform/apigatewayv2": 3, "internal/platform/cloudwatch": 3, "internal/platform/codedeploy": 3,
	"internal/platform/lambda": 3, "internal/platform/logs": 3, "internal/platform/route53": 3,
	"internal/platform/s3": 3, "internal/platform/sqs": 3, "internal/platform/states": 3, "internal/platform/sts": 3,

	"internal/controller": 4, "internal/platform": 4, "internal/manifest": 4,

	"internal/cli": 5, "internal/console": 5,

	"cmd": 6, "examples": 0, "internal/laws": 6, ".": 6,
}

// file is one Go source file of the product, tests left out.
type file struct {
	pkg     string // folder relative to the root, with slashes
	name    string
	imports []string
	syntax  *ast.File
	fset    *token.FileSet
}

// sources parses every non-test Go file below the root of the module.
func sources(t *testing.T) []file {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("the laws must run inside the module: %v", err)
	}
	var files []file
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); n == "testdata" || n == "node_modules" || (strings.HasPrefix(n, ".") && p != root) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f := file{pkg: path.Dir(filepath.ToSlash(rel)), name: filepath.ToSlash(rel), syntax: syntax, fset: fset}
		for _, i := range syntax.Imports {
			s, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, s)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found only %d source files: the walk is broken", len(files))
	}
	return files
}

// rank finds the rank of a package by its folder or the nearest parent that is ranked.
func rank(pkg string) (int, bool) {
	for p := pkg; ; p = path.Dir(p) {
		if r, ok := ranks[p]; ok && (p != "." || pkg == ".") {
			return r, true
		}
		if p == "." {
			return 0, false
		}
	}
}

// internal gives the folder of an import of this module.
func internal(imp string) (string, bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}

func under(pkg, parent string) bool { return pkg == parent || strings.HasPrefix(pkg, parent+"/") }

// Why: whoever reads a package can trust that nothing above it is needed to understand it.
func TestArrowsPointDownwards(t *testing.T) {
	for _, f := range sources(t) {
		from, ok := rank(f.pkg)
		if !ok {
			t.Errorf("%s: package %s has no rank: name it in the table of this test", f.name, f.pkg)
			continue
		}
		for _, imp := range f.imports {
			to, mine := internal(imp)
			if !mine {
				continue
			}
			if r, ok := rank(to); ok && r > from {
				t.Errorf("%s (rank %d) imports %s (rank %d): arrows point only downwards", f.name, from, to, r)
			}
		}
	}
}

// Why: the pure core decides everything that matters, and can be replayed, simulated and tested without a machine.
func TestPureRanksImportNoTechnology(t *testing.T) {
	banned := []string{"net", "os", "context", "sync", "math/rand", "crypto/rand", "github.com/aws/aws-sdk-go-v2"}
	for _, f := range sources(t) {
		if r, _ := rank(f.pkg); r > 1 || f.pkg == "examples" || under(f.pkg, "examples") {
			continue
		}
		for _, imp := range f.imports {
			for _, b := range banned {
				if under(imp, b) {
					t.Errorf("%s imports %s: ranks 0 and 1 are pure", f.name, imp)
				}
			}
		}
	}
}

// Why: time comes in as an event, so a rollout or an execution can be replayed to the same result.
func TestPureRanksDoNotAskForTheTime(t *testing.T) {
	clock := map[string]bool{
		"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
		"Tick": true, "NewTimer": true, "NewTicker": true,
	}
	for _, f := range sources(t) {
		if r, _ := rank(f.pkg); r > 1 || under(f.pkg, "examples") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && clock[s.Sel.Name] {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s: time.%s: ranks 0 and 1 get the time from events", f.fset.Position(n.Pos()), s.Sel.Name)
				}
			}
			return true
		})
	}
}

// Why: what waits on the platform goes by one clock, which a rehearsal lets run faster. What is listed is of the machine's time.
func TestPlatformWaitsByItsClock(t *testing.T) {
	machines := map[string]string{
		"internal/platform/platform.go":                "the machine's time, when platform time is no other",
		"internal/platform/lambda/settle.go":           "how long a request waits for code that is being unpacked",
		"internal/platform/logs/write.go":              "how long lines wait to be written together",
		"internal/platform/apigateway/backends.go":     "how long an answer really took",
		"internal/platform/apigateway/serve.go":        "how long an answer really took",
		"internal/platform/apigateway/testinvoke.go":   "how long an answer really took",
		"internal/platform/apigatewayv2/execution.go":  "how long an answer really took",
		"internal/platform/apigatewayv2/serve.go":      "how long an answer really took",
		"internal/platform/states/integration_http.go": "the timeout of a request to another program",
		"internal/platform/states/teststate.go":        "the timeout of a caller that is waiting",
	}
	ofTime := map[string]bool{
		"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true, "Tick": true, "NewTimer": true, "NewTicker": true,
	}
	for _, f := range sources(t) {
		if !under(f.pkg, "internal/platform") {
			continue
		}
		uses := false
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if !ok || !(x.Name == "time" && ofTime[s.Sel.Name] || x.Name == "context" && (s.Sel.Name == "WithTimeout" || s.Sel.Name == "WithDeadline")) {
				return true
			}
			if uses = true; machines[f.name] == "" {
				t.Errorf("%s: %s.%s: the platform waits and tells the time by its clock.Clock; what is of the machine's time is listed in this test", f.fset.Position(n.Pos()), x.Name, s.Sel.Name)
			}
			return true
		})
		if machines[f.name] != "" && !uses {
			t.Errorf("%s no longer uses the machine's time: take it off the list", f.name)
		}
	}
}

// Why: the controller meets the embedded platform only as it meets AWS, so what is rehearsed is what will happen.
func TestReleasingAndPlatformMeetOnlyOverTheWire(t *testing.T) {
	releasing := []string{
		"internal/controller", "internal/target", "internal/health", "internal/ledger", "internal/rollout",
		"internal/release", "internal/manifest",
	}
	platform := []string{
		"internal/platform", "internal/awsproto", "internal/store", "internal/pool", "internal/proc",
		"internal/runtimeapi",
	}
	forbid(t, releasing, platform, "releasing speaks to the platform through the AWS SDK only")
	forbid(t, platform, releasing, "the platform knows nothing of releases")
}

// Why: a service can be understood, replaced and tested alone; platform.New passes it the little it needs of the others.
func TestPlatformServicesDoNotImportEachOther(t *testing.T) {
	for _, f := range sources(t) {
		rest, ok := strings.CutPrefix(f.pkg, "internal/platform/")
		if !ok {
			continue
		}
		own := "internal/platform/" + strings.SplitN(rest, "/", 2)[0]
		for _, imp := range f.imports {
			if to, mine := internal(imp); mine && under(to, "internal/platform") && !under(to, own) {
				t.Errorf("%s imports %s: a service declares the small interface that it needs", f.name, to)
			}
		}
	}
}

// Why: what people see is read through the same API that everyone else uses.
func TestFrontsReachStateThroughPorts(t *testing.T) {
	forbid(t, []string{"internal/cli", "internal/console"}, []string{"internal/store"}, "fronts reach state through ports, never through stores")
}

// Why: starting a process is where isolation is decided; there is one such place.
func TestOnlyProcStartsProcesses(t *testing.T) {
	allowed := map[string]string{
		"internal/proc": "functions",
		"internal/cli":  "the build commands and hooks of a manifest, and the demo's own platform",
	}
	for _, f := range sources(t) {
		if _, ok := allowed[f.pkg]; ok || under(f.pkg, "examples") {
			continue
		}
		for _, imp := range f.imports {
			if imp == "os/exec" {
				t.Errorf("%s imports os/exec: only %v may", f.name, keys(allowed))
			}
		}
	}
}

// Why: such names say nothing, so everything ends up in them.
func TestNamesSaySomething(t *testing.T) {
	for _, f := range sources(t) {
		for _, part := range strings.Split(strings.TrimSuffix(f.name, ".go"), "/") {
			switch part {
			case "util", "utils", "common", "helper", "helpers", "misc":
				t.Errorf("%s: a package or file named %q says nothing of what it holds", f.name, part)
			}
		}
	}
}

// Why: a file of more than some 600 lines holds two concepts.
func TestFilesHoldOneConcept(t *testing.T) {
	for _, f := range sources(t) {
		if n := f.fset.Position(f.syntax.FileEnd).Line; n > 620 {
			t.Errorf("%s has %d lines: split it by concept", f.name, n)
		}
	}
}

// forbid fails for every import from a package under one of from to a package under one of to.
// permitted are the imports that a law forbids in general, each by a decision.
var permitted = map[[2]string]bool{
	// CodeDeploy runs on the pure rollout machine: docs/decisions/0024.
	{"internal/platform/codedeploy", "internal/rollout"}: true,
	{"internal/platform/codedeploy", "internal/release"}: true,
}

func forbid(t *testing.T, from, to []string, why string) {
	t.Helper()
	for _, f := range sources(t) {
		for _, a := range from {
			if !under(f.pkg, a) {
				continue
			}
			for _, imp := range f.imports {
				target, mine := internal(imp)
				if !mine {
					continue
				}
				for _, b := range to {
					if under(target, b) && !permitted[[2]string{f.pkg, target}] {
						t.Errorf("%s imports %s: %s", f.name, target, why)
					}
				}
			}
		}
	}
}

func keys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
