package states

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// Executions that ended long ago are pruned in the background. The results are the list of what has ended, in the order
// of the serials, which is that of the starts: a round goes on in it where the last one stopped, so that executions that
// ran for long are not looked at again and again.

const (
	// retention is how long an execution is kept after its end.
	// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
	retention = 90 * 24 * time.Hour

	// lifetime is how long an execution runs at most, since its start or its last redrive.
	lifetime = 365 * 24 * time.Hour

	pruneLook  = 512             // results that a round looks at
	pruneRows  = 2000            // rows that a batch removes
	prunePause = time.Second     // between two rounds of a pass
	pruneEvery = time.Hour       // between two passes
	pruneFirst = 5 * time.Minute // after the start, which has other work
)

// prune removes what is too old, and ends what has run for too long, until the engine closes.
func (e *engine) prune() {
	wait, after, passes := pruneFirst, "", 0
	for {
		due := make(chan struct{})
		disarm := e.s.clock.AfterFunc(wait, func() { close(due) })
		select {
		case <-e.work.Done():
			disarm()
			return
		case <-due:
		}
		var err error
		if after == "" {
			if err := e.expire(e.work, e.s.now().Add(-lifetime)); err != nil && e.work.Err() == nil && !errors.Is(err, store.ErrClosed) {
				e.s.log.Error("executions that have run for a year cannot be ended; the next attempt is in an hour", "error", err)
			}
		}
		if after, err = e.pruneRound(e.work, e.s.now().Add(-retention), after); err != nil && e.work.Err() == nil && !errors.Is(err, store.ErrClosed) {
			e.s.log.Error("old executions cannot be removed; the next attempt is in an hour", "error", err)
			after = ""
		}
		if wait = prunePause; after != "" {
			continue
		}
		wait = pruneEvery
		if passes++; passes%sweepEvery == 0 {
			if err := e.s.sweepDefinitions(e.work); err != nil && e.work.Err() == nil && !errors.Is(err, store.ErrClosed) {
				e.s.log.Error("definitions that nothing needs any more cannot be removed", "error", err)
			}
		}
	}
}

// expire ends the executions that started before a time and run still. Serials begin with the time of the start, so it reads
// no others.
func (e *engine) expire(ctx context.Context, before time.Time) error {
	for row, err := range e.s.store.Scan(ctx, bucketOpen, store.Range{To: serialAt(before)}) {
		if err != nil {
			return err
		}
		open, err := decode[openRecord](bucketOpen, row.Key, row.Value)
		if err != nil {
			e.s.log.Error("an open execution cannot be read; it is not ended", "error", err)
			continue
		}
		id := execID{open.Machine, open.Name}
		r, err := e.s.executionRecord(ctx, id)
		if err != nil {
			return err
		}
		if r.Redriven.After(before) {
			continue
		}
		if err := e.tell(id, interp.Event{Kind: interp.EventExpired}); err != nil && !gone(err) && !errors.Is(err, errStaleAnswer) {
			return err
		}
	}
	return nil
}

// pruneRound looks at some results after a serial, and removes executions that ended before a time. It returns the serial
// to go on after, "" at the end of the pass.
func (e *engine) pruneRound(ctx context.Context, before time.Time, after string) (last string, err error) {
	from := after
	if from != "" {
		from += "\x00"
	}
	old := map[string]*executionResult{}
	looked := 0
	for row, err := range e.s.store.Scan(ctx, bucketResults, store.Range{From: from, Limit: pruneLook}) {
		if err != nil {
			return "", err
		}
		r, err := decode[executionResult](bucketResults, row.Key, row.Value)
		if err != nil {
			e.s.log.Error("the result of an execution cannot be read; it stays", "error", err)
		} else if r.Stopped.Before(before) {
			old[row.Key] = r
		}
		looked, last = looked+1, row.Key
	}
	for serial, r := range old {
		if err := e.pruneExecution(ctx, serial, r); err != nil {
			return "", err
		}
	}
	if looked < pruneLook || last > serialAt(before) { // those that follow started after that time
		return "", nil
	}
	return last, nil
}

// pruneExecution removes all that there is of an execution: first what finds it, last its result, which is what brings
// the next round back to what this one has left.
func (e *engine) pruneExecution(ctx context.Context, serial string, result *executionResult) error {
	b := &store.Batch{}
	id := execID{result.Machine, result.Name}
	r, err := e.s.executionRecord(ctx, id)
	switch {
	case err == nil && r.Serial == serial:
		b.Delete(bucketExecutions, id.key())
		e.newExecution(r, nil, nil).unlist(b, result.Status)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	for row, err := range e.s.store.Scan(ctx, bucketMapRuns, store.Prefix(serial+"/")) {
		if err != nil {
			return err
		}
		if run, err := decode[mapRunRecord](bucketMapRuns, row.Key, row.Value); err == nil {
			b.Delete(bucketMapRunNames, run.ARN)
		}
	}
	for _, bucket := range []string{bucketHistory, bucketEvents, bucketMapChildren, bucketMapRuns} {
		for more := true; more; {
			rows := store.Prefix(serial + "/")
			rows.Limit = pruneRows
			n := 0
			for row, err := range e.s.store.Scan(ctx, bucket, rows) {
				if err != nil {
					return err
				}
				b.Delete(bucket, row.Key)
				n++
			}
			if more = n == pruneRows; more {
				if err := e.s.store.Commit(ctx, b); err != nil {
					return err
				}
				b = &store.Batch{}
			}
		}
	}
	b.Delete(bucketResults, serial)
	return e.s.store.Commit(ctx, b)
}

// serialAt is what no serial made before t exceeds: serials are UUIDs of version 7, which begin with the milliseconds
// since 1970.
func serialAt(t time.Time) string {
	ms := uint64(max(t.UnixMilli(), 0))
	return fmt.Sprintf("%08x-%04x~", ms>>16&0xffffffff, ms&0xffff)
}
