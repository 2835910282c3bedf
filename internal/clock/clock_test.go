package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tealdeploy/teal/internal/clock"
)

func TestSystemCallsBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, calls := clock.System.Now(), make(chan time.Duration, 2)
		clock.System.AfterFunc(time.Hour, func() { calls <- clock.System.Now().Sub(began) })
		stop := clock.System.AfterFunc(time.Minute, func() { calls <- -1 })
		if !stop() {
			t.Error("a call that had not begun could not be withdrawn")
		}
		if stop() {
			t.Error("a call was withdrawn twice")
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if len(calls) != 1 || <-calls != time.Hour {
			t.Error("the call did not come once, after an hour")
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		fast, err := clock.Rate(clock.System, 60, start)
		if err != nil {
			t.Fatal(err)
		}
		began, calls := time.Now(), make(chan time.Time, 2)
		fast.AfterFunc(30*time.Minute, func() { calls <- fast.Now() })
		fast.AfterFunc(0, func() { calls <- fast.Now() })
		stop := fast.AfterFunc(time.Hour, func() { t.Error("a withdrawn call came") })
		if !stop() {
			t.Error("a call that had not begun could not be withdrawn")
		}
		if at := <-calls; !at.Equal(start) {
			t.Errorf("a call without delay came at %v", at)
		}
		at := <-calls
		if late := at.Sub(start.Add(30 * time.Minute)); late < 0 || late > time.Second {
			t.Errorf("the call came %v late", late)
		}
		if took := time.Since(began).Round(time.Second); took != 30*time.Second {
			t.Errorf("30 minutes took %v", took)
		}
		if clock.RateOf(fast) != 60 || clock.RateOf(clock.System) != 1 {
			t.Error("the rates are not told")
		}
	})
	for _, rate := range []float64{0, -1, 1e9} {
		if _, err := clock.Rate(clock.System, rate, time.Now()); err == nil {
			t.Errorf("the rate %v was accepted", rate)
		}
	}
}
