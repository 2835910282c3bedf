package states

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/asl/interp"
)

// testedName is the name that a state has when its definition is given alone.
const testedName = "StateName"

// TestState runs one state, alone or taken from a machine, without an execution: nothing of it is kept. With a mock no
// integration is called, and integrations that the platform does not serve can be tested, too.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html
func (s *Service) TestState(ctx context.Context, in *sfn.TestStateInput) (*sfn.TestStateOutput, error) {
	if err := checkTest(in); err != nil {
		return nil, err
	}
	m, name, err := s.testedMachine(in)
	if err != nil {
		return nil, err
	}
	state := m.State(name)
	if state == nil {
		return nil, invalid("State not found in definition")
	}
	if err := s.checkTested(in, state); err != nil {
		return nil, err
	}
	return s.runTest(ctx, in, m, state)
}

func checkTest(in *sfn.TestStateInput) error {
	var c constraints
	c.required("definition", in.Definition, 1, maxDefinition)
	c.text("roleArn", in.RoleArn, 1, maxArn)
	c.text("input", in.Input, 0, maxPayload)
	c.text("stateName", in.StateName, 1, maxName)
	c.Enum("inspectionLevel", string(in.InspectionLevel), "INFO", "DEBUG", "TRACE")
	c.text("variables", in.Variables, 0, maxPayload)
	c.text("context", in.Context, 0, maxPayload)
	if t := in.StateConfiguration; t != nil {
		c.Between("stateConfiguration.retrierRetryCount", int(aws.ToInt32(t.RetrierRetryCount)), 0, math.MaxInt32)
		c.text("stateConfiguration.errorCausedByState", t.ErrorCausedByState, 1, maxName)
		c.Between("stateConfiguration.mapIterationFailureCount", int(aws.ToInt32(t.MapIterationFailureCount)), 0, math.MaxInt32)
		c.text("stateConfiguration.mapItemReaderData", t.MapItemReaderData, 0, maxPayload)
	}
	if in.Mock != nil {
		c.text("mock.result", in.Mock.Result, 0, maxPayload)
		c.Enum("mock.fieldValidationMode", string(in.Mock.FieldValidationMode), "STRICT", "PRESENT", "NONE")
	}
	if err := c.Err(); err != nil {
		return err
	}
	if in.Mock != nil && in.Mock.Result != nil && in.Mock.ErrorOutput != nil {
		return invalid("A test mock should have only one of the following fields: [result, errorOutput].")
	}
	if in.Input != nil {
		return checkInput(*in.Input)
	}
	return nil
}

// testedMachine parses what is tested: a machine, or a state put into a machine of its own.
func (s *Service) testedMachine(in *sfn.TestStateInput) (*asl.StateMachine, string, error) {
	o := asl.Options{Integration: func(string, string) bool { return true }} // what is called is checked with the state
	if in.StateName != nil {
		m, found := asl.Parse([]byte(*in.Definition), o)
		if asl.HasErrors(found) {
			return nil, "", &types.InvalidDefinition{Message: sentence("%s", asl.Summary(found))}
		}
		return m, *in.StateName, nil
	}
	m, found := asl.Parse(aloneIn(*in.Definition), o)
	for i := range found { // as if the state were all there is
		d := &found[i]
		d.Location = strings.TrimPrefix(d.Location, "/States/"+testedName)
		d.Message = strings.ReplaceAll(d.Message, "/States/"+testedName, "")
	}
	if asl.HasErrors(found) {
		return nil, "", &types.InvalidDefinition{Message: sentence("%s", asl.Summary(found))}
	}
	return m, testedName, nil
}

// aloneIn puts a state into a machine, with the states that it can go on to.
func aloneIn(definition string) []byte {
	var state map[string]json.RawMessage
	if err := json.Unmarshal([]byte(definition), &state); err != nil {
		return []byte(definition) // told by the parser
	}
	states := map[string]json.RawMessage{}
	target := func(member json.RawMessage) {
		var name string
		if json.Unmarshal(member, &name) == nil && name != testedName {
			states[name] = json.RawMessage(`{"Type":"Succeed"}`)
		}
	}
	target(state["Next"])
	target(state["Default"])
	for _, list := range []string{"Choices", "Catch"} {
		var rules []struct{ Next json.RawMessage }
		if json.Unmarshal(state[list], &rules) == nil {
			for _, r := range rules {
				target(r.Next)
			}
		}
	}
	if json.Valid([]byte(definition)) {
		states[testedName] = json.RawMessage(definition)
	}
	return encode(struct {
		StartAt string
		States  map[string]json.RawMessage
	}{testedName, states})
}

// checkTested checks what a test says about the state that it is for. The interpreter checks the rest.
func (s *Service) checkTested(in *sfn.TestStateInput, state *asl.State) error {
	switch {
	case in.Mock == nil && (state.Type == asl.TypeMap || state.Type == asl.TypeParallel):
		return &types.InvalidDefinition{Message: sentence("TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]")}
	case in.Mock == nil && state.Type == asl.TypeTask && (state.Task.Kind == asl.TaskActivity || state.Task.Pattern != asl.PatternRequest):
		return &types.InvalidDefinition{Message: sentence("TestState API does not support activities and the integration patterns .sync and .waitForTaskToken without a mock")}
	case in.Mock == nil && state.Type == asl.TypeTask && in.RoleArn == nil:
		return invalid("RoleArn must be specified when testing a Task state")
	case in.Mock == nil && state.Type == asl.TypeTask && state.Task.Kind == asl.TaskService && !s.calls(state.Task.Resource):
		return &types.InvalidDefinition{Message: sentence("Invalid State Machine Definition: 'UNSUPPORTED_FEATURE: The service integration '%s:%s' is not supported by this platform. Test the state with a mock.'", state.Task.Service, state.Task.Action)}
	case in.Mock == nil && in.Context != nil:
		return invalid("A Context object can only be specified when a mock is specified")
	case in.Mock == nil || in.Mock.Result == nil || state.Type != asl.TypeTask || in.Mock.FieldValidationMode == types.MockResponseValidationModeNone:
		return nil
	}
	return checkMock(state.Task.Resource, *in.Mock.Result, in.Mock.FieldValidationMode != types.MockResponseValidationModePresent)
}

