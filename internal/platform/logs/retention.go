package logs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/tealdeploy/teal/internal/store"
)

// retentions are the days for which events can be kept.
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// PutRetentionPolicy says for how many days the events of a group are kept.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
func (s *Service) PutRetentionPolicy(ctx context.Context, in *cloudwatchlogs.PutRetentionPolicyInput) (*cloudwatchlogs.PutRetentionPolicyOutput, error) {
	c := &constraints{}
	c.group(in.LogGroupName)
	if err := c.err(); err != nil {
		return nil, err
	}
	days := or(in.RetentionInDays, 0)
	if !slices.Contains(retentions, days) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", days, retentions)
	}
	return &cloudwatchlogs.PutRetentionPolicyOutput{}, s.changeGroup(ctx, in.LogGroupName, func(g *groupRecord) error {
		g.Retention = days
		return nil
	})
}

// DeleteRetentionPolicy lets a group keep its events for ever.
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteRetentionPolicy.html
func (s *Service) DeleteRetentionPolicy(ctx context.Context, in *cloudwatchlogs.DeleteRetentionPolicyInput) (*cloudwatchlogs.DeleteRetentionPolicyOutput, error) {
	c := &constraints{}
	c.group(in.LogGroupName)
	if err := c.err(); err != nil {
		return nil, err
	}
	return &cloudwatchlogs.DeleteRetentionPolicyOutput{}, s.changeGroup(ctx, in.LogGroupName, func(g *groupRecord) error {
		g.Retention = 0
		return nil
	})
}

// kept is a chunk as prune sees it.
type kept struct {
	chunkRecord
	key, serial string
}

// prune removes chunks whose last event is older than its group keeps, then the oldest ones while all events together are
// too many. A stream that has lost its last event goes with it: each environment of a function leaves one behind.
func (s *Service) prune(ctx context.Context) error {
	if err := s.load(); err != nil {
		return err
	}
	if err := s.write(ctx); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	now := s.now()
	oldest := map[string]int64{} // by serial: the time before which its group keeps nothing
	streams := map[string]*stream{}
	s.mu.Lock()
	for _, g := range s.groups {
		for _, st := range g.streams {
			streams[st.serial], oldest[st.serial] = st, 0
			if g.Retention > 0 {
				oldest[st.serial] = now - int64(g.Retention)*86_400_000
			}
		}
	}
	s.mu.Unlock()
	var chunks []kept
	total := int64(0)
	for e, err := range s.cfg.Store.Scan(ctx, bucketChunks, store.Range{}) {
		k := kept{key: e.Key}
		if err == nil {
			err = json.Unmarshal(e.Value, &k.chunkRecord)
		}
		if err != nil {
			return fmt.Errorf("logs: chunk %s: %w", e.Key, err)
		}
		k.serial, _, _ = strings.Cut(e.Key, "/")
		chunks = append(chunks, k)
		total += int64(k.Bytes)
	}
	slices.SortFunc(chunks, func(a, b kept) int { return cmp.Compare(a.Max, b.Max) })
	goal := total
	if total > s.cfg.MaxBytes {
		goal = s.cfg.MaxBytes / 10 * 9
	}
	b := &store.Batch{}
	lost := map[string]int64{}
	for _, k := range chunks {
		// A chunk without a stream was left by a deletion that was cut short.
		if streams[k.serial] != nil && k.Max >= oldest[k.serial] && total <= goal {
			continue
		}
		b.Delete(bucketEvents, k.key)
		b.Delete(bucketChunks, k.key)
		lost[k.serial] += int64(k.Bytes)
		total -= int64(k.Bytes)
	}
	if len(b.Ops) == 0 {
		return nil
	}
	next := map[*stream]streamRecord{}
	s.mu.Lock()
	for _, serial := range slices.Sorted(maps.Keys(lost)) {
		st := streams[serial]
		if st == nil {
			continue
		}
		rec := st.streamRecord
		rec.Bytes -= lost[serial]
		next[st] = rec
		if rec.Bytes > 0 {
			b.Put(bucketStreams, serial, encode(rec))
		} else {
			b.Delete(bucketStreams, serial)
		}
	}
	s.mu.Unlock()
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes = total
	for st, rec := range next {
		if st.streamRecord = rec; rec.Bytes > 0 {
			continue
		}
		if st.pending.Count > 0 { // it goes on: the next write makes its row again
			continue
		}
		st.deleted = true
		delete(s.groups[rec.Group].streams, rec.Name)
	}
	return nil
}
