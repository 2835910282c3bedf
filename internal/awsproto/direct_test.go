package awsproto

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/fault"
)

// TestDirect calls operations by the names, and with the names of members, that SDK integrations have, whatever those on
// the wire are.
func TestDirect(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	d := NewDirect(map[string]*Service{
		"sfn": {Naming: LowerCamel, Operations: []Operation{
			Op(func(_ context.Context, in *sfn.DescribeExecutionInput) (*sfn.DescribeExecutionOutput, error) {
				if in.ExecutionArn == nil {
					return nil, &types.InvalidArn{Message: aws.String("none")}
				}
				return &sfn.DescribeExecutionOutput{ExecutionArn: in.ExecutionArn, StartDate: &at, Status: types.ExecutionStatusRunning}, nil
			}),
		}},
		"s3": {Operations: []Operation{
			Op(func(_ context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
				body, err := io.ReadAll(in.Body)
				return &s3.PutObjectOutput{ETag: aws.String(*in.Bucket + ":" + string(body))}, err
			}),
			Op(func(context.Context, *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
				return &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader("text")), ContentLength: aws.Int64(4)}, nil
			}),
		}},
	})
	for _, c := range []struct{ service, action, input, want string }{
		{"sfn", "describeExecution", `{"ExecutionArn":"a"}`, `{"ExecutionArn":"a","StartDate":"2026-01-02T03:04:05.006Z","Status":"RUNNING"}`},
		{"sfn", "describeExecution", `{}`, "InvalidArn"},
		{"sfn", "describeExecution", `{"ExecutionArn":1}`, "SerializationException"},
		{"sfn", "DescribeExecution", `{}`, "UnknownOperationException"},
		{"lambda", "getFunction", `{}`, "UnknownOperationException"},
		{"s3", "putObject", `{"Bucket":"b","Body":"plain"}`, `{"ETag":"b:plain"}`},
		{"s3", "putObject", `{"Bucket":"b","Body":{"a":1}}`, `{"ETag":"b:{\"a\":1}"}`},
		{"s3", "getObject", `{"Bucket":"b","Key":"k"}`, `{"ContentLength":4,"Body":"text"}`},
	} {
		out, err := d.Call(t.Context(), c.service, c.action, json.RawMessage(c.input))
		got := string(out)
		var plain *fault.Error
		var modelled interface{ ErrorCode() string }
		if errors.As(err, &plain) {
			got = plain.Code
		} else if errors.As(err, &modelled) {
			got = modelled.ErrorCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s:%s %s:\n got %s\nwant %s", c.service, c.action, c.input, got, c.want)
		}
	}
}
