package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/store"
)

// The buckets. Rows of a queue begin with its ID, which no other queue of that name ever has.
const (
	bucketQueues   = "sqs.queues"   // name → queueRecord
	bucketMessages = "sqs.messages" // queue/serial → messageRecord
	bucketBodies   = "sqs.bodies"   // queue/serial → bodyRecord
	bucketSeen     = "sqs.seen"     // queue/deduplication → seenRecord; of FIFO queues
)

// queueRecord is what is kept of a queue. It is never changed in place.
type queueRecord struct {
	Name       string            `json:"name"`
	ID         string            `json:"id"`
	Created    int64             `json:"created"`
	Modified   int64             `json:"modified"`
	Attributes map[string]string `json:"attributes,omitempty"` // those that were given
	Tags       map[string]string `json:"tags,omitempty"`
	Purged     int64             `json:"purged,omitempty"`   // when; 0 for never
	PurgedTo   uint64            `json:"purgedTo,omitempty"` // messages with a serial up to this one are gone
	Deleted    int64             `json:"deleted,omitempty"`  // when; 0 for not
}

// messageRecord is what the index knows of a message.
type messageRecord struct {
	ID       string `json:"id"`
	Sent     int64  `json:"sent"`
	Due      int64  `json:"due"` // from when on it can be received
	Size     int    `json:"size"`
	Receives int    `json:"receives,omitempty"`
	First    int64  `json:"first,omitempty"`   // when it was first received
	Last     int64  `json:"last,omitempty"`    // when it was last received
	Receipt  string `json:"receipt,omitempty"` // of the last receive
	Group    string `json:"group,omitempty"`
}

// bodyRecord is what only the receiver of a message wants.
type bodyRecord struct {
	Body       string                     `json:"body"`
	MD5        string                     `json:"md5"`
	Attributes map[string]attributeRecord `json:"attributes,omitempty"`
	Trace      string                     `json:"trace,omitempty"`
	Dedup      string                     `json:"dedup,omitempty"`
	Source     string                     `json:"source,omitempty"` // ARN of the queue that gave the message up
}

type attributeRecord struct {
	Type   string  `json:"type"`
	Text   *string `json:"text,omitempty"`
	Binary []byte  `json:"binary,omitempty"`
}

// seenRecord is a message that a FIFO queue has taken: what is sent with its deduplication ID again is not put in.
type seenRecord struct {
	At     int64  `json:"at"`
	ID     string `json:"id"`
	Serial uint64 `json:"serial"`
}

// message is one in the index. Its record is guarded by its queue's lock.
type message struct {
	messageRecord
	serial  uint64
	leaving bool // its removal is being written; it is held meanwhile, and not given to receivers that have it already
	gone    bool // no longer in the index
}

func (m *message) key(queue string) string { return rowKey(queue, m.serial) }

func rowKey(queue string, serial uint64) string { return fmt.Sprintf("%s/%020d", queue, serial) }

// read fills the index from the store, and removes what deleted and purged queues have left there.
func (s *Service) read() error {
	ctx := context.Background()
	s.mu.Lock()
	defer s.mu.Unlock()
	byID, rest := map[string]*queue{}, &store.Batch{}
	for e, err := range s.cfg.Store.Scan(ctx, bucketQueues, store.Range{}) {
		r := &queueRecord{}
		if err == nil {
			err = json.Unmarshal(e.Value, r)
		}
		if err != nil {
			return fmt.Errorf("sqs: queue %s: %w", e.Key, err)
		}
		if r.Deleted != 0 {
			if s.deleted[r.Name] = r.Deleted; s.now()-r.Deleted >= recently {
				rest.Delete(bucketQueues, e.Key)
			}
			continue
		}
		q, err := s.newQueue(r)
		if err != nil {
			return fmt.Errorf("sqs: queue %s: %w", e.Key, err)
		}
		s.queues[r.Name], byID[r.ID] = q, q
	}
	for e, err := range s.cfg.Store.Scan(ctx, bucketMessages, store.Range{}) {
		if err != nil {
			return fmt.Errorf("sqs: messages: %w", err)
		}
		id, number, _ := strings.Cut(e.Key, "/")
		m := &message{}
		if m.serial, err = strconv.ParseUint(number, 10, 64); err == nil {
			err = json.Unmarshal(e.Value, &m.messageRecord)
		}
		if err != nil {
			return fmt.Errorf("sqs: message %s: %w", e.Key, err)
		}
		q := byID[id]
		if q == nil || m.serial <= q.record().PurgedTo {
			rest.Delete(bucketMessages, e.Key)
			rest.Delete(bucketBodies, e.Key)
			continue
		}
		q.put(m)
	}
	for e, err := range s.cfg.Store.Scan(ctx, bucketSeen, store.Range{}) {
		var r seenRecord
		if err == nil {
			err = json.Unmarshal(e.Value, &r)
		}
		if err != nil {
			return fmt.Errorf("sqs: deduplication %s: %w", e.Key, err)
		}
		id, _, _ := strings.Cut(e.Key, "/")
		q := byID[id]
		if q == nil {
			rest.Delete(bucketSeen, e.Key)
			continue
		}
		q.seen[e.Key] = r
		q.serial = max(q.serial, r.Serial)
	}
	if len(rest.Ops) > 0 {
		if err := s.cfg.Store.Commit(ctx, rest); err != nil {
			s.cfg.Logger.Warn("sqs: rows of deleted queues are still on the disk; the next start removes them", "error", err)
		}
	}
	return nil
}

// clone copies a record for a change.
func (r *queueRecord) clone() *queueRecord {
	c := *r
	c.Attributes, c.Tags = maps.Clone(r.Attributes), maps.Clone(r.Tags)
	if c.Attributes == nil {
		c.Attributes = map[string]string{}
	}
	if c.Tags == nil {
		c.Tags = map[string]string{}
	}
	return &c
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // records are plain data
		panic(err)
	}
	return b
}
