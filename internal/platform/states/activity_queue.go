package states

import (
	"container/list"
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/asl/interp"
)

// longPoll is how long GetActivityTask waits for a task at most, as AWS documents.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetActivityTask.html
const longPoll = 60 * time.Second

// activityQueue holds the tasks of one activity that no worker has fetched, and the workers that wait for one. At most
// one of both is not empty.
type activityQueue struct {
	tasks   list.List // of *activityTask
	workers list.List // of chan *activityTask, each with room for one
}

// activityTask is a ScheduleActivity without a worker.
type activityTask struct {
	id      execID
	command int64
	task    *interp.ScheduleActivity
	place   *list.Element // in the queue; nil once a worker has it or it was withdrawn
}

func (a *activities) queue(name string) *activityQueue {
	q := a.queues[name]
	if q == nil {
		q = &activityQueue{}
		a.queues[name] = q
	}
	return q
}

// put queues a task, or hands it to the worker that waits longest.
func (a *activities) put(name string, t *activityTask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.queue(name)
	if w := q.workers.Front(); w != nil {
		q.workers.Remove(w)
		w.Value.(chan *activityTask) <- t
		return
	}
	t.place = q.tasks.PushBack(t)
}

// withdraw takes a task back that no worker has.
func (a *activities) withdraw(name string, t *activityTask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.place != nil {
		a.queue(name).tasks.Remove(t.place)
		t.place = nil
	}
}

// take returns the oldest task, or, when there is none, a channel on which the next one comes.
func (a *activities) take(name string) (t *activityTask, next chan *activityTask, leave func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.queue(name)
	if first := q.tasks.Front(); first != nil {
		t = q.tasks.Remove(first).(*activityTask)
		t.place = nil
		return t, nil, nil
	}
	next = make(chan *activityTask, 1)
	place := q.workers.PushBack(next)
	return nil, next, func() {
		a.mu.Lock()
		q.workers.Remove(place)
		a.mu.Unlock()
		select {
		case t := <-next: // it came meanwhile: to the next worker with it
			a.put(name, t)
		default:
		}
	}
}

// schedule queues the task of an execution for an activity's workers.
func (sh *shard) schedule(x *execution, command int64, task *interp.ScheduleActivity) {
	a := &sh.e.s.activities
	name, err := sh.e.s.activityName(task.Activity)
	if err != nil { // of another account: nobody can poll for it here
		name = task.Activity
	}
	t := &activityTask{id: x.id, command: command, task: task}
	x.tasks[command] = func(error) { a.withdraw(name, t) }
	a.put(name, t)
}

// GetActivityTask waits up to 60 seconds for a task of an activity; the answer is empty when none comes. That the worker
// has it is durable before the answer: a task goes to one worker.
func (s *Service) GetActivityTask(ctx context.Context, in *sfn.GetActivityTaskInput) (*sfn.GetActivityTaskOutput, error) {
	var c constraints
	c.text("workerName", in.WorkerName, 1, maxName)
	if err := c.Err(); err != nil {
		return nil, err
	}
	rec, err := s.activity(in.ActivityArn)
	if err != nil {
		return nil, err
	}
	over := make(chan struct{})
	defer s.clock.AfterFunc(longPoll, func() { close(over) })()
	for {
		t, err := s.nextTask(ctx, rec.Name, over)
		if t == nil {
			return &sfn.GetActivityTaskOutput{}, err
		}
		ev := interp.Event{Kind: interp.EventActivityStarted, Command: t.command, Worker: text(in.WorkerName)}
		// The caller's context is not heeded: the task would be lost to a worker that is gone.
		switch err := s.engine.tell(t.id, ev); {
		case err == nil:
			input := string(t.task.Input)
			return &sfn.GetActivityTaskOutput{TaskToken: &t.task.Token, Input: &input}, nil
		case gone(err), errors.Is(err, errStaleAnswer): // it was withdrawn
		default: // its execution is loaded again, and the task with it
			return nil, s.refusal("starting a task of activity "+rec.Name, err)
		}
	}
}

// nextTask waits for a task; nil when over is closed first.
func (s *Service) nextTask(ctx context.Context, name string, over <-chan struct{}) (*activityTask, error) {
	t, next, leave := s.activities.take(name)
	if t != nil {
		return t, nil
	}
	select {
	case t := <-next:
		return t, nil
	case <-over:
		leave()
		return nil, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	case <-s.engine.work.Done():
		return nil, unavailable()
	}
}
