package cloudwatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/store"
)

const (
	historyBucket = "cloudwatch.alarmhistory" // time and serial → historyItem
	keepHistory   = 30 * 24 * time.Hour       // as AWS
	pruneEvery    = time.Hour
)

type historyItem struct {
	Name    string                `json:"name"`
	Type    types.AlarmType       `json:"type"`
	Item    types.HistoryItemType `json:"item"`
	Summary string                `json:"summary"`
	Data    string                `json:"data"`
	At      time.Time             `json:"at"`

	from *condition // of a state update
}

func historyKey(at time.Time, serial int64) string {
	return fmt.Sprintf("%019d-%09d", at.UnixNano(), serial%1e9)
}

// addHistory adds items to a batch, and now and then the removal of what is too old; the caller holds alarms.mu.
func (s *Service) addHistory(b *store.Batch, items []historyItem) error {
	for _, h := range items {
		v, err := json.Marshal(h)
		if err != nil {
			return fmt.Errorf("cloudwatch: the history of the alarm %q cannot be written: %w", h.Name, err)
		}
		s.alarms.serial++
		b.Put(historyBucket, historyKey(h.At, s.alarms.serial), v)
	}
	now := s.now()
	if len(items) == 0 || now.Sub(s.alarms.pruned) < pruneEvery {
		return nil
	}
	s.alarms.pruned = now
	old := store.Range{To: historyKey(now.Add(-keepHistory), 0), Limit: 1000}
	for row, err := range s.cfg.Store.Scan(context.Background(), historyBucket, old) {
		if err != nil {
			return err
		}
		b.Delete(historyBucket, row.Key)
	}
	return nil
}

func stateUpdate(r *alarmRecord, from, to condition) historyItem {
	type state struct {
		Value  string          `json:"stateValue"`
		Reason string          `json:"stateReason"`
		Data   json.RawMessage `json:"stateReasonData,omitempty"`
	}
	of := func(c condition) state {
		s := state{string(c.state), c.reason, nil}
		if json.Valid([]byte(c.data)) {
			s.Data = json.RawMessage(c.data)
		}
		return s
	}
	data, _ := json.Marshal(struct {
		Version string `json:"version"`
		Old     state  `json:"oldState"`
		New     state  `json:"newState"`
	}{"1.0", of(from), of(to)}) // text, and JSON that was checked
	return historyItem{
		Name: r.name(), Type: r.kind(), Item: types.HistoryItemTypeStateUpdate, At: to.updated, from: &from,
		Summary: fmt.Sprintf("Alarm updated from %s to %s", from.state, to.state), Data: string(data),
	}
}

// configured notes that an alarm was created, updated or deleted: what is Create, Update or Delete.
func (c *change) configured(what string, r *alarmRecord) {
	done := strings.ToLower(strings.TrimSuffix(what, "e")) + "ed"
	data, _ := json.Marshal(map[string]any{"version": "1.0", "type": what, done + "Alarm": r.configuration()}) // text and numbers
	c.history = append(c.history, historyItem{
		Name: r.name(), Type: r.kind(), Item: types.HistoryItemTypeConfigurationUpdate, At: c.now,
		Summary: fmt.Sprintf("Alarm %q %s", r.name(), done), Data: string(data),
	})
}

// configuration is what the history keeps of an alarm: all but its state.
func (r *alarmRecord) configuration() any {
	if m := r.Metric; m != nil {
		c := *m
		c.StateValue, c.StateReason, c.StateReasonData, c.StateUpdatedTimestamp, c.StateTransitionedTimestamp = "", nil, nil, nil, nil
		return c
	}
	c := *r.Composite
	c.StateValue, c.StateReason, c.StateReasonData, c.StateUpdatedTimestamp, c.StateTransitionedTimestamp = "", nil, nil, nil, nil
	return c
}

// DescribeAlarmHistory lists what happened to alarms in the last thirty days, the newest first unless asked otherwise.
// Deleted alarms have their history, too.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
func (s *Service) DescribeAlarmHistory(ctx context.Context, in *cloudwatch.DescribeAlarmHistoryInput) (*cloudwatch.DescribeAlarmHistoryOutput, error) {
	c := &alarmInput{}
	most := c.pageSize(in.MaxRecords)
	c.known("HistoryItemType", string(in.HistoryItemType), texts(in.HistoryItemType.Values())...)
	c.known("ScanBy", string(in.ScanBy), texts(in.ScanBy.Values())...)
	kinds := c.alarmTypes(in.AlarmTypes)
	if in.AlarmContributorId != nil {
		c.fail("The parameter AlarmContributorId is not supported by this endpoint: alarms on Metrics Insights queries are not served.")
	}
	if c.err != nil {
		return nil, c.err
	}
	if len(in.AlarmTypes) == 0 {
		kinds = types.AlarmType("").Values()
	}
	r := store.Range{Reverse: in.ScanBy != types.ScanByTimestampAscending}
	oldest := s.now().Add(-keepHistory)
	if in.StartDate != nil && in.StartDate.After(oldest) {
		oldest = *in.StartDate
	}
	r.From = historyKey(oldest, 0)
	if in.EndDate != nil {
		r.To = historyKey(in.EndDate.Add(time.Millisecond), 0)
	}
	if t := aws.ToString(in.NextToken); t != "" {
		key, err := openNameToken(t)
		switch {
		case err != nil:
			return nil, err
		case r.Reverse:
			r.To = key
		default:
			r.From = key + "\x00"
		}
	}
	out := &cloudwatch.DescribeAlarmHistoryOutput{AlarmHistoryItems: []types.AlarmHistoryItem{}}
	last := ""
	for row, err := range s.cfg.Store.Scan(ctx, historyBucket, r) {
		if err != nil {
			return nil, err
		}
		var h historyItem
		if err := json.Unmarshal(row.Value, &h); err != nil {
			return nil, fmt.Errorf("cloudwatch: the history item %s cannot be read: %w", row.Key, err)
		}
		if in.AlarmName != nil && h.Name != *in.AlarmName || in.HistoryItemType != "" && h.Item != in.HistoryItemType || !slices.Contains(kinds, h.Type) {
			continue
		}
		if len(out.AlarmHistoryItems) == most {
			out.NextToken = aws.String(sealNameToken(last))
			break
		}
		last = row.Key
		out.AlarmHistoryItems = append(out.AlarmHistoryItems, types.AlarmHistoryItem{
			AlarmName: aws.String(h.Name), AlarmType: h.Type, HistoryItemType: h.Item, HistorySummary: aws.String(h.Summary),
			HistoryData: aws.String(h.Data), Timestamp: aws.Time(h.At),
		})
	}
	return out, nil
}
