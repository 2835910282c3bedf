package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/arn"
)

func (a *app) executeCommand() *cobra.Command {
	var input, name string
	var detach bool
	c := &cobra.Command{
		Use:   "execute WORKFLOW[:QUALIFIER]",
		Short: "Start a workflow, wait for its end and print its output",
		Long: `Start a workflow, wait for its end and print its output.

WORKFLOW is a state machine's name or ARN; QUALIFIER is a version or an alias.
Interrupting the wait does not stop the execution.`,
		Example: `  teal execute orders-fulfil:live --input '{"order":"42"}'
  teal execute orders-fulfil:live --detach`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			doc, err := a.document(input)
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
			machine, err := stateMachineARN(c.Context(), cfg, args[0])
			if err != nil {
				return a.connection(cfg, err)
			}
			in := &sfn.StartExecutionInput{StateMachineArn: &machine, Input: aws.String(string(doc))}
			if name != "" {
				in.Name = &name
			}
			client := sfn.NewFromConfig(cfg)
			started, err := client.StartExecution(c.Context(), in)
			if err != nil {
				return a.connection(cfg, fmt.Errorf("start %s: %w", args[0], err))
			}
			a.progress("started %s", *started.ExecutionArn)
			if detach {
				return a.printExecution(&sfn.DescribeExecutionOutput{ExecutionArn: started.ExecutionArn, Status: types.ExecutionStatusRunning})
			}
			end, err := waitExecution(c.Context(), client, *started.ExecutionArn)
			if err != nil {
				return err
			}
			return a.printExecution(end)
		},
	}
	c.Flags().StringVarP(&input, "input", "i", "{}", "the input as JSON, @FILE, or - for standard input")
	c.Flags().StringVar(&name, "name", "", "the execution's name (default: AWS chooses one)")
	c.Flags().BoolVar(&detach, "detach", false, "do not wait for the end")
	return c
}

// stateMachineARN makes a full ARN of a name with or without qualifier.
func stateMachineARN(ctx context.Context, cfg aws.Config, s string) (string, error) {
	if m, err := arn.ParseStateMachine(s); err == nil {
		return m.String(), nil
	}
	id, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("which account is this: %w", err)
	}
	m, err := arn.ParseStateMachine("arn:aws:states:" + cfg.Region + ":" + aws.ToString(id.Account) + ":stateMachine:" + s)
	if err != nil {
		return "", usage("%q is neither a state machine's name (with :version or :alias) nor its ARN", s)
	}
	return m.String(), nil
}

// waitExecution polls until the execution has ended; the interval grows from 50 ms to 2 s.
func waitExecution(ctx context.Context, client *sfn.Client, execution string) (*sfn.DescribeExecutionOutput, error) {
	for nap := 50 * time.Millisecond; ; nap = min(nap*3/2, 2*time.Second) {
		d, err := client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &execution})
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", execution, err)
		}
		if d.Status != types.ExecutionStatusRunning {
			return d, nil
		}
		select {
		case <-ctx.Done():
			return nil, hint(fmt.Errorf("stopped waiting; the execution goes on: %w", ctx.Err()), "aws stepfunctions describe-execution --execution-arn %s", execution)
		case <-time.After(nap):
		}
	}
}

func (a *app) printExecution(d *sfn.DescribeExecutionOutput) error {
	if a.json() {
		doc := map[string]any{"executionArn": aws.ToString(d.ExecutionArn), "status": d.Status}
		if d.StateMachineVersionArn != nil {
			doc["stateMachineVersionArn"] = *d.StateMachineVersionArn
		}
		if d.Output != nil {
			doc["output"] = json.RawMessage(*d.Output)
		}
		if d.Error != nil {
			doc["error"] = *d.Error
		}
		if d.Cause != nil {
			doc["cause"] = *d.Cause
		}
		if err := a.printJSON(doc); err != nil {
			return err
		}
	} else {
		if v := aws.ToString(d.StateMachineVersionArn); v != "" {
			a.progress("ran on %s", v)
		}
		if d.Output != nil {
			fmt.Fprintln(a.Out, *d.Output)
		} else if d.Status == types.ExecutionStatusRunning {
			fmt.Fprintln(a.Out, aws.ToString(d.ExecutionArn))
		}
	}
	if d.Status == types.ExecutionStatusSucceeded || d.Status == types.ExecutionStatusRunning {
		return nil
	}
	return &Error{Code: ExitFailed, Err: fmt.Errorf("the execution ended %s: %s: %s", d.Status, aws.ToString(d.Error), aws.ToString(d.Cause))}
}

// configFromManifestIfAny takes endpoint and region from the manifest when there is one in reach.
func (a *app) configFromManifestIfAny(ctx context.Context) (aws.Config, error) {
	if _, err := os.Stat(a.manifest); err != nil {
		return a.awsConfig(ctx, "", "")
	}
	m, err := a.loadManifest()
	if err != nil {
		return aws.Config{}, err
	}
	return a.awsConfig(ctx, m.Provider.Endpoint, m.Provider.Region)
}
