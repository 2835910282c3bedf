package cloudwatch

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// alarmInput gathers what is wrong with a request; the first finding counts.
type alarmInput struct{ err error }

func (c *alarmInput) fail(format string, args ...any) {
	if c.err == nil {
		c.err = validation(format, args...)
	}
}

func (c *alarmInput) check(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *alarmInput) known(param, value string, values ...string) {
	if value != "" && !slices.Contains(values, value) {
		c.fail("The value %s for parameter %s is invalid: it must be one of %s.", value, param, strings.Join(values, ", "))
	}
}

func (c *alarmInput) name(v *string) {
	switch n := aws.ToString(v); {
	case n == "":
		c.check(missing("AlarmName"))
	case len(n) > maxNameLength || !printable(n):
		c.check(invalid(n, "AlarmName"))
	}
}

func (c *alarmInput) within(param string, v *int32, least, most int32) {
	if v != nil && (*v < least || *v > most) {
		c.fail("The value %d for parameter %s is invalid: it must be between %d and %d.", *v, param, least, most)
	}
}

func (c *alarmInput) pageSize(v *int32) int {
	c.within("MaxRecords", v, 1, 100)
	if v == nil {
		return 50
	}
	return int(*v)
}

// alarmTypes reads a filter; without one there are metric alarms only, as on AWS.
func (c *alarmInput) alarmTypes(list []types.AlarmType) []types.AlarmType {
	for _, k := range list {
		if k == types.AlarmTypeMetricAlarm || k == types.AlarmTypeCompositeAlarm {
			continue
		}
		if slices.Contains(k.Values(), k) {
			c.fail("Alarms of the type %s are not supported by this endpoint.", k)
		}
		c.fail("The value %s for parameter AlarmTypes is invalid.", k)
	}
	if len(list) == 0 {
		return []types.AlarmType{types.AlarmTypeMetricAlarm}
	}
	return list
}

func (c *alarmInput) description(v *string) {
	if len(aws.ToString(v)) > 1024 {
		c.fail("The parameter AlarmDescription must not have more than 1024 characters.")
	}
}

const maxTags = 50

func (c *alarmInput) tags(list []types.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		k, v := aws.ToString(t.Key), aws.ToString(t.Value)
		if k == "" || len(k) > 128 || len(v) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			c.fail("The tag %q is invalid: keys have 1 to 128 characters and do not begin with aws:, values have up to 256.", k)
		}
		if _, twice := out[k]; twice {
			c.fail("The tag %q is given twice.", k)
		}
		out[k] = v
	}
	if len(out) > maxTags {
		c.fail("A resource has at most %d tags.", maxTags)
	}
	return out
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// A page's token is the name of the last thing on the page before.
func sealNameToken(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

func openNameToken(token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) == 0 {
		return "", &types.InvalidNextToken{Message: aws.String("The NextToken is not one of this operation.")}
	}
	return string(b), nil
}

func noAlarm(name string) error {
	return &types.ResourceNotFound{Message: aws.String(fmt.Sprintf("Unknown alarm: %s", name))}
}
