// Command function is the function of the tests: it does what its environment, then its event, says.
//
//	ANSWER   the JSON that it answers; without it, the event and the version that ran
//	FAIL     the message with which every invocation fails
//	VERDICT  the status that it tells CodeDeploy, whose lifecycle events it then takes; with none it tells nothing
//	TESTED   the version that the deployment must be of, by its AppSpec file; otherwise it tells Failed
//	SLOW     how long every invocation takes, such as 100ms
//
// An event may ask it to say who it is ({"ask":"identity"}), as the endpoint in its environment sees it, or to fetch a URL
// and wait for its answer ({"fetch":URL}); the URL gets the version that ran as its query. Of the records of a queue those
// whose body is "bad" are told to have failed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

type event struct {
	Ask     string `json:"ask"`
	Fetch   string `json:"fetch"`
	Records []struct {
		ID   string `json:"messageId"`
		Body string `json:"body"`
	} `json:"Records"`
}

type answer struct {
	Event   json.RawMessage `json:"event"`
	Version string          `json:"version"`
	Fetched string          `json:"fetched,omitempty"`
}

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	if slow := os.Getenv("SLOW"); slow != "" {
		d, err := time.ParseDuration(slow)
		if err != nil {
			return nil, err
		}
		time.Sleep(d)
	}
	if why := os.Getenv("FAIL"); why != "" {
		return nil, errors.New(why)
	}
	if status := os.Getenv("VERDICT"); status == "none" {
		return nil, nil
	} else if status != "" {
		return nil, tell(ctx, raw, types.LifecycleEventStatus(status))
	}
	if fixed := os.Getenv("ANSWER"); fixed != "" {
		return json.RawMessage(fixed), nil
	}
	var e event
	if raw[0] == '{' {
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
	}
	a := answer{Event: raw, Version: os.Getenv("AWS_LAMBDA_FUNCTION_VERSION")}
	switch {
	case len(e.Records) > 0:
		failed := []map[string]string{}
		for _, r := range e.Records {
			if r.Body == "bad" {
				failed = append(failed, map[string]string{"itemIdentifier": r.ID})
			}
		}
		return map[string]any{"batchItemFailures": failed}, nil
	case e.Ask == "identity":
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, err
		}
		id, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
		if err != nil {
			return nil, err
		}
		a.Fetched = aws.ToString(id.Account)
	case e.Fetch != "":
		var err error
		if a.Fetched, err = fetch(ctx, e.Fetch+"?"+a.Version); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", url, resp.Status)
	}
	return string(body), err
}

// tell gives CodeDeploy the result of a validation, as a hook does.
func tell(ctx context.Context, raw json.RawMessage, status types.LifecycleEventStatus) error {
	var hook struct{ DeploymentId, LifecycleEventHookExecutionId string }
	if err := json.Unmarshal(raw, &hook); err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := codedeploy.NewFromConfig(cfg)
	if tested := os.Getenv("TESTED"); tested != "" {
		d, err := client.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &hook.DeploymentId})
		if err != nil {
			return err
		}
		if !strings.Contains(aws.ToString(d.DeploymentInfo.Revision.AppSpecContent.Content), `"TargetVersion":"`+tested+`"`) {
			status = types.LifecycleEventStatusFailed
		}
	}
	_, err = client.PutLifecycleEventHookExecutionStatus(ctx, &codedeploy.PutLifecycleEventHookExecutionStatusInput{
		DeploymentId: &hook.DeploymentId, LifecycleEventHookExecutionId: &hook.LifecycleEventHookExecutionId, Status: status,
	})
	return err
}

func main() { lambda.Start(handle) }
