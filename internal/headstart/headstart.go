// Package headstart keeps the garbage collector away from the program's start. What the imported packages initialise comes to
// some 4 MiB, at which the first collection would be due: it took a quarter of the processor time from the start of `teal
// serve` to its first answer, and touched 6 MiB of the binary that nothing else needs.
//
// It imports next to nothing, so Go initialises it before the packages that allocate.
package headstart

import "runtime/debug"

// percent puts the first collection off until the heap has 16 MiB.
const percent = 400

var configured = debug.SetGCPercent(percent)

// Over lets memory be collected as it was configured, by GOGC or by default. Call it in whatever runs for long, once it has started.
func Over() { debug.SetGCPercent(configured) }
