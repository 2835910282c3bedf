package arn_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/arn"
)

func TestLike(t *testing.T) {
	const call = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/pets/{id}"
	for pattern, want := range map[string]bool{
		call: true,
		"arn:aws:execute-api:us-east-1:123456789012:abc/*/*":             true,
		"arn:aws:execute-api:us-east-1:123456789012:abc/*/GET/pets/*":    true,
		"arn:aws:execute-api:us-east-1:123456789012:abc/????/GET/pets/*": true,
		"arn:aws:execute-api:*:123456789012:abc/*":                       true,
		"*": true,
		"arn:aws:execute-api:us-east-1:123456789012:abd/*":                 false,
		"arn:aws:execute-api:us-east-1:123456789012:abc/dev/*":             false,
		"arn:aws:execute-api:us-east-1:123456789012:abc/*/POST/pets/*":     false,
		"arn:aws:execute-api:us-east-1:*":                                  false, // five parts
		"arn:aws:*:abc/*":                                                  false, // * does not reach over a colon
		"arn:aws:execute-api:us-east-1:12345678901:abc/prod/GET/pets/{id}": false,
		"": false,
	} {
		if got := arn.Like(pattern, call); got != want {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
}

// TestWildcardAgreesWithRegexp compares with the plain meaning of a pattern.
func TestWildcardAgreesWithRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab]{0,8}`).Draw(t, "text")
		re := regexp.MustCompile("^" + strings.NewReplacer("*", ".*", "?", ".").Replace(pattern) + "$")
		if got, want := arn.Wildcard(pattern, text), re.MatchString(text); got != want {
			t.Fatalf("%q and %q: %v, want %v", pattern, text, got, want)
		}
	})
}
