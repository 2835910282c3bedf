package logs

import (
	"context"
	"math"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/tealdeploy/teal/internal/platform/logs/filterpattern"
)

// FilterLogEvents gives a page of the events of a group's streams, in the order of their time, that a pattern matches.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
func (s *Service) FilterLogEvents(ctx context.Context, in *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	c := &constraints{}
	c.integer("limit", in.Limit, 1, maxEvents)
	c.text("logStreamNamePrefix", in.LogStreamNamePrefix, false, 512, streamPattern, streamShown)
	if err := c.err(); err != nil {
		return nil, err
	}
	switch {
	case len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil:
		return nil, invalid("LogStreamNamePrefix and LogStreamNames are mutually exclusive parameters.")
	case len(in.LogStreamNames) > 100:
		return nil, invalid("1 validation error detected: Value at 'logStreamNames' failed to satisfy constraint: Member must have length less than or equal to 100")
	}
	q := &query{from: 0, to: math.MaxInt64, limit: int(or(in.Limit, maxEvents)), backward: in.StartFromHead != nil && !*in.StartFromHead}
	if in.StartTime != nil {
		q.from = *in.StartTime
	}
	if in.EndTime != nil && *in.EndTime < math.MaxInt64 {
		q.to = *in.EndTime + 1 // an event at the very end belongs to it
	}
	if text := aws.ToString(in.FilterPattern); text != "" {
		p, err := filterpattern.Compile(text)
		if err != nil {
			return nil, invalid("Invalid filter pattern: %v", err)
		}
		q.match = p.Match
	}
	if in.NextToken != nil {
		direction, p, err := positionOf(*in.NextToken)
		if err != nil || (direction == "b") != q.backward {
			return nil, badToken()
		}
		q.after = &p
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	streams, err := s.searched(in)
	if err != nil {
		return nil, err
	}
	found, more, err := s.find(ctx, streams, q)
	if err != nil {
		return nil, err
	}
	// SearchedLogStreams has been empty since June 2019.
	out := &cloudwatchlogs.FilterLogEventsOutput{Events: []types.FilteredLogEvent{}, SearchedLogStreams: []types.SearchedLogStream{}}
	for _, e := range found {
		out.Events = append(out.Events, types.FilteredLogEvent{
			EventId: aws.String(e.id()), LogStreamName: aws.String(e.stream), Message: aws.String(e.message),
			Timestamp: aws.Int64(e.event.time), IngestionTime: aws.Int64(e.ingested),
		})
	}
	if n := len(found); more && n > 0 {
		direction := "f"
		if q.backward {
			direction = "b"
		}
		out.NextToken = found[n-1].token(direction)
	}
	return out, nil
}

// searched gives the streams that are asked for, by serial.
func (s *Service) searched(in *cloudwatchlogs.FilterLogEventsInput) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.named(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	streams := map[string]string{}
	for _, name := range in.LogStreamNames {
		st := g.streams[name]
		if st == nil {
			return nil, noStream()
		}
		streams[st.serial] = name
	}
	if len(in.LogStreamNames) > 0 {
		return streams, nil
	}
	for name, st := range g.streams {
		if strings.HasPrefix(name, aws.ToString(in.LogStreamNamePrefix)) {
			streams[st.serial] = name
		}
	}
	return streams, nil
}
