package logs

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/tealdeploy/teal/internal/fault"
)

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func noGroup() error {
	return &types.ResourceNotFoundException{Message: aws.String("The specified log group does not exist.")}
}

func noStream() error {
	return &types.ResourceNotFoundException{Message: aws.String("The specified log stream does not exist.")}
}

// constraints adds what CloudWatch Logs' members have to what any request can violate.
type constraints struct{ fault.Violations }

// err is nil, or the service's own exception with every violation.
func (c *constraints) err() error {
	if !c.Any() {
		return nil
	}
	return invalid("%s", c.Message())
}

// text checks a member's length and characters. A missing one fails when it is required.
func (c *constraints) text(member string, value *string, required bool, max int, pattern *regexp.Regexp, shown string) {
	switch {
	case value == nil && required:
		c.Null(member)
	case value != nil:
		c.Length(member, *value, 1, max)
		if *value != "" && pattern != nil && !pattern.MatchString(*value) {
			c.Fail(*value, member, "Member must satisfy regular expression pattern: "+shown)
		}
	}
}

func (c *constraints) integer(member string, value *int32, low, high int32) {
	if value != nil {
		c.Between(member, int(*value), int(low), int(high))
	}
}

var (
	groupPattern      = regexp.MustCompile(`\A[.\-_/#A-Za-z0-9]+\z`)
	identifierPattern = regexp.MustCompile(`\A[\w#+=/:,.@-]*\z`)
	streamPattern     = regexp.MustCompile(`\A[^:*]*\z`)
)

const (
	groupShown      = `[\.\-_/#A-Za-z0-9]+`
	identifierShown = `[\w#+=/:,.@-]*`
	streamShown     = `[^:*]*`
)

func (c *constraints) group(value *string) {
	c.text("logGroupName", value, true, 512, groupPattern, groupShown)
}

func (c *constraints) stream(value *string) {
	c.text("logStreamName", value, true, 512, streamPattern, streamShown)
}

// named finds the group of a request that has a name or an identifier, which may be an ARN. s.mu is held.
func (s *Service) named(name, identifier *string) (*group, error) {
	c := &constraints{}
	switch {
	case name != nil && identifier != nil:
		return nil, invalid("LogGroup name and LogGroup identifier cannot both be specified.")
	case name == nil && identifier == nil:
		return nil, invalid("Either LogGroup name or LogGroup identifier must be specified.")
	case name != nil:
		c.group(name)
	default:
		c.text("logGroupIdentifier", identifier, true, 2048, identifierPattern, identifierShown)
		name = identifier
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	key := *name
	if strings.HasPrefix(key, "arn:") {
		rest, ours := strings.CutPrefix(key, s.arn("", ""))
		if key = rest; !ours {
			return nil, noGroup()
		}
	}
	g := s.groups[key]
	if g == nil {
		return nil, noGroup()
	}
	return g, nil
}
