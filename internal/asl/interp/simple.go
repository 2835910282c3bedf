package interp

import (
	"time"

	"github.com/tealdeploy/teal/internal/asl"
)

// fail runs a Fail state.
func (x *stepper) fail(f *frame, env *asl.Env) {
	var e failure
	for _, t := range []struct {
		text asl.Text
		into *string
	}{{f.state.Fail.Error, &e.name}, {f.state.Fail.Cause, &e.cause}} {
		if t.text == nil {
			continue
		}
		s, err := t.text.Text(env)
		if err != nil {
			x.handle(f, f.runtime(err))
			return
		}
		*t.into = s
	}
	x.failed(f, e)
}

// choose runs a Choice state.
func (x *stepper) choose(f *frame, env *asl.Env, in *asl.Payload) {
	c := f.state.Choice
	test := *env
	test.Input = in
	next, data := c.Default, f.state.Data
	for i := range c.Rules {
		r := &c.Rules[i]
		ok, err := r.Condition.Holds(&test)
		if err != nil {
			x.handle(f, f.runtime(err))
			return
		}
		if ok {
			next, data = r.Next, r.Data
			break
		}
	}
	if next == nil {
		x.handle(f, f.runtime(&asl.Error{
			Name: asl.ErrRuntime, Cause: "Failed to transition out of the state. The state does not point to a next state.",
		}))
		return
	}
	out, assigned, err := data.Output(env, in)
	if err != nil {
		x.handle(f, f.runtime(err))
		return
	}
	x.leave(f, next, out, assigned)
}

// wait runs a Wait state. A time that has passed needs no timer.
func (x *stepper) wait(f *frame, env *asl.Env, in *asl.Payload) {
	w := f.state.Wait
	at := *env
	at.Input = in
	var due time.Time
	if w.Seconds != nil {
		n, err := w.Seconds.Int(&at)
		if err != nil {
			x.handle(f, f.runtime(err))
			return
		}
		due = x.now.Add(time.Duration(min(n, maxPause)) * time.Second)
	} else {
		text, err := w.Timestamp.Text(&at)
		if err != nil {
			x.handle(f, f.runtime(err))
			return
		}
		due, _ = asl.ParseTime(text)
	}
	if !due.After(x.now) {
		x.succeed(f, in)
		return
	}
	x.timer(f, useWait, due.UTC())
}
