package lambda

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tealdeploy/teal/internal/fault"
)

// constraints collects what a request violates, in the words of AWS's front end, which reports all violations at once.
// Lengths are in UTF-16 code units on AWS; counting bytes differs only for text outside of ASCII, so runes are counted.
type constraints struct{ failures []string }

// err is nil, or the ValidationException with every violation.
func (c *constraints) err() error {
	switch n := len(c.failures); n {
	case 0:
		return nil
	case 1:
		return fault.Validation("1 validation error detected: " + c.failures[0])
	default:
		return fault.Validation(strconv.Itoa(n) + " validation errors detected: " + strings.Join(c.failures, "; "))
	}
}

func (c *constraints) fail(value, member, constraint string) {
	c.failures = append(c.failures, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: %s", value, member, constraint))
}

func (c *constraints) null(member string) {
	c.failures = append(c.failures, "Value null at '"+member+"' failed to satisfy constraint: Member must not be null")
}

// length checks the number of characters; max 0 means no upper limit.
func (c *constraints) length(member, value string, min, max int) {
	n := len([]rune(value))
	if n < min {
		c.fail(value, member, "Member must have length greater than or equal to "+strconv.Itoa(min))
	}
	if max > 0 && n > max {
		c.fail(value, member, "Member must have length less than or equal to "+strconv.Itoa(max))
	}
}

func (c *constraints) pattern(member, value string, p pattern) {
	if !p.matches(value) {
		c.fail(value, member, "Member must satisfy regular expression pattern: "+p.text)
	}
}

func (c *constraints) enum(member, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		c.fail(value, member, "Member must satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
	}
}

func (c *constraints) integer(member string, value *int32, min, max int32) {
	if value == nil {
		return
	}
	if *value < min {
		c.fail(strconv.Itoa(int(*value)), member, "Member must have value greater than or equal to "+strconv.Itoa(int(min)))
	}
	if *value > max {
		c.fail(strconv.Itoa(int(*value)), member, "Member must have value less than or equal to "+strconv.Itoa(int(max)))
	}
}

// optional runs check when the member was given.
func optional(value *string, check func(string)) {
	if value != nil {
		check(*value)
	}
}

// pattern is one of AWS's regular expressions, which must match the whole value, with the text that messages show.
type pattern struct {
	text    string
	matches func(string) bool
}

// newPattern makes a pattern that is compiled when it is first used, so that the platform starts sooner.
func newPattern(text string) pattern {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\A(?:` + text + `)\z`) })
	return pattern{text, func(s string) bool { return compiled().MatchString(s) }}
}

// The patterns as AWS's messages show them.
var (
	rolePattern        = newPattern(`arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`)
	handlerPattern     = newPattern(`[^\s]+`)
	logGroupPattern    = newPattern(`[\.\-_/#A-Za-z0-9]+`)
	environmentKey     = newPattern(`[a-zA-Z]([a-zA-Z0-9_])+`)
	versionPattern     = newPattern(`(\$LATEST(\.PUBLISHED)?|[0-9]+)`)
	statementIDPattern = newPattern(`([a-zA-Z0-9-_]+)`)
	actionPattern      = newPattern(`(lambda:[*]|lambda:[a-zA-Z]+|[*])`)
	principalPattern   = newPattern(`[^\s]+`)
	sourceARNPattern   = newPattern(`arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`)
	accountPattern     = newPattern(`\d{12}`)
	orgPattern         = newPattern(`o-[a-z0-9]{10,32}`)
	tokenPattern       = newPattern(`[a-zA-Z0-9._\-]+`)
	masterRegion       = newPattern(`ALL|(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}`)
	destinationPattern = newPattern(`$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`)
	resourcePattern    = newPattern(`arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)`)
	layerPattern       = newPattern(`(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)`)
	securityGroup      = newPattern(`sg-[0-9a-zA-Z]*`)

	// Go's expressions have no look-ahead: a name of digits alone would be taken for a version.
	aliasPattern = func() pattern {
		word, digits := newPattern(`[a-zA-Z0-9-_]+`), newPattern(`[0-9]+`)
		return pattern{`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, func(s string) bool { return word.matches(s) && !digits.matches(s) }}
	}()
)
