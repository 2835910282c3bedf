package pool

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/tealdeploy/teal/internal/proc"
)

// tailSize is how much of an invocation's log its caller can get, in bytes (Invoke's LogType Tail).
const tailSize = 4 << 10

// journal is the log of one environment: the lines of its process and, around each invocation, the platform's own, in
// AWS's text or JSON format.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
type journal struct {
	f       *Function
	stream  string
	courier *courier // nil when nobody keeps logs

	mu      sync.Mutex
	pending string // RequestID of an invocation whose START line is not written yet
	want    bool   // the tail of the invocation under way is wanted
	tail    []byte
	buf     []byte // for the platform's lines

	backlog []byte  // messages not handed on yet, one behind the other
	entries []entry // their times and ends
	room    sync.Cond
}

// entry is one message in a journal's backlog.
type entry struct {
	at  time.Time
	end int
}

func newJournal(f *Function, c *courier) *journal {
	var id [16]byte
	rand.Read(id[:])
	prefix := time.Now().UTC().Format("2006/01/02") + "/[" + f.Version + "]"
	j := &journal{f: f, stream: prefix + hex.EncodeToString(id[:]), courier: c}
	j.room.L = &j.mu
	return j
}

// line takes a line of the process.
func (j *journal) line(line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	j.writeStart(now)
	j.write(now, line)
}

// write adds a line to the log and to the tail. It is called with mu held.
func (j *journal) write(at time.Time, line []byte) {
	if j.courier != nil {
		j.gather(at, line)
	}
	if j.want {
		if len(line) > tailSize {
			line = line[len(line)-tailSize:]
		}
		j.tail = append(append(j.tail, line...), '\n')
		if n := len(j.tail); n > 4*tailSize {
			j.tail = append(j.tail[:0], j.tail[n-tailSize:]...)
		}
	}
}

// gather keeps a line for the courier, and waits for it when there is too much. It is called with mu held.
func (j *journal) gather(at time.Time, line []byte) {
	for len(j.backlog) >= maxBacklog {
		j.courier.hurry()
		j.room.Wait()
	}
	j.backlog = append(j.backlog, line...)
	j.entries = append(j.entries, entry{at, len(j.backlog)})
	if len(j.entries) == 1 {
		j.courier.add(j)
	}
}

// take gives what was gathered.
func (j *journal) take() []LogEvent {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := string(j.backlog)
	events := make([]LogEvent, len(j.entries))
	from := 0
	for i, e := range j.entries {
		events[i] = LogEvent{e.at, text[from:e.end]}
		from = e.end
	}
	j.backlog, j.entries = j.backlog[:0], j.entries[:0]
	if cap(j.backlog) > maxBacklog/4 { // after a flood
		j.backlog, j.entries = nil, nil
	}
	j.room.Broadcast()
	return events
}

// silent reports whether nobody wants the platform's own lines. It is called with mu held.
func (j *journal) silent() bool { return j.courier == nil && !j.want }

// begin announces an invocation: its START line is written by start, or before the first line of the process.
func (j *journal) begin(id string, tail bool) {
	j.mu.Lock()
	j.pending, j.want = id, tail
	j.tail = j.tail[:0]
	j.mu.Unlock()
}

// start writes the START line, unless it is written.
func (j *journal) start(at time.Time) {
	j.mu.Lock()
	j.writeStart(at)
	j.mu.Unlock()
}

// cancel withdraws begin.
func (j *journal) cancel() {
	j.mu.Lock()
	j.pending, j.want = "", false
	j.mu.Unlock()
}

func (j *journal) writeStart(at time.Time) {
	if j.pending == "" {
		return
	}
	id := j.pending
	j.pending = ""
	if j.silent() {
		return
	}
	if j.f.Logging.json() {
		j.writeRecord(at, "platform.start", levelInfo, startRecord{id, j.f.Version})
		return
	}
	b := append(j.buf[:0], "START RequestId: "...)
	b = append(b, id...)
	b = append(b, " Version: "...)
	b = append(b, j.f.Version...)
	j.buf = b
	j.write(at, b)
}