func (s *Service) calls(resource string) bool {
	_, ok := s.integrationOf(resource)
	return ok
}

// runTest lets the interpreter try the state, and shows what the inspection level asks for.
func (s *Service) runTest(ctx context.Context, in *sfn.TestStateInput, m *asl.StateMachine, state *asl.State) (*sfn.TestStateOutput, error) {
	now := s.now()
	machine, name := uuid.NewString(), uuid.NewString()
	t := interp.Test{
		State: state.Name, Input: json.RawMessage("{}"), At: now, Seed: rand.Uint64(),
		Variables: json.RawMessage(text(in.Variables)), Context: json.RawMessage(text(in.Context)),
		Options: interp.StartOptions{
			ExecutionARN: s.arnPrefix + "express:" + machine + ":" + name, ExecutionName: name, RoleARN: text(in.RoleArn), StartTime: now,
			StateMachineARN: s.machineArn(machine), StateMachineName: machine, HistoryLimit: unlimitedEvents, TokenKey: s.tokenKey,
		},
	}
	if in.Input != nil {
		t.Input = json.RawMessage(*in.Input)
	}
	if in.Mock != nil {
		t.Mock = &interp.Mock{Result: json.RawMessage(text(in.Mock.Result))}
		if e := in.Mock.ErrorOutput; e != nil {
			t.Mock.Error, t.Mock.Cause = text(e.Error), text(e.Cause)
		}
	}
	if c := in.StateConfiguration; c != nil {
		t.CausedBy = text(c.ErrorCausedByState)
		if c.MapItemReaderData != nil {
			t.Items = func(resource string, config json.RawMessage) (json.RawMessage, error) {
				return itemsIn(*c.MapItemReaderData, resource, config)
			}
		}
		t.Retries, t.MapFailures = int64(aws.ToInt32(c.RetrierRetryCount)), int64(aws.ToInt32(c.MapIterationFailureCount))
	}
	var request *types.InspectionDataRequest
	var response *types.InspectionDataResponse
	exchanged := func(e *httpExchange) { request, response = e.shown() }
	r, err := interp.TestState(m, t, func(task *interp.InvokeTask) interp.Event {
		ctx, cancel := context.WithTimeout(ctx, expressLimit)
		defer cancel()
		output, failed := s.performTask(ctx, &taskCall{InvokeTask: task, Execution: t.Options.ExecutionARN, Serial: name, Exchange: exchanged})
		return answer{output: output, failed: failed}.event()
	})
	var refused *interp.TestError
	switch {
	case errors.As(err, &refused):
		return nil, invalid("%s", refused.Message)
	case err != nil:
		return nil, failure("testing state "+state.Name, err)
	}
	out := &sfn.TestStateOutput{
		Status: types.TestExecutionStatus(r.Status), Error: given(r.Error), Cause: given(r.Cause), NextState: given(r.NextState), Output: given(string(r.Output)),
	}
	if in.InspectionLevel == types.InspectionLevelDebug || in.InspectionLevel == types.InspectionLevelTrace {
		out.InspectionData = inspection(&r.Inspection)
	}
	if in.InspectionLevel == types.InspectionLevelTrace {
		out.InspectionData.Request, out.InspectionData.Response = request, response
	}
	return out, nil
}

func inspection(i *interp.Inspection) *types.InspectionData {
	stage := func(s asl.Stage) *string { return given(i.Stages[s]) }
	d := &types.InspectionData{
		Input: given(i.Input), Result: given(i.Result), Variables: given(i.Variables),
		AfterArguments: stage(asl.AfterArguments), AfterInputPath: stage(asl.AfterInputPath), AfterParameters: stage(asl.AfterParameters),
		AfterItemsPath: stage(asl.AfterItemsPath), AfterItemsPointer: stage(asl.AfterItemsPointer),
		AfterItemSelector: stage(asl.AfterItemSelector), AfterItemBatcher: stage(asl.AfterItemBatcher), AfterResultSelector: stage(asl.AfterResultSelector), AfterResultPath: stage(asl.AfterResultPath),
		MaxConcurrency: narrow(i.MaxConcurrency), ToleratedFailureCount: narrow(i.ToleratedFailureCount),
	}
	if p := i.ToleratedFailurePercentage; p != nil {
		short := float32(*p)
		d.ToleratedFailurePercentage = &short
	}
	if i.CatchIndex != nil || i.RetryIndex != nil || i.Backoff != nil {
		d.ErrorDetails = &types.InspectionErrorDetails{
			CatchIndex: narrow(i.CatchIndex), RetryIndex: narrow(i.RetryIndex), RetryBackoffIntervalSeconds: narrow(i.Backoff),
		}
	}
	return d
}

func narrow(n *int64) *int32 {
	if n == nil {
		return nil
	}
	short := int32(min(max(*n, math.MinInt32), math.MaxInt32))
	return &short
}
