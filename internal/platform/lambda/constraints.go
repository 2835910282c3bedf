package lambda

import (
	"regexp"
	"sync"

	"github.com/tealdeploy/teal/internal/fault"
)

// constraints adds what Lambda's members have to what any request can violate.
type constraints struct{ fault.Violations }

func (c *constraints) pattern(member, value string, p pattern) {
	if !p.matches(value) {
		c.Fail(value, member, "Member must satisfy regular expression pattern: "+p.text)
	}
}

func (c *constraints) integer(member string, value *int32, min, max int32) {
	if value != nil {
		c.Between(member, int(*value), int(min), int(max))
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
