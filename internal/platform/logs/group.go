package logs

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/tealdeploy/teal/internal/store"
)

// CreateLogGroup makes an empty group. Keys and deletion protection are refused by name.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
func (s *Service) CreateLogGroup(ctx context.Context, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	c := &constraints{}
	c.group(in.LogGroupName)
	if in.LogGroupClass != "" && !slices.Contains(in.LogGroupClass.Values(), in.LogGroupClass) {
		c.Fail(string(in.LogGroupClass), "logGroupClass", "Member must satisfy enum value set: [STANDARD, INFREQUENT_ACCESS, DELIVERY]")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	switch {
	case in.KmsKeyId != nil:
		return nil, invalid("kmsKeyId is not supported by this endpoint: events are not encrypted. Create the group without it.")
	case aws.ToBool(in.DeletionProtectionEnabled):
		return nil, invalid("deletionProtectionEnabled is not supported by this endpoint. Create the group without it.")
	}
	if err := checkTags(nil, in.Tags); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	g := &group{
		groupRecord: groupRecord{Name: *in.LogGroupName, Created: s.now(), Class: string(in.LogGroupClass), Tags: in.Tags},
		streams:     map[string]*stream{},
	}
	if s.group(g.Name) != nil {
		return nil, &types.ResourceAlreadyExistsException{Message: aws.String("The specified log group already exists")}
	}
	b := &store.Batch{}
	b.Put(bucketGroups, g.Name, encode(g.groupRecord))
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if made := s.groups[g.Name]; made != nil { // by a function that has logged meanwhile
		made.groupRecord = g.groupRecord
	} else {
		s.groups[g.Name] = g
	}
	return &cloudwatchlogs.CreateLogGroupOutput{}, nil
}

func (s *Service) group(name string) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[name]
}

// changeGroup changes a group's record: change is called with a copy, which is then written. s.writing must not be held.
func (s *Service) changeGroup(ctx context.Context, name *string, change func(*groupRecord) error) error {
	if err := s.load(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	g, err := s.named(nil, name)
	var next groupRecord
	if err == nil {
		next = g.groupRecord
		next.Tags = maps.Clone(next.Tags)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := change(&next); err != nil {
		return err
	}
	b := &store.Batch{}
	b.Put(bucketGroups, next.Name, encode(next))
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g.groupRecord = next
	return nil
}

// DeleteLogGroup removes a group with its streams and all their events.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html
func (s *Service) DeleteLogGroup(ctx context.Context, in *cloudwatchlogs.DeleteLogGroupInput) (*cloudwatchlogs.DeleteLogGroupOutput, error) {
	c := &constraints{}
	c.group(in.LogGroupName)
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
	var streams []*stream
	if g != nil {
		streams = slices.Collect(maps.Values(g.streams))
	}
	s.mu.Unlock()
	if g == nil {
		return nil, noGroup()
	}
	if err := s.remove(ctx, g, streams, true); err != nil {
		return nil, err
	}
	return &cloudwatchlogs.DeleteLogGroupOutput{}, nil
}

// remove deletes streams of a group, and the group too when whole is set: the rows that find events go with the first
// batch, so that nothing of them is seen any more, the events after them. s.writing is held.
func (s *Service) remove(ctx context.Context, g *group, streams []*stream, whole bool) error {
	b := &store.Batch{}
	if whole {
		b.Delete(bucketGroups, g.Name)
	}
	for _, st := range streams {
		b.Delete(bucketStreams, st.serial)
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	s.mu.Lock()
	if whole {
		delete(s.groups, g.Name)
	}
	for _, st := range streams {
		st.deleted = true
		delete(g.streams, st.Name)
		delete(s.dirty, st)
		s.pending -= int64(st.pending.Bytes)
		s.bytes -= st.Bytes
	}
	s.mu.Unlock()
	for _, st := range streams {
		if err := s.dropChunks(ctx, st.serial); err != nil {
			// They are out of sight; the next sweep takes them.
			s.cfg.Logger.Error("logs: events of a deleted stream are still on the disk", "stream", st.Name, "error", err)
		}
	}
	return nil
}

// dropChunks deletes all events of a stream.
func (s *Service) dropChunks(ctx context.Context, serial string) error {
	b := &store.Batch{}
	for e, err := range s.cfg.Store.Scan(ctx, bucketChunks, store.Prefix(serial+"/")) {
		if err != nil {
			return err
		}
		b.Delete(bucketEvents, e.Key)
		b.Delete(bucketChunks, e.Key)
	}
	return s.cfg.Store.Commit(ctx, b)
}

// maxListed is the most groups or streams in one answer.
const maxListed = 50

// DescribeLogGroups lists groups by name.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html
func (s *Service) DescribeLogGroups(_ context.Context, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	c := &constraints{}
	c.text("logGroupNamePrefix", in.LogGroupNamePrefix, false, 512, groupPattern, groupShown)
	c.text("logGroupNamePattern", in.LogGroupNamePattern, false, 512, groupPattern, groupShown)
	c.integer("limit", in.Limit, 1, maxListed)
	if err := c.err(); err != nil {
		return nil, err
	}
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
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
	out := &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{}}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		g := s.groups[name]
		switch {
		case after != "" && name <= after,
			in.LogGroupNamePrefix != nil && !strings.HasPrefix(name, *in.LogGroupNamePrefix),
			in.LogGroupNamePattern != nil && !strings.Contains(strings.ToLower(name), strings.ToLower(*in.LogGroupNamePattern)),
			in.LogGroupClass != "" && g.class() != in.LogGroupClass,
			len(in.LogGroupIdentifiers) > 0 && !slices.Contains(in.LogGroupIdentifiers, name) && !slices.Contains(in.LogGroupIdentifiers, s.arn(name, "")):
			continue
		case len(out.LogGroups) == int(or(in.Limit, maxListed)):
			out.NextToken = token(*out.LogGroups[len(out.LogGroups)-1].LogGroupName)
			return out, nil
		}
		shape := types.LogGroup{
			Arn: aws.String(s.arn(name, "") + ":*"), LogGroupArn: aws.String(s.arn(name, "")), LogGroupName: aws.String(name),
			CreationTime: aws.Int64(g.Created), LogGroupClass: g.class(), MetricFilterCount: aws.Int32(0), StoredBytes: aws.Int64(0),
		}
		for _, st := range g.streams {
			*shape.StoredBytes += st.Bytes + int64(st.pending.Bytes)
		}
		if g.Retention > 0 {
			shape.RetentionInDays = aws.Int32(g.Retention)
		}
		out.LogGroups = append(out.LogGroups, shape)
	}
	return out, nil
}

func (g *group) class() types.LogGroupClass {
	if g.Class == "" {
		return types.LogGroupClassStandard
	}
	return types.LogGroupClass(g.Class)
}

func or(v *int32, otherwise int32) int32 {
	if v == nil {
		return otherwise
	}
	return *v
}

// token makes a page's token of the last name on it; nameOf reads it.
func token(name string) *string {
	return aws.String(base64.RawURLEncoding.EncodeToString([]byte(name)))
}

func nameOf(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	name, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || len(name) == 0 {
		return "", badToken()
	}
	return string(name), nil
}

func badToken() error { return invalid("The specified nextToken is invalid.") }
