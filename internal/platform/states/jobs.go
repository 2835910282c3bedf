package states

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// A job is the execution that a .sync task of another execution has started. The task's execution need not be in memory
// while it waits: a row says which job it waits for, written with the answer to the task's request and removed with its
// outcome. When the task is withdrawn instead, by a timeout, a failure beside it or a stop, the row turns into the order
// to stop the job, with the very commit that withdraws it, so that no crash leaves the job running. The Standard children
// of a Map run are stopped by such rows as well, but have none before.

// jobRecord is the row of a job.
type jobRecord struct {
	Machine string `json:"machine"` // of the execution that waits
	Name    string `json:"name"`
	Command int64  `json:"command"`          // the InvokeTask
	Job     string `json:"job"`              // ARN; "" when it is to be stopped and is not known
	Parsed  bool   `json:"parsed,omitempty"` // .sync:2
	Stop    bool   `json:"stop,omitempty"`   // nobody waits any more: it is to be stopped
	Named   bool   `json:"named,omitempty"`  // its name was chosen by the task, so another may have started it
	Child   bool   `json:"child,omitempty"`  // it is a child of a Map run
	Epoch   uint64 `json:"epoch,omitempty"`  // of the process that withdrew the task, which stops the job unless it ends before
}

// jobChange is what a change means for a job, once it is durable.
type jobChange struct {
	key string
	jobRecord
	gone   bool // it is over
	asking bool // the request has not been answered: who makes it stops what it has started
}

// jobs knows which executions are watched and which are being stopped, by the keys of the rows.
type jobs struct {
	mu    sync.Mutex
	leave map[string]func()
	stops map[string]chan struct{}
}

// stopping waits until nobody else stops the job with this key, and keeps others from it until done.
func (j *jobs) stopping(key string) (done func()) {
	mine := make(chan struct{})
	for {
		j.mu.Lock()
		other := j.stops[key]
		if other == nil {
			if j.stops == nil {
				j.stops = map[string]chan struct{}{}
			}
			j.stops[key] = mine
			j.mu.Unlock()
			return func() {
				j.mu.Lock()
				delete(j.stops, key)
				j.mu.Unlock()
				close(mine)
			}
		}
		j.mu.Unlock()
		<-other
	}
}

func (p *pendingCommand) isJob() bool {
	return p != nil && p.InvokeTask != nil && (p.InvokeTask.Pattern == asl.PatternSync || p.InvokeTask.Pattern == asl.PatternSync2)
}

// writeJobs adds what an event means for jobs: the newest of the change.
func (s *Service) writeJobs(c *change, ev interp.Event) {
	x := c.x
	if p := x.pending.byID[ev.Command]; p.isJob() && ev.Kind == interp.EventTaskSubmitted {
		if arn, ok := startedJob(p.submitted); ok {
			c.putJob(jobChange{key: numbered(x.serial, p.ID), jobRecord: s.jobOf(x, p, arn)})
		}
	}
	if p := x.pending.answered; p.isJob() && p.submitted != nil {
		c.putJob(jobChange{key: numbered(x.serial, p.ID), gone: true})
	}
	for _, p := range x.pending.withdrawn {
		if p.StartChild != nil {
			if run := x.runOf(p.StartChild.MapRun); run != nil && !run.Express {
				c.putJob(s.orphan(x, run, p))
			}
			continue
		}
		if !p.isJob() {
			continue
		}
		arn, answered := startedJob(p.submitted)
		named := false
		if !answered {
			arn, named = s.nameOfJob(x.serial, p)
		}
		j := jobChange{key: numbered(x.serial, p.ID), jobRecord: s.jobOf(x, p, arn), asking: !answered}
		j.Stop, j.Named, j.Epoch = true, named, s.engine.lease.Epoch
		c.putJob(j)
	}
}

func (s *Service) jobOf(x *execution, p *pendingCommand, arn string) jobRecord {
	return jobRecord{Machine: x.id.machine, Name: x.id.name, Command: p.ID, Job: arn, Parsed: p.InvokeTask.Pattern == asl.PatternSync2}
}

