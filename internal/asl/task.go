package asl

import (
	"strings"
)

// TaskKind says how a Task state's resource is called and recorded.
type TaskKind uint8

const (
	// TaskFunction is a Lambda function by its ARN: the function's answer is the result.
	TaskFunction TaskKind = iota
	// TaskService is an integration, arn:aws:states:::service:action: what Pattern says is the result.
	TaskService
	// TaskActivity is an activity: a worker fetches the task and answers by its token.
	TaskActivity
)

// The patterns of service integrations.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html
const (
	PatternRequest = ""                 // the service's answer is the result
	PatternSync    = "sync"             // the job's outcome is the result
	PatternSync2   = "sync:2"           // the same, its output as JSON instead of a string
	PatternToken   = "waitForTaskToken" // who holds the token gives the result
)

// Task is what only a Task state has.
type Task struct {
	Resource  string // as in the definition
	Kind      TaskKind
	Service   string  // such as lambda or aws-sdk:lambda; TaskService only
	Action    string  // such as invoke or invoke.waitForTaskToken; TaskService only
	Pattern   string  // TaskService only
	Timeout   Integer // TimeoutSeconds(Path); nil for none
	Heartbeat Integer // HeartbeatSeconds(Path); nil for none
	Role      Text    // RoleArn of Credentials; nil for none
	Function  string  // the Lambda function's name or ARN where the definition tells it

	functionField string // where Function stands, below the state
}

// HasToken reports whether the task has a token, by which it is answered.
func (t *Task) HasToken() bool { return t.Kind == TaskActivity || t.Pattern == PatternToken }

// resource is a Task state's Resource, taken apart.
type resource struct {
	kind                     TaskKind
	service, action, pattern string
	unsupported              string // why it cannot be run here; empty when it can
}

// synchronous lists the actions that AWS offers with .sync beside those of states, by service.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
var synchronous = map[string]string{
	"batch": "submitJob", "ecs": "runTask", "fargate": "runTask", "glue": "startJobRun", "athena": "startQueryExecution",
	"codebuild": "startBuild startBuildBatch", "databrew": "startJobRun", "eks": "createCluster deleteCluster runJob call",
	"sagemaker":        "createTrainingJob createTransformJob createHyperParameterTuningJob createLabelingJob createProcessingJob",
	"elasticmapreduce": "createCluster terminateCluster addStep", "emr-serverless": "startJobRun startApplication stopApplication createApplication deleteApplication",
	"emr-containers": "createVirtualCluster deleteVirtualCluster startJobRun", "bedrock": "createModelCustomizationJob", "mediaconvert": "createJob",
}

// parseResource takes a resource apart; ok is false when it is no ARN of a kind that Step Functions knows. serves tells
// which integrations there are.
func parseResource(arn string, express bool, serves func(service, action string) bool) (r resource, schema string, ok bool) {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[5] == "" {
		return r, "", false
	}
	switch {
	case p[2] == "lambda" && strings.HasPrefix(p[5], "function:"):
		f := strings.Split(p[5], ":")
		return r, "", len(f) >= 2 && len(f) <= 3 && f[1] != ""
	case p[2] != "states":
		return r, "", false
	case strings.HasPrefix(p[5], "activity:"):
		r.kind = TaskActivity
		if express {
			return r, "Express state machine does not support Activity ARN", true
		}
		return r, "", p[3] != "" && p[4] != "" && len(p[5]) > len("activity:")
	case p[3] != "" || p[4] != "":
		return r, "", false
	}
	r.kind = TaskService
	service, action, found := strings.Cut(p[5], ":")
	if service == "aws-sdk" {
		var name string
		name, action, found = strings.Cut(action, ":")
		if name == "" {
			return r, "", false
		}
		service += ":" + name
	}
	if !found || service == "" || action == "" {
		return r, "", false
	}
	base, pattern, _ := strings.Cut(action, ".")
	r.service, r.action, r.pattern = service, action, pattern
	asked := base
	switch pattern {
	case PatternRequest, PatternToken:
		if pattern == PatternToken && service == "http" {
			return r, unrecognized(arn), true
		}
	case PatternSync, PatternSync2:
		asked = action
		states := service == "states" && base == "startExecution"
		if !states && (pattern == PatternSync2 || !contains(synchronous[service], base)) {
			return r, unrecognized(arn), true
		}
	default:
		return r, unrecognized(arn), true
	}
	if pattern != "" && express {
		return r, "Express state machine does not support '." + pattern + "' service integration ", true
	}
	if !serves(service, asked) {
		r.unsupported = "The service integration '" + service + ":" + asked + "' is not supported by this platform"
	}
	return r, "", true
}

func unrecognized(arn string) string {
	return "The resource provided " + arn + " is not recognized. The value is not a valid resource ARN, or the resource is not available in this region."
}

func contains(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}
