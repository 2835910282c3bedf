// Command function is the function of the tests: it does what its environment, then its event, says.
//
//	ANSWER   the JSON that it answers; without it, the event and the version that ran
//	FAIL     the message with which every invocation fails
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

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
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
	if why := os.Getenv("FAIL"); why != "" {
		return nil, errors.New(why)
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

func main() { lambda.Start(handle) }
