package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// as sets the colour for one test.
func as(t *testing.T, colour string) {
	old := release
	release = colour
	t.Cleanup(func() { release = old })
}

func request(id string) events.APIGatewayV2HTTPRequest {
	var r events.APIGatewayV2HTTPRequest
	r.RequestContext.RequestID = id
	r.QueryStringParameters = map[string]string{"name": "you"}
	return r
}

func TestGreeting(t *testing.T) {
	as(t, "green")
	t.Setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
	out, err := handle(t.Context(), request("id"))
	if err != nil || out.StatusCode != 200 {
		t.Fatal(out, err)
	}
	var g Greeting
	if err := json.Unmarshal([]byte(out.Body), &g); err != nil {
		t.Fatal(err)
	}
	if g != (Greeting{"Hello you from green", "green", "7"}) {
		t.Errorf("got %+v", g)
	}
}

// TestBroken: only ordinary requests meet the bug, and a large part of them does.
func TestBroken(t *testing.T) {
	as(t, "broken")
	if _, err := handle(t.Context(), request("")); err != nil {
		t.Errorf("the pre-traffic test would fail: %v", err)
	}
	failed := 0
	for n := range 1000 {
		if _, err := handle(t.Context(), request(fmt.Sprintf("request-%d", n))); err != nil {
			failed++
		}
	}
	if failed < 450 || failed > 750 {
		t.Errorf("%d of 1000 requests failed", failed)
	}
	as(t, "blue")
	for n := range 1000 {
		if _, err := handle(t.Context(), request(fmt.Sprintf("request-%d", n))); err != nil {
			t.Fatal(err)
		}
	}
}
