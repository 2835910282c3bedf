// Package jsonata is an engine for JSONata, the query and transformation language, in the dialect of AWS Step Functions:
// JSONata 2.0.6 without $eval, and with $parse, $partition, $range, $hash, $random([seed]) and $uuid.
//
// An expression is compiled once and evaluated often:
//
//	e, err := jsonata.Compile("orders[total > 10].id")
//	result, defined, err := e.Eval(input, jsonata.Options{})
//
// The package is pure: it reads no clock, no randomness and no environment. The time, the seed of random numbers and the
// limits come in through Options, so the same call always gives the same answer. An *Expression is immutable and may be
// used by any number of goroutines.
//
// # Values
//
// Values are those of package jsonvalue: nil, bool, string, jsonvalue.Number, []any and *jsonvalue.Object, so that a
// caller that holds its data so passes it in and out without conversion. Plain Go values as encoding/json decodes them
// (float64, json.Number, map[string]any) and Go's integers are taken, too. Input is never changed, and a result may share
// parts of it. JSONata's "nothing" (undefined) is told from null by Eval's second result.
//
// Numbers are doubles, as in JSONata. A number that is only passed through keeps its digits.
//
// # Limits
//
// Every evaluation is bounded in steps and in depth, and asks Options.Interrupt now and then whether to go on. A regular
// expression that needs to backtrack is bounded in time. What exceeds a limit ends with an *Error of code U1001.
//
// References: https://docs.jsonata.org (the language) and
// https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html (the dialect).
package jsonata
