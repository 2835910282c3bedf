package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/fault"
)

const recordings = "../../../../shared/conformance/lambda-api"

// TestRecordedNameValidation replays AWS's recorded answers to every combination of wrong names and qualifiers: code,
// number of violations, and each sentence, up to ARNs and the strings that the recording shortened.
func TestRecordedNameValidation(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(recordings, "*_test_function_name_and_qualifier_validation_*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no recordings beside this checkout")
	}
	x := start(t)
	for _, file := range files {
		t.Run(strings.TrimPrefix(filepath.Base(file), "TestLambdaFunction_test_function_name_and_qualifier_validation_"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c struct {
				Steps []struct {
					Op   string
					Args struct{ FunctionName, Qualifier *string }
				}
				Expect []struct {
					Response struct {
						Code, Message string
						Count         int
						Errors        []string
					}
				}
			}
			if err := json.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			a := c.Steps[0].Args
			name := aws.String(strings.ReplaceAll(*a.FunctionName, "111111111111", x.cfg.Account))
			var got error
			switch c.Steps[0].Op {
			case "create_function":
				in := createInput("")
				in.FunctionName = name
				_, got = x.CreateFunction(t.Context(), in)
			case "get_function":
				_, got = x.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: name, Qualifier: a.Qualifier})
			case "delete_function":
				_, got = x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: name, Qualifier: a.Qualifier})
			case "invoke":
				_, got = x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: name, Qualifier: a.Qualifier})
			default:
				t.Fatalf("unknown operation %s", c.Steps[0].Op)
			}
			want := c.Expect[0].Response
			code, message := codeAndMessage(got)
			if code != want.Code {
				t.Fatalf("got %s (%s), AWS says %s", code, message, want.Code)
			}
			expected := want.Message
			if want.Count > 0 {
				plural := ""
				if want.Count > 1 {
					plural = "s"
				}
				expected = fmt.Sprintf("%d validation error%s detected: %s", want.Count, plural, strings.Join(want.Errors, "; "))
			}
			if plain(message) != plain(expected) {
				t.Errorf("got  %s\nAWS says %s", message, expected)
			}
		})
	}
}

var unstable = regexp.MustCompile(`<[^>]+>|arn:[^ '"\],]+|a{30,}`)

// plain leaves out of a message what names a resource.
func plain(s string) string { return unstable.ReplaceAllString(s, "") }

