package interp

import (
	"encoding/json"
	"strconv"
	"time"
)

// HistoryEvent is one entry of the execution's history, in the form in which GetExecutionHistory answers it: its JSON
// text (MarshalJSON) is AWS's wire form. Details stands under DetailsName, such as "stateEnteredEventDetails"; both are
// empty for types that have none.
//
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
type HistoryEvent struct {
	ID          int64
	PreviousID  int64
	Type        string // such as TaskStateEntered
	At          time.Time
	DetailsName string
	Details     any // one of the *Details types of this package, or nil
}

// MarshalJSON gives AWS's wire form; the timestamp is in seconds since 1970, to the millisecond.
func (e HistoryEvent) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 256)
	b = append(b, `{"timestamp":`...)
	b = strconv.AppendFloat(b, float64(e.At.UnixMilli())/1000, 'f', -1, 64)
	b = append(b, `,"type":"`...)
	b = append(b, e.Type...)
	b = append(b, `","id":`...)
	b = strconv.AppendInt(b, e.ID, 10)
	b = append(b, `,"previousEventId":`...)
	b = strconv.AppendInt(b, e.PreviousID, 10)
	if e.DetailsName != "" {
		d, err := json.Marshal(e.Details)
		if err != nil {
			return nil, err
		}
		b = append(b, `,"`...)
		b = append(b, e.DetailsName...)
		b = append(b, `":`...)
		b = append(b, d...)
	}
	return append(b, '}'), nil
}

// DataDetails says whether a payload in the history was cut. The interpreter never cuts: payloads are bounded before.
type DataDetails struct {
	Truncated bool `json:"truncated"`
}

// ExecutionStartedDetails belongs to ExecutionStarted.
type ExecutionStartedDetails struct {
	Input        string      `json:"input"`
	InputDetails DataDetails `json:"inputDetails"`
	RoleArn      string      `json:"roleArn"`
	AliasArn     string      `json:"stateMachineAliasArn,omitempty"`
	VersionArn   string      `json:"stateMachineVersionArn,omitempty"`
}

// OutputDetails belongs to ExecutionSucceeded, LambdaFunctionSucceeded and ActivitySucceeded.
type OutputDetails struct {
	Output        string      `json:"output"`
	OutputDetails DataDetails `json:"outputDetails"`
}

// FailureDetails belongs to ExecutionFailed, ExecutionAborted, ExecutionTimedOut, MapRunFailed, and to the Failed and
// TimedOut events of Lambda functions and activities.
type FailureDetails struct {
	Error string `json:"error,omitempty"`
	Cause string `json:"cause,omitempty"`
}

// StateEnteredDetails belongs to the StateEntered events.
type StateEnteredDetails struct {
	Name         string      `json:"name"`
	Input        string      `json:"input"`
	InputDetails DataDetails `json:"inputDetails"`
}

// StateExitedDetails belongs to the StateExited events. AssignedVariables holds each variable's value as a JSON text.
type StateExitedDetails struct {
	Name                     string            `json:"name"`
	Output                   string            `json:"output"`
	OutputDetails            DataDetails       `json:"outputDetails"`
	AssignedVariables        map[string]string `json:"assignedVariables,omitempty"`
	AssignedVariablesDetails *DataDetails      `json:"assignedVariablesDetails,omitempty"`
}

// MapStateStartedDetails belongs to MapStateStarted.
type MapStateStartedDetails struct {
	Length int `json:"length"`
}

// MapRunStartedDetails belongs to MapRunStarted.
type MapRunStartedDetails struct {
	MapRunArn string `json:"mapRunArn"`
}

// MapRunRedrivenDetails belongs to MapRunRedriven.
type MapRunRedrivenDetails struct {
	MapRunArn    string `json:"mapRunArn"`
	RedriveCount int64  `json:"redriveCount"`
}

// ExecutionRedrivenDetails belongs to ExecutionRedriven.
type ExecutionRedrivenDetails struct {
	RedriveCount int64 `json:"redriveCount"`
}

// EvaluationFailedDetails belongs to EvaluationFailed.
type EvaluationFailedDetails struct {
	Error    string `json:"error"`
	Cause    string `json:"cause"`
	Location string `json:"location"`
	State    string `json:"state"`
}

// ActivityScheduledDetails belongs to ActivityScheduled.
type ActivityScheduledDetails struct {
	Resource           string      `json:"resource"`
	Input              string      `json:"input"`
	InputDetails       DataDetails `json:"inputDetails"`
	TimeoutInSeconds   int64       `json:"timeoutInSeconds,omitempty"`
	HeartbeatInSeconds int64       `json:"heartbeatInSeconds,omitempty"`
}

// ActivityStartedDetails belongs to ActivityStarted.
type ActivityStartedDetails struct {
	WorkerName string `json:"workerName,omitempty"`
}

// MapIterationDetails belongs to MapIterationStarted, MapIterationSucceeded, MapIterationFailed and MapIterationAborted.
type MapIterationDetails struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
}

// LambdaFunctionScheduledDetails belongs to LambdaFunctionScheduled.
type LambdaFunctionScheduledDetails struct {
	Resource         string      `json:"resource"`
	Input            string      `json:"input"`
	InputDetails     DataDetails `json:"inputDetails"`
	TimeoutInSeconds int64       `json:"timeoutInSeconds,omitempty"`
	// TaskCredentials is set when the state has Credentials.
	TaskCredentials *TaskCredentials `json:"taskCredentials,omitempty"`
}

// TaskScheduledDetails belongs to TaskScheduled.
type TaskScheduledDetails struct {
	ResourceType       string `json:"resourceType"`
	Resource           string `json:"resource"`
	Region             string `json:"region"`
	Parameters         string `json:"parameters"`
	TimeoutInSeconds   int64  `json:"timeoutInSeconds,omitempty"`
	HeartbeatInSeconds int64  `json:"heartbeatInSeconds,omitempty"`
	// TaskCredentials is set when the state has Credentials.
	TaskCredentials *TaskCredentials `json:"taskCredentials,omitempty"`
}

// TaskCredentials is the role that a task runs with.
type TaskCredentials struct {
	RoleArn string `json:"roleArn"`
}

// TaskStartedDetails belongs to TaskStarted.
type TaskStartedDetails struct {
	ResourceType string `json:"resourceType"`
	Resource     string `json:"resource"`
}

// TaskSucceededDetails belongs to TaskSucceeded and TaskSubmitted.
type TaskSucceededDetails struct {
	ResourceType  string      `json:"resourceType"`
	Resource      string      `json:"resource"`
	Output        string      `json:"output"`
	OutputDetails DataDetails `json:"outputDetails"`
}

// TaskFailedDetails belongs to TaskFailed, TaskTimedOut and TaskSubmitFailed.
type TaskFailedDetails struct {
	ResourceType string `json:"resourceType"`
	Resource     string `json:"resource"`
	Error        string `json:"error,omitempty"`
	Cause        string `json:"cause,omitempty"`
}
