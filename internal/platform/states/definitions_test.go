package states

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tealdeploy/teal/internal/store/memory"
)

// A definition stays as long as a machine, a version or a kept execution names it, and goes some days after that.
func TestUnusedDefinitionsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		disk := memory.New()
		s := open(t, Config{Store: disk})
		wait := func(days int) string {
			return machineOf(fmt.Sprintf(`"A":{"Type":"Wait","Seconds":%d,"End":true}`, days*24*60*60))
		}
		m := create(t, s, "m", wait(200), true) // version 1
		update := func(definition string) {
			must[*sfn.UpdateStateMachineOutput](t)(s.UpdateStateMachine(t.Context(), &sfn.UpdateStateMachineInput{StateMachineArn: &m, Definition: &definition}))
		}
		update(wait(10)) // only an execution will run on it
		x := start1(t, s, m, "x", "1")
		update(wait(1)) // never used
		update(wait(2)) // the current one
		is(t, "at first", fmt.Sprint(rows(t, disk, bucketDefinitions)), "4")
		time.Sleep(3 * day)
		is(t, "after three days", fmt.Sprint(rows(t, disk, bucketDefinitions)), "3")
		time.Sleep(8 * day)
		is(t, "the execution", ended(t, s, x), "SUCCEEDED 1")
		is(t, "while it is kept", fmt.Sprint(rows(t, disk, bucketDefinitions)), "3")
		time.Sleep(95 * day)
		is(t, "when it is gone", fmt.Sprint(rows(t, disk, bucketDefinitions)), "2")
		must[*sfn.DeleteStateMachineVersionOutput](t)(s.DeleteStateMachineVersion(t.Context(), &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: aws.String(m + ":1")}))
		time.Sleep(3 * day)
		is(t, "without the version", fmt.Sprint(rows(t, disk, bucketDefinitions)), "1")
		y := start1(t, s, m, "y", "2")
		time.Sleep(3 * day)
		is(t, "the current one still runs", ended(t, s, y), "SUCCEEDED 2")
		must[*sfn.DeleteStateMachineOutput](t)(s.DeleteStateMachine(t.Context(), &sfn.DeleteStateMachineInput{StateMachineArn: &m}))
		time.Sleep(100 * day)
		is(t, "in the end", fmt.Sprint(rows(t, disk, bucketDefinitions)), "0")
	})
}
