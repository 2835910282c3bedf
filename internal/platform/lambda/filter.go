package lambda

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// filter is an event pattern: a tree of members that an event must have. At its leaves stand the values that are
// allowed, and comparisons.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
type filter struct{ members map[string]any } // values: a filter's members (map[string]any), or a list of matchers ([]any)

// parseFilter reads a pattern. It refuses what matches would not understand.
func parseFilter(pattern string) (filter, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(pattern)))
	var f filter
	if err := d.Decode(&f.members); err != nil {
		return f, err
	}
	if d.More() || len(f.members) == 0 {
		return f, errors.New("a pattern is one object with members")
	}
	return f, checkPattern(f.members)
}

func checkPattern(members map[string]any) error {
	for name, v := range members {
		switch v := v.(type) {
		case map[string]any:
			if len(v) == 0 {
				return fmt.Errorf("%s: an empty object", name)
			}
			if err := checkPattern(v); err != nil {
				return err
			}
		case []any:
			if len(v) == 0 {
				return fmt.Errorf("%s: an empty list", name)
			}
			for _, m := range v {
				if err := checkMatcher(name, m); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("%s: neither an object nor a list", name)
		}
	}
	return nil
}

// checkMatcher refuses comparisons that do not exist.
func checkMatcher(name string, m any) error {
	o, ok := m.(map[string]any)
	if name == "$or" {
		if !ok {
			return errors.New("$or: not a list of objects")
		}
		return checkPattern(o)
	}
	switch {
	case !ok:
		if _, list := m.([]any); list {
			return fmt.Errorf("%s: a list in a list", name)
		}
		return nil
	case len(o) != 1:
		return fmt.Errorf("%s: a comparison has one operator", name)
	}
	for operator, v := range o {
		valid := false
		switch operator {
		case "prefix", "suffix", "equals-ignore-case":
			_, valid = v.(string)
		case "exists":
			_, valid = v.(bool)
		case "anything-but":
			values, many := v.([]any)
			if !many {
				values = []any{v}
			}
			valid = !slices.ContainsFunc(values, func(v any) bool {
				switch v.(type) {
				case map[string]any, []any:
					return true
				}
				return false
			})
		case "numeric":
			valid = validNumeric(v)
		}
		if !valid {
			return fmt.Errorf("%s: no comparison %q with this value", name, operator)
		}
	}
	return nil
}

func validNumeric(v any) bool {
	terms, ok := v.([]any)
	if !ok || len(terms) != 2 && len(terms) != 4 {
		return false
	}
	for pair := range slices.Chunk(terms, 2) {
		operator, _ := pair[0].(string)
		if _, number := pair[1].(float64); !number || !slices.Contains([]string{"=", "<", "<=", ">", ">="}, operator) {
			return false
		}
	}
	return true
}

// matchesRecord is matches for a record of a queue, whose body is read as JSON where the pattern looks into it.
func (f filter) matchesRecord(record map[string]any) bool {
	if _, inside := f.members["body"].(map[string]any); inside {
		var body any
		text, _ := record["body"].(string)
		if json.Unmarshal([]byte(text), &body) != nil {
			return false
		}
		record["body"] = body
		defer func() { record["body"] = text }()
	}
	return matchMembers(f.members, record)
}

func matchMembers(pattern map[string]any, event map[string]any) bool {
	for name, want := range pattern {
		if name == "$or" {
			if !slices.ContainsFunc(want.([]any), func(p any) bool { return matchMembers(p.(map[string]any), event) }) {
				return false
			}
			continue
		}
		got, there := event[name]
		switch want := want.(type) {
		case map[string]any:
			inner, ok := got.(map[string]any)
			if !ok && !onlyAbsence(want) || !matchMembers(want, inner) {
				return false
			}
		case []any:
			if !slices.ContainsFunc(want, func(m any) bool { return matchValue(m, got, there) }) {
				return false
			}
		}
	}
	return true
}

// onlyAbsence reports whether a pattern asks only that members do not exist, which holds where there is no object.
func onlyAbsence(pattern map[string]any) bool {
	for _, v := range pattern {
		ms, ok := v.([]any)
		if !ok || !slices.ContainsFunc(ms, func(m any) bool { o, ok := m.(map[string]any); return ok && o["exists"] == false }) {
			return false
		}
	}
	return true
}

// matchValue compares one value of an event, or each element of a list of them, with a matcher.
func matchValue(matcher, got any, there bool) bool {
	o, comparison := matcher.(map[string]any)
	if exists, ok := o["exists"]; comparison && ok {
		return exists == there
	}
	if !there {
		return false
	}
	if elements, ok := got.([]any); ok {
		return slices.ContainsFunc(elements, func(e any) bool { return matchValue(matcher, e, true) })
	}
	if !comparison {
		return matcher == got
	}
	for operator, v := range o {
		text, isText := got.(string)
		switch operator {
		case "prefix":
			return isText && strings.HasPrefix(text, v.(string))
		case "suffix":
			return isText && strings.HasSuffix(text, v.(string))
		case "equals-ignore-case":
			return isText && strings.EqualFold(text, v.(string))
		case "anything-but":
			if not, ok := v.([]any); ok {
				return !slices.Contains(not, got)
			}
			return v != got
		case "numeric":
			number, ok := got.(float64)
			return ok && compareNumber(v.([]any), number)
		}
	}
	return false
}

func compareNumber(terms []any, n float64) bool {
	for pair := range slices.Chunk(terms, 2) {
		limit := pair[1].(float64)
		holds := map[string]bool{"=": n == limit, "<": n < limit, "<=": n <= limit, ">": n > limit, ">=": n >= limit}
		if !holds[pair[0].(string)] {
			return false
		}
	}
	return true
}
