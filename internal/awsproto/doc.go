// Package awsproto speaks AWS's wire protocols, server side, over the input, output and error types of aws-sdk-go-v2:
// AWS JSON 1.0 and 1.1, REST-JSON, REST-XML with its streams, Query (form in, XML out) and Smithy RPC v2 CBOR. It
// knows no service.
//
// A service is a table ([Service]) with one line an operation ([Op], [Raw]); [NewMux] serves several of them at one
// address and tells their requests apart as AWS clients send them: by X-Amz-Target, by the RPC path, by the scope of
// the SigV4 credential, by the REST path, by a form's Action and Version.
//
// How a Go type looks on the wire is worked out once by reflection and cached (a plan). Where the SDK module carries
// Smithy schemas (lambda, cloudwatch), member names, timestamp formats, HTTP bindings and the statuses of errors are
// read from these; elsewhere member names follow the service's [Naming], and the table gives the rest. A type that
// has no plan is an error of [NewMux], so that nothing is found unsupported at the first request.
//
// Every type here may be used from any number of goroutines once [NewMux] has returned.
//
// https://smithy.io/2.0/aws/protocols/index.html
package awsproto
