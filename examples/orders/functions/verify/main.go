// Command verify is the pre-traffic test of a release: before any traffic reaches green, it calls the exact green version
// of every function and looks at the answers.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	service "github.com/aws/aws-sdk-go-v2/service/lambda"
)

// release is the colour of the code; the build sets it with -ldflags "-X main.release=green".
var release = "blue"

// Event is what a hook is called with.
type Event struct {
	RolloutID string              `json:"rolloutId"`
	ReleaseID string              `json:"releaseId"`
	App       string              `json:"app"`
	Stage     string              `json:"stage"`     // BeforeAllowTraffic
	Functions map[string]Function `json:"functions"` // by key in teal.yaml
}

// Function is the exact version under test.
type Function struct {
	ARN     string `json:"arn"` // qualified by Version
	Version string `json:"version"`
}

// Verdict is the answer to a hook: Succeeded, or Failed with a reason.
type Verdict struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// Invoker calls a function.
type Invoker interface {
	Invoke(ctx context.Context, in *service.InvokeInput, opts ...func(*service.Options)) (*service.InvokeOutput, error)
}

// answer is what all functions of this application answer; hello's body holds the version and the release.
type answer struct {
	StatusCode int    `json:"statusCode"`
	Body       string `json:"body"`
	Status     string `json:"status"`
	RanOn      struct {
		Version string `json:"version"`
		Release string `json:"release"`
	} `json:"ranOn"`
}

// probes are the calls that a function must answer, and how.
var probes = map[string][]struct{ payload, status string }{
	"hello": {{`{"version":"2.0","rawPath":"/hello","queryStringParameters":{"name":"verify"}}`, ""}},
	"inventory": {
		{`{"action":"reserve","order":"verify","item":{"sku":"green-tea","quantity":1}}`, "reserved"},
		{`{"action":"pack","order":"verify"}`, "packed"},
	},
	"payment": {
		{`{"action":"charge","order":"verify","card":"test"}`, "charged"},
		{`{"action":"invoice","order":"verify"}`, "invoiced"},
	},
	"verify": {}, // this one; that it runs is its test
}

// verify tests every function and says what is wrong with the first that fails.
func verify(ctx context.Context, client Invoker, e Event) Verdict {
	for _, key := range slices.Sorted(maps.Keys(e.Functions)) {
		calls, known := probes[key]
		if !known {
			return Verdict{"Failed", fmt.Sprintf("verify has no test for function %s: add one", key)}
		}
		for _, c := range calls {
			if err := probe(ctx, client, e.Functions[key], c.payload, c.status); err != nil {
				return Verdict{"Failed", fmt.Sprintf("%s version %s: %v", key, e.Functions[key].Version, err)}
			}
		}
	}
	if len(e.Functions) == 0 {
		return Verdict{"Failed", "the event names no function to test"}
	}
	return Verdict{Status: "Succeeded"}
}

// probe makes one call and holds the answer against what it must be.
func probe(ctx context.Context, client Invoker, f Function, payload, status string) error {
	out, err := client.Invoke(ctx, &service.InvokeInput{FunctionName: &f.ARN, Payload: []byte(payload)})
	if err != nil {
		return err
	}
	if out.FunctionError != nil {
		return fmt.Errorf("it fails with %s", out.Payload)
	}
	if got := aws.ToString(out.ExecutedVersion); got != f.Version {
		return fmt.Errorf("version %s answered in its place", got)
	}
	var a answer
	if err := json.Unmarshal(out.Payload, &a); err != nil {
		return fmt.Errorf("its answer is no JSON object: %s", out.Payload)
	}
	if a.Body != "" {
		if a.StatusCode != 200 {
			return fmt.Errorf("it answers with status %d: %s", a.StatusCode, a.Body)
		}
		if err := json.Unmarshal([]byte(a.Body), &a.RanOn); err != nil {
			return fmt.Errorf("its body is no JSON object: %s", a.Body)
		}
	}
	switch {
	case a.Status != status:
		return fmt.Errorf("it answers %q, not %q", a.Status, status)
	case a.RanOn.Version != f.Version:
		return fmt.Errorf("it says that it is version %q", a.RanOn.Version)
	case a.RanOn.Release != release:
		return fmt.Errorf("it says that it is of release %q, and verify is of %q", a.RanOn.Release, release)
	}
	return nil
}

// client speaks to Lambda itself, or to the platform that runs the function and says so in AWS_ENDPOINT_URL. Region and
// credentials are always in a function's environment; the SDK's config package would do the same, and compile longer.
func client() *service.Client {
	o := service.Options{
		Region: os.Getenv("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")),
	}
	if endpoint := os.Getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		o.BaseEndpoint = &endpoint
	}
	return service.New(o)
}

func main() {
	lambda.Start(func(ctx context.Context, e Event) (Verdict, error) {
		return verify(ctx, client(), e), nil
	})
}
