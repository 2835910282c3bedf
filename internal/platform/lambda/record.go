package lambda

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/store"
)

// The buckets of the store. Names hold no slash, so "name/" is the prefix of all that belongs to one function.
const (
	functionBucket = "lambda.functions" // name → functionRecord
	versionBucket  = "lambda.versions"  // name/version → versionRecord
	aliasBucket    = "lambda.aliases"   // name/alias → aliasRecord
	policyBucket   = "lambda.policies"  // name/qualifier → policyRecord
	asyncBucket    = "lambda.async"     // name/qualifier → asyncRecord
	eventBucket    = "lambda.events"    // id → eventRecord

	urlBucket         = "lambda.urls"          // name/qualifier → urlRecord
	provisionedBucket = "lambda.provisioned"   // name/qualifier → provisionedRecord
	runtimeBucket     = "lambda.runtimes"      // name/version → runtimeRecord
	layerBucket       = "lambda.layers"        // name → layerRecord
	layerVersions     = "lambda.layerversions" // name/version → layerVersionRecord
	signingBucket     = "lambda.codesigning"   // id → signingRecord
	mappingBucket     = "lambda.mappings"      // UUID → mappingRecord
)

// functionRecord is what belongs to a function and not to one of its versions.
type functionRecord struct {
	Name        string            `json:"name"`
	NextVersion int64             `json:"nextVersion"` // numbers only rise and are never used again
	Tags        map[string]string `json:"tags,omitempty"`
	Reserved    *int32            `json:"reserved,omitempty"`    // concurrent executions kept for this function alone
	Signing     string            `json:"codeSigning,omitempty"` // id of the code signing configuration
	Recursion   string            `json:"recursion,omitempty"`   // "" is Terminate
}

// versionRecord is one version, $LATEST included: code, configuration and state. A record is never changed in place.
type versionRecord struct {
	Function string `json:"function"`
	Version  string `json:"version"`
	Revision string `json:"revision"` // changes with every change, of policies and states too
	// Generation changes with code and configuration only. A published version has that of the $LATEST it was made of.
	Generation string        `json:"generation"`
	Source     string        `json:"source,omitempty"` // digest of the $LATEST that a published version was made of
	Code       codeRecord    `json:"code"`
	Config     configuration `json:"config"`
	Modified   time.Time     `json:"modified"`
	State      stateRecord   `json:"state"`
	Update     stateRecord   `json:"update"` // LastUpdateStatus; empty while the version is being created
}

// codeRecord is the deployment package.
type codeRecord struct {
	SHA256 string `json:"sha256"` // of the zip, in hexadecimal; the name of its folder
	Size   int64  `json:"size"`   // of the zip, in bytes
}

// configuration is what a caller can set of a version.
type configuration struct {
	Description   string        `json:"description,omitempty"`
	Role          string        `json:"role"`
	Runtime       string        `json:"runtime"`
	Handler       string        `json:"handler"`
	Timeout       int32         `json:"timeout"`          // seconds
	Memory        int32         `json:"memory"`           // MiB
	Ephemeral     int32         `json:"ephemeralStorage"` // MiB
	Architectures []string      `json:"architectures"`
	Environment   *environment  `json:"environment,omitempty"` // nil when it was never set
	Tracing       string        `json:"tracing"`
	Logging       loggingRecord `json:"logging"`
	Layers        []layerUse    `json:"layers,omitempty"`     // in the order in which they are merged
	DeadLetter    string        `json:"deadLetter,omitempty"` // ARN of a queue
	SnapStart     string        `json:"snapStart,omitempty"`  // "" is None
}

// layerUse is a layer version as a function version uses it. The version may be deleted meanwhile; its content stays.
type layerUse struct {
	ARN  string     `json:"arn"`
	Code codeRecord `json:"code"`
}

type environment struct {
	Variables map[string]string `json:"variables"`
}

type loggingRecord struct {
	Format      string `json:"format"`
	Group       string `json:"group"`
	Application string `json:"application,omitempty"` // level; "" with the format Text
	System      string `json:"system,omitempty"`      // level; "" with the format Text
}

// stateRecord is a State or a LastUpdateStatus with its reason.
type stateRecord struct {
	Value  string `json:"value,omitempty"`
	Reason string `json:"reason,omitempty"`
	Code   string `json:"code,omitempty"`
}

type aliasRecord struct {
	Function    string        `json:"function"`
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Routing     alias.Routing `json:"routing"`
	Revision    string        `json:"revision"`
}

// policyRecord is the resource policy of a function, a version or an alias.
type policyRecord struct {
	Statements []statement `json:"statements"`
}

// asyncRecord is how asynchronous invocations of a function, a version or an alias are retried.
type asyncRecord struct {
	Retries   *int32    `json:"retries,omitempty"`   // 0 to 2; nil means 2
	MaxAge    *int32    `json:"maxAge,omitempty"`    // seconds, 60 to 21600; nil means 21600
	OnSuccess string    `json:"onSuccess,omitempty"` // ARN of the destination
	OnFailure string    `json:"onFailure,omitempty"`
	Modified  time.Time `json:"modified"`
}

// newRevision makes an id for RevisionId and Generation.
func newRevision() string { return uuid.NewString() }

// digest tells code and configuration apart from any other.
func (v *versionRecord) digest() string {
	raw, err := json.Marshal(struct {
		Code   codeRecord
		Config configuration
	}{v.Code, v.Config}) // maps are written in the order of their keys
	if err != nil {
		return newRevision() // cannot be; it would only publish once too often
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// clone gives a configuration that shares nothing changeable with c.
func (c configuration) clone() configuration {
	c.Architectures = slices.Clone(c.Architectures)
	c.Layers = slices.Clone(c.Layers)
	if c.Environment != nil {
		c.Environment = &environment{maps.Clone(c.Environment.Variables)}
	}
	return c
}

// put adds a record to a batch; all records can be marshalled.
func put(b *store.Batch, bucket, key string, record any) error {
	raw, err := json.Marshal(record)
	if err != nil {
		return err
	}
	b.Put(bucket, key, raw)
	return nil
}