// report is what the END and REPORT lines of an invocation say.
type report struct {
	id             string
	duration, init time.Duration
	billed         time.Duration
	memory         int64    // bytes, the peak
	cold           bool     // init is told
	status         string   // "", "error" or "timeout"
	errorType      string   // told with the status error
	notes          []string // lines between the function's and END
}

// end closes the invocation's part of the log and returns the tail, when it was wanted.
func (j *journal) end(at time.Time, r report) []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writeStart(at)
	if j.silent() {
		return nil
	}
	if j.f.Logging.json() { // its report tells what the notes would
		j.writeReport(at, r)
		return j.cutTail()
	}
	for _, n := range r.notes {
		j.write(at, []byte(n))
	}
	b := append(j.buf[:0], "END RequestId: "...)
	b = append(b, r.id...)
	j.write(at, b)

	b = append(b[:0], "REPORT RequestId: "...)
	b = append(b, r.id...)
	b = append(b, "\tDuration: "...)
	b = appendMillis(b, r.duration)
	b = append(b, " ms\tBilled Duration: "...)
	b = strconv.AppendInt(b, r.billed.Milliseconds(), 10)
	b = append(b, " ms\tMemory Size: "...)
	b = strconv.AppendInt(b, int64(j.f.memory()), 10)
	b = append(b, " MB\tMax Memory Used: "...)
	b = strconv.AppendInt(b, (r.memory+(1<<20-1))>>20, 10)
	b = append(b, " MB\t"...)
	if r.cold {
		b = append(b, "Init Duration: "...)
		b = appendMillis(b, r.init)
		b = append(b, " ms\t"...)
	}
	if r.status != "" {
		b = append(b, "Status: "...)
		b = append(b, r.status...)
		if r.errorType != "" {
			b = append(b, "\tError Type: "...)
			b = append(b, r.errorType...)
		}
	}
	j.buf = b
	j.write(at, b)
	return j.cutTail()
}

// cutTail gives the tail, when it was wanted. It is called with mu held.
func (j *journal) cutTail() []byte {
	if !j.want {
		return nil
	}
	j.want = false
	return bytes.Clone(j.tail[max(0, len(j.tail)-tailSize):])
}

// initStart tells which runtime begins to initialise.
func (j *journal) initStart(r proc.Runtime, provisioned bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.silent() {
		return
	}
	now := time.Now()
	j.writeStart(now)
	if j.f.Logging.json() {
		version := string(r.Kind) + ":" + r.Version
		if r.Kind == proc.KindProvided {
			version = r.Name
		}
		j.writeRecord(now, "platform.initStart", levelInfo, initStartRecord{initialization(provisioned), "init", version, j.f.Name, j.f.Version})
		return
	}
	line := "INIT_START Runtime Version: "
	switch r.Kind {
	case proc.KindProvided:
		line += r.Name
	default:
		line += string(r.Kind) + ":" + r.Version
	}
	j.write(now, []byte(line))
}

// initReport tells that the initialisation failed after d.
func (j *journal) initReport(d time.Duration, phase string, f *failure) {
	if f.err != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.silent() {
		return
	}
	if j.f.Logging.json() {
		rec := initReportRecord{InitializationType: "on-demand", Phase: phase, Status: "error", ErrorType: f.errorType}
		if rec.Metrics.DurationMS = millis(d); f.timeout {
			rec.Status, rec.ErrorType = "timeout", ""
		}
		j.writeRecord(time.Now(), "platform.initReport", levelWarn, rec)
		return
	}
	b := append(j.buf[:0], "INIT_REPORT Init Duration: "...)
	b = appendMillis(b, d)
	b = append(b, " ms\tPhase: "...)
	b = append(b, phase...)
	if f.timeout {
		b = append(b, "\tStatus: timeout"...)
	} else {
		b = append(b, "\tStatus: error\tError Type: "...)
		b = append(b, f.errorType...)
	}
	j.buf = b
	j.write(time.Now(), b)
}

// appendMillis appends d as milliseconds with two decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, millis(d), 'f', 2, 64)
}

// millis gives d in milliseconds, rounded to two decimals.
func millis(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*100) / 100
}
