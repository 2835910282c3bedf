package jsonata_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/jsonata"
	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

func Example() {
	e, err := jsonata.Compile(`orders[total > 10].{"id": id, "net": $round(total / 1.19, 2)}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	input, _ := jsonvalue.ParseString(`{"orders": [{"id": "a", "total": 5}, {"id": "b", "total": 119}, {"id": "c", "total": 20}]}`)
	result, defined, err := e.Eval(input, jsonata.Options{})
	fmt.Println(string(jsonvalue.Marshal(result)), defined, err)
	// Output: [{"id":"b","net":100},{"id":"c","net":16.81}] true <nil>
}

// Variables come in by name; the time and the seed are given, so the answer is always the same.
func ExampleExpression_Eval() {
	e, _ := jsonata.Compile(`$states.input.name & ", " & $now("[Y]-[M01]-[D01]") & ", " & $random(42)`)
	input, _ := jsonvalue.ParseString(`{"input": {"name": "Ada"}}`)
	result, _, _ := e.Eval(nil, jsonata.Options{
		Bindings: map[string]any{"states": input},
		Now:      time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC),
	})
	fmt.Println(result)
	// Output: Ada, 2026-11-21, 0.727563680032868
}

// Errors carry JSONata's code and the position in the expression.
func ExampleCompile() {
	_, err := jsonata.Compile(`a + * b)`)
	var e *jsonata.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.Position, e.Message)
	}
	// Output: S0201 7 Syntax error: "b"
}

// What encoding/json decodes is converted once.
func ExampleValue() {
	var decoded any
	_ = json.Unmarshal([]byte(`{"a": [1, 2, 3]}`), &decoded)
	input, _ := jsonata.Value(decoded)
	e, _ := jsonata.Compile(`$sum(a)`)
	result, _, _ := e.Eval(input, jsonata.Options{})
	fmt.Println(result)
	// Output: 6
}

// A validator can tell what an expression needs before it runs.
func ExampleExpression_Variables() {
	e, _ := jsonata.Compile(`($rate := 1.19; $map($prices, function($p) { $p * $rate }))`)
	fmt.Println(e.Variables(), e.Calls(), e.Reference())
	// Output: [prices] [map]
}
