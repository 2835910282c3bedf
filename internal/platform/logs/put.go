package logs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// Limits of one PutLogEvents.
const (
	maxBatch      = 10_000                     // events
	maxBatchBytes = 1 << 20                    // of messages and overhead
	maxMessage    = 1 << 20                    // bytes of an event with its overhead
	maxSpan       = int64(24 * 3_600_000)      // ms between first and last event
	maxAge        = int64(14 * 86_400_000)     // ms into the past
	maxAhead      = int64(2 * time.Hour / 1e6) // ms into the future
)

// PutLogEvents adds events to a stream. Those that are too old or too new are left out, and the answer says which; the
// others are in the store when it returns.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
func (s *Service) PutLogEvents(ctx context.Context, in *cloudwatchlogs.PutLogEventsInput) (*cloudwatchlogs.PutLogEventsOutput, error) {
	c := &constraints{}
	c.group(in.LogGroupName)
	c.stream(in.LogStreamName)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := checkEvents(in.LogEvents); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	g := s.groups[*in.LogGroupName]
	if g == nil {
		s.mu.Unlock()
		return nil, noGroup()
	}
	st := g.streams[*in.LogStreamName]
	if st == nil {
		s.mu.Unlock()
		return nil, noStream()
	}
	now := s.now()
	rejected := &types.RejectedLogEventsInfo{}
	any := false
	for i, e := range in.LogEvents {
		switch t := *e.Timestamp; {
		case g.Retention > 0 && t < now-int64(g.Retention)*86_400_000:
			rejected.ExpiredLogEventEndIndex, any = aws.Int32(int32(i+1)), true
		case t < now-maxAge:
			rejected.TooOldLogEventEndIndex, any = aws.Int32(int32(i+1)), true
		case t > now+maxAhead:
			if rejected.TooNewLogEventStartIndex == nil {
				rejected.TooNewLogEventStartIndex, any = aws.Int32(int32(i)), true
			}
		default:
			s.collect(st, t, now, *e.Message)
		}
	}
	s.mu.Unlock()
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.PutLogEventsOutput{NextSequenceToken: aws.String(st.serial)}
	if any {
		out.RejectedLogEventsInfo = rejected
	}
	return out, nil
}

func checkEvents(events []types.InputLogEvent) error {
	switch n := len(events); {
	case n == 0:
		return invalid("1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case n > maxBatch:
		return invalid("1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length less than or equal to %d", maxBatch)
	}
	size := 0
	for i, e := range events {
		switch {
		case e.Timestamp == nil || *e.Timestamp < 0:
			return invalid("1 validation error detected: Value at 'logEvents.%d.member.timestamp' failed to satisfy constraint: Member must have value greater than or equal to 0", i+1)
		case aws.ToString(e.Message) == "":
			return invalid("1 validation error detected: Value '' at 'logEvents.%d.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1", i+1)
		case len(*e.Message)+overhead > maxMessage:
			return invalid("Log event too large: %d bytes exceeds limit of %d", len(*e.Message)+overhead, maxMessage)
		case i > 0 && *e.Timestamp < *events[i-1].Timestamp:
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		size += len(*e.Message) + overhead
	}
	switch {
	case size > maxBatchBytes:
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatchBytes)
	case *events[len(events)-1].Timestamp-*events[0].Timestamp > maxSpan:
		return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}
