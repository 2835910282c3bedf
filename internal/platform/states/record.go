package states

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// The buckets of the store. Keys are names, which hold neither ':' nor '/'.
const (
	bucketMachines    = "states.machines"    // machine → machineRecord
	bucketVersions    = "states.versions"    // machine/version (six digits) → versionRecord
	bucketAliases     = "states.aliases"     // machine/alias → aliasRecord
	bucketDefinitions = "states.definitions" // SHA-256 of the text, in hex → the text
	bucketExecutions  = "states.executions"  // machine/execution → executionRecord
	bucketResults     = "states.results"     // serial → executionResult, once the execution has ended
	bucketLists       = "states.lists"       // scope/status/start/execution → listEntry
	bucketOpen        = "states.open"        // serial → openRecord, while the execution runs
	bucketEvents      = "states.events"      // serial/number → interp.Event, or snapshot: the journal
	bucketHistory     = "states.history"     // serial/number of its first event → JSON list of events
	bucketLease       = "states.lease"       // "engine" → lease
	bucketMapRuns     = "states.mapruns"     // serial of the execution/name → mapRunRecord
	bucketMapRunNames = "states.mapruns.arn" // ARN → its key in bucketMapRuns
	bucketMapChildren = "states.mapchildren" // the same/number → childRecord, once the child has ended
	bucketJobs        = "states.jobs"        // serial of the execution that waits/command → jobRecord; or childOf.row
	bucketSecrets     = "states.secrets"     // "tokens" → what task tokens are made with
	bucketActivities  = "states.activities"  // activity → activityRecord
)

// revision is what a version freezes and an execution runs on. It is immutable.
type revision struct {
	// ID is AWS's revisionId; the first revision of a machine has none.
	ID         string                     `json:"id,omitempty"`
	Digest     string                     `json:"digest"` // of the definition
	RoleArn    string                     `json:"role"`
	Updated    time.Time                  `json:"updated"`
	Logging    types.LoggingConfiguration `json:"logging"`
	Tracing    bool                       `json:"tracing,omitempty"`
	Encryption types.EncryptionType       `json:"encryption,omitempty"` // set when the caller gave it
}

// initialRevision stands for the revision without an ID where AWS's API wants to compare it.
const initialRevision = "INITIAL"

func (r revision) id() *string {
	if r.ID == "" {
		return nil
	}
	return &r.ID
}

// machineRecord is a state machine.
type machineRecord struct {
	Name     string                 `json:"name"`
	Type     types.StateMachineType `json:"type"`
	Created  time.Time              `json:"created"`
	Revision revision               `json:"revision"` // the current one
	Deleting bool                   `json:"deleting,omitempty"`

	LastVersion int `json:"lastVersion,omitempty"` // the highest number ever given
	// Published is the version of the current revision, 0 when it has none: publishing is idempotent per revision.
	Published int `json:"published,omitempty"`

	// What CreateStateMachine compares beside the current revision, to tell a repeated request from a conflicting one.
	CreatedPublish     bool   `json:"createdPublish,omitempty"`
	CreatedDescription string `json:"createdDescription,omitempty"`

	Tags map[string]string `json:"tags,omitempty"`
}

// versionRecord is a published version: it never changes.
type versionRecord struct {
	Number      int       `json:"number"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	Revision    revision  `json:"revision"`
}

// aliasRecord is an alias of a state machine.
type aliasRecord struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Routes      []route   `json:"routes"` // one or two
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
}

// route is one entry of an alias's routing configuration.
type route struct {
	Version int   `json:"version"`
	Weight  int32 `json:"weight"` // percent
}

// executionRecord is what an execution was started with. Only redrives change it; how the execution ends is an executionResult.
type executionRecord struct {
	Machine string `json:"machine"`
	Name    string `json:"name"`
	// Serial is the key of everything else that belongs to the execution. Serials rise with time, so that what is written
	// together lies together in the store, however executions are named.
	Serial      string    `json:"serial"`
	Version     int       `json:"version,omitempty"` // set when started on a version or an alias
	Alias       string    `json:"alias,omitempty"`
	Revision    revision  `json:"revision"`
	Input       string    `json:"input"`
	TraceHeader string    `json:"trace,omitempty"`
	Started     time.Time `json:"started"`

	Child   *childOf `json:"child,omitempty"`   // of a Map run
	Starter string   `json:"starter,omitempty"` // the task that started it: serial of its execution/command

	// What redrives add to it.
	Redrives     int       `json:"redrives,omitempty"`
	Redriven     time.Time `json:"redriven,omitzero"` // the last one
	RedriveToken string    `json:"redriveToken,omitempty"`

	express bool // such an execution is never stored
}

func (r *executionRecord) id() execID { return execID{r.Machine, r.Name} }

// openRecord stands in the store while an execution runs: it names the execution and its owner.
type openRecord struct {
	Machine string `json:"machine"`
	Name    string `json:"name"`
	Lease   lease  `json:"lease"`
	// Waits says that the execution waits for timers and answers from outside only: it need not be in memory before its
	// first timer is due or an answer comes. Without it the execution has something under way.
	Waits bool `json:"waits,omitempty"`
	// Due is when the first timer of an execution that waits is due, in nanoseconds since 1970; 0 when it has no timer.
	Due int64 `json:"due,omitempty"`
}

func versionKey(machine string, version int) string { return fmt.Sprintf("%s/%06d", machine, version) }

// encode writes a record. Records hold nothing that JSON cannot.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("states: encoding %T: %v", v, err))
	}
	return b
}

// decode reads a record of a bucket.
func decode[T any](bucket, key string, value []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(value, v); err != nil {
		return nil, fmt.Errorf("states: %s/%s cannot be read: %w", bucket, key, err)
	}
	return v, nil
}
