package release

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const arnBase = "arn:aws:lambda:eu-west-1:123456789012:function:"

func testResolver(t testing.TB) Resolver {
	t.Helper()
	fs := []Function{
		{Key: "Worker", Name: "shop-worker", Alias: "live"},
		{Key: "check", Name: "shop-check", Alias: "live"},
	}
	r, err := NewResolver(Identity{Partition: "aws", Region: "eu-west-1", Account: "123456789012"}, fs, []FunctionVersion{
		{Key: "check", Name: "shop-check", Version: "3", ARN: arnBase + "shop-check:3"},
		{Key: "Worker", Name: "shop-worker", Version: "7", ARN: arnBase + "shop-worker:7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// task wraps the members of one Task state into a definition.
func task(members string) string {
	return `{"StartAt":"Work","States":{"Work":{"Type":"Task",` + members + `,"End":true}}}`
}

func TestPinDefinitionRewritesEveryFormOfReference(t *testing.T) {
	const pinned = arnBase + "shop-worker:7"
	invoke := `"Resource":"arn:aws:states:::lambda:invoke",`
	for _, c := range []struct{ name, in, want string }{
		{"unqualified ARN", `"Resource":"` + arnBase + `shop-worker"`, `"Resource":"` + pinned + `"`},
		{"alias ARN", `"Resource":"` + arnBase + `shop-worker:live"`, `"Resource":"` + pinned + `"`},
		{"$LATEST", `"Resource":"` + arnBase + `shop-worker:$LATEST"`, `"Resource":"` + pinned + `"`},
		{"this version", `"Resource":"` + pinned + `"`, `"Resource":"` + pinned + `"`},
		{"name as Resource", `"Resource":"shop-worker"`, `"Resource":"` + pinned + `"`},
		{"placeholder", `"Resource":"${Worker}"`, `"Resource":"` + pinned + `"`},
		{"placeholder ARN", `"Resource":"${Worker.Arn}"`, `"Resource":"` + pinned + `"`},
		{"placeholder within", `"Resource":"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${Worker}:live"`, `"Resource":"` + pinned + `"`},
		{"escaped text", `"Resource":"\u0024{Worker}"`, `"Resource":"` + pinned + `"`},
		{"invoke by name", invoke + `"Parameters":{"Payload.$":"$","FunctionName":"shop-worker"}`, invoke + `"Parameters":{"Payload.$":"$","FunctionName":"` + pinned + `"}`},
		{"invoke by name and alias", invoke + `"Parameters":{"FunctionName":"shop-worker:live"}`, invoke + `"Parameters":{"FunctionName":"` + pinned + `"}`},
		{"invoke by partial ARN", invoke + `"Parameters":{"FunctionName":"123456789012:function:shop-worker"}`, invoke + `"Parameters":{"FunctionName":"` + pinned + `"}`},
		{"invoke in JSONata", invoke + `"Arguments":{"FunctionName":"${Worker.Arn}","Payload":"{% $states.input %}"}`, invoke + `"Arguments":{"FunctionName":"` + pinned + `","Payload":"{% $states.input %}"}`},
		{"qualifier apart", invoke + `"Parameters":{"FunctionName":"${Worker}","Qualifier":"live"}`, invoke + `"Parameters":{"FunctionName":"` + pinned + `","Qualifier":"7"}`},
		{"task token", `"Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"${Worker}"}`, `"Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"` + pinned + `"}`},
		{"SDK integration", `"Resource":"arn:aws:states:::aws-sdk:lambda:invoke","Parameters":{"FunctionName":"${Worker}"}`, `"Resource":"arn:aws:states:::aws-sdk:lambda:invoke","Parameters":{"FunctionName":"` + pinned + `"}`},
		{"other partition's service", `"Resource":"arn:${AWS::Partition}:states:::lambda:invoke","Parameters":{"FunctionName":"${Worker}"}`, `"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"` + pinned + `"}`},
		{"another service", `"Resource":"arn:aws:states:::sqs:sendMessage","Parameters":{"FunctionName":"x","MessageBody":"${Nobody}"}`, `"Resource":"arn:aws:states:::sqs:sendMessage","Parameters":{"FunctionName":"x","MessageBody":"${Nobody}"}`},
		{"activity", `"Resource":"arn:aws:states:eu-west-1:123456789012:activity:a"`, `"Resource":"arn:aws:states:eu-west-1:123456789012:activity:a"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, pins, err := PinDefinition(json.RawMessage(task(c.in)), testResolver(t), PinOptions{UseExactVersion: true})
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != task(c.want) {
				t.Errorf("got  %s\nwant %s", got, task(c.want))
			}
			if strings.Contains(c.want, pinned) && (len(pins) != 1 || pins[0] != Pin{State: "Work", Function: "shop-worker", Version: "7", ARN: pinned}) {
				t.Errorf("pins = %+v", pins)
			}
		})
	}
}

func TestPinDefinitionLeavesExactVersionsOfOthers(t *testing.T) {
	for name, ref := range map[string]string{
		"other function":         arnBase + "audit:12",
		"other account":          "arn:aws:lambda:eu-west-1:999999999999:function:shop-worker:2",
		"older version, by hand": arnBase + "shop-worker:6",
	} {
		t.Run(name, func(t *testing.T) {
			in := task(`"Resource":"` + ref + `"`)
			got, pins, err := PinDefinition(json.RawMessage(in), testResolver(t), PinOptions{UseExactVersion: true})
			if err != nil || string(got) != in {
				t.Fatalf("got %s, %v", got, err)
			}
			if len(pins) != 1 || !pins[0].External || pins[0].ARN != ref {
				t.Errorf("pins = %+v", pins)
			}
		})
	}
}

func TestPinDefinitionNamesEveryStateThatCannotBePinned(t *testing.T) {
	def := `{
  "StartAt": "Fan out",
  "States": {
    "Fan out": {"Type": "Parallel", "End": true, "Branches": [
      {"StartAt": "Work", "States": {"Work": {"Type": "Task", "End": true, "Resource": "${Wroker.Arn}"}}},
      {"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "Item", "States": {
        "Item": {"Type": "Task", "End": true, "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName.$": "$.fn"}}}}}}},
      {"StartAt": "Old", "States": {"Old": {"Type": "Map", "End": true, "Iterator": {"StartAt": "Step", "States": {
        "Step": {"Type": "Task", "End": true, "Resource": "arn:aws:lambda:eu-west-1:123456789012:function:audit"}}}}}}]},
    "A": {"Type": "Task", "End": true, "Resource": "arn:aws:states:::lambda:invoke", "Arguments": "{% $states.input %}"},
    "B": {"Type": "Task", "End": true, "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "{% $f %}"}},
    "C": {"Type": "Task", "End": true, "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "check"}},
    "D": {"Type": "Task", "End": true, "Resource": "shop-worker:beta"},
    "E": {"Type": "Task", "End": true, "Resource": "arn:aws:lambda:eu-west-1:999999999999:function:shop-worker"},
    "F": {"Type": "Task", "End": true, "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {}},
    "G": {"Type": "Task", "End": true, "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "${Worker}", "Qualifier.$": "$.q"}},
    "H": {"Type": "Task", "End": true, "Resource": "arn:aws:states:::aws-sdk:lambda:invokeAsync", "Parameters": {"FunctionName": "${Worker}"}}
  }
}`
	_, _, err := PinDefinition(json.RawMessage(def), testResolver(t), PinOptions{UseExactVersion: true, DynamicStates: []string{"Nowhere"}})
	var all PinErrors
	if !errors.As(err, &all) {
		t.Fatalf("err = %v", err)
	}
	want := []struct{ state, says string }{
		{"A", "Arguments is an expression"},
		{"B", "FunctionName is chosen while it runs; name the function here, or list the state in the workflow's dynamicStates"},
		{"C", "check is a key in the manifest: write ${check}, or its name shop-check"},
		{"D", "alias beta"},
		{"E", "account 999999999999"},
		{"F", "has no FunctionName"},
		{"Fan out/Each/Item", "FunctionName is chosen while it runs"},
		{"Fan out/Old/Step", "function audit is not part of this release and is called without a version; name an exact version of it"},
		{"Fan out/Work", "placeholder ${Wroker.Arn} names no function of this release; write ${Key} or ${Key.Arn} with the key of a function in the manifest (Worker, check)"},
		{"G", "Qualifier is chosen while it runs"},
		{"H", "cannot be pinned"},
		{"Nowhere", "the definition has no such state"},
	}
	if len(all) != len(want) {
		t.Fatalf("%d errors, want %d:\n%v", len(all), len(want), err)
	}
	for i, w := range want {
		if all[i].State != w.state || !strings.Contains(all[i].Error(), w.says) {
			t.Errorf("error %d = %v, want state %q and %q", i, all[i], w.state, w.says)
		}
	}
}

func TestPinDefinitionKeepsEveryOtherByte(t *testing.T) {
	def := "{\n\t\"States\" : { \"Z\":{\"Type\":\"Task\", \"Resource\" :\"${Worker.Arn}\" , \"End\": true,\n \"ResultPath\":\"$.é<&>\", \"TimeoutSeconds\":1e2 }, \"A\":{\"Type\":\"Pass\",\"Next\":\"Z\"} },\r\n \"StartAt\":\"A\" }\n\n"
	got, _, err := PinDefinition(json.RawMessage(def), testResolver(t), PinOptions{UseExactVersion: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(def, "${Worker.Arn}", arnBase+"shop-worker:7", 1); string(got) != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestPinDefinitionRefusesWhatIsNoDefinition(t *testing.T) {
	for in, says := range map[string]string{
		``:                                      "no JSON text",
		`{"States":{}`:                          "line 1, column",
		`[]`:                                    "has no States",
		`{"StartAt":"A"}`:                       "has no States",
		`{"States":{"A":1},"A":{},"States":{}}`: `member "States" stands twice`,
	} {
		_, _, err := PinDefinition(json.RawMessage(in), testResolver(t), PinOptions{UseExactVersion: true})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: err = %v, want %q", in, err, says)
		}
	}
}

func TestStatesThatOptOutFollowTheAlias(t *testing.T) {
	live := arnBase + "shop-worker:live"
	for _, c := range []struct{ in, want string }{
		{`"Resource":"${Worker.Arn}"`, `"Resource":"` + live + `"`},
		{`"Resource":"shop-worker"`, `"Resource":"` + live + `"`},
		{`"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"${Worker}"}`, `"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"` + live + `"}`},
		{`"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"${Worker}","Qualifier":"$LATEST"}`, `"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"shop-worker","Qualifier":"$LATEST"}`},
		{`"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName.$":"$.fn"}`, `"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName.$":"$.fn"}`},
		{`"Resource":"` + arnBase + `audit"`, `"Resource":"` + arnBase + `audit"`},
		{`"Resource":"` + arnBase + `shop-worker"`, `"Resource":"` + arnBase + `shop-worker"`},
	} {
		for name, o := range map[string]PinOptions{
			"whole workflow": {},
			"one state":      {UseExactVersion: true, DynamicStates: []string{"Work"}},
		} {
			got, pins, err := PinDefinition(json.RawMessage(task(c.in)), testResolver(t), o)
			if err != nil {
				t.Errorf("%s, %s: %v", name, c.in, err)
			} else if string(got) != task(c.want) || len(pins) != 0 {
				t.Errorf("%s: got %s %v\nwant %s", name, got, pins, task(c.want))
			}
		}
	}
	if _, _, err := PinDefinition(json.RawMessage(task(`"Resource":"${Nobody}"`)), testResolver(t), PinOptions{}); err == nil {
		t.Error("an unknown placeholder was left in a workflow that is not pinned")
	}
}
