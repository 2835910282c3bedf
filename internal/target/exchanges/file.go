package exchanges

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A file has one exchange after the other. What was sent begins with lines marked >, what was answered with lines marked <: first
// the method and the address, or the status, then headers. The body follows, up to the next marked line or the end:
//
//	> PUT /2015-03-31/functions/teal-fn/aliases/live
//	> Content-Type: application/json
//	{
//	 "FunctionVersion": "2"
//	}
//	< 412
//	< Content-Type: application/json
//	< X-Amzn-Errortype: PreconditionFailedException
//	{
//	 "Type": "User",
//	 "message": "…"
//	}
//
// Instead of a status, "lost" and a reason stand for a connection that ended without an answer.

// Load reads a file of exchanges.
func Load(file string) ([]Exchange, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; record it as CONTRIBUTING.md says", err)
	}
	all, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

// Save writes exchanges, ordered by their subject, without what belongs to the moment of recording. endpoint is where they
// were recorded.
func Save(file, endpoint string, all []Exchange) error {
	all = slices.Clone(all)
	sort.SliceStable(all, func(i, j int) bool { return all[i].Request.subject() < all[j].Request.subject() })
	if err := normalise(endpoint, all); err != nil {
		return err
	}
	data := format(all)
	again, err := parse(data)
	if err != nil {
		return fmt.Errorf("%s: what was recorded cannot be read again: %w", file, err)
	}
	if !bytes.Equal(format(again), data) {
		return fmt.Errorf("%s: what was recorded is read as something else", file)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

func format(all []Exchange) []byte {
	var out bytes.Buffer
	for _, e := range all {
		address := e.Request.Path
		if e.Request.Query != "" {
			address += "?" + e.Request.Query
		}
		fmt.Fprintf(&out, "> %s %s\n", e.Request.Method, address)
		e.Request.write(&out, '>')
		if e.Answer.Lost != "" {
			fmt.Fprintf(&out, "< lost %s\n", e.Answer.Lost)
		} else {
			fmt.Fprintf(&out, "< %d\n", e.Answer.Status)
		}
		e.Answer.write(&out, '<')
	}
	return out.Bytes()
}

func (b Body) write(out *bytes.Buffer, mark byte) {
	names := make([]string, 0, len(b.Header))
	for name := range b.Header {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(out, "%c %s: %s\n", mark, name, b.Header[name])
	}
	if b.JSON == nil {
		out.WriteString(b.Text)
	} else if err := json.Indent(out, b.JSON, "", " "); err != nil {
		out.Write(b.JSON)
	}
	if b.JSON != nil || b.Text != "" {
		out.WriteByte('\n')
	}
}

func parse(data []byte) ([]Exchange, error) {
	var all []Exchange
	var at *Body
	var body bytes.Buffer
	finish := func() {
		if at != nil {
			at.set(slices.Clone(body.Bytes()))
		}
		body.Reset()
		at = nil
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		mark, head, _ := strings.Cut(line, " ")
		if mark != ">" && mark != "<" {
			if at == nil {
				return nil, fmt.Errorf("line %d: a body before any request", n)
			}
			body.WriteString(line + "\n")
			continue
		}
		if name, v, ok := strings.Cut(head, ": "); ok && at != nil && body.Len() == 0 && !strings.Contains(name, " ") {
			if at.Header == nil {
				at.Header = map[string]string{}
			}
			at.Header[name] = v
			continue
		}
		finish()
		if mark == ">" {
			var q Request
			var address string
			var ok bool
			if q.Method, address, ok = strings.Cut(head, " "); !ok {
				return nil, fmt.Errorf("line %d: no method and address in %q", n, head)
			}
			q.Path, q.Query, _ = strings.Cut(address, "?")
			all = append(all, Exchange{Request: q})
			at = &all[len(all)-1].Request.Body
			continue
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("line %d: an answer before any request", n)
		}
		a := &all[len(all)-1].Answer
		if a.Status != 0 || a.Lost != "" {
			return nil, fmt.Errorf("line %d: a second answer", n)
		}
		if why, lost := strings.CutPrefix(head, "lost "); lost {
			a.Lost = why
		} else if status, err := strconv.Atoi(head); err != nil {
			return nil, fmt.Errorf("line %d: %q is no status", n, head)
		} else {
			a.Status = status
		}
		at = &a.Body
	}
	finish()
	for i, e := range all {
		if e.Answer.Status == 0 && e.Answer.Lost == "" {
			return nil, fmt.Errorf("request %d has no answer: %s", i+1, e.Request)
		}
	}
	return all, lines.Err()
}
