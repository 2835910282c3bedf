package fault_test

import (
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/fault"
)

func TestViolations(t *testing.T) {
	var v fault.Violations
	v.Length("name", "äß", 2, 2)
	v.Between("size", 1, 1, 2)
	v.Enum("kind", "", "a")
	v.Enum("kind", "b", "a", "b")
	if v.Any() || v.Err() != nil || v.Message() != "" {
		t.Fatalf("a good request violates: %s", v.Message())
	}
	v.Null("name")
	const null = "Value null at 'name' failed to satisfy constraint: Member must not be null"
	if err := v.Err(); err == nil || err.Error() != "ValidationException: 1 validation error detected: "+null {
		t.Errorf("one violation: %v", err)
	}
	var more fault.Violations
	more.Length("name", "a", 2, 0)
	more.Length("text", strings.Repeat("é", 5000), 0, 9)
	more.Between("size", 3, 1, 2)
	more.Enum("kind", "c", "a", "b")
	v.Add(&more)
	want := "5 validation errors detected: " + strings.Join([]string{
		null,
		"Value 'a' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2",
		"Value '" + strings.Repeat("é", 32) + "…' at 'text' failed to satisfy constraint: Member must have length less than or equal to 9",
		"Value '3' at 'size' failed to satisfy constraint: Member must have value less than or equal to 2",
		"Value 'c' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [a, b]",
	}, "; ")
	if got := v.Message(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
