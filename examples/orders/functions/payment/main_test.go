package main

import (
	"errors"
	"testing"
)

func TestActions(t *testing.T) {
	for action, status := range map[string]string{"charge": "charged", "invoice": "invoiced", "gamble": ""} {
		d, err := handle(t.Context(), Task{Action: action, Order: "1"})
		if (err == nil) != (status != "") || d.Status != status {
			t.Errorf("%s: %+v, %v", action, d, err)
		}
	}
	_, err := handle(t.Context(), Task{Action: "charge", Card: "declined"})
	if e := new(PaymentDeclined); !errors.As(err, &e) {
		t.Errorf("the workflow catches PaymentDeclined, got %T", err)
	}
}
