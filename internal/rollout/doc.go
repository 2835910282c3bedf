// Package rollout decides how a release is brought in and taken back. It is one pure machine, [Step]: an event
// goes in, the next state and the effects to perform come out. It has no clock, no randomness and no I/O; whoever drives
// it journals the event and the new state first and performs the effects afterwards, so that a rollout survives the death
// of its driver at any instant.
//
// # Order within a step
//
// All aliases of a release shift together, step by step. Within a step functions are moved before workflows: when a
// workflow of green starts, every function that it reaches through an alias already serves green at the same share. On
// the way back the order is reversed. Within either group the writes are independent and may run in parallel.
//
// # What a step needs to advance
//
// Its pause is over, and, where the step has a check, a Healthy verdict was asked for after that. Inconclusive waits
// until the check's timeout and then pauses for a person (or goes back, by setting). Error is repeated a bounded number of
// times and then goes back. Unhealthy goes back at once, also in the middle of a pause.
//
// # Rollback
//
// Every alias that this rollout may have written, even by a write whose answer was lost, is written back to the routing
// recorded before the rollout began. What cannot be put back ends in failed-dirty, with what is known of every alias.
package rollout
