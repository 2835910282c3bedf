package cloudwatch

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/fault"
)

// CloudWatch refuses in the words of its Query protocol; these are its forms.

func missing(param string) error {
	return &types.MissingRequiredParameterException{Message: aws.String("The parameter " + param + " is required.")}
}

func invalid(value any, param string) error {
	return &types.InvalidParameterValueException{Message: aws.String(fmt.Sprintf("The value %v for parameter %s is invalid.", value, param))}
}

func invalidBecause(format string, args ...any) error {
	return &types.InvalidParameterValueException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func combination(format string, args ...any) error {
	return &types.InvalidParameterCombinationException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// validation is what GetMetricData and ListMetrics answer, whose errors are not modelled.
func validation(format string, args ...any) error {
	return fault.New("ValidationError", fmt.Sprintf(format, args...))
}

const maxNameLength = 255

func checkNamespace(ns *string, param string) error {
	v := aws.ToString(ns)
	if v == "" {
		return missing(param)
	}
	if len(v) > maxNameLength || strings.HasPrefix(v, ":") || !printable(v) {
		return invalid(v, param)
	}
	return nil
}

func checkMetricName(name *string, param string) error {
	v := aws.ToString(name)
	if v == "" {
		return missing(param)
	}
	if len(v) > maxNameLength || !printable(v) {
		return invalid(v, param)
	}
	return nil
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// maxDimensions is the most dimensions that a metric may have, and 1024 the longest value.
const maxDimensions = 30

func checkDimensions(dims []types.Dimension, param string) error {
	if len(dims) > maxDimensions {
		return invalidBecause("The collection %s must not have a size greater than %d.", param, maxDimensions)
	}
	for i, d := range dims {
		at := param + ".member." + strconv.Itoa(i+1)
		name, value := aws.ToString(d.Name), aws.ToString(d.Value)
		switch {
		case name == "":
			return missing(at + ".Name")
		case value == "":
			return missing(at + ".Value")
		case len(name) > maxNameLength || strings.HasPrefix(name, ":") || !printable(name):
			return invalid(name, at+".Name")
		case len(value) > 1024 || !printable(value):
			return invalid(value, at+".Value")
		}
		if slices.ContainsFunc(dims[:i], func(o types.Dimension) bool { return aws.ToString(o.Name) == name }) {
			return invalidBecause("No Metric may specify the same dimension name twice.")
		}
	}
	return nil
}

func checkUnit(u types.StandardUnit, param string) error {
	if u != "" && !slices.Contains(u.Values(), u) {
		return invalid(u, param)
	}
	return nil
}

// maxValue is CloudWatch's largest magnitude, 2^360.
var maxValue = math.Ldexp(1, 360)

func checkValue(v float64, param string) error {
	if math.IsNaN(v) || math.Abs(v) > maxValue {
		return invalid(v, param)
	}
	return nil
}

// periodOK holds for 1, 5, 10, 20, 30 and multiples of 60 seconds up to a day, or more whole days.
func periodOK(p int32) bool {
	switch p {
	case 1, 5, 10, 20, 30:
		return true
	}
	return p >= 60 && p%60 == 0
}

// span of a query, in seconds since 1970: [from, to).
type window struct{ from, to int64 }

// windowOf rounds the start down as CloudWatch does: to the minute, or to the period when it is shorter. The end is
// exclusive.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
func windowOf(start, end time.Time, period int64) window {
	unit := min(period, 60)
	from := start.Unix()
	from -= ((from % unit) + unit) % unit
	to := end.Unix()
	if end.Nanosecond() > 0 {
		to++
	}
	return window{from, to}
}
