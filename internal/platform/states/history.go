package states

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/store"
)

// historyEntry reads a stored event, which is in AWS's wire form. The names of the SDK's members differ from the wire's
// only in the case of their first letter, which encoding/json does not heed; the timestamp is in seconds.
type historyEntry struct {
	types.HistoryEvent
	Timestamp float64 `json:"timestamp"`
}

// GetExecutionHistory pages through the events of an execution. A page costs what it shows, however long the history is.
func (s *Service) GetExecutionHistory(ctx context.Context, in *sfn.GetExecutionHistoryInput) (*sfn.GetExecutionHistoryOutput, error) {
	var c constraints
	c.arn("executionArn", in.ExecutionArn)
	c.page(in.MaxResults, in.NextToken, maxToken)
	if err := c.Err(); err != nil {
		return nil, err
	}
	r, _, err := s.execution(ctx, *in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	list := "history " + r.Serial + strconv.FormatBool(in.ReverseOrder)
	token, err := position(list, in.NextToken)
	if err != nil {
		return nil, err
	}
	from := int64(1) // the number of the first event of the page
	if in.ReverseOrder {
		from = math.MaxInt64
	}
	if token != "" {
		if from, err = strconv.ParseInt(token, 10, 64); err != nil || from < 1 {
			return nil, invalidToken()
		}
	}
	out := &sfn.GetExecutionHistoryOutput{Events: []types.HistoryEvent{}}
	limit := pageSize(in.MaxResults)
	err = s.events(ctx, r.Serial, from, in.ReverseOrder, func(e *historyEntry) bool {
		if len(out.Events) == limit {
			out.NextToken = pageToken(list, strconv.FormatInt(e.Id, 10))
			return false
		}
		at := time.UnixMilli(int64(math.Round(e.Timestamp * 1000))).UTC()
		e.HistoryEvent.Timestamp = &at
		if in.IncludeExecutionData != nil && !*in.IncludeExecutionData {
			withhold(&e.HistoryEvent)
		}
		out.Events = append(out.Events, e.HistoryEvent)
		return true
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// events calls each with the events from a number on, upwards or downwards, until it returns false.
func (s *Service) events(ctx context.Context, serial string, from int64, reverse bool, each func(*historyEntry) bool) error {
	prefix := serial + "/"
	r := store.Prefix(prefix)
	r.Reverse = reverse
	if reverse {
		if from < math.MaxInt64 {
			r.To = numbered(serial, from) + "\x00"
		}
	} else if from > 1 { // the row that holds the event begins at it or before it
		before := store.Range{From: prefix, To: numbered(serial, from) + "\x00", Reverse: true, Limit: 1}
		for e, err := range s.store.Scan(ctx, bucketHistory, before) {
			if err != nil {
				return failure("reading the history of execution "+serial, err)
			}
			r.From = e.Key
		}
	}
	for row, err := range s.store.Scan(ctx, bucketHistory, r) {
		if err != nil {
			return failure("reading the history of execution "+serial, err)
		}
		var events []historyEntry
		if err := json.Unmarshal(row.Value, &events); err != nil {
			return failure("reading the history of execution "+serial, err)
		}
		for i := range events {
			e := &events[i]
			if reverse {
				e = &events[len(events)-1-i]
			}
			if reverse && e.Id > from || !reverse && e.Id < from {
				continue
			}
			if !each(e) {
				return nil
			}
		}
	}
	return nil
}

// lastEvent returns the number of the newest durable event, 0 when there is none.
func (s *Service) lastEvent(ctx context.Context, serial string) (last int64, err error) {
	err = s.events(ctx, serial, math.MaxInt64, true, func(e *historyEntry) bool {
		last = e.Id
		return false
	})
	return last, err
}

// withhold removes inputs and outputs, for callers who asked not to get them.
func withhold(e *types.HistoryEvent) {
	if d := e.ExecutionStartedEventDetails; d != nil {
		d.Input, d.InputDetails = nil, nil
	}
	if d := e.ExecutionSucceededEventDetails; d != nil {
		d.Output, d.OutputDetails = nil, nil
	}
	if d := e.StateEnteredEventDetails; d != nil {
		d.Input, d.InputDetails = nil, nil
	}
	if d := e.StateExitedEventDetails; d != nil {
		d.Output, d.OutputDetails = nil, nil
		d.AssignedVariables, d.AssignedVariablesDetails = nil, nil
	}
	if d := e.LambdaFunctionScheduledEventDetails; d != nil {
		d.Input, d.InputDetails = nil, nil
	}
	if d := e.LambdaFunctionSucceededEventDetails; d != nil {
		d.Output, d.OutputDetails = nil, nil
	}
	if d := e.ActivityScheduledEventDetails; d != nil {
		d.Input, d.InputDetails = nil, nil
	}
	if d := e.ActivitySucceededEventDetails; d != nil {
		d.Output, d.OutputDetails = nil, nil
	}
	if d := e.TaskSubmittedEventDetails; d != nil {
		d.Output, d.OutputDetails = nil, nil
	}
	if d := e.TaskScheduledEventDetails; d != nil {
		d.Parameters = nil
	}
	if d := e.TaskSucceededEventDetails; d != nil {
		d.Output, d.OutputDetails = nil, nil
	}
}
