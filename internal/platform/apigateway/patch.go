package apigateway

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// patches says for each first part of a path what an operation on it does. rest is what follows in the path.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
type patches map[string]func(op types.PatchOperation, rest []string) error

// apply performs the operations in their order; the caller discards the target when it fails.
func (p patches) apply(ops []types.PatchOperation) error {
	for _, op := range ops {
		parts := pathParts(aws.ToString(op.Path))
		if len(parts) == 0 {
			return badRequest("Invalid patch path %s", aws.ToString(op.Path))
		}
		f, ok := p[parts[0]]
		if !ok || parts[0] == "*" { // which is itself a resource's path: that of all
			f, ok = p["*"]
			if ok {
				if err := f(op, parts); err != nil {
					return err
				}
				continue
			}
		}
		if !ok {
			names := make([]string, 0, len(p))
			for name := range p {
				names = append(names, "/"+name)
			}
			slices.Sort(names)
			return badRequest("Invalid patch path '%s' specified for op '%s'. Must be one of: [%s]", aws.ToString(op.Path), op.Op, strings.Join(names, ", "))
		}
		if err := f(op, parts[1:]); err != nil {
			return err
		}
	}
	return nil
}

// pathParts splits a JSON pointer: ~1 is a slash, ~0 a tilde.
func pathParts(path string) []string {
	if path == "" || path[0] != '/' {
		return nil
	}
	parts := strings.Split(path[1:], "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return parts
}

func badOp(op types.PatchOperation) error {
	return badRequest("Invalid patch operation %s on %s", op.Op, aws.ToString(op.Path))
}

// text patches a string.
func text(field **string) func(types.PatchOperation, []string) error {
	return func(op types.PatchOperation, rest []string) error {
		switch {
		case len(rest) > 0:
			return badOp(op)
		case op.Op == types.OpRemove:
			*field = nil
		case op.Op == types.OpReplace || op.Op == types.OpAdd:
			*field = aws.String(aws.ToString(op.Value))
		default:
			return badOp(op)
		}
		return nil
	}
}

// word patches an enum member.
func word[T ~string](field *T) func(types.PatchOperation, []string) error {
	return func(op types.PatchOperation, rest []string) error {
		var s *string
		if err := text(&s)(op, rest); err != nil {
			return err
		}
		*field = T(aws.ToString(s))
		return nil
	}
}

func flag(set func(bool)) func(types.PatchOperation, []string) error {
	return func(op types.PatchOperation, rest []string) error {
		v, err := strconv.ParseBool(strings.ToLower(aws.ToString(op.Value)))
		if err != nil || len(rest) > 0 || op.Op != types.OpReplace && op.Op != types.OpAdd {
			return badRequest("Invalid value %s for %s: it must be true or false", aws.ToString(op.Value), aws.ToString(op.Path))
		}
		set(v)
		return nil
	}
}

func number(set func(float64)) func(types.PatchOperation, []string) error {
	return func(op types.PatchOperation, rest []string) error {
		v, err := strconv.ParseFloat(aws.ToString(op.Value), 64)
		if err != nil || len(rest) > 0 || v != v || op.Op != types.OpReplace && op.Op != types.OpAdd {
			return badRequest("Invalid value %s for %s: it must be a number", aws.ToString(op.Value), aws.ToString(op.Path))
		}
		set(v)
		return nil
	}
}

// entries patches a map: /name/key, or the whole map as JSON.
func entries[V any](field *map[string]V, parse func(string) (V, error)) func(types.PatchOperation, []string) error {
	return func(op types.PatchOperation, rest []string) error {
		if len(rest) == 0 {
			switch op.Op {
			case types.OpRemove:
				*field = nil
				return nil
			case types.OpReplace, types.OpAdd:
				var m map[string]V
				if err := json.Unmarshal([]byte(aws.ToString(op.Value)), &m); err != nil {
					return badRequest("Invalid value for %s: %v", aws.ToString(op.Path), err)
				}
				*field = m
				return nil
			}
			return badOp(op)
		}
		key := strings.Join(rest, "/")
		switch op.Op {
		case types.OpRemove:
			delete(*field, key)
		case types.OpReplace, types.OpAdd:
			v, err := parse(aws.ToString(op.Value))
			if err != nil {
				return badRequest("Invalid value %s for %s", aws.ToString(op.Value), aws.ToString(op.Path))
			}
			makeNil(field)
			(*field)[key] = v
		default:
			return badOp(op)
		}
		return nil
	}
}

func texts(field *map[string]string) func(types.PatchOperation, []string) error {
	return entries(field, func(s string) (string, error) { return s, nil })
}

func flags(field *map[string]bool) func(types.PatchOperation, []string) error {
	return entries(field, strconv.ParseBool)
}

// list patches a list of strings: /name/value, or the value beside it.
func list(field *[]string) func(types.PatchOperation, []string) error {
	return func(op types.PatchOperation, rest []string) error {
		v := strings.Join(rest, "/")
		if v == "" {
			v = aws.ToString(op.Value)
		}
		switch op.Op {
		case types.OpAdd:
			if !slices.Contains(*field, v) {
				*field = append(*field, v)
			}
		case types.OpRemove:
			*field = slices.DeleteFunc(slices.Clone(*field), func(x string) bool { return x == v })
		case types.OpReplace:
			if i := slices.Index(*field, strings.Join(rest, "/")); len(rest) > 0 && i >= 0 {
				*field = slices.Clone(*field)
				(*field)[i] = aws.ToString(op.Value)
				return nil
			}
			*field = strings.Split(aws.ToString(op.Value), ",")
		default:
			return badOp(op)
		}
		return nil
	}
}

// refused is a path that AWS has and this platform has not.
func refused(what string) func(types.PatchOperation, []string) error {
	return func(types.PatchOperation, []string) error { return unsupported(what) }
}
