package logs

import (
	"encoding/binary"
	"errors"
	"math"
)

// event is one line of a log.
type event struct {
	time     int64 // ms
	ingested int64 // ms
	message  string
}

// events are encoded events with what a chunkRecord tells of them.
type events struct {
	chunkRecord
	data []byte
}

// overhead is what AWS counts for an event besides its message, in bytes.
const overhead = 26

// add appends an event: time, ingestion relative to it and length as variable-length integers, then the message.
func (e *events) add(time, ingested int64, message string) {
	if e.Count == 0 {
		e.Min, e.Max = math.MaxInt64, math.MinInt64
	}
	e.data = binary.AppendVarint(e.data, time)
	e.data = binary.AppendVarint(e.data, ingested-time)
	e.data = binary.AppendUvarint(e.data, uint64(len(message)))
	e.data = append(e.data, message...)
	e.Min, e.Max = min(e.Min, time), max(e.Max, time)
	e.Count++
	e.Bytes = len(e.data)
}

// join appends all of other.
func (e *events) join(other events) {
	if e.Count == 0 {
		*e = other
		return
	}
	e.data = append(e.data, other.data...)
	e.Min, e.Max = min(e.Min, other.Min), max(e.Max, other.Max)
	e.Count += other.Count
	e.Bytes = len(e.data)
}

var errChunk = errors.New("logs: a chunk of events is damaged")

// decode calls yield for each encoded event, with its place in the chunk.
func decode(data []byte, yield func(place int, e event)) error {
	for place := 0; len(data) > 0; place++ {
		time, n := binary.Varint(data)
		if n <= 0 {
			return errChunk
		}
		data = data[n:]
		since, n := binary.Varint(data)
		if n <= 0 {
			return errChunk
		}
		data = data[n:]
		size, n := binary.Uvarint(data)
		if n <= 0 || size > uint64(len(data)-n) {
			return errChunk
		}
		yield(place, event{time, time + since, string(data[n : n+int(size)])})
		data = data[n+int(size):]
	}
	return nil
}
