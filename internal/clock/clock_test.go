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
