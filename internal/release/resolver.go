package release

import (
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/tealdeploy/teal/internal/arn"
)

// NewVersion stands for the number of a version that a plan foresees and that only AWS can give.
const NewVersion = "new"

// Resolver knows the functions of one release by key and by name. It is immutable; the zero value knows none.
type Resolver struct {
	id     Identity
	byKey  map[string]resolved
	byName map[string]resolved
	keys   []string // sorted
}

// resolved is one function of the release with its version.
type resolved struct {
	fn      arn.Function // qualified by the version
	alias   string
	version string
}

// NewResolver makes a Resolver from the functions of a Spec and their versions in a release, matched by Key. It fails when
// a function has no version, or a version's ARN is none.
func NewResolver(id Identity, functions []Function, versions []FunctionVersion) (Resolver, error) {
	r := Resolver{id: id, byKey: map[string]resolved{}, byName: map[string]resolved{}}
	published := map[string]FunctionVersion{}
	for _, v := range versions {
		published[v.Key] = v
	}
	for _, f := range functions {
		v, ok := published[f.Key]
		if !ok {
			return Resolver{}, fmt.Errorf("function %s has no version in this release; publish it before pinning workflows", f.Key)
		}
		a, err := arn.ParseFunction(v.ARN)
		if err != nil {
			return Resolver{}, fmt.Errorf("version %s of function %s: %w", v.Version, f.Key, err)
		}
		if a.Qualifier != v.Version || a.Name != f.Name || v.Version == "" {
			return Resolver{}, fmt.Errorf("version %q of function %s (%s) has the ARN %s, which is another one's", v.Version, f.Key, f.Name, v.ARN)
		}
		e := resolved{fn: a, alias: f.Alias, version: v.Version}
		r.byKey[f.Key], r.byName[f.Name] = e, e
		r.keys = append(r.keys, f.Key)
		if r.id.Account == "" {
			r.id = Identity{Partition: a.Partition, Region: a.Region, Account: a.Account}
		}
	}
	sort.Strings(r.keys)
	return r, nil
}

var placeholder = regexp.MustCompile(`\$\{([^{}]*)\}`)

// expand replaces ${Key} by a function's name, ${Key.Arn} by its unqualified ARN, and CloudFormation's pseudo parameters.
func (r Resolver) expand(s string) (string, *PinError) {
	var bad *PinError
	out := placeholder.ReplaceAllStringFunc(s, func(m string) string {
		name := strings.TrimSpace(m[2 : len(m)-1])
		if v, ok := r.pseudo(name); ok {
			return v
		}
		key, isARN := strings.CutSuffix(name, ".Arn")
		if e, ok := r.byKey[key]; ok {
			if isARN {
				return e.fn.With("").String()
			}
			return e.fn.Name
		}
		if bad == nil {
			bad = &PinError{
				Message: fmt.Sprintf("placeholder %s names no function of this release", m),
				Hint:    "write ${Key} or ${Key.Arn} with the key of a function in the manifest" + r.known(),
			}
		}
		return m
	})
	return out, bad
}

func (r Resolver) pseudo(name string) (string, bool) {
	v, ok := map[string]string{"AWS::AccountId": r.id.Account, "AWS::Region": r.id.Region, "AWS::Partition": r.id.Partition}[name]
	return v, ok && v != ""
}

func (r Resolver) known() string {
	if len(r.keys) == 0 {
		return " (it has none)"
	}
	return " (" + strings.Join(r.keys, ", ") + ")"
}

// functionName is what Lambda takes for FunctionName: a name, a partial ARN or a full one, each with or without a qualifier.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
var functionName = regexp.MustCompile(`^(?:arn:(aws[a-z-]*):lambda:)?(?:([a-z]{2}(?:-[a-z]+){1,3}-\d):)?(?:(\d{12}):)?(?:function:)?([A-Za-z0-9_-]+)(?::(\$LATEST|[A-Za-z0-9_-]+))?$`)

// parseReference reads a function name, partial ARN or ARN; the parts that it lacks are those of the release.
func (r Resolver) parseReference(s string) (f arn.Function, full bool, ok bool) {
	if strings.HasPrefix(s, "arn:") {
		f, err := arn.ParseFunction(s)
		return f, true, err == nil
	}
	m := functionName.FindStringSubmatch(s)
	if m == nil {
		return arn.Function{}, false, false
	}
	f = arn.Function{Partition: r.id.Partition, Region: m[2], Account: m[3], Name: m[4], Qualifier: m[5]}
	if f.Region == "" {
		f.Region = r.id.Region
	}
	if f.Account == "" {
		f.Account = r.id.Account
	}
	return f, false, true
}

// isVersion reports whether q is the number of a published version.
func isVersion(q string) bool {
	if q == "" || q[0] == '0' {
		return false
	}
	for _, c := range q {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// pin finds the exact version that a reference stands for. External versions are given back as they are.
func (r Resolver) pin(f arn.Function) (Pin, *PinError) {
	e, mine := r.byName[f.Name]
	if mine && (e.fn.Account != f.Account || e.fn.Region != f.Region || e.fn.Partition != f.Partition) {
		if isVersion(f.Qualifier) {
			return Pin{Function: f.Name, Version: f.Qualifier, ARN: f.String(), External: true}, nil
		}
		return Pin{}, &PinError{
			Message: fmt.Sprintf("%s is in account %s, region %s, but this release goes to account %s, region %s", f, f.Account, f.Region, e.fn.Account, e.fn.Region),
			Hint:    "write ${Key.Arn} to mean the function of this release, or an exact version to call the other one",
		}
	}
	switch {
	case mine && (f.Qualifier == "" || f.Qualifier == "$LATEST" || f.Qualifier == e.alias || f.Qualifier == e.version):
		return Pin{Function: f.Name, Version: e.version, ARN: e.fn.String()}, nil
	case isVersion(f.Qualifier):
		return Pin{Function: f.Name, Version: f.Qualifier, ARN: f.String(), External: true}, nil
	case mine && e.alias == "":
		return Pin{}, &PinError{
			Message: fmt.Sprintf("it calls alias %s of %s, which belongs to one slot of the router, but it runs in both", f.Qualifier, f.Name),
			Hint:    "leave the alias out, or name an exact version",
		}
	case mine:
		return Pin{}, &PinError{
			Message: fmt.Sprintf("it calls alias %s of %s, but this release moves alias %s", f.Qualifier, f.Name, e.alias),
			Hint:    "leave the alias out, or name an exact version",
		}
	}
	if other, ok := r.byKey[f.Name]; ok {
		return Pin{}, &PinError{
			Message: fmt.Sprintf("no function of this release has the name %s in AWS", f.Name),
			Hint:    fmt.Sprintf("%s is a key in the manifest: write ${%s}, or its name %s", f.Name, f.Name, other.fn.Name),
		}
	}
	what := "without a version"
	if f.Qualifier != "" {
		what = "by " + f.Qualifier + ", which can move"
	}
	return Pin{}, &PinError{
		Message: fmt.Sprintf("function %s is not part of this release and is called %s", f.Name, what),
		Hint:    "name an exact version of it, such as " + f.With("1").String() + ", or add it to the manifest's functions" + r.known(),
	}
}

// live gives the reference that follows the release without being pinned: the alias's ARN for a function of the release
// that is not qualified otherwise. ok is false when f is to be left as it is.
func (r Resolver) live(f arn.Function) (string, bool) {
	e, mine := r.byName[f.Name]
	if !mine || e.fn.With("") != f.With("") || f.Qualifier != "" {
		return "", false
	}
	return e.fn.With(e.alias).String(), true
}
