package alarm

import "time"

// What holds a composite alarm's actions back.
const (
	ByAlarm     = "Alarm"
	ByWait      = "WaitPeriod"
	ByExtension = "ExtensionPeriod"
)

// Suppression is how a composite alarm's actions are held back.
type Suppression struct {
	Suppressing bool          // the suppressor alarm is in ALARM
	Left        time.Time     // when the suppressor last left ALARM; zero: it was not
	Wait        time.Duration // for how long a change waits for the suppressor
	Extension   time.Duration // for how long the suppressor has effect after it
}

// Hold tells at the time now what holds back the actions of a change at the time changed, "" when nothing does, and when
// that is to be asked again; the zero time means when the suppressor changes.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-suppression.html
func (s Suppression) Hold(changed, now time.Time) (by string, until time.Time) {
	if s.Suppressing {
		return ByAlarm, time.Time{}
	}
	if until = s.Left.Add(s.Extension); !s.Left.IsZero() && now.Before(until) {
		return ByExtension, until
	}
	if until = changed.Add(s.Wait); now.Before(until) && !s.Left.After(changed) {
		return ByWait, until
	}
	return "", time.Time{}
}
