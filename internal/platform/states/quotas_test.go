package states

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// The last one that AWS allows is made, the next one is refused, and room that is made can be used.
func TestNumbersOfVersionsAliasesAndActivities(t *testing.T) {
	s := open(t, Config{})
	m := create(t, s, "m", onePass, false)
	publish := func(i int) (string, error) {
		definition := machineOf(fmt.Sprintf(`"A":{"Type":"Pass","Result":%d,"End":true}`, i))
		out, err := s.UpdateStateMachine(t.Context(), &sfn.UpdateStateMachineInput{StateMachineArn: &m, Definition: &definition, Publish: true})
		if err != nil {
			return "", err
		}
		return *out.StateMachineVersionArn, nil
	}
	first := must[string](t)(publish(0))
	for i := 1; i < 1000; i++ {
		must[string](t)(publish(i))
	}
	_, err := publish(1000)
	refused(t, err, "ServiceQuotaExceededException", "…")
	must[*sfn.DeleteStateMachineVersionOutput](t)(s.DeleteStateMachineVersion(t.Context(), &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: &first}))
	last := must[string](t)(publish(1001))
	is(t, "the number", last, m+":1001")

	alias := func(i int) error {
		_, err := s.CreateStateMachineAlias(t.Context(), &sfn.CreateStateMachineAliasInput{
			Name: aws.String(fmt.Sprintf("a%d", i)), RoutingConfiguration: []types.RoutingConfigurationListItem{{StateMachineVersionArn: &last, Weight: 100}},
		})
		return err
	}
	for i := range 100 {
		if err := alias(i); err != nil {
			t.Fatal(i, err)
		}
	}
	refused(t, alias(100), "ServiceQuotaExceededException", "…")

	activity := func(i int) error {
		_, err := s.CreateActivity(t.Context(), &sfn.CreateActivityInput{Name: aws.String(fmt.Sprintf("a%d", i))})
		return err
	}
	for i := range 10_000 {
		if err := activity(i); err != nil {
			t.Fatal(i, err)
		}
	}
	refused(t, activity(10_000), "ActivityLimitExceeded", "…")
	if err := activity(7); err != nil { // it is there
		t.Error(err)
	}
}

// Names have 80 characters at most.
func TestLengthsOfNames(t *testing.T) {
	s := open(t, Config{})
	for _, n := range []int{80, 81} {
		name := strings.Repeat("é", n)
		_, machine := s.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{Name: &name, RoleArn: aws.String(role), Definition: aws.String(onePass), Publish: true})
		m := s.machineArn(strings.Repeat("é", 80))
		_, execution := s.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Name: &name})
		_, activity := s.CreateActivity(t.Context(), &sfn.CreateActivityInput{Name: &name})
		ascii := strings.Repeat("a", n)
		_, alias := s.CreateStateMachineAlias(t.Context(), &sfn.CreateStateMachineAliasInput{
			Name: &ascii, RoutingConfiguration: []types.RoutingConfigurationListItem{{StateMachineVersionArn: aws.String(m + ":1"), Weight: 100}},
		})
		for what, err := range map[string]error{"machine": machine, "execution": execution, "activity": activity, "alias": alias} {
			if n == 80 && err != nil {
				t.Errorf("%s of 80 characters: %v", what, err)
			}
			if n == 81 {
				if err == nil {
					t.Errorf("a %s of 81 characters was made", what)
				} else if !strings.Contains(err.Error(), "Member must have length less than or equal to 80") {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
	}
}

// 256 KiB go into an execution and through it; a byte more does not.
func TestPayloadsOf256KiB(t *testing.T) {
	s := open(t, Config{})
	m := create(t, s, "m", onePass, false)
	full := `"` + strings.Repeat("x", 256<<10-2) + `"`
	x := start1(t, s, m, "x", full)
	is(t, "full", ended(t, s, x), "SUCCEEDED "+full)
	over := full[:len(full)-1] + `x"`
	_, err := s.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &m, Input: &over})
	if err == nil {
		t.Error("an input of 256 KiB and a byte was taken")
	}
	grown := create(t, s, "grown", machineOf(`"A":{"Type":"Pass","Parameters":{"a.$":"$"},"End":true}`), false)
	got := ended(t, s, start1(t, s, grown, "x", full))
	if !strings.HasPrefix(got, "FAILED States.DataLimitExceeded: ") {
		t.Error(got[:min(len(got), 200)])
	}
}

// leaping is a clock that the test sets forward, by days. What is to be done at the next pruning is done when the test asks.
type leaping struct {
	days  atomic.Int64
	prune chan func()
}

func (c *leaping) Now() time.Time { return time.Now().AddDate(0, 0, int(c.days.Load())) }

func (c *leaping) AfterFunc(d time.Duration, f func()) func() bool {
	if d != pruneFirst && d != pruneEvery {
		return time.AfterFunc(d, f).Stop
	}
	c.prune <- f
	return func() bool { return true }
}

// to lets a day come, and a pruning on it.
func (c *leaping) to(day int64) {
	c.days.Store(day)
	(<-c.prune)()
	c.prune <- <-c.prune // it has come to its end when it asks for the next one
}

// An execution has timed out after a year, whatever it waits for; one that was redriven has another year.
func TestAYearIsTheLimit(t *testing.T) {
	c := &leaping{prune: make(chan func(), 2)}
	s := open(t, Config{Clock: c})
	m := create(t, s, "m", machineOf(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"f","Payload.$":"$$.Task.Token"},"End":true}`), false)
	x := start1(t, s, m, "x", "1")
	again := start1(t, s, m, "again", "1")
	c.to(10)
	must[*sfn.StopExecutionOutput](t)(s.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &again}))
	must[*sfn.RedriveExecutionOutput](t)(s.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &again}))
	c.to(364)
	is(t, "after 364 days", ended(t, s, x), "RUNNING")
	c.to(366)
	is(t, "after 366 days", string(describe(t, s, x).Status), "TIMED_OUT")
	if h := events(t, s, x); !strings.HasSuffix(h, " ExecutionTimedOut") {
		t.Error(h)
	}
	is(t, "the redriven one", ended(t, s, again), "RUNNING")
	c.to(376)
	is(t, "the redriven one, later", string(describe(t, s, again).Status), "TIMED_OUT")
}
