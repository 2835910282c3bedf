package states

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tealdeploy/teal/internal/fault"
)

// Limits of the API. https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const (
	maxName        = 80
	maxArn         = 256
	maxLongArn     = 2000      // of a Map run
	maxDefinition  = 1 << 20   // characters
	maxPayload     = 256 << 10 // characters of an execution's input
	maxDescription = 256
	maxResults     = 1000
	maxVersions    = 1000
	maxAliases     = 100
	maxActivities  = 10_000
	maxTags        = 50
	maxToken       = 1024
	maxListToken   = 3096 // ListExecutions
)

// constraints collects what a request violates, in the words of AWS's front end, which reports all violations at once.
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

// text checks an optional text; max 0 means no upper limit.
func (c *constraints) text(member string, value *string, min, max int) {
	if value == nil {
		return
	}
	n := utf8.RuneCountInString(*value)
	if n < min {
		c.fail(*value, member, "Member must have length greater than or equal to "+strconv.Itoa(min))
	}
	if max > 0 && n > max {
		shown := *value
		if len(shown) > 4096 { // a definition or an input would drown the sentence
			shown = shown[:64] + "…"
		}
		c.fail(shown, member, "Member must have length less than or equal to "+strconv.Itoa(max))
	}
}

// required checks a text that must be there.
func (c *constraints) required(member string, value *string, min, max int) {
	if value == nil {
		c.null(member)
		return
	}
	c.text(member, value, min, max)
}

func (c *constraints) arn(member string, value *string) { c.required(member, value, 1, maxArn) }

func (c *constraints) between(member string, value, min, max int) {
	if value < min {
		c.fail(strconv.Itoa(value), member, "Member must have value greater than or equal to "+strconv.Itoa(min))
	}
	if value > max {
		c.fail(strconv.Itoa(value), member, "Member must have value less than or equal to "+strconv.Itoa(max))
	}
}

func (c *constraints) enum(member, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		c.fail(value, member, "Member must satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
	}
}

// page checks the two members of every paged list.
func (c *constraints) page(max int32, token *string, longest int) {
	c.between("maxResults", int(max), 0, maxResults)
	c.text("nextToken", token, 1, longest)
}

// aliasName is AWS's pattern for names of aliases: at least one character that is no digit, so that an alias is never
// taken for a version.
var aliasName = regexp.MustCompile(`^[a-zA-Z0-9_\-.]*[a-zA-Z_\-.][a-zA-Z0-9_\-.]*$`)

const aliasPattern = `^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$`

func (c *constraints) aliasName(member string, value *string) {
	c.required(member, value, 1, maxName)
	if value != nil && *value != "" && !aliasName.MatchString(*value) {
		c.fail(*value, member, "Member must satisfy regular expression pattern: "+aliasPattern)
	}
}

// validName tells whether AWS takes s as the name of a state machine or an execution.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
func validName(s string) bool {
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r >= 0xFFFE || // AWS counts in UTF-16, and takes no surrogates
			strings.ContainsRune("<>{}[]?*\"#%\\^|~`$&,;:/", r) {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}
