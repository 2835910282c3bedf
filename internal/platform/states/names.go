package states

import (
	"strconv"
	"strings"

	"github.com/tealdeploy/teal/internal/arn"
)

// machineRef is what a state machine ARN names: the machine itself, one of its versions (version > 0) or one of its
// aliases (alias set).
type machineRef struct {
	name    string
	version int
	alias   string
}

func (r machineRef) qualified() bool { return r.version > 0 || r.alias != "" }

// machineRef reads a state machine ARN. A machine of another account or region does not exist here.
func (s *Service) machineRef(text string) (machineRef, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return machineRef{}, invalidArn("Invalid ARN prefix: %s", text)
	}
	kind, _, _ := strings.Cut(a.Resource, ":")
	if a.Service != "states" {
		return machineRef{}, invalidArn("Service name not valid in this context: %s", a.Service)
	}
	m, err := arn.ParseStateMachine(text)
	if err != nil {
		return machineRef{}, invalidArn("Resource type not valid in this context: %s", kind)
	}
	if m.Account != s.account || m.Region != s.region {
		return machineRef{}, machineMissing(text)
	}
	ref := machineRef{name: m.Name}
	if m.Qualifier == "" {
		return ref, nil
	}
	if n, err := strconv.Atoi(m.Qualifier); err == nil && n > 0 && strconv.Itoa(n) == m.Qualifier {
		ref.version = n
	} else {
		ref.alias = m.Qualifier
	}
	return ref, nil
}

func (s *Service) machineArn(name string) string {
	return s.arnPrefix + "stateMachine:" + name
}

func (s *Service) versionArn(name string, version int) string {
	return s.arnPrefix + "stateMachine:" + name + ":" + strconv.Itoa(version)
}

func (s *Service) aliasArn(name, alias string) string {
	return s.arnPrefix + "stateMachine:" + name + ":" + alias
}

// execID names an execution in the store: names hold no slash.
type execID struct{ machine, name string }

func (id execID) key() string { return id.machine + "/" + id.name }

func (s *Service) executionArn(id execID) string {
	return s.arnPrefix + "execution:" + id.machine + ":" + id.name
}

// executionID reads the ARN of a standard execution.
func (s *Service) executionID(text string) (execID, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return execID{}, invalidArn("Invalid ARN prefix: %s", text)
	}
	if a.Service != "states" {
		return execID{}, invalidArn("Service name not valid in this context: %s", a.Service)
	}
	p := strings.Split(a.Resource, ":")
	if p[0] != "execution" || len(p) != 3 || p[1] == "" || p[2] == "" {
		return execID{}, invalidArn("Resource type not valid in this context: %s", p[0])
	}
	if a.Account != s.account || a.Region != s.region {
		return execID{}, executionMissing(text)
	}
	return execID{p[1], p[2]}, nil
}
