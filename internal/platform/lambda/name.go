package lambda

import (
	"regexp"
	"strings"

	"github.com/tealdeploy/teal/internal/arn"
)

// latest is the qualifier of the version that can still be changed.
const latest = "$LATEST"

const namePrefix = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?`

// nameRule is how an operation wants the function named. AWS has two: the older operations take a shorter ARN and
// stricter characters than those that also serve other name spaces.
type nameRule struct {
	pattern pattern
	max     int // characters
	groups  *regexp.Regexp
}

func newNameRule(text string, max int) *nameRule {
	return &nameRule{newPattern(text), max, regexp.MustCompile(`\A(?:` + text + `)\z`)}
}

var (
	shortName = newNameRule(namePrefix+`([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`, 140)
	longName  = newNameRule(namePrefix+`([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`, 256)

	qualifierPattern = newPattern(`\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`)
)

// Submatches of both rules.
const (
	groupRegion  = 3
	groupAccount = 9
	groupName    = 11
	groupQual    = 13
)

// ref is a function as a caller names it.
type ref struct {
	name      string
	qualifier string // "" for none; "$LATEST" stays as it was given
}

// parse reads a name, partial ARN or ARN, with the qualifier beside it, and checks both as AWS's front end does, then
// that the function belongs to this region and account. extra holds violations of the operation's other members; they
// are reported together.
func (s *Service) parse(rule *nameRule, function, qualifier *string, extra *constraints) (ref, error) {
	f, q := value(function), value(qualifier)
	if extra == nil && (qualifier == nil || plainQualifier(q)) {
		if r, ok := s.short(f, q); ok {
			return r, nil
		}
	}
	c := &constraints{}
	if qualifier != nil {
		c.Length("qualifier", q, 1, 128)
		if q != "" {
			c.pattern("qualifier", q, qualifierPattern)
		}
	}
	if function == nil {
		c.Null("functionName")
	} else {
		c.Length("functionName", f, 1, rule.max)
		c.pattern("functionName", f, rule.pattern)
	}
	if extra != nil {
		c.Add(&extra.Violations)
	}
	if err := c.Err(); err != nil {
		return ref{}, err
	}
	m := rule.groups.FindStringSubmatch(f)
	r := ref{m[groupName], m[groupQual]}
	region, account := strings.TrimSuffix(m[groupRegion], ":"), strings.TrimSuffix(m[groupAccount], ":")
	if region != "" && region != s.cfg.Region {
		return ref{}, notFound("Functions from '%s' are not reachable in this region ('%s')", region, s.cfg.Region)
	}
	if account != "" && account != s.cfg.Account {
		return ref{}, accessDenied("")
	}
	switch {
	case r.qualifier == "":
		r.qualifier = q
	case q != "" && q != r.qualifier:
		return ref{}, invalid("The derived qualifier from the function name does not match the specified qualifier.")
	}
	return r, nil
}

// short reads the two forms in which nearly all references come, a bare name and an ARN of this region and account, in a
// fraction of the time of parse. It is false for everything else, the wrong included.
func (s *Service) short(function, qualifier string) (ref, bool) {
	rest, full := strings.CutPrefix(function, s.arnPrefix)
	r := ref{rest, qualifier}
	if full {
		if name, q, qualified := strings.Cut(rest, ":"); qualified {
			if !plainQualifier(q) || qualifier != "" && qualifier != q {
				return ref{}, false
			}
			r = ref{name, q}
		}
	}
	return r, plainName(r.name)
}

// unqualified is parse for operations that concern the whole function.
func (s *Service) unqualified(rule *nameRule, function *string, extra *constraints) (string, error) {
	r, err := s.parse(rule, function, nil, extra)
	if err != nil {
		return "", err
	}
	if r.qualifier != "" {
		return "", invalid("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	}
	return r.name, nil
}

// plainName reports whether s is a bare function name that every rule takes.
func plainName(s string) bool { return len(s) > 0 && len(s) <= 64 && isWord(s) }

// plainQualifier reports whether s is $LATEST or a version or alias as every rule takes it.
func plainQualifier(s string) bool { return s == latest || (len(s) > 0 && len(s) <= 128 && isWord(s)) }

func isWord(s string) bool {
	for i := range len(s) {
		switch b := s[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_':
		default:
			return false
		}
	}
	return s != ""
}

// isVersionNumber tells a published version's qualifier from an alias's name.
func isVersionNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// arn gives a function's ARN, qualified when q is not empty.
func (s *Service) arn(name, q string) string {
	return arn.Function{Partition: "aws", Region: s.cfg.Region, Account: s.cfg.Account, Name: name, Qualifier: q}.String()
}

func value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
