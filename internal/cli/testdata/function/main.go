// Command function is the function of the tests: it does what its environment, then its event, says.
//
//	ANSWER   the JSON that it answers; without it, the event and the version that ran
//	FAIL     the message with which every invocation fails
//
// An event may ask it to say who it is ({"ask":"identity"}), as the endpoint in its environment sees it, or to wait until
// a file exists ({"until":PATH}), having written its version to PATH.begun first.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

type event struct {
	Ask   string `json:"ask"`
	Until string `json:"until"`
}

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	if why := os.Getenv("FAIL"); why != "" {
		return nil, errors.New(why)
	}
	var e event
	if raw[0] == '{' {
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
	}
	switch {
	case e.Ask == "identity":
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, err
		}
		id, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
		if err != nil {
			return nil, err
		}
		return aws.ToString(id.Account), nil
	case e.Until != "":
		if err := note(e.Until + ".begun"); err != nil {
			return nil, err
		}
		for {
			if _, err := os.Stat(e.Until); err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	if answer := os.Getenv("ANSWER"); answer != "" {
		return json.RawMessage(answer), nil
	}
	return map[string]any{"event": raw, "version": os.Getenv("AWS_LAMBDA_FUNCTION_VERSION")}, nil
}

// note adds a line with the running version to a file.
func note(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"))
	return errors.Join(err, f.Close())
}

func main() { lambda.Start(handle) }
