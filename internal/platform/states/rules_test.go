package states

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// What AWS refuses of names, inputs, tags and ARNs, in its own words where they are known.
func TestRules(t *testing.T) {
	s := open(t, Config{})
	m := create(t, s, "m", onePass, false)
	long := arnStart + strings.Repeat("x", 300)
	start := func(in sfn.StartExecutionInput) error {
		if in.StateMachineArn == nil {
			in.StateMachineArn = &m
		}
		_, err := s.StartExecution(t.Context(), &in)
		return err
	}
	tag := func(tags ...types.Tag) error {
		_, err := s.TagResource(t.Context(), &sfn.TagResourceInput{ResourceArn: &m, Tags: tags})
		return err
	}
	describe := func(mapRun string) error {
		_, err := s.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: &mapRun})
		return err
	}
	for name, c := range map[string]struct {
		err           error
		code, message string
	}{
		"no JSON":               {start(sfn.StartExecutionInput{Input: aws.String("nope")}), "InvalidExecutionInput", "Invalid State Machine Execution Input: 'com.fasterxml.jackson.core.JsonParseException: Unrecognized token 'nope': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: (String)\"nope\"; line: 1, column: 5]'"},
		"too many bytes":        {start(sfn.StartExecutionInput{Input: aws.String(`"` + strings.Repeat("é", 200_000) + `"`)}), "InvalidExecutionInput", "Invalid State Machine Execution Input: 'the input has 400002 bytes; 262144 are allowed'"},
		"long ARN":              {start(sfn.StartExecutionInput{StateMachineArn: &long}), "ValidationException", "1 validation error detected: Value '" + long + "' at 'stateMachineArn' failed to satisfy constraint: Member must have length less than or equal to 256"},
		"name with surrogates":  {start(sfn.StartExecutionInput{Name: aws.String("😀")}), "InvalidName", "Invalid Name: '😀'"},
		"name with white space": {start(sfn.StartExecutionInput{Name: aws.String("a\u00a0b")}), "InvalidName", "Invalid Name: 'a\u00a0b'"},
		"other letters":         {start(sfn.StartExecutionInput{Name: aws.String("é日本")}), "", ""},
		"AWS's own tag":         {tag(types.Tag{Key: aws.String("aws:x"), Value: aws.String("v")}), "ValidationException", "Tag keys that start with aws: are reserved; the key aws:x is one of them"},
		"tag":                   {tag(types.Tag{Key: aws.String("awsx"), Value: aws.String("")}), "", ""},
		"no ARN of a Map run":   {describe("x"), "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: x'"},
		"ARN of another thing":  {describe(m), "InvalidArn", "Invalid Arn: 'Resource type not valid in this context: stateMachine'"},
		"ARN of no Map run":     {describe("arn:aws:states:us-east-1:000000000000:mapRun:m/l:x"), "ResourceNotFound", "Resource not found: 'arn:aws:states:us-east-1:000000000000:mapRun:m/l:x'"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.code == "" {
				if c.err != nil {
					t.Error(c.err)
				}
				return
			}
			refused(t, c.err, c.code, c.message)
		})
	}
}
