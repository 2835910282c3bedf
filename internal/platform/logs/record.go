package logs

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tealdeploy/teal/internal/store"
)

// The buckets. A stream's events are in chunks, each with a row that says what it holds, so that a reader passes over
// those of another time.
const (
	bucketGroups  = "logs.groups"  // group → groupRecord
	bucketStreams = "logs.streams" // serial → streamRecord
	bucketChunks  = "logs.chunks"  // serial/number → chunkRecord
	bucketEvents  = "logs.events"  // serial/number → events, see appendEvent
)

type groupRecord struct {
	Name      string            `json:"name"`
	Created   int64             `json:"created"`
	Retention int32             `json:"retention,omitempty"` // days; 0 for ever
	Class     string            `json:"class,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
}

type streamRecord struct {
	Group    string `json:"group"`
	Name     string `json:"name"`
	Created  int64  `json:"created"`
	First    int64  `json:"first,omitempty"` // time of the oldest event that there ever was; 0 for none
	Last     int64  `json:"last,omitempty"`
	Ingested int64  `json:"ingested,omitempty"`
	Chunks   uint64 `json:"chunks,omitempty"` // number of the last chunk
	Open     int    `json:"open,omitempty"`   // bytes of the last chunk; the next events may join it
	Bytes    int64  `json:"bytes,omitempty"`  // of the events that are there
}

// chunkRecord tells what a chunk holds.
type chunkRecord struct {
	Min   int64 `json:"min"` // times of its events
	Max   int64 `json:"max"`
	Count int   `json:"count"`
	Bytes int   `json:"bytes"`
}

// group and stream are the records in memory, guarded by Service.mu. They hold no events but those not yet written.
type group struct {
	groupRecord
	streams map[string]*stream
}

type stream struct {
	streamRecord
	serial  string
	pending events
	deleted bool
}

func chunkKey(serial string, number uint64) string { return fmt.Sprintf("%s/%012x", serial, number) }

// read fills groups and streams from the store.
func (s *Service) read() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := context.Background()
	for e, err := range s.cfg.Store.Scan(ctx, bucketGroups, store.Range{}) {
		g := &group{streams: map[string]*stream{}}
		if err == nil {
			err = json.Unmarshal(e.Value, &g.groupRecord)
		}
		if err != nil {
			return fmt.Errorf("logs: group %s: %w", e.Key, err)
		}
		s.groups[g.Name] = g
	}
	for e, err := range s.cfg.Store.Scan(ctx, bucketStreams, store.Range{}) {
		st := &stream{serial: e.Key}
		if err == nil {
			err = json.Unmarshal(e.Value, &st.streamRecord)
		}
		if err == nil {
			_, err = fmt.Sscanf(e.Key, "%x", &s.serials) // in ascending order
		}
		g := s.groups[st.Group]
		if err != nil || g == nil {
			return fmt.Errorf("logs: stream %s of group %q: %w", e.Key, st.Group, err)
		}
		g.streams[st.Name] = st
		s.bytes += st.Bytes
	}
	return nil
}

// newStream makes a stream in memory; its row is the caller's to write. s.mu is held.
func (s *Service) newStream(g *group, name string) *stream {
	s.serials++
	st := &stream{serial: fmt.Sprintf("%012x", s.serials), streamRecord: streamRecord{Group: g.Name, Name: name, Created: s.now()}}
	g.streams[name] = st
	return st
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // records are plain data
		panic(err)
	}
	return b
}
