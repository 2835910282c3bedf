// Command inventory reserves and packs the items of an order.
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
	Action string `json:"action"` // reserve, pack or release
	Order  string `json:"order"`
	Item   Item   `json:"item"` // for reserve
}

// Item is one line of an order.
type Item struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Done is the answer.
type Done struct {
	Order  string `json:"order"`
	Status string `json:"status"`
	SKU    string `json:"sku,omitempty"`
	RanOn  RanOn  `json:"ranOn"`
}

// RanOn says which version did the work, so that an execution's output shows on which versions its steps ran.
type RanOn struct {
	Function string `json:"function"`
	Version  string `json:"version"`
	Release  string `json:"release"`
}

// OutOfStock fails a reservation; workflows catch it by this name.
type OutOfStock struct{ Item Item }

func (e *OutOfStock) Error() string {
	return fmt.Sprintf("%d of %s are more than we have", e.Item.Quantity, e.Item.SKU)
}

// stock is what there is of everything.
const stock = 100

func handle(_ context.Context, t Task) (Done, error) {
	d := Done{Order: t.Order, RanOn: RanOn{os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"), release}}
	switch t.Action {
	case "reserve":
		if t.Item.SKU == "" || t.Item.Quantity < 1 {
			return Done{}, fmt.Errorf("order %s: an item needs a sku and a quantity", t.Order)
		}
		if t.Item.Quantity > stock {
			return Done{}, &OutOfStock{t.Item}
		}
		d.Status, d.SKU = "reserved", t.Item.SKU
	case "pack":
		d.Status = "packed"
	case "release":
		d.Status = "released"
	default:
		return Done{}, fmt.Errorf("inventory knows no action %q", t.Action)
	}
	return d, nil
}

func main() { lambda.Start(handle) }
