package logs

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/tealdeploy/teal/internal/store"
)

// CreateLogStream makes an empty stream in a group.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html
func (s *Service) CreateLogStream(ctx context.Context, in *cloudwatchlogs.CreateLogStreamInput) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	c := &constraints{}
	c.group(in.LogGroupName)
	c.stream(in.LogStreamName)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[*in.LogGroupName]
	if g == nil {
		return nil, noGroup()
	}
	if g.streams[*in.LogStreamName] != nil {
		return nil, &types.ResourceAlreadyExistsException{Message: aws.String("The specified log stream already exists")}
	}
	st := s.newStream(g, *in.LogStreamName)
	b := &store.Batch{}
	b.Put(bucketGroups, g.Name, encode(g.groupRecord))
	b.Put(bucketStreams, st.serial, encode(st.streamRecord))
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		delete(g.streams, st.Name)
		return nil, err
	}
	return &cloudwatchlogs.CreateLogStreamOutput{}, nil
}

// DeleteLogStream removes a stream with its events.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogStream.html
func (s *Service) DeleteLogStream(ctx context.Context, in *cloudwatchlogs.DeleteLogStreamInput) (*cloudwatchlogs.DeleteLogStreamOutput, error) {
	c := &constraints{}
	c.group(in.LogGroupName)
	c.stream(in.LogStreamName)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	g := s.groups[*in.LogGroupName]
	var st *stream
	if g != nil {
		st = g.streams[*in.LogStreamName]
	}
	s.mu.Unlock()
	switch {
	case g == nil:
		return nil, noGroup()
	case st == nil:
		return nil, noStream()
	}
	if err := s.remove(ctx, g, []*stream{st}, false); err != nil {
		return nil, err
	}
	return &cloudwatchlogs.DeleteLogStreamOutput{}, nil
}

// DescribeLogStreams lists a group's streams by name, or by the time of their last events.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html
func (s *Service) DescribeLogStreams(_ context.Context, in *cloudwatchlogs.DescribeLogStreamsInput) (*cloudwatchlogs.DescribeLogStreamsOutput, error) {
	c := &constraints{}
	c.text("logStreamNamePrefix", in.LogStreamNamePrefix, false, 512, streamPattern, streamShown)
	c.integer("limit", in.Limit, 1, maxListed)
	if in.OrderBy != "" && !slices.Contains(in.OrderBy.Values(), in.OrderBy) {
		c.Fail(string(in.OrderBy), "orderBy", "Member must satisfy enum value set: [LogStreamName, LastEventTime]")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	byTime := in.OrderBy == types.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	after, err := nameOf(in.NextToken)
	if err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.named(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	all := slices.SortedFunc(maps.Values(g.streams), func(a, b *stream) int {
		n := 0
		if byTime {
			n = cmp.Compare(a.last(), b.last())
		}
		n = cmp.Or(n, strings.Compare(a.Name, b.Name))
		if aws.ToBool(in.Descending) {
			return -n
		}
		return n
	})
	if after != "" {
		i := slices.IndexFunc(all, func(st *stream) bool { return st.Name == after })
		if i < 0 { // it was deleted between two pages
			return nil, badToken()
		}
		all = all[i+1:]
	}
	out := &cloudwatchlogs.DescribeLogStreamsOutput{LogStreams: []types.LogStream{}}
	for _, st := range all {
		if in.LogStreamNamePrefix != nil && !strings.HasPrefix(st.Name, *in.LogStreamNamePrefix) {
			continue
		}
		if len(out.LogStreams) == int(or(in.Limit, maxListed)) {
			out.NextToken = token(*out.LogStreams[len(out.LogStreams)-1].LogStreamName)
			break
		}
		shape := types.LogStream{
			Arn: aws.String(s.arn(g.Name, st.Name)), LogStreamName: aws.String(st.Name), CreationTime: aws.Int64(st.Created),
			StoredBytes: aws.Int64(0), //nolint:staticcheck // AWS still sends it, as zero since 2019
		}
		if first, last := st.first(), st.last(); last > 0 {
			shape.FirstEventTimestamp, shape.LastEventTimestamp = aws.Int64(first), aws.Int64(last)
			shape.LastIngestionTime, shape.UploadSequenceToken = aws.Int64(max(st.Ingested, last)), aws.String(st.serial)
		}
		out.LogStreams = append(out.LogStreams, shape)
	}
	return out, nil
}

// first and last are the times of a stream's oldest and newest events, those not yet written included; 0 for none.
func (st *stream) first() int64 {
	if st.pending.Count > 0 && (st.First == 0 || st.pending.Min < st.First) {
		return st.pending.Min
	}
	return st.First
}

func (st *stream) last() int64 {
	if st.pending.Count > 0 {
		return max(st.Last, st.pending.Max)
	}
	return st.Last
}
