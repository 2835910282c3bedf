package asl

import (
	"strings"
)

// TaskKind says how a Task state's resource is called and recorded.
type TaskKind uint8

const (
	// TaskFunction is a Lambda function by its ARN: the function's answer is the result.
	TaskFunction TaskKind = iota
	// TaskService is an integration, arn:aws:states:::service:action: the service's answer is the result.
	TaskService
)

// Task is what only a Task state has.
type Task struct {
	Resource  string // as in the definition
	Kind      TaskKind
	Service   string  // such as lambda; TaskService only
	Action    string  // such as invoke; TaskService only
	Timeout   Integer // TimeoutSeconds(Path); nil for none
	Heartbeat Integer // HeartbeatSeconds(Path); nil for none
	Function  string  // the Lambda function's name or ARN where the definition tells it

	functionField string // where Function stands, below the state
}

// resource is a Task state's Resource, taken apart.
type resource struct {
	kind            TaskKind
	service, action string
	unsupported     string // why it cannot be run here; empty when it can
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
		if express {
			return r, "Express state machine does not support Activity ARN", true
		}
		r.unsupported = "Activities are not supported by this platform yet"
		return r, "", true
	case p[3] != "" || p[4] != "":
		return r, "", false
	}
	r.kind = TaskService
	service, action, found := strings.Cut(p[5], ":")
	if !found || service == "" || action == "" {
		return r, "", false
	}
	base, pattern, _ := strings.Cut(action, ".")
	r.service, r.action = service, action
	switch {
	case pattern != "" && express:
		return r, "Express state machine does not support '." + pattern + "' service integration ", true
	case pattern != "":
		r.unsupported = "The service integration pattern '." + pattern + "' is not supported by this platform yet"
	case !serves(service, base):
		r.unsupported = "The service integration '" + service + ":" + base + "' is not supported by this platform"
	}
	return r, "", true
}
