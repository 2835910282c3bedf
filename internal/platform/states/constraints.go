package states

import (
	"regexp"
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

// constraints adds what Step Functions' members have to what any request can violate.
type constraints struct{ fault.Violations }

// text checks an optional text; max 0 means no upper limit.
func (c *constraints) text(member string, value *string, min, max int) {
	if value != nil {
		c.Length(member, *value, min, max)
	}
}

// required checks a text that must be there.
func (c *constraints) required(member string, value *string, min, max int) {
	if value == nil {
		c.Null(member)
		return
	}
	c.Length(member, *value, min, max)
}

func (c *constraints) arn(member string, value *string) { c.required(member, value, 1, maxArn) }

// page checks the two members of every paged list.
func (c *constraints) page(max int32, token *string, longest int) {
	c.Between("maxResults", int(max), 0, maxResults)
	c.text("nextToken", token, 1, longest)
}

// aliasName is AWS's pattern for names of aliases: at least one character that is no digit, so that an alias is never
// taken for a version.
var aliasName = regexp.MustCompile(`^[a-zA-Z0-9_\-.]*[a-zA-Z_\-.][a-zA-Z0-9_\-.]*$`)

const aliasPattern = `^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$`

func (c *constraints) aliasName(member string, value *string) {
	c.required(member, value, 1, maxName)
	if value != nil && *value != "" && !aliasName.MatchString(*value) {
		c.Fail(*value, member, "Member must satisfy regular expression pattern: "+aliasPattern)
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
