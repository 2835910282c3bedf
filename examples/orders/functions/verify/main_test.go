package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	service "github.com/aws/aws-sdk-go-v2/service/lambda"
)

type fake func(arn, payload string) (*service.InvokeOutput, error)

func (f fake) Invoke(_ context.Context, in *service.InvokeInput, _ ...func(*service.Options)) (*service.InvokeOutput, error) {
	return f(*in.FunctionName, string(in.Payload))
}

// good answers every probe as version 7 of blue does.
func good(arn, payload string) (*service.InvokeOutput, error) {
	const ranOn = `"ranOn":{"version":"7","release":"blue"}`
	answer := `{"statusCode":200,"body":"{\"version\":\"7\",\"release\":\"blue\"}"}`
	for action, status := range map[string]string{"reserve": "reserved", "pack": "packed", "charge": "charged", "invoice": "invoiced"} {
		if strings.Contains(payload, `"action":"`+action+`"`) {
			answer = `{"status":"` + status + `",` + ranOn + `}`
		}
	}
	return &service.InvokeOutput{Payload: []byte(answer), ExecutedVersion: aws.String("7")}, nil
}

func event(keys ...string) Event {
	e := Event{Functions: make(map[string]Function)}
	for _, k := range keys {
		e.Functions[k] = Function{ARN: "arn:" + k + ":7", Version: "7"}
	}
	return e
}

func TestVerify(t *testing.T) {
	answer := func(payload string) fake {
		return func(arn, p string) (*service.InvokeOutput, error) {
			return &service.InvokeOutput{Payload: []byte(payload), ExecutedVersion: aws.String("7")}, nil
		}
	}
	all := event("hello", "inventory", "payment", "verify")
	for _, c := range []struct {
		name   string
		event  Event
		client fake
		reason string // "" for Succeeded
	}{
		{"all is well", all, good, ""},
		{"nothing to test", Event{}, good, "names no function"},
		{"no test", event("refunds"), good, "verify has no test for function refunds"},
		{"unreachable", all, func(string, string) (*service.InvokeOutput, error) { return nil, errors.New("no route") }, "hello version 7: no route"},
		{"fails", all, func(arn, p string) (*service.InvokeOutput, error) {
			out, err := good(arn, p)
			if strings.HasPrefix(arn, "arn:payment") {
				out.FunctionError, out.Payload = aws.String("Unhandled"), []byte(`{"errorMessage":"boom"}`)
			}
			return out, err
		}, `payment version 7: it fails with {"errorMessage":"boom"}`},
		{"another version answers", all, func(arn, p string) (*service.InvokeOutput, error) {
			out, err := good(arn, p)
			out.ExecutedVersion = aws.String("6")
			return out, err
		}, "version 6 answered in its place"},
		{"no JSON", all, answer("oops"), "no JSON object"},
		{"status", all, answer(`{"statusCode":503,"body":"busy"}`), "status 503"},
		{"wrong answer", event("inventory"), answer(`{"status":"lost"}`), `it answers "lost", not "reserved"`},
		{"wrong version", event("inventory"), answer(`{"status":"reserved","ranOn":{"version":"6","release":"blue"}}`), `it says that it is version "6"`},
		{"wrong release", event("inventory"), answer(`{"status":"reserved","ranOn":{"version":"7","release":"green"}}`), `of release "green"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := verify(t.Context(), c.client, c.event)
			if c.reason == "" {
				if v != (Verdict{Status: "Succeeded"}) {
					t.Errorf("got %+v", v)
				}
			} else if v.Status != "Failed" || !strings.Contains(v.Reason, c.reason) {
				t.Errorf("got %+v", v)
			}
		})
	}
}

// TestEveryExactVersionIsCalled: the test calls what it is told, not an alias.
func TestEveryExactVersionIsCalled(t *testing.T) {
	called := make(map[string]int)
	verify(t.Context(), fake(func(arn, p string) (*service.InvokeOutput, error) {
		called[arn]++
		return good(arn, p)
	}), event("hello", "inventory", "payment", "verify"))
	if called["arn:hello:7"] != 1 || called["arn:inventory:7"] != 2 || called["arn:payment:7"] != 2 || len(called) != 3 {
		t.Errorf("called %v", called)
	}
}
