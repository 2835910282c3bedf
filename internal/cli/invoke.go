package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"
)

func (a *app) invokeCommand() *cobra.Command {
	var payload string
	var async, logs bool
	c := &cobra.Command{
		Use:   "invoke FUNCTION[:QUALIFIER]",
		Short: "Invoke a function and say which version answered",
		Example: `  teal invoke orders-hello:live
  teal invoke orders-hello:7 --payload '{"name":"Ada"}' --log
  echo '{}' | teal invoke orders-hello --payload -`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := a.document(payload)
			if err != nil {
				return err
			}
			cfg, err := a.configFromManifestIfAny(c.Context())
			if err != nil {
				return err
			}
			if err := a.reachable(c.Context(), cfg); err != nil {
				return err
			}
			in := &lambda.InvokeInput{FunctionName: &args[0], Payload: body}
			if async {
				in.InvocationType = types.InvocationTypeEvent
			}
			if logs {
				in.LogType = types.LogTypeTail
			}
			out, err := lambda.NewFromConfig(cfg).Invoke(c.Context(), in)
			if err != nil {
				return a.connection(cfg, fmt.Errorf("invoke %s: %w", args[0], err))
			}
			return a.printInvocation(args[0], out)
		},
	}
	c.Flags().StringVarP(&payload, "payload", "p", "{}", "the event as JSON, @FILE, or - for standard input")
	c.Flags().BoolVar(&async, "async", false, "queue the event and do not wait")
	c.Flags().BoolVar(&logs, "log", false, "show the last 4 KiB of the log of this invocation")
	return c
}

// printInvocation prints the answer; a function error is exit status 1.
func (a *app) printInvocation(name string, out *lambda.InvokeOutput) error {
	tail, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		return fmt.Errorf("log of %s is not base64: %w", name, err)
	}
	if a.json() {
		doc := map[string]any{"statusCode": out.StatusCode}
		if out.ExecutedVersion != nil {
			doc["executedVersion"] = *out.ExecutedVersion
		}
		if out.FunctionError != nil {
			doc["functionError"] = *out.FunctionError
		}
		if len(tail) > 0 {
			doc["log"] = string(tail)
		}
		if json.Valid(out.Payload) {
			doc["payload"] = json.RawMessage(out.Payload)
		}
		if err := a.printJSON(doc); err != nil {
			return err
		}
	} else {
		if len(tail) > 0 {
			fmt.Fprintf(a.Err, "%s", tail)
		}
		if v := aws.ToString(out.ExecutedVersion); v != "" {
			a.progress("version %s answered", v)
		}
		if len(out.Payload) > 0 {
			fmt.Fprintf(a.Out, "%s\n", out.Payload)
		} else {
			a.progress("accepted (status %d)", out.StatusCode)
		}
	}
	if out.FunctionError != nil {
		return &Error{Code: ExitFailed, Err: fmt.Errorf("%s answered with a function error (%s)", name, *out.FunctionError)}
	}
	return nil
}

// maxDocument bounds what is read from files and standard input as a payload, in bytes: AWS's limit for an invocation.
const maxDocument = 6 << 20

// document reads a JSON document given on the command line, as @FILE or as - for standard input.
func (a *app) document(s string) ([]byte, error) {
	var b []byte
	var err error
	switch {
	case s == "-":
		b, err = io.ReadAll(io.LimitReader(a.In, maxDocument+1))
	case len(s) > 1 && s[0] == '@':
		b, err = os.ReadFile(s[1:])
	default:
		b = []byte(s)
	}
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	if len(b) > maxDocument {
		return nil, usage("the document is larger than %d bytes", maxDocument)
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(b, new(any)); errors.As(err, &syntax) {
		return nil, usage("the document is not JSON: %v at byte %d", err, syntax.Offset)
	} else if err != nil {
		return nil, usage("the document is not JSON: %v", err)
	}
	return b, nil
}
