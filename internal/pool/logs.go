package pool

import (
	"sync"
	"time"
)

// Logs takes the complete log output of functions, as CloudWatch Logs keeps it: a stream for each environment.
type Logs interface {
	// Put takes events of one stream, in the order in which they came, the streams' own order kept between calls. It is
	// called by one goroutine at a time, beside invocations, and may take its time: then functions that write much wait.
	// Messages have no line end, and at most 256 KiB.
	Put(group, stream string, events []LogEvent)
}

// LogEvent is one line of a log.
type LogEvent struct {
	Time    time.Time
	Message string
}

// Logging is how a function logs (LoggingConfig). Zero values are AWS's defaults.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html
type Logging struct {
	Format           string // Text or JSON
	ApplicationLevel string // with JSON: TRACE, DEBUG, INFO, WARN, ERROR or FATAL; the runtimes filter by it
	SystemLevel      string // with JSON: DEBUG, INFO or WARN
	Group            string // /aws/lambda/{name} by default
}

func (l Logging) json() bool { return l.Format == "JSON" }

func (l Logging) format() string {
	if l.json() {
		return "JSON"
	}
	return "Text"
}

// level is the importance of an event of the platform.
type level uint8

const (
	levelDebug level = iota
	levelInfo
	levelWarn
)

// system is the level from which on events of the platform are logged.
func (l Logging) system() level {
	switch l.SystemLevel {
	case "DEBUG":
		return levelDebug
	case "WARN":
		return levelWarn
	}
	return levelInfo
}

// How events are gathered before they are handed on: for so long, and so much of one stream at most. A process that
// writes more meanwhile waits.
const (
	deliverEvery = 50 * time.Millisecond
	maxBacklog   = 1 << 20 // bytes
)

// courier hands on what the journals have gathered, on one goroutine, so that an invocation pays for its log with a copy
// into memory and no more.
type courier struct {
	to   Logs
	wake chan struct{} // capacity 1
	rush chan struct{} // capacity 1: somebody waits
	end  chan struct{}
	done chan struct{}

	delivering sync.Mutex // one at a time calls Put

	mu    sync.Mutex
	dirty []*journal
}

func newCourier(to Logs) *courier {
	c := &courier{to: to, wake: make(chan struct{}, 1), rush: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{})}
	go c.run()
	return c
}

func (c *courier) run() {
	defer close(c.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.wake:
		case <-c.end:
			c.deliver()
			return
		}
		timer.Reset(deliverEvery)
		select {
		case <-timer.C:
		case <-c.rush:
		case <-c.end:
		}
		c.deliver()
	}
}

// add tells that j has gathered something for the first time since it was delivered.
func (c *courier) add(j *journal) {
	c.mu.Lock()
	c.dirty = append(c.dirty, j)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *courier) hurry() {
	select {
	case c.rush <- struct{}{}:
	default:
	}
}

func (c *courier) deliver() {
	c.delivering.Lock()
	defer c.delivering.Unlock()
	c.mu.Lock()
	list := c.dirty
	c.dirty = nil
	c.mu.Unlock()
	for _, j := range list {
		if events := j.take(); len(events) > 0 {
			c.to.Put(j.f.logGroup(), j.stream, events)
		}
	}
}

// FlushLogs hands on what was logged before the call, so that who reads the log of an invocation that has ended finds it.
func (p *Pool) FlushLogs() {
	if p.courier != nil {
		p.courier.deliver()
	}
}

// close hands on what is left and returns when that is done.
func (c *courier) close() {
	close(c.end)
	<-c.done
}
