// Package interp runs state machines, one execution at a time, as a pure machine: Step takes an execution's State and one
// Event and gives the commands to perform and the history to record. It has no goroutine, no clock, no randomness and no
// I/O: time, randomness and results come in with the events, so that Standard and Express workflows, tests, replays and
// simulations all take the same path.
//
// The pump's law: make the event and the step's history durable, then perform the commands; after a restart, perform
// again every command but Cancel, FinishMapRun and Complete that has neither its answer nor a Cancel nor a FinishMapRun.
//
// A pump is small: it makes the first event with EventStart, gives each Output's commands to whatever performs them (a
// Lambda function, a timer, a human), and makes an event of each answer, with the time and a fresh seed in it. The examples
// are complete pumps: ExampleStep runs a workflow, Example_retry lets a task fail, and Example_replay makes a State again
// from a journal. A State is a plain value; each belongs to one goroutine at a time.
//
// A Parallel state's branches and an inline Map state's iterations are child frames of the execution, not goroutines. The
// cost of a step depends on the frames that it touches, never on the length of the history. A Map state in distributed
// mode asks for child executions instead (StartMapRun, StartChild), which run asl.StateMachine.Child on their own.
//
// Tasks that are answered from outside, activities and those with .waitForTaskToken, carry a token that names their
// execution and command (ParseToken), so that the pump keeps no list of tokens.
//
// TestState tries one state by itself; EventRedrive goes on with an execution that has failed.
package interp
