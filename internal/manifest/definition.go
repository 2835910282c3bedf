package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// definition reads a workflow's definition: a mapping in the manifest itself, a JSON text in it, or the path of a file
// (.json or .asl.json, kept byte for byte; .yaml, .yml, .asl.yaml, turned into JSON with its order kept).
func (a *application) definition(f field) json.RawMessage {
	n := a.plain(f.node)
	if n == nil {
		return nil
	}
	if _, ok := a.entries(n); ok {
		return a.convert(n, true)
	}
	s, ok := rawText(n)
	if !ok || s == "" {
		a.wrong(f, n, "the path of a file or the definition itself", "definition: order.asl.json")
		return nil
	}
	if strings.HasPrefix(strings.TrimSpace(s), "{") {
		if err := json.Unmarshal([]byte(s), new(any)); err != nil {
			a.fault(n, fmt.Sprintf("%s is no JSON text: %v", f.path, err), "")
			return nil
		}
		return json.RawMessage(s)
	}
	before := len(a.faults)
	if s = a.expand(n, s); len(a.faults) > before {
		return nil
	}
	path := s
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.m.Dir, filepath.FromSlash(s))
	}
	text, err := readBounded(path, maxYAML)
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "paths are relative to the manifest's folder " + a.m.Dir
		}
		a.fault(n, fmt.Sprintf("%s: %v", f.path, err), hint)
		return nil
	}
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".json":
		return a.definitionJSON(path, text)
	case ".yaml", ".yml":
		return a.definitionYAML(path, text)
	default:
		a.fault(n, fmt.Sprintf("%s: %s is no file type of a definition", f.path, s), "name it .asl.json, .json or .yaml")
		return nil
	}
}

// definitionJSON checks that a file holds one JSON object.
func (a *application) definitionJSON(path string, text []byte) json.RawMessage {
	src := newSource(path, text)
	if len(text) > maxYAML {
		a.faults = append(a.faults, src.at(0, 0, fmt.Sprintf("the definition has more than %d bytes, which is AWS's limit", maxYAML), ""))
		return nil
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		line, column := 1, 1
		var syn *json.SyntaxError
		if errors.As(err, &syn) {
			line, column = place(text, int(syn.Offset)-1)
		}
		hint := ""
		if len(bytes.TrimSpace(text)) == 0 {
			hint = "write an object with StartAt and States"
		}
		a.faults = append(a.faults, src.at(line, column, "this is no JSON: "+err.Error(), hint))
		return nil
	}
	if _, ok := v.(map[string]any); !ok {
		a.faults = append(a.faults, src.at(1, 1, "a definition is an object with StartAt and States", ""))
		return nil
	}
	return json.RawMessage(text)
}

// place gives the line and column, in characters, of a byte.
func place(text []byte, offset int) (line, column int) {
	offset = max(0, min(offset, len(text)))
	before := text[:offset]
	line = 1 + bytes.Count(before, []byte("\n"))
	return line, 1 + len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:])))
}

// definitionYAML turns a file into JSON.
func (a *application) definitionYAML(path string, text []byte) json.RawMessage {
	src := newSource(path, text)
	node, fault := parseYAML(src, text)
	if fault == nil && node == nil {
		fault = src.at(0, 0, "the definition is empty", "write StartAt: and States:")
	}
	if fault != nil {
		a.faults = append(a.faults, fault)
		return nil
	}
	r := &reader{src: src, env: a.env}
	r.collectAnchors(node)
	var out json.RawMessage
	if _, ok := r.entries(r.plain(node)); !ok {
		r.fault(node, "a definition is a mapping with StartAt and States, got "+describe(node), "")
	} else {
		out = r.convert(node, false)
	}
	a.faults = append(a.faults, r.faults...)
	return out
}

// convert writes a YAML value as JSON, members in their order. With variables, ${env:…} is replaced in texts; all other
// placeholders stay, as they name functions.
func (r *reader) convert(n ast.Node, variables bool) json.RawMessage {
	before := len(r.faults)
	var b bytes.Buffer
	r.write(&b, n, variables, 0)
	if len(r.faults) > before {
		return nil
	}
	return b.Bytes()
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func (r *reader) write(b *bytes.Buffer, n ast.Node, variables bool, depth int) {
	if depth > maxNesting {
		r.fault(n, fmt.Sprintf("values are nested more than %d deep", maxNesting), "")
		return
	}
	at := n
	if n = r.plain(n); n == nil {
		return
	}
	if list, ok := r.entries(n); ok {
		b.WriteByte('{')
		for i, e := range list {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, e.key)
			b.WriteByte(':')
			r.write(b, e.value, variables, depth+1)
		}
		b.WriteByte('}')
		return
	}
	switch v := n.(type) {
	case *ast.SequenceNode:
		b.WriteByte('[')
		for i, e := range v.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			r.write(b, e, variables, depth+1)
		}
		b.WriteByte(']')
	case *ast.NullNode:
		b.WriteString("null")
	case *ast.BoolNode:
		b.WriteString(strconv.FormatBool(v.Value))
	case *ast.IntegerNode:
		fmt.Fprint(b, v.Value)
	case *ast.FloatNode:
		if s := strings.TrimSpace(v.GetToken().Value); jsonNumber.MatchString(s) {
			b.WriteString(s)
		} else {
			b.WriteString(strconv.FormatFloat(v.Value, 'g', -1, 64))
		}
	case *ast.StringNode:
		// Numbers such as 1e3, which the parser takes for text, are numbers where they are not quoted.
		if t := v.GetToken(); t != nil && t.Type == token.StringType && at == n && jsonNumber.MatchString(v.Value) {
			b.WriteString(v.Value)
			return
		}
		r.writeString(b, n, v.Value, variables)
	case *ast.LiteralNode:
		r.writeString(b, n, v.Value.Value, variables)
	default:
		r.fault(n, "JSON has no "+strings.TrimPrefix(describe(n), "the "), "")
	}
}

func (r *reader) writeString(b *bytes.Buffer, n ast.Node, s string, variables bool) {
	if variables && strings.Contains(s, "${env:") {
		s = r.expandWith(n, strings.ReplaceAll(s, "$${", "$$${"), func(m string) string { return m })
	}
	writeText(b, s)
}

// writeText writes a JSON string without the escapes that are meant for HTML.
func writeText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err == nil {
		b.Truncate(b.Len() - 1) // the newline that Encode adds
	}
}

// readAtMost reads at most limit bytes.
func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, limit))
}
