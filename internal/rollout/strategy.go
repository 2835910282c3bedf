package rollout

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Strategy is how traffic moves from blue to green: a list of shifts, the last of which is at 100 %.
type Strategy struct {
	Name  string  `json:"name"`
	Steps []Shift `json:"steps"`
}

// Shift is one step of a strategy: green gets Weight percent on every alias of the release, then the rollout waits.
type Shift struct {
	Weight int           `json:"weight"`          // percent, 0 to 100; 0 leaves all traffic on blue
	Pause  time.Duration `json:"pause,omitempty"` // how long to stay, from the last write of the step
	Hold   bool          `json:"hold,omitempty"`  // stay until a person promotes
	Check  bool          `json:"check,omitempty"` // advance only on a Healthy verdict
	Hooks  []Hook        `json:"hooks,omitempty"` // run in order from when the weight is set; all must succeed
}

// presetNames are CodeDeploy's deployment configurations for Lambda, without their prefix.
//
// https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
var presetNames = []string{
	"LambdaCanary10Percent5Minutes", "LambdaCanary10Percent10Minutes", "LambdaCanary10Percent15Minutes",
	"LambdaCanary10Percent30Minutes", "LambdaLinear10PercentEvery1Minute", "LambdaLinear10PercentEvery2Minutes",
	"LambdaLinear10PercentEvery3Minutes", "LambdaLinear10PercentEvery10Minutes", "LambdaAllAtOnce",
}

// Presets lists the names of CodeDeploy's strategies for Lambda, which [ParseStrategy] accepts with and without the
// prefixes "CodeDeployDefault." and "Lambda".
func Presets() []string {
	return append([]string(nil), presetNames...)
}

// ParseStrategy reads a strategy by CodeDeploy's name. Names of the same form with other numbers are understood too, such
// as Canary5Percent1Minute. Every step below 100 % is checked. An unknown name is an error that lists what is known.
func ParseStrategy(name string) (Strategy, error) {
	short := strings.TrimPrefix(strings.TrimPrefix(name, "CodeDeployDefault."), "Lambda")
	switch short {
	case "AllAtOnce":
		return Strategy{Name: name, Steps: []Shift{{Weight: 100}}}, nil
	case BlueGreen:
		return Strategy{Name: name, Steps: []Shift{{Weight: 0, Hold: true}, {Weight: 100}}}, nil
	}
	if rest, ok := strings.CutPrefix(short, "Canary"); ok {
		if percent, minutes, ok := parsePreset(rest, "Percent"); ok {
			return Strategy{Name: name, Steps: []Shift{{Weight: percent, Pause: minutes, Check: true}, {Weight: 100}}}, nil
		}
	}
	if rest, ok := strings.CutPrefix(short, "Linear"); ok {
		if percent, minutes, ok := parsePreset(rest, "PercentEvery"); ok {
			return Linear(name, percent, minutes), nil
		}
	}
	return Strategy{}, fmt.Errorf("unknown strategy %q; use one of %s, %s, or write the steps", name, strings.Join(presetNames, ", "), BlueGreen)
}

// BlueGreen is the strategy that keeps green without traffic, to be tried by its exact versions, until a person promotes it;
// then all traffic moves at once.
const BlueGreen = "BlueGreen"

// Preference makes the strategy of CloudFormation's DeploymentPreference for state machines: LINEAR, CANARY or ALL_AT_ONCE,
// with a percentage of 1 to 99 and an interval of 1 to 2100 min.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-stepfunctions-statemachinealias-deploymentpreference.html
func Preference(kind string, percent int, interval time.Duration) (Strategy, error) {
	if kind == "ALL_AT_ONCE" {
		if percent != 0 || interval != 0 {
			return Strategy{}, errors.New("ALL_AT_ONCE takes neither a percentage nor an interval")
		}
		return Strategy{Name: kind, Steps: []Shift{{Weight: 100}}}, nil
	}
	if kind != "CANARY" && kind != "LINEAR" {
		return Strategy{}, fmt.Errorf("there is no type %q; write LINEAR, CANARY or ALL_AT_ONCE", kind)
	}
	if percent < 1 || percent > 99 || interval < time.Minute || interval > longestInterval {
		return Strategy{}, fmt.Errorf("%s takes a percentage of 1 to 99 and an interval of 1m to %s", kind, longestInterval)
	}
	name := fmt.Sprintf("%s %d%% %s", kind, percent, interval)
	if kind == "CANARY" {
		return Strategy{Name: name, Steps: []Shift{{Weight: percent, Pause: interval, Check: true}, {Weight: 100}}}, nil
	}
	return Linear(name, percent, interval), nil
}

// longestInterval is the longest that CloudFormation's deployment preference takes.
const longestInterval = 2100 * time.Minute

// Linear shifts percent more every interval, beginning at once, until 100 %. Steps below 100 % are checked.
func Linear(name string, percent int, interval time.Duration) Strategy {
	s := Strategy{Name: name}
	for w := percent; w < 100 && percent > 0; w += percent {
		s.Steps = append(s.Steps, Shift{Weight: w, Pause: interval, Check: true})
	}
	s.Steps = append(s.Steps, Shift{Weight: 100})
	return s
}

// parsePreset reads "<percent><sep><minutes>Minute[s]".
func parsePreset(s, sep string) (percent int, interval time.Duration, ok bool) {
	p, m, found := strings.Cut(s, sep)
	if !found {
		return 0, 0, false
	}
	m = strings.TrimSuffix(strings.TrimSuffix(m, "s"), "Minute")
	percent, err1 := strconv.Atoi(p)
	minutes, err2 := strconv.Atoi(m)
	if err1 != nil || err2 != nil || percent < 1 || percent > 99 || minutes < 1 || minutes > int(longestInterval/time.Minute) {
		return 0, 0, false
	}
	return percent, time.Duration(minutes) * time.Minute, true
}

// Length is the shortest time that the strategy takes: the sum of its pauses, without waiting for verdicts or people.
func (s Strategy) Length() time.Duration {
	var d time.Duration
	for _, step := range s.Steps {
		d += step.Pause
	}
	return d
}

// Validate reports what is wrong with the strategy: no steps, weights outside 0 to 100 or that fall, a check without
// traffic, or a last step below 100 %.
func (s Strategy) Validate() error {
	if len(s.Steps) == 0 {
		return errors.New("the strategy has no steps: write at least one with weight 100")
	}
	last := 0
	for i, step := range s.Steps {
		switch {
		case step.Weight < 0 || step.Weight > 100:
			return fmt.Errorf("step %d: weight %d is not between 0 and 100 percent", i+1, step.Weight)
		case step.Weight < last:
			return fmt.Errorf("step %d: weight %d is below the %d of the step before it; a rollout only shifts towards green", i+1, step.Weight, last)
		case step.Weight == 0 && step.Check:
			return fmt.Errorf("step %d: a check at weight 0 would wait for ever, green has no traffic yet; use a hook before traffic", i+1)
		case step.Pause < 0:
			return fmt.Errorf("step %d: a pause of %s is negative", i+1, step.Pause)
		}
		last = step.Weight
	}
	if last != 100 {
		return fmt.Errorf("the last step has weight %d: end the steps with weight 100", last)
	}
	return nil
}
