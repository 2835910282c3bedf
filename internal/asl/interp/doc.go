// Package interp runs state machines, one execution at a time, as a pure machine: Step takes an execution's State and one
// Event and gives the commands to perform and the history to record. It has no goroutine, no clock, no randomness and no
// I/O: time, randomness and results come in with the events, so that Standard and Express workflows, tests, replays and
// simulations all take the same path.
//
// The pump's law: make the event and the step's history durable, then perform the commands; after a restart, perform
// again every InvokeTask and StartTimer that has neither an answer nor a Cancel.
//
// A Parallel state's branches and a Map state's iterations are child frames of the execution, not goroutines. The cost of
// a step depends on the frames that it touches, never on the length of the history.
package interp
