// Package arn reads and writes the Amazon Resource Names that a release meets.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
package arn

import (
	"fmt"
	"strings"
)

// ARN is arn:Partition:Service:Region:Account:Resource.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// Parse splits s; it fails when s does not have six parts that begin with "arn". Resource may itself hold colons.
func Parse(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, fmt.Errorf("%q is no ARN (arn:partition:service:region:account:resource)", s)
	}
	return ARN{Partition: p[1], Service: p[2], Region: p[3], Account: p[4], Resource: p[5]}, nil
}

func (a ARN) String() string {
	return strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":")
}

// Function is a Lambda function's ARN, with or without a version or alias as its qualifier.
type Function struct {
	Partition, Region, Account, Name, Qualifier string
}

// ParseFunction reads arn:aws:lambda:region:account:function:name[:qualifier].
func ParseFunction(s string) (Function, error) {
	a, err := Parse(s)
	if err != nil {
		return Function{}, err
	}
	p := strings.Split(a.Resource, ":")
	if a.Service != "lambda" || p[0] != "function" || len(p) < 2 || len(p) > 3 || p[1] == "" || (len(p) == 3 && p[2] == "") {
		return Function{}, fmt.Errorf("%q is no function ARN (arn:aws:lambda:region:account:function:name[:qualifier])", s)
	}
	f := Function{Partition: a.Partition, Region: a.Region, Account: a.Account, Name: p[1]}
	if len(p) == 3 {
		f.Qualifier = p[2]
	}
	return f, nil
}

// String gives the ARN, qualified when Qualifier is set.
func (f Function) String() string {
	s := "arn:" + f.Partition + ":lambda:" + f.Region + ":" + f.Account + ":function:" + f.Name
	if f.Qualifier != "" {
		s += ":" + f.Qualifier
	}
	return s
}

// With returns f qualified by a version or alias, or unqualified when q is empty.
func (f Function) With(q string) Function { f.Qualifier = q; return f }

// StateMachine is the ARN of a state machine, or of one of its versions or aliases (Qualifier).
type StateMachine struct {
	Partition, Region, Account, Name, Qualifier string
}

// ParseStateMachine reads arn:aws:states:region:account:stateMachine:name[:qualifier].
func ParseStateMachine(s string) (StateMachine, error) {
	a, err := Parse(s)
	if err != nil {
		return StateMachine{}, err
	}
	p := strings.Split(a.Resource, ":")
	if a.Service != "states" || p[0] != "stateMachine" || len(p) < 2 || len(p) > 3 || p[1] == "" || (len(p) == 3 && p[2] == "") {
		return StateMachine{}, fmt.Errorf("%q is no state machine ARN (arn:aws:states:region:account:stateMachine:name[:qualifier])", s)
	}
	m := StateMachine{Partition: a.Partition, Region: a.Region, Account: a.Account, Name: p[1]}
	if len(p) == 3 {
		m.Qualifier = p[2]
	}
	return m, nil
}

// String gives the ARN, qualified when Qualifier is set.
func (m StateMachine) String() string {
	s := "arn:" + m.Partition + ":states:" + m.Region + ":" + m.Account + ":stateMachine:" + m.Name
	if m.Qualifier != "" {
		s += ":" + m.Qualifier
	}
	return s
}

// With returns m qualified by a version number or alias name, or unqualified when q is empty.
func (m StateMachine) With(q string) StateMachine { m.Qualifier = q; return m }

// Execution gives the ARN of an execution of m; every execution of a state machine shares one name space.
func (m StateMachine) Execution(name string) string {
	return "arn:" + m.Partition + ":states:" + m.Region + ":" + m.Account + ":execution:" + m.Name + ":" + name
}
