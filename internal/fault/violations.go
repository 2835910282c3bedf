package fault

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Violations collects what a request violates, in the words of AWS's front ends, which report all violations at once. The
// zero value has none. It is not safe for concurrent use.
type Violations struct{ sentences []string }

// longestShown is the longest value that a sentence shows whole, in bytes: more, such as a definition, would drown it.
const longestShown = 4096

// Fail adds that the value of a member does not satisfy a constraint.
func (v *Violations) Fail(value, member, constraint string) {
	if len(value) > longestShown {
		value = strings.ToValidUTF8(value[:64], "") + "…"
	}
	v.sentences = append(v.sentences, "Value '"+value+"' at '"+member+"' failed to satisfy constraint: "+constraint)
}

// Null adds that a member is missing.
func (v *Violations) Null(member string) {
	v.sentences = append(v.sentences, "Value null at '"+member+"' failed to satisfy constraint: Member must not be null")
}

// Length checks the number of characters; max 0 means no upper limit. AWS counts UTF-16 code units, which is another number
// for characters beyond U+FFFF only.
func (v *Violations) Length(member, value string, min, max int) {
	n := utf8.RuneCountInString(value)
	if n < min {
		v.Fail(value, member, "Member must have length greater than or equal to "+strconv.Itoa(min))
	}
	if max > 0 && n > max {
		v.Fail(value, member, "Member must have length less than or equal to "+strconv.Itoa(max))
	}
}

// Between checks a number.
func (v *Violations) Between(member string, value, min, max int) {
	if value < min {
		v.Fail(strconv.Itoa(value), member, "Member must have value greater than or equal to "+strconv.Itoa(min))
	}
	if value > max {
		v.Fail(strconv.Itoa(value), member, "Member must have value less than or equal to "+strconv.Itoa(max))
	}
}

// Enum checks a value that is one of a few; "" is not given.
func (v *Violations) Enum(member, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		v.Fail(value, member, "Member must satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
	}
}

// Add takes over what others have found.
func (v *Violations) Add(others *Violations) { v.sentences = append(v.sentences, others.sentences...) }

// Any tells whether there are violations.
func (v *Violations) Any() bool { return len(v.sentences) > 0 }

// Message is AWS's sentence about all of them, "" for none.
func (v *Violations) Message() string {
	switch n := len(v.sentences); n {
	case 0:
		return ""
	case 1:
		return "1 validation error detected: " + v.sentences[0]
	default:
		return strconv.Itoa(n) + " validation errors detected: " + strings.Join(v.sentences, "; ")
	}
}

// Err is nil, or the ValidationException with every violation.
func (v *Violations) Err() error {
	if !v.Any() {
		return nil
	}
	return Validation(v.Message())
}