func TestAnswersAsOnAWS(t *testing.T) {
	x := start(t)
	x.create("fn")
	x.release("fn", "one")
	x.release("fn", "two")
	x.alias("fn", "live", "1", map[string]float64{"2": 0.25})
	fn := aws.String("fn")
	long := strings.Repeat("x", 5000)

	for _, c := range []struct {
		name, code, message string
		do                  func() error
	}{
		{"name taken", "ResourceConflictException", "Function already exist: fn", func() error {
			_, err := x.CreateFunction(t.Context(), createInput("fn"))
			return err
		}},
		{"other region", "ResourceNotFoundException", "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')", func() error {
			_, err := x.CreateFunction(t.Context(), createInput("arn:aws:lambda:ap-southeast-1:000000000000:function:f"))
			return err
		}},
		{"other account", "AccessDeniedException", "", func() error {
			_, err := x.CreateFunction(t.Context(), createInput("arn:aws:lambda:us-east-1:123456789012:function:f"))
			return err
		}},
		{"no zip", "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.", func() error {
			in := createInput("other")
			in.Code.ZipFile = []byte("this is no zip")
			_, err := x.CreateFunction(t.Context(), in)
			return err
		}},
		{"large zip", "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes", func() error {
			_, err := x.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: fn, ZipFile: make([]byte, maxZip+1)})
			return err
		}},
		{"unknown runtime", "InvalidParameterValueException", "Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2] or be a valid ARN", func() error {
			_, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: fn, Runtime: "cobol"})
			return err
		}},
		{"retired runtime", "InvalidParameterValueException", "The runtime parameter of go1.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", func() error {
			in := createInput("other")
			in.Runtime = "go1.x"
			_, err := x.CreateFunction(t.Context(), in)
			return err
		}},
		{"runtime that the machine lacks", "InvalidParameterValueException", "The runtime ruby3.4 cannot run on this machine: ruby was not found; install ruby 3.4", func() error {
			in := createInput("other")
			in.Runtime = "ruby3.4"
			_, err := x.CreateFunction(t.Context(), in)
			return err
		}},
		{"role and two architectures", "ValidationException", "2 validation errors detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+; Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1", func() error {
			in := createInput("other")
			in.Role, in.Architectures = aws.String("r1"), []types.Architecture{"x86_64", "arm64"}
			_, err := x.CreateFunction(t.Context(), in)
			return err
		}},
		{"memory", "ValidationException", "1 validation error detected: Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128", func() error {
			_, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: fn, MemorySize: aws.Int32(64)})
			return err
		}},
		{"reserved variable", "InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION", func() error {
			_, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: fn, Environment: &types.Environment{Variables: map[string]string{"AWS_REGION": "mars"}}})
			return err
		}},
		{"large environment", "InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {\"LARGE\":\"" + long + "\"}", func() error {
			_, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: fn, Environment: &types.Environment{Variables: map[string]string{"LARGE": long}}})
			return err
		}},
		{"stale revision of code", "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id", func() error {
			_, err := x.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: fn, ZipFile: zipOf("three"), RevisionId: aws.String("old")})
			return err
		}},
		{"stale revision of alias", "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id", func() error {
			_, err := x.UpdateAlias(t.Context(), &sdk.UpdateAliasInput{FunctionName: fn, Name: aws.String("live"), RevisionId: aws.String("old")})
			return err
		}},
		{"version in use as primary", "ResourceConflictException", "Unable to delete version because the following aliases reference it: [live]", func() error {
			_, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: fn, Qualifier: aws.String("1")})
			return err
		}},
		{"version in use as additional", "ResourceConflictException", "Unable to delete version because the following aliases reference it: [live]", func() error {
			_, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("fn:2")})
			return err
		}},
		{"$LATEST", "InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function.", func() error {
			_, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: fn, Qualifier: aws.String("$LATEST")})
			return err
		}},
		{"alias without function", "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope:1", func() error {
			_, err := x.CreateAlias(t.Context(), &sdk.CreateAliasInput{FunctionName: aws.String("nope"), Name: aws.String("a"), FunctionVersion: aws.String("1")})
			return err
		}},
		{"weight of $LATEST", "ValidationException", "1 validation error detected: Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]", func() error {
			_, err := x.UpdateAlias(t.Context(), &sdk.UpdateAliasInput{FunctionName: fn, Name: aws.String("live"), RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"$LATEST": 0.5}}})
			return err
		}},
		{"same statement twice", "ResourceConflictException", "The statement id (s) provided already exists. Please provide a new statement id, or remove the existing statement.", func() error {
			in := &sdk.AddPermissionInput{FunctionName: fn, StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com")}
			if _, err := x.AddPermission(t.Context(), in); err != nil {
				return err
			}
			_, err := x.AddPermission(t.Context(), in)
			return err
		}},
		{"invoke without function", "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope:$LATEST", func() error {
			_, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("nope")})
			return err
		}},
		{"invoke with no JSON", "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: invalid character 'h' looking for beginning of value", func() error {
			_, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: fn, Payload: []byte("hello")})
			return err
		}},
		{"large payload", "RequestEntityTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation", func() error {
			_, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: fn, Payload: make([]byte, maxRequest+1)})
			return err
		}},
		{"large event", "RequestEntityTooLargeException", "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)", func() error {
			_, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: fn, InvocationType: "Event", Payload: make([]byte, maxEvent+1)})
			return err
		}},
		{"layers", "InvalidParameterValueException", "Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:1 does not exist.", func() error {
			_, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: fn, Layers: []string{"arn:aws:lambda:us-east-1:000000000000:layer:l:1"}})
			return err
		}},
		{"reserving what others need", "InvalidParameterValueException", "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].", func() error {
			_, err := x.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: fn, ReservedConcurrentExecutions: aws.Int32(901)})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, c.do(), c.code, c.message) })
	}
	if err := (&fault.Error{}); !errors.As(accessDenied(""), &err) || err.HTTPStatus() != 403 {
		t.Error("AccessDeniedException travels with 403")
	}
}