// orphan is the order to stop a child of a Map run.
func (s *Service) orphan(x *execution, run *mapRunRecord, p *pendingCommand) jobChange {
	child := execID{run.childMachine(), run.childName(p.StartChild.Index)}
	return jobChange{key: numbered(run.key(), int64(p.StartChild.Index)), asking: true, jobRecord: jobRecord{
		Machine: x.id.machine, Name: x.id.name, Command: p.ID, Job: s.executionArn(child), Stop: true, Child: true, Epoch: s.engine.lease.Epoch,
	}}
}

func (c *change) putJob(j jobChange) {
	if j.gone {
		c.batch.Delete(bucketJobs, j.key)
	} else {
		c.batch.Put(bucketJobs, j.key, encode(j.jobRecord))
	}
	c.jobs = append(c.jobs, j)
}

// startedJob reads the job off the answer to a task's request.
func startedJob(submitted json.RawMessage) (arn string, ok bool) {
	var started struct{ ExecutionArn string }
	err := json.Unmarshal(submitted, &started)
	return started.ExecutionArn, err == nil && started.ExecutionArn != ""
}

// nameOfJob is the job that a task's request may have started, "" when it cannot have started any. It is named when the
// request says its name.
func (s *Service) nameOfJob(serial string, p *pendingCommand) (arn string, named bool) {
	var a startArguments
	if err := json.Unmarshal(p.InvokeTask.Input, &a); err != nil || a.StateMachineArn == nil {
		return "", false
	}
	ref, err := s.machineRef(*a.StateMachineArn)
	if err != nil {
		return "", false
	}
	if a.Name != nil {
		return s.executionArn(execID{ref.name, *a.Name}), true
	}
	return s.executionArn(execID{ref.name, childName(serial, p.ID)}), false
}

// childName is the name of an execution that a task starts without naming it: a task that is performed again finds what
// it has started.
func childName(serial string, command int64) string {
	return uuid.NewSHA1(childNames, []byte(serial+"/"+strconv.FormatInt(command, 10))).String()
}

// performJobs does what a durable change asks for about jobs, before what is under way for withdrawn commands is ended.
func (s *Service) performJobs(c *change) {
	for _, j := range c.jobs {
		switch {
		case j.gone:
			s.jobs.forget(j.key)
		case j.Stop:
			s.jobs.forget(j.key)
			if j.asking && c.x.tasks[j.Command] != nil { // what asks is told, and stops the job
				c.x.drop(j.Command, errWithdrawn)
			} else {
				go s.stopJob(j.key, nil)
			}
		default:
			if id, ok := s.watchJob(j.key, j.jobRecord); ok {
				go s.lookAtJob(j.jobRecord, id)
			}
		}
	}
}

// watchJob sees to it that the end of a job is told to the execution that waits for it.
func (s *Service) watchJob(key string, j jobRecord) (id execID, ok bool) {
	id, err := s.executionID(j.Job)
	if err != nil { // it was one when it was started
		s.log.Error("a job is not known", "job", j.Job, "error", err)
		return id, false
	}
	leave := s.ends.watch(id, func(r *executionResult) { go s.tellJob(j, id, r) })
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	if s.jobs.leave == nil {
		s.jobs.leave = map[string]func(){}
	}
	if again := s.jobs.leave[key]; again != nil {
		again()
	}
	s.jobs.leave[key] = leave
	return id, true
}

func (j *jobs) forget(key string) {
	j.mu.Lock()
	leave := j.leave[key]
	delete(j.leave, key)
	j.mu.Unlock()
	if leave != nil {
		leave()
	}
}

// lookAtJob tells the end of a job that had come before it was watched.
func (s *Service) lookAtJob(j jobRecord, id execID) {
	r, err := s.executionRecord(s.engine.work, id)
	if err == nil {
		var result *executionResult
		if result, err = s.executionResult(s.engine.work, r.Serial); err == nil && result != nil {
			s.tellJob(j, id, result)
			return
		}
	}
	if err != nil {
		s.jobLater("the job of a task cannot be read", j.Job, err, func() { s.lookAtJob(j, id) })
	}
}

