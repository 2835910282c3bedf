// Command payment charges an order and writes its invoice.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

// release is the colour of the code; the build sets it with -ldflags "-X main.release=green".
var release = "blue"

// Task is what the workflow asks for.
type Task struct {
	Action string `json:"action"` // charge or invoice
	Order  string `json:"order"`
	Card   string `json:"card"` // "declined" fails the charge
}

// Done is the answer.
type Done struct {
	Order  string `json:"order"`
	Status string `json:"status"`
	RanOn  RanOn  `json:"ranOn"`
}

// RanOn says which version did the work, so that an execution's output shows on which versions its steps ran.
type RanOn struct {
	Function string `json:"function"`
	Version  string `json:"version"`
	Release  string `json:"release"`
}

// PaymentDeclined is the bank's refusal; the workflow catches it by this name.
type PaymentDeclined struct{ Order string }

func (e *PaymentDeclined) Error() string { return "the bank declines to pay for order " + e.Order }

func handle(_ context.Context, t Task) (Done, error) {
	d := Done{Order: t.Order, RanOn: RanOn{os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"), release}}
	switch t.Action {
	case "charge":
		if t.Card == "declined" {
			return Done{}, &PaymentDeclined{t.Order}
		}
		d.Status = "charged"
	case "invoice":
		d.Status = "invoiced"
	default:
		return Done{}, fmt.Errorf("payment knows no action %q", t.Action)
	}
	return d, nil
}

func main() { lambda.Start(handle) }
