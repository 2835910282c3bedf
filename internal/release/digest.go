package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
)

// AWS's defaults for what a manifest leaves out.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
const (
	DefaultMemorySize   = 128 // MiB
	DefaultTimeout      = 3   // seconds
	DefaultArchitecture = "x86_64"
	TypeStandard        = "STANDARD"
	TypeExpress         = "EXPRESS"
)

// WithDefaults returns f with AWS's defaults in place of what is not set, and its architectures sorted.
func (f Function) WithDefaults() Function {
	if f.MemorySize == 0 {
		f.MemorySize = DefaultMemorySize
	}
	if f.Timeout == 0 {
		f.Timeout = DefaultTimeout
	}
	if len(f.Architectures) == 0 {
		f.Architectures = []string{DefaultArchitecture}
	} else {
		f.Architectures = append([]string(nil), f.Architectures...)
		sort.Strings(f.Architectures)
	}
	if len(f.Environment) == 0 {
		f.Environment = nil
	}
	f.Settings = f.Settings.withDefaults()
	return f
}

// WithDefaults returns w with AWS's default type when it has none.
func (w Workflow) WithDefaults() Workflow {
	if w.Type == "" {
		w.Type = TypeStandard
	}
	return w
}

// Digest identifies the function's code and configuration: equal digests mean that a version may stand for the other.
//
// It is "sha256:" and the hex SHA-256 of a JSON text that holds, under fixed names in a fixed order and with defaults
// filled in: the code's SHA-256, runtime, handler, role, description, architectures (sorted), memory, timeout and the
// environment (sorted by name); then, where they are not AWS's defaults, the Settings, with layers in their order. Key, Name and Alias are no part of it. Environment values go in, and cannot be read back,
// but a guess at a value can be checked against it: treat a digest as no more public than the release.
func (f Function) Digest() string {
	f = f.WithDefaults()
	return digest("teal.function.v1", struct {
		Code          string            `json:"codeSha256"`
		Runtime       string            `json:"runtime"`
		Handler       string            `json:"handler"`
		Role          string            `json:"role"`
		Description   string            `json:"description"`
		Architectures []string          `json:"architectures"`
		MemorySize    int32             `json:"memorySize"`
		Timeout       int32             `json:"timeout"`
		Environment   map[string]string `json:"environment"` // encoding/json sorts the keys of maps
		Settings
	}{f.CodeSHA256, f.Runtime, f.Handler, f.Role, f.Description, f.Architectures, f.MemorySize, f.Timeout, f.Environment, f.Settings.withoutDefaults()})
}

// Digest identifies the workflow with its pinned definition. It is "sha256:" and the hex SHA-256 of a JSON text that holds
// the type, the role and the definition with the members of every object sorted by name and without space between tokens;
// numbers count as they are written. Key, Name and Alias are no part of it. It fails when pinned is no JSON text.
func (w Workflow) Digest(pinned json.RawMessage) (string, error) {
	c, err := canonical(pinned)
	if err != nil {
		return "", err
	}
	w = w.WithDefaults()
	return digest("teal.workflow.v1", struct {
		Type       string          `json:"type"`
		Role       string          `json:"role"`
		Definition json.RawMessage `json:"definition"`
	}{w.Type, w.Role, c}), nil
}

// digest hashes a value under the name of its form, so that digests of different forms never meet.
func digest(form string, v any) string {
	text, err := json.Marshal(v)
	if err != nil { // only fixed structs of strings, numbers and checked JSON come here
		panic("release: " + err.Error())
	}
	h := sha256.New()
	io.WriteString(h, form+"\n")
	h.Write(text)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// canonical gives the JSON text with sorted members, without space, and with numbers as written.
func canonical(text json.RawMessage) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return nil, fmt.Errorf("the definition is no JSON text: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the definition is no JSON text: something follows its end")
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n")), nil
}