// tellJob tells the end of a job to the execution that waits for it. Told twice, it counts once.
func (s *Service) tellJob(j jobRecord, id execID, result *executionResult) {
	r, err := s.executionRecord(s.engine.work, id)
	if err == nil {
		out := s.jobOutcome(r, result, j.Parsed)
		ev := interp.Event{Kind: interp.EventTaskSucceeded, Command: j.Command, Output: out}
		if result.Status != types.ExecutionStatusSucceeded {
			ev = interp.Event{Kind: interp.EventTaskFailed, Command: j.Command, Error: "States.TaskFailed", Cause: string(out)}
		}
		err = s.engine.tell(execID{j.Machine, j.Name}, ev)
	}
	if err != nil && !gone(err) && !errors.Is(err, errStaleAnswer) {
		s.jobLater("the end of a job cannot be told", j.Job, err, func() { s.tellJob(j, id, result) })
	}
}

// stopJob stops a job that nobody waits for any more, and removes its row, which orders it. The output is what the request
// of the task answered after the task was withdrawn, nil for nothing.
func (s *Service) stopJob(key string, output json.RawMessage) {
	defer s.jobs.stopping(key)()
	row, err := s.store.Get(s.engine.work, bucketJobs, key)
	if errors.Is(err, store.ErrNotFound) { // it is done, or nothing was ordered
		return
	}
	var j *jobRecord
	if err == nil {
		j, err = decode[jobRecord](bucketJobs, key, row)
	}
	if err == nil {
		if !j.Stop {
			return
		}
		if arn, ok := startedJob(output); ok {
			j.Job, j.Named = arn, false
		}
		err = s.stopStarted(key, j)
	}
	var missing *types.ExecutionDoesNotExist
	if err == nil || errors.As(err, &missing) {
		b := &store.Batch{}
		s.engine.fence(b)
		b.Delete(bucketJobs, key)
		err = s.store.Commit(context.WithoutCancel(s.engine.work), b)
	}
	if err != nil && !s.engine.fenced.Load() {
		s.jobLater("a job for which nobody waits cannot be stopped", key, err, func() { s.stopJob(key, output) })
	}
}

// stopStarted stops the job of a task with this key, if it was the task that started it.
func (s *Service) stopStarted(key string, j *jobRecord) error {
	own, err := s.startedByTask(key, j)
	if err != nil || !own {
		return err
	}
	cause := "The execution that waited for it was stopped or went on."
	if j.Child {
		cause = "The Map run was stopped."
	}
	_, err = s.StopExecution(s.engine.work, &sfn.StopExecutionInput{ExecutionArn: &j.Job, Cause: &cause})
	return err
}

// startedByTask tells whether a job that is to be stopped was started by the task whose key it has.
func (s *Service) startedByTask(key string, j *jobRecord) (bool, error) {
	if j.Job == "" || !j.Named {
		return j.Job != "", nil
	}
	id, bad := s.executionID(j.Job)
	if bad != nil { // no execution can have that name
		return false, nil //nolint:nilerr // so there is nothing to stop
	}
	r, err := s.executionRecord(s.engine.work, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && r.Starter == key, err
}

// jobLater tries something again after a pause, unless the service is closing: then the row makes the next start try.
func (s *Service) jobLater(what, job string, err error, again func()) {
	if s.engine.work.Err() != nil || errors.Is(err, store.ErrClosed) {
		return
	}
	s.log.Error(what, "job", job, "error", err)
	s.clock.AfterFunc(retryAfter, func() { go again() })
}

// recoverJobs goes on with the jobs that there were when the store was last closed.
func (e *engine) recoverJobs() {
	for row, err := range e.s.store.Scan(e.work, bucketJobs, store.Range{}) {
		if err != nil {
			if e.work.Err() == nil {
				e.s.log.Error("jobs cannot be read; tasks that wait for them wait for the next start", "error", err)
			}
			return
		}
		j, err := decode[jobRecord](bucketJobs, row.Key, row.Value)
		if err != nil {
			e.s.log.Error("a job cannot be recovered", "error", err)
			continue
		}
		if j.Stop {
			if j.Epoch != e.lease.Epoch { // what this process has withdrawn, it stops when it has been started
				e.s.stopJob(row.Key, nil)
			}
		} else if id, ok := e.s.watchJob(row.Key, *j); ok {
			e.s.lookAtJob(*j, id)
		}
	}
}
