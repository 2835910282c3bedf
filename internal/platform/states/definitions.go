package states

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/asl"
	"github.com/tealdeploy/teal/internal/store"
)

// maxParsed bounds the parsed definitions that are kept for the next execution. Executions keep their own beside that.
const maxParsed = 1024

// definitions checks definitions, and keeps them parsed by the digest of their text.
type definitions struct {
	store  store.Store
	served func(service, action string) bool

	mu   sync.RWMutex
	kept map[string]*asl.StateMachine

	// naming is held while a change that may name a definition is committed and shown; sweep holds it alone.
	naming sync.RWMutex
	unused map[string]bool // by the last sweep; its goroutine's only
}

// check parses a definition and returns its digest, or AWS's InvalidDefinition.
func (d *definitions) check(text string, kind types.StateMachineType) (digest string, err error) {
	m, found := d.diagnose(text, kind)
	if asl.HasErrors(found) {
		return "", &types.InvalidDefinition{Message: sentence("%s", asl.Summary(found))}
	}
	sum := sha256.Sum256([]byte(text))
	digest = hex.EncodeToString(sum[:])
	d.keep(digest, m)
	return digest, nil
}

// parsed returns the machine with this digest.
func (d *definitions) parsed(ctx context.Context, digest string) (*asl.StateMachine, error) {
	d.mu.RLock()
	m := d.kept[digest]
	d.mu.RUnlock()
	if m != nil {
		return m, nil
	}
	text, err := d.store.Get(ctx, bucketDefinitions, digest)
	if err != nil {
		return nil, failure("reading definition "+digest, err)
	}
	m, found := asl.Parse(text, asl.Options{Integration: d.served})
	if asl.HasErrors(found) { // it was accepted by a build that knew more, or less
		return nil, &types.InvalidDefinition{Message: sentence("%s", asl.Summary(found))}
	}
	d.keep(digest, m)
	return m, nil
}

func (d *definitions) keep(digest string, m *asl.StateMachine) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.kept) >= maxParsed {
		for k := range d.kept { // any one will do
			delete(d.kept, k)
			break
		}
	}
	d.kept[digest] = m
}

// diagnose parses a definition for a type of machine. What this platform does not serve is among the errors, by name.
func (d *definitions) diagnose(text string, kind types.StateMachineType) (*asl.StateMachine, []asl.Diagnostic) {
	return asl.Parse([]byte(text), asl.Options{Express: kind == types.StateMachineTypeExpress, Integration: d.served})
}
