package main

import (
	"errors"
	"testing"
)

func TestActions(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
	for _, c := range []struct {
		task   Task
		status string // "" for an error
	}{
		{Task{Action: "reserve", Item: Item{"tea", 1}}, "reserved"},
		{Task{Action: "pack"}, "packed"},
		{Task{Action: "release"}, "released"},
		{Task{Action: "reserve"}, ""},
		{Task{Action: "reserve", Item: Item{"tea", stock + 1}}, ""},
		{Task{Action: "burn"}, ""},
	} {
		d, err := handle(t.Context(), c.task)
		if (err == nil) != (c.status != "") || d.Status != c.status || (err == nil && d.RanOn != RanOn{"", "7", "blue"}) {
			t.Errorf("%+v: %+v, %v", c.task, d, err)
		}
	}
	_, err := handle(t.Context(), Task{Action: "reserve", Item: Item{"tea", stock + 1}})
	if e := new(OutOfStock); !errors.As(err, &e) {
		t.Errorf("the workflow catches OutOfStock, got %T", err)
	}
}
