package runtimeapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// bufferSize holds the usual request of a runtime with a small body, in bytes.
const bufferSize = 4 << 10

// conn is one connection of a runtime. At any time one goroutine at most reads it: serve's, or the invoker.
type conn struct {
	nc      net.Conn
	buf     []byte
	r, w    int // buf[r:w] is read from the network and not yet parsed
	p       parser
	waiting bool   // the runtime has asked for an event on this connection and got none yet
	dead    bool   // no further request is to be read
	owed    []byte // a reply that goes out together with the next event
}

// readRequest goes on to read a request until it is whole. After an error of the deadline it may be called again.
func (c *conn) readRequest() error {
	for {
		for c.r < c.w && !c.p.done() {
			n, err := c.p.feed(c.buf[c.r:c.w])
			c.r += n
			if err != nil {
				return err
			}
			if c.p.req.expect && !c.p.done() {
				c.p.req.expect = false
				if _, err := c.nc.Write(replyContinue); err != nil {
					return err
				}
			}
		}
		if c.p.done() {
			return nil
		}
		if body := c.p.direct(); len(body) >= bufferSize/2 {
			n, err := c.nc.Read(body)
			if err := c.p.advance(n); err != nil {
				return err
			}
			if err != nil {
				return err
			}
			continue
		}
		n, err := c.nc.Read(c.buf)
		c.r, c.w = 0, n
		if n == 0 && err != nil {
			return err
		}
	}
}

// nextRequest begins every request for an event.
var nextRequest = []byte("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n")

// send writes a reply and makes c ready for its next request. When a client has sent its request for the next event
// together with its answer, it does not wait for this reply, which then travels with the event: that spares the client a
// wake-up.
func (c *conn) send(reply []byte) {
	last := c.p.req.close
	c.p.reset()
	if &reply[0] == &replyAccepted[0] && bytes.HasPrefix(c.buf[c.r:c.w], nextRequest) && bytes.HasSuffix(c.buf[c.r:c.w], []byte("\r\n\r\n")) && c.owed == nil && !last {
		c.owed = reply
		return
	}
	if c.owed != nil {
		reply = append(c.owed[:len(c.owed):len(c.owed)], reply...)
		c.owed = nil
	}
	if _, err := c.nc.Write(reply); err != nil || last {
		c.dead = true
	}
}

// refuse answers a request that could not be read, where its sender still listens.
func (c *conn) refuse(err error) {
	if errors.Is(err, errMalformed) || errors.Is(err, errTooLong) || errors.Is(err, errBodySize) {
		_, _ = c.nc.Write(reply("400 Bad Request", "InvalidRequest", err.Error()))
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

var (
	replyContinue = []byte("HTTP/1.1 100 Continue\r\n\r\n")
	// AWS puts a status document into this reply, which no client reads; without one Go's client is spared three
	// switches between its goroutines.
	replyAccepted = []byte("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
	replyTooLarge = reply("413 Payload Too Large", "RequestEntityTooLarge", tooLargeMessage("Exceeded"))
)

func tooLargeDocument(limit int) []byte {
	return document("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size ("+strconv.Itoa(limit)+" bytes).")
}

func tooLargeMessage(verb string) string {
	return fmt.Sprintf("%s maximum allowed payload size (%d bytes).", verb, MaxResponse)
}

// document makes an error document as the Runtime API gives it.
func document(errorType, message string) []byte {
	b, err := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, errorType})
	if err != nil { // two strings can always be marshalled
		return []byte(`{}`)
	}
	return b
}

// reply makes the whole of an HTTP error reply.
func reply(status, errorType, message string) []byte {
	body := document(errorType, message)
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// decodeTrailer reads the error document that a streaming runtime sends after its response.
func decodeTrailer(b []byte) []byte {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Decode(out, b)
	if err != nil {
		return document("Runtime.TruncatedResponse", "The function failed while it streamed its response, and its error document cannot be read.")
	}
	return out[:n]
}
