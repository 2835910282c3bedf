package states

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// shardCount is how many loops share the executions: enough that the commits of one round overlap with the steps of
// another, few enough that each commit carries many executions under load.
const shardCount = 8

// engine runs the open executions. Each belongs to one shard, by its name, and a shard is one goroutine: an execution
// needs no lock and, while it waits, no goroutine.
//
// The pump's law: an event, and all that the interpreter made of it, is durable before any of its commands is performed.
// After a restart the journal is replayed, and commands without an answer are performed again.
type engine struct {
	s      *Service
	shards [shardCount]*shard

	// lease is what this process writes into the openRecord of each execution that it owns, and its row in the store. Every
	// commit expects the row unchanged, so a process whose executions another has taken over cannot write to them any more.
	lease    lease
	leaseRow []byte
	fenced   atomic.Bool // the lease is lost

	posted        chan struct{} // closed when every execution that was open at the start has been handed to its shard
	linger        atomic.Int64  // nanoseconds; see stands
	snapshotAfter atomic.Int64  // bytes; see snapshotState

	work context.Context // of everything that is performed for executions; ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // shards, recovery and deletions; not invocations, which are abandoned
}

// lease says who owns what it stands beside. Epoch is the fence: it rises with every start of an engine on a store.
type lease struct {
	Owner string `json:"owner"`
	Epoch uint64 `json:"epoch"`
}

// newEngine takes the next epoch of the store. Nothing runs before start.
func newEngine(ctx context.Context, s *Service) (*engine, error) {
	e := &engine{s: s, posted: make(chan struct{})}
	e.linger.Store(int64(linger))
	e.snapshotAfter.Store(snapshotAfter)
	next, b := lease{Owner: uuid.NewString(), Epoch: 1}, &store.Batch{}
	switch was, err := s.store.Get(ctx, bucketLease, "engine"); {
	case errors.Is(err, store.ErrNotFound):
		b.ExpectAbsent(bucketLease, "engine")
	case err != nil:
		return nil, failure("reading the lease", err)
	default:
		old, err := decode[lease](bucketLease, "engine", was)
		if err != nil {
			return nil, err
		}
		next.Epoch = old.Epoch + 1
		b.ExpectValue(bucketLease, "engine", was)
	}
	e.lease, e.leaseRow = next, encode(next)
	b.Put(bucketLease, "engine", e.leaseRow)
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, failure("taking the lease", err)
	}
	e.work, e.stop = context.WithCancel(context.Background())
	for i := range e.shards {
		e.shards[i] = newShard(e)
	}
	return e, nil
}

// start runs the shards, and hands them the executions that were open when the store was last closed.
func (e *engine) start() {
	for _, sh := range e.shards {
		e.wg.Go(sh.run)
	}
	e.wg.Go(e.recoverOpen)
	e.wg.Go(e.recoverJobs)
	e.wg.Go(e.prune)
}

// close ends the shards after the commit that each is in. Invocations under way are cancelled and forgotten: the next
// start performs them again.
func (e *engine) close() {
	e.stop()
	for _, sh := range e.shards {
		sh.inbox.close()
	}
	e.wg.Wait()
}

// post hands a message to the shard of its execution; it reports false when the engine is closing.
func (e *engine) post(m message) bool { return e.shard(m.id).inbox.put(m) }

func (e *engine) shard(id execID) *shard { return e.shards[shardOf(id)] }

func shardOf(id execID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id.key()))
	return int(h.Sum32() % shardCount)
}

// tell brings an event from outside, such as the answer of a task that awaits one, to an open execution, in memory or
// not, and returns once it is durable. It gives errStaleAnswer when the execution does not wait for it any more, and
// errNotOpen when it has ended.
func (e *engine) tell(id execID, ev interp.Event) error {
	m := message{kind: told, id: id, event: ev, reply: make(chan reply, 1)}
	if !e.post(m) {
		return unavailable()
	}
	return (<-m.reply).err
}

// message is what reaches a shard.
type message struct {
	kind   messageKind
	id     execID
	record *executionRecord // start
	answer answer           // answered
	event  interp.Event     // told
	parked []parkedTimer    // restore
	stop   stopRequest      // stop
	token  string           // redrive: the client's
	reply  chan reply       // start, stop, told and redrive; has room for the reply, or is nil
}

type messageKind uint8

const (
	start    messageKind = iota // runs a new execution; replied once it is durable
	answered                    // brings the answer of a task
	stop                        // stops an execution; replied once that is durable
	redrive                     // runs an execution on that has ended; replied once that is durable
	load                        // takes over an execution that is open in the store
	told                        // brings an event from outside; replied once it is durable
	restore                     // takes over the timers of executions that wait in the store
	tick                        // looks for due timers
)

type answer struct {
	of      *execution // the answer of a task that another load of the execution has started is not for this one
	command int64
	kind    interp.EventKind // "" for the outcome of a task, by failed
	output  json.RawMessage
	cursor  string // of EventItemsRead
	failed  *taskFailure
}

type stopRequest struct{ error, cause string }

type reply struct {
	err error
	at  time.Time // when it started, or was stopped
}

// inbox is the unbounded queue of a shard. It is bounded by its writers: callers that wait for a reply, and tasks and
// timers that are under way.
type inbox struct {
	mu     sync.Mutex
	queue  []message
	closed bool
	wake   chan struct{}
}

func (q *inbox) put(m message) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.queue = append(q.queue, m)
	q.mu.Unlock()
	q.signal()
	return true
}

func (q *inbox) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for messages, and returns all that have come, in their order, in a slice that lives until the next take.
func (q *inbox) take(spare []message) (messages []message, open bool) {
	<-q.wake
	q.mu.Lock()
	defer q.mu.Unlock()
	messages, q.queue = q.queue, spare[:0]
	return messages, !q.closed
}

func (q *inbox) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

// rest closes the inbox and returns what nobody has taken.
func (q *inbox) rest() []message {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	messages := q.queue
	q.queue = nil
	return messages
}
