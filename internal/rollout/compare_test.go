package rollout

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/release"
)

// minutes makes stretches with the same figures in each.
func minutes(from time.Time, n int, blue, green Counts) (all []Stretch) {
	for i := range n {
		all = append(all, Stretch{From: from.Add(time.Duration(i) * time.Minute), Blue: blue, Green: green})
	}
	return all
}

func judged(t *testing.T, settings CheckSettings, n int, blue, green Counts) SubjectVerdict {
	t.Helper()
	settings = Settings{Check: settings}.WithDefaults().Check
	began := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	known, err := Compared{}.absorb(settings, api, Observed{Ref: api.Ref, Stretches: minutes(began, n, blue, green)})
	if err != nil {
		t.Fatal(err)
	}
	total := Counts{Requests: green.Requests * int64(n), Errors: green.Errors * int64(n)}
	v := Judge(settings, Check{Step: 1, Subjects: []Subject{api}}, Observation{Subjects: []Observed{{Ref: api.Ref, Green: total}}},
		map[release.Ref]Known{api.Ref: {Compared: known}})
	return v.Subjects[0]
}

func TestGreenIsJudgedByBlue(t *testing.T) {
	errors := []Compare{{Metric: MetricErrors}}
	shown := []Compare{{Metric: MetricErrors, UntilShown: true}}
	dry := []Compare{{Metric: MetricErrors, DryRun: true}}
	tests := map[string]struct {
		settings    CheckSettings
		minutes     int
		blue, green Counts
		want        Judgement
		reason      string
	}{
		"as good":                         {CheckSettings{MaxErrorRate: 1, Compare: errors}, 30, Counts{Requests: 90, Errors: 2}, Counts{Requests: 10}, Healthy, "0 of 300"},
		"much worse":                      {CheckSettings{MaxErrorRate: 1, Compare: errors}, 10, Counts{Requests: 90, Errors: 1}, Counts{Requests: 10, Errors: 3}, Unhealthy, "worse by more than 25%"},
		"as bad as blue":                  {CheckSettings{MaxErrorRate: 1, Compare: errors}, 30, Counts{Requests: 90, Errors: 45}, Counts{Requests: 10, Errors: 5}, Healthy, ""},
		"worse, as a dry run":             {CheckSettings{MaxErrorRate: 1, Compare: dry}, 10, Counts{Requests: 90, Errors: 1}, Counts{Requests: 10, Errors: 3}, Healthy, "dry run: 30 of 100"},
		"the threshold holds beside it":   {CheckSettings{MaxErrorRate: 0.2, Compare: errors}, 10, Counts{Requests: 90, Errors: 45}, Counts{Requests: 10, Errors: 5}, Unhealthy, "allowed 20.00%"},
		"a threshold as a dry run":        {CheckSettings{MaxErrorRate: 0.2, DryRun: true}, 10, Counts{}, Counts{Requests: 10, Errors: 5}, Healthy, "allowed would be 20.00%"},
		"too few before all":              {CheckSettings{MaxErrorRate: 1, MinRequests: 1000, Compare: errors}, 10, Counts{Requests: 90}, Counts{Requests: 10}, Inconclusive, "900 more needed"},
		"not shown yet":                   {CheckSettings{MaxErrorRate: 0.02, Compare: shown}, 10, Counts{Requests: 90}, Counts{Requests: 10}, Inconclusive, "more requests needed"},
		"shown to be below the rate":      {CheckSettings{MaxErrorRate: 0.02, Compare: shown}, 50, Counts{Requests: 90}, Counts{Requests: 10}, Healthy, ""},
		"shown not to be worse":           {CheckSettings{MaxErrorRate: 1, Compare: shown}, 60, Counts{Requests: 90, Errors: 30}, Counts{Requests: 10, Errors: 1}, Healthy, ""},
		"nothing to compare, to be shown": {CheckSettings{MaxErrorRate: 1, Compare: shown}, 5, Counts{}, Counts{Requests: 10}, Inconclusive, "nothing to compare yet"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := judged(t, test.settings, test.minutes, test.blue, test.green)
			if s.Judgement != test.want || !strings.Contains(s.Reason, test.reason) {
				t.Errorf("%s: %s", s.Judgement, s.Reason)
			}
		})
	}
}

// What is in already is not counted again, and a state goes through JSON.
func TestStretchesAreAbsorbedOnce(t *testing.T) {
	settings := Settings{Check: CheckSettings{Compare: []Compare{{Metric: MetricErrors}, {Metric: MetricLatency}}}}.WithDefaults().Check
	began := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	o := Observed{Ref: api.Ref, Through: began.Add(3 * time.Minute), SlowOver: 80 * time.Millisecond, Stretches: minutes(began, 3, Counts{90, 1, 0}, Counts{10, 1, 0})}
	c, err := Compared{}.absorb(settings, api, o)
	if err != nil || c.Errors.Total.Green != 30 || c.Latency.Total.Green != 0 || c.SlowOver != 80*time.Millisecond {
		t.Fatalf("%+v, %v", c, err)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var restored Compared
	if err := json.Unmarshal(raw, &restored); err != nil {
		t.Fatal(err)
	}
	subject := api
	subject.Through, subject.SlowOver = c.Through, c.SlowOver
	o.Stretches = append(o.Stretches, Stretch{From: began.Add(3 * time.Minute), Blue: Counts{90, 0, 0}, Green: Counts{10, 0, 0}, BlueSlow: 4, GreenSlow: 9})
	o.SlowOver = time.Second // it was decided
	again, err := restored.absorb(settings, subject, o)
	if err != nil || again.Errors.Total.Green != 40 || again.Latency.Total.GreenHits != 9 || again.SlowOver != 80*time.Millisecond {
		t.Errorf("%+v, %v", again, err)
	}
	o.Stretches[3].GreenSlow = 11
	if _, err := restored.absorb(settings, subject, o); err == nil {
		t.Error("11 of 10 were slow")
	}
}
