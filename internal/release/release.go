// Package release holds what a release is and the pure decisions about it: digests, what must be published and why, and
// the pins of its workflows.
package release

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
)

// Kind says what sort of resource an alias belongs to.
type Kind string

// The kinds of resources that are versioned and have aliases.
const (
	KindFunction     Kind = "function"
	KindStateMachine Kind = "stateMachine"
)

// Ref names one alias of one function or state machine, or the record sets of a [Router].
type Ref struct {
	Kind  Kind   `json:"kind"`
	Name  string `json:"name"`  // as in AWS
	Alias string `json:"alias"` // such as live
}

func (r Ref) String() string {
	if r.Kind == KindRecordSets {
		zone, kind := r.RecordSets()
		return fmt.Sprintf("DNS name %s (%s in %s)", r.Name, kind, zone)
	}
	return string(r.Kind) + " " + r.Name + ":" + r.Alias
}

// HasRevision reports whether AWS itself refuses a write that expects another revision than the present one. Where it does
// not, the routing written out stands for one, and looks the same again when it is back where it was.
func (k Kind) HasRevision() bool { return k == KindFunction }

// Spec is the desired state of an application, as read from its manifest. It is immutable once made.
type Spec struct {
	App       string     `json:"app"`
	Functions []Function `json:"functions"` // sorted by Key
	Workflows []Workflow `json:"workflows"` // sorted by Key
	Routes    []Route    `json:"routes"`
	Router    *Router    `json:"router,omitempty"` // nil where the aliases themselves split the traffic
}

// Function is a Lambda function as the manifest wants it. Zero values mean AWS's defaults.
type Function struct {
	Key           string            `json:"key"`  // its name in the manifest
	Name          string            `json:"name"` // its name in AWS
	Alias         string            `json:"alias"`
	Runtime       string            `json:"runtime"`
	Handler       string            `json:"handler,omitempty"`
	Role          string            `json:"role"`
	Description   string            `json:"description,omitempty"`
	Architectures []string          `json:"architectures,omitempty"`
	MemorySize    int32             `json:"memorySize,omitempty"` // MiB
	Timeout       int32             `json:"timeout,omitempty"`    // seconds
	Environment   map[string]string `json:"environment,omitempty"`
	Settings
	// ProvisionedConcurrency is how many environments its released version has started ahead; 0 for none. It is no part of the
	// version, and of the digest.
	ProvisionedConcurrency int32  `json:"provisionedConcurrency,omitempty"`
	Preview                string `json:"preview,omitempty"` // alias that shows what is published, before it gets traffic; "" for none
	CodeSHA256             string `json:"codeSha256"`        // of the zip, base64 as AWS gives it
	CodeSize               int64  `json:"codeSize"`
	Code                   []byte `json:"-"` // the zip itself
}

// Ref names the function's alias.
func (f Function) Ref() Ref { return Ref{KindFunction, f.Name, f.Alias} }

// Workflow is a state machine as the manifest wants it.
type Workflow struct {
	Key             string          `json:"key"`
	Name            string          `json:"name"`
	Alias           string          `json:"alias"`
	Role            string          `json:"role"`
	Type            string          `json:"type,omitempty"` // STANDARD or EXPRESS
	Definition      json.RawMessage `json:"definition"`     // Amazon States Language, before pinning
	UseExactVersion bool            `json:"useExactVersion"`
	// DynamicStates lists the states, by path such as "Fan out/Work", whose function is chosen while they run. They are not pinned.
	DynamicStates []string `json:"dynamicStates,omitempty"`
	Preview       string   `json:"preview,omitempty"` // as that of functions
}

// Ref names the workflow's alias.
func (w Workflow) Ref() Ref { return Ref{KindStateMachine, w.Name, w.Alias} }

// Route is one route of the application's HTTP API. Exactly one of Function and Workflow is set, by Key.
type Route struct {
	Method   string `json:"method"` // GET, POST, …, or ANY
	Path     string `json:"path"`   // such as /orders/{id}
	Function string `json:"function,omitempty"`
	Workflow string `json:"workflow,omitempty"`
	// Role is what API Gateway assumes to start the workflow; empty means the workflow's own role. Not used for functions.
	Role string `json:"role,omitempty"`
}

// Release is an immutable set of versions with the pins between them.
type Release struct {
	ID        string                `json:"id"`
	App       string                `json:"app"`
	Created   time.Time             `json:"created"`
	By        string                `json:"by,omitempty"`
	Commit    string                `json:"commit,omitempty"`
	Functions []FunctionVersion     `json:"functions"`
	Workflows []StateMachineVersion `json:"workflows"`
}

// FunctionVersion is a published version of a function.
type FunctionVersion struct {
	Key     string `json:"key"`
	Name    string `json:"name"`
	Version string `json:"version"` // such as 7
	ARN     string `json:"arn"`     // qualified by Version
	Digest  string `json:"digest"`  // of code and configuration
	New     bool   `json:"new"`     // published by this release, not taken over
	Reason  string `json:"reason"`  // why it was, or was not, published
}

// StateMachineVersion is a published version of a state machine with what its Task states call.
type StateMachineVersion struct {
	Key    string `json:"key"`
	Name   string `json:"name"`
	ARN    string `json:"arn"`    // of the version
	Digest string `json:"digest"` // of the pinned definition and configuration
	Pins   []Pin  `json:"pins"`
	New    bool   `json:"new"`
	Reason string `json:"reason"`
}

// Pin is the exact function version that one Task state calls.
type Pin struct {
	State    string `json:"state"`    // path of state names, such as "Fan out/Work"
	Function string `json:"function"` // the function's name in AWS
	Version  string `json:"version"`
	ARN      string `json:"arn"` // qualified by Version
	// External says that the definition itself names this version: it is not one of this release, and was left as written.
	External bool `json:"external,omitempty"`
}

// Identity is the account and region that a release goes to.
type Identity struct {
	Partition string `json:"partition"` // such as aws
	Region    string `json:"region"`
	Account   string `json:"account"`          // twelve digits
	Caller    string `json:"caller,omitempty"` // ARN of who asks
}

// AliasRouting is the routing of one alias together with AWS's revision of it, for compare-and-swap.
type AliasRouting struct {
	Ref      Ref           `json:"ref"`
	Routing  alias.Routing `json:"routing"`
	Revision string        `json:"revision,omitempty"`

	// Of record sets: how long their answers are kept by resolvers, and the change by which Route 53 was told; it is empty
	// when the record sets were only read.
	TTL    time.Duration `json:"ttl,omitempty"`
	Change string        `json:"change,omitempty"`
}
