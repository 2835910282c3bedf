package arn_test

import (
	"testing"

	"github.com/tealdeploy/teal/internal/arn"
)

func TestParseFunction(t *testing.T) {
	for s, want := range map[string]arn.Function{
		"arn:aws:lambda:eu-central-1:123456789012:function:hello":             {"aws", "eu-central-1", "123456789012", "hello", ""},
		"arn:aws:lambda:eu-central-1:123456789012:function:hello:7":           {"aws", "eu-central-1", "123456789012", "hello", "7"},
		"arn:aws-cn:lambda:cn-north-1:123456789012:function:hello:$LATEST":    {"aws-cn", "cn-north-1", "123456789012", "hello", "$LATEST"},
		"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:hello:liv": {"aws-us-gov", "us-gov-west-1", "123456789012", "hello", "liv"},
	} {
		got, err := arn.ParseFunction(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
		if got.String() != s {
			t.Errorf("%s came back as %s", s, got)
		}
	}
	for _, s := range []string{
		"", "hello", "arn", "arn:aws:lambda:r:1:function", "arn:aws:lambda:r:1:function:", "arn:aws:lambda:r:1:function:f:",
		"arn:aws:lambda:r:1:function:f:1:2", "arn:aws:states:r:1:function:f", "arn:aws:lambda:r:1:layer:f:1",
	} {
		if got, err := arn.ParseFunction(s); err == nil {
			t.Errorf("%q passes as a function: %+v", s, got)
		}
	}
}

func TestParseStateMachine(t *testing.T) {
	m, err := arn.ParseStateMachine("arn:aws:states:us-east-1:123456789012:stateMachine:orders:live")
	if err != nil || m.Name != "orders" || m.Qualifier != "live" {
		t.Fatalf("%+v, %v", m, err)
	}
	if got := m.With("").String(); got != "arn:aws:states:us-east-1:123456789012:stateMachine:orders" {
		t.Error(got)
	}
	if got := m.Execution("run"); got != "arn:aws:states:us-east-1:123456789012:execution:orders:run" {
		t.Error(got)
	}
	for _, s := range []string{"", "orders", "arn:aws:states:r:1:execution:orders:run", "arn:aws:states:r:1:stateMachine:", "arn:aws:states:r:1:stateMachine:a:b:c"} {
		if _, err := arn.ParseStateMachine(s); err == nil {
			t.Errorf("%q passes as a state machine", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:lambda:r:1:function:f:1")
	f.Add("arn:aws:states:r:1:stateMachine:m:live")
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := arn.Parse(s); err == nil && a.String() != s {
			t.Errorf("%q came back as %q", s, a)
		}
		if a, err := arn.ParseFunction(s); err == nil && a.String() != s {
			t.Errorf("%q came back as %q", s, a)
		}
		if m, err := arn.ParseStateMachine(s); err == nil && m.String() != s {
			t.Errorf("%q came back as %q", s, m)
		}
	})
}
