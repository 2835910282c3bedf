// Package asl reads and checks definitions in the Amazon States Language and evaluates their expressions.
//
// Parse turns a definition into an immutable *StateMachine, or into the diagnostics that tell why it is none, in the
// words of AWS where those are known. The package knows nothing of executions: package interp runs a machine.
//
// The examples show what other programs need of it: to check a definition (Parse, Summary, Diagnostic), to see what it
// holds (StateMachine.All, StateMachine.TaskReferences), and to run it (package interp). A machine may be used by many
// goroutines at once. Definitions are bounded in size and depth, so a text from anywhere can be parsed.
//
// A state's data flow belongs to its query language (Language), so that a second language is a second implementation of
// that interface and of the expressions that a state holds (Condition, Integer, Text, Items).
//
// The language: https://states-language.net and
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
package asl
