package controller

import (
	"context"
	"encoding/json"

	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

// Target is where a release goes. All methods may be called from several goroutines at once, but never twice at once for
// the same function, workflow, alias or record sets. An error leaves open whether the call had an effect, unless it is
// release.ErrConflict or a client fault of the AWS SDK.
type Target interface {
	// PublishFunction makes the function as f says, creating it when there is none, and returns the version that has that
	// code and configuration once it is ready to be invoked: a new one, or one that exists. Repeated, it makes no second one.
	PublishFunction(ctx context.Context, f release.Function) (release.FunctionVersion, error)
	// PublishWorkflow does the same for a state machine; pinned is its definition with every function at its exact version.
	PublishWorkflow(ctx context.Context, w release.Workflow, pinned json.RawMessage) (release.StateMachineVersion, error)
	// GetRouting reads an alias, or record sets. It fails with release.ErrNoAlias when there is none, and with
	// release.ErrRefused when record sets are not two with weights.
	GetRouting(ctx context.Context, ref release.Ref) (release.AliasRouting, error)
	// SetRouting writes want.Routing if the alias still has want.Revision, and returns what it is then; an empty Revision
	// creates the alias. It fails with release.ErrConflict, having changed nothing, when the alias is not as expected.
	SetRouting(ctx context.Context, want release.AliasRouting) (release.AliasRouting, error)
	// AwaitChange waits until all of Route 53 has a change that SetRouting made. It fails when ctx ends before.
	AwaitChange(ctx context.Context, change string) error
	// InvokeVersion calls an exact version of a function and waits for its answer. functionError is AWS's, such as
	// Unhandled, and result then its error document.
	InvokeVersion(ctx context.Context, functionARN string, payload []byte) (result []byte, functionError string, err error)
}

// Health says what is seen of blue and green. Judging is not its business, but for findings of its own.
type Health interface {
	// Observe looks at every subject of the check. Aliases of which nothing is known may be left out of the observation.
	Observe(ctx context.Context, check rollout.Check) (rollout.Observation, error)
}

// Hooks runs the tests of a rollout. An error means that the hook could not be called; whatever the hook answers, also
// that it broke or took too long, is a result.
type Hooks interface {
	Run(ctx context.Context, hook rollout.RunHook) (rollout.HookResult, error)
}

// Ledger is the durable record.
type Ledger = ledger.Ledger
