package states

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tealdeploy/teal/internal/asl/interp"
)

// journalEvent is an interp.Event in the store. The output is kept as a text, byte for byte, because the replay must see
// what the first run saw.
type journalEvent struct {
	Kind    interp.EventKind `json:"k"`
	At      time.Time        `json:"t"`
	Seed    uint64           `json:"s"`
	Command int64            `json:"c,omitempty"`
	Output  string           `json:"o,omitempty"`
	Error   string           `json:"e,omitempty"`
	Cause   string           `json:"m,omitempty"`

	Worker string               `json:"w,omitempty"`
	Cursor string               `json:"p,omitempty"`
	Limits *interp.MapRunLimits `json:"l,omitempty"`
}

func encodeEvent(ev interp.Event) []byte {
	return encode(journalEvent{ev.Kind, ev.At, ev.Seed, ev.Command, string(ev.Output), ev.Error, ev.Cause, ev.Worker, ev.Cursor, ev.Limits})
}

func decodeEvent(key string, value []byte) (interp.Event, error) {
	j, err := decode[journalEvent](bucketEvents, key, value)
	if err != nil {
		return interp.Event{}, err
	}
	ev := interp.Event{Kind: j.Kind, At: j.At, Seed: j.Seed, Command: j.Command, Error: j.Error, Cause: j.Cause, Worker: j.Worker, Cursor: j.Cursor, Limits: j.Limits}
	if j.Output != "" {
		ev.Output = json.RawMessage(j.Output)
	}
	return ev, nil
}

// numbered is the key of the entry n of an execution.
func numbered(execution string, n int64) string { return fmt.Sprintf("%s/%08d", execution, n) }

// encodeHistory writes a row of the history: a JSON list of events in AWS's wire form.
func encodeHistory(events []interp.HistoryEvent) []byte {
	b := []byte{'['}
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		text, err := e.MarshalJSON()
		if err != nil { // the details are plain structs of texts and numbers
			panic(fmt.Sprintf("states: encoding a %s event: %v", e.Type, err))
		}
		b = append(b, text...)
	}
	return append(b, ']')
}

// lastOf returns the number of the last event in a row, 0 when it cannot be read.
func lastOf(row []byte) int64 {
	var events []struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(row, &events); err != nil || len(events) == 0 {
		return 0
	}
	return events[len(events)-1].ID
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
