package logs

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tealdeploy/teal/internal/store"
)

// Limits of an answer with events.
const (
	maxEvents = 10_000
	maxAnswer = 1 << 20 // bytes of messages and overhead
)

// position is where an event stands among all events of a group: by time, then in the order in which they came.
type position struct {
	time   int64
	serial string
	chunk  uint64
	place  int
}

func (p position) compare(o position) int {
	return cmp.Or(cmp.Compare(p.time, o.time), strings.Compare(p.serial, o.serial), cmp.Compare(p.chunk, o.chunk), cmp.Compare(p.place, o.place))
}

// located is an event with its position.
type located struct {
	event
	position
	stream string
}

// id is an event's: digits, in the order of the events.
func (l *located) id() string {
	var serial uint64
	_, _ = fmt.Sscanf(l.serial, "%x", &serial) // serials are made by newStream
	return fmt.Sprintf("%014d%015d%015d%012d", l.position.time, serial, l.chunk, l.place)
}

// query says which events are wanted.
type query struct {
	from, to int64     // ms; to is left out
	after    *position // go on behind this one, or before it when backward
	backward bool      // the newest first
	limit    int
	match    func(message string) bool // nil for all
}

// wants reports whether an event belongs to the answer, but for its message.
func (q *query) wants(p position) bool {
	if p.time < q.from || p.time >= q.to {
		return false
	}
	if q.after == nil {
		return true
	}
	n := p.compare(*q.after)
	return n > 0 && !q.backward || n < 0 && q.backward
}

// order compares in the direction of the query.
func (q *query) order(a, b located) int {
	n := a.position.compare(b.position)
	if q.backward {
		return -n
	}
	return n
}

// chunk is a chunk that may hold wanted events.
type chunk struct {
	chunkRecord
	serial, stream string
	number         uint64
}

// find gives the first wanted events of some streams (serial → name), in the order of the query, as many as fit into an
// answer. more tells that there may be others.
func (s *Service) find(ctx context.Context, streams map[string]string, q *query) (found []located, more bool, err error) {
	chunks, err := s.chunks(ctx, streams, q)
	if err != nil {
		return nil, false, err
	}
	for _, c := range chunks {
		if len(found) >= q.limit {
			// What has been found is enough, and no later chunk has anything before it.
			more = more || len(found) > q.limit
			slices.SortFunc(found, q.order)
			found = found[:q.limit:q.limit]
			last := found[q.limit-1].position.time
			if !q.backward && c.Min > last || q.backward && c.Max < last {
				more = true
				break
			}
		}
		data, err := s.cfg.Store.Get(ctx, bucketEvents, chunkKey(c.serial, c.number))
		switch {
		case errors.Is(err, store.ErrNotFound): // deleted meanwhile
			continue
		case err != nil:
			return nil, false, err
		}
		err = decode(data, func(place int, e event) {
			p := position{e.time, c.serial, c.number, place}
			if q.wants(p) && (q.match == nil || q.match(e.message)) {
				found = append(found, located{e, p, c.stream})
			}
		})
		if err != nil {
			return nil, false, fmt.Errorf("stream %s: %w", c.stream, err)
		}
	}
	slices.SortFunc(found, q.order)
	if len(found) > q.limit {
		found, more = found[:q.limit], true
	}
	size := 0
	for i, e := range found {
		if size += len(e.message) + overhead; size > maxAnswer && i > 0 {
			return found[:i], true, nil
		}
	}
	return found, more, nil
}

// chunks lists the chunks that may hold wanted events, in the order of the query.
func (s *Service) chunks(ctx context.Context, streams map[string]string, q *query) ([]chunk, error) {
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	var out []chunk
	for serial, name := range streams {
		for e, err := range s.cfg.Store.Scan(ctx, bucketChunks, store.Prefix(serial+"/")) {
			c := chunk{serial: serial, stream: name}
			if err == nil {
				err = json.Unmarshal(e.Value, &c.chunkRecord)
			}
			if err == nil {
				_, err = fmt.Sscanf(e.Key[len(serial)+1:], "%x", &c.number)
			}
			if err != nil {
				return nil, fmt.Errorf("stream %s: %w", name, err)
			}
			if c.Max < q.from || c.Min >= q.to {
				continue
			}
			if a := q.after; a != nil && (!q.backward && c.Max < a.time || q.backward && c.Min > a.time) {
				continue
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b chunk) int {
		if q.backward {
			return cmp.Or(cmp.Compare(b.Max, a.Max), strings.Compare(b.serial, a.serial), cmp.Compare(b.number, a.number))
		}
		return cmp.Or(cmp.Compare(a.Min, b.Min), strings.Compare(a.serial, b.serial), cmp.Compare(a.number, b.number))
	})
	return out, nil
}

// token writes a position for a page's token; direction is "f" or "b".
func (p position) token(direction string) *string {
	return token(fmt.Sprintf("%s/%d/%s/%x/%d", direction, p.time, p.serial, p.chunk, p.place))
}

func positionOf(token string) (direction string, p position, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", p, badToken()
	}
	parts := strings.Split(string(text), "/")
	if len(parts) != 5 || parts[0] != "f" && parts[0] != "b" {
		return "", p, badToken()
	}
	if _, err := fmt.Sscanf(parts[1]+" "+parts[3]+" "+parts[4], "%d %x %d", &p.time, &p.chunk, &p.place); err != nil {
		return "", p, badToken()
	}
	p.serial = parts[2]
	return parts[0], p, nil
}
