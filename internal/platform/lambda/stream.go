package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/pool"
)

// eventStreamType is the media type of an answer of InvokeWithResponseStream.
const eventStreamType = "application/vnd.amazon.eventstream"

// serveInvokeStream is InvokeWithResponseStream: the function's answer goes out as it is written, a PayloadChunk for each
// piece and InvokeComplete at the end. The answer of a function that does not stream is one chunk.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
func (s *Service) serveInvokeStream(api *awsproto.Service) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		inv, err := s.readInvocation(w, r)
		if err != nil {
			api.WriteError(w, r, err)
			return
		}
		if inv.kind == types.InvocationTypeEvent {
			api.WriteError(w, r, invalid("An invocation with a response stream cannot be of the type Event."))
			return
		}
		out := &chunkStream{w: w, encoder: eventstream.NewEncoder()}
		inv.stream, inv.chosen = out, func(version string) { w.Header().Set("X-Amz-Executed-Version", version) }
		o, err := s.invoke(context.WithoutCancel(r.Context()), inv)
		switch {
		case err != nil && !out.started:
			api.WriteError(w, r, err)
		case err != nil:
			panic(http.ErrAbortHandler) // cut off: without InvokeComplete the caller knows that the stream is not whole
		case o.status == http.StatusNoContent: // a dry run
			w.WriteHeader(o.status)
		default:
			out.complete(o, inv.tail)
		}
	}
}

// chunkStream writes events of a stream.
type chunkStream struct {
	w       http.ResponseWriter
	encoder *eventstream.Encoder
	started bool
}

func (s *chunkStream) Start(string) error {
	s.started = true
	s.w.Header().Set("Content-Type", eventStreamType)
	s.w.WriteHeader(http.StatusOK)
	return nil
}

// maxChunk bounds the payload of one event, in bytes; the format's own limit is 16 MiB.
const maxChunk = 1 << 20

func (s *chunkStream) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), maxChunk)
		if err := s.event("PayloadChunk", "application/octet-stream", p[:k]); err != nil {
			return n - len(p), err
		}
		p = p[k:]
	}
	return n, nil
}

// event writes one event at once.
func (s *chunkStream) event(kind, contentType string, payload []byte) error {
	var m bytes.Buffer
	h := eventstream.Headers{}
	h.Set(":message-type", eventstream.StringValue("event"))
	h.Set(":event-type", eventstream.StringValue(kind))
	h.Set(":content-type", eventstream.StringValue(contentType))
	if err := s.encoder.Encode(&m, eventstream.Message{Headers: h, Payload: payload}); err != nil {
		return err
	}
	if _, err := s.w.Write(m.Bytes()); err != nil {
		return err
	}
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
	return nil
}

// complete ends the stream with how the function did.
func (s *chunkStream) complete(o outcome, tail bool) {
	end := map[string]string{}
	if o.result.FunctionError != "" {
		var e struct {
			Type string `json:"errorType"`
		}
		_ = json.Unmarshal(o.result.Payload, &e) // an error document without a type has none
		end["ErrorCode"], end["ErrorDetails"] = o.result.FunctionError, string(o.result.Payload)
		if e.Type != "" {
			end["ErrorCode"] = e.Type
		}
	}
	if tail && len(o.result.LogTail) > 0 {
		end["LogResult"] = base64.StdEncoding.EncodeToString(o.result.LogTail)
	}
	if !s.started {
		if err := s.Start(""); err != nil {
			return
		}
		if o.result.FunctionError == "" {
			if _, err := s.Write(o.result.Payload); err != nil {
				return // the caller has gone
			}
		}
	}
	raw, err := json.Marshal(end)
	if err == nil {
		_ = s.event("InvokeComplete", "application/json", raw) // the caller may have gone
	}
}

var _ pool.Stream = (*chunkStream)(nil)
