package logs

import (
	"context"
	"math"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// GetLogEvents gives a page of one stream, the newest events unless startFromHead is set. Its tokens go on in either
// direction; one that is answered with itself has come to the end for now.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
func (s *Service) GetLogEvents(ctx context.Context, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	c := &constraints{}
	c.stream(in.LogStreamName)
	c.integer("limit", in.Limit, 1, maxEvents)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	g, err := s.named(in.LogGroupName, in.LogGroupIdentifier)
	var st *stream
	if err == nil {
		if st = g.streams[*in.LogStreamName]; st == nil {
			err = noStream()
		}
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	q := &query{from: 0, to: math.MaxInt64, backward: !aws.ToBool(in.StartFromHead), limit: int(or(in.Limit, maxEvents))}
	if in.StartTime != nil {
		q.from = *in.StartTime
	}
	if in.EndTime != nil {
		q.to = *in.EndTime
	}
	edge := position{time: max(q.from-1, 0), serial: st.serial} // before all events
	if q.backward {
		edge = position{time: q.to, serial: st.serial}
	}
	if in.NextToken != nil {
		direction, p, err := positionOf(*in.NextToken)
		if err != nil {
			return nil, err
		}
		q.backward, q.after, edge = direction == "b", &p, p
	}
	found, _, err := s.find(ctx, map[string]string{st.serial: st.Name}, q)
	if err != nil {
		return nil, err
	}
	if q.backward {
		slices.Reverse(found)
	}
	out := &cloudwatchlogs.GetLogEventsOutput{Events: []types.OutputLogEvent{}}
	for _, e := range found {
		out.Events = append(out.Events, types.OutputLogEvent{
			Timestamp: aws.Int64(e.event.time), IngestionTime: aws.Int64(e.ingested), Message: aws.String(e.message),
		})
	}
	first, last := edge, edge
	if n := len(found); n > 0 {
		first, last = found[0].position, found[n-1].position
	}
	out.NextBackwardToken, out.NextForwardToken = first.token("b"), last.token("f")
	return out, nil
}
