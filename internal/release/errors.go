package release

import (
	"errors"
	"fmt"
)

// ErrNoAlias says that the alias, or the function or state machine that it belongs to, does not exist.
var ErrNoAlias = errors.New("the alias does not exist")

// ErrConflict says that a routing was not written because the alias no longer is as the writer expected it: it has another
// revision, it exists already, or it is gone. Nothing was changed.
var ErrConflict = errors.New("the alias was changed by someone else")

// ErrUnsupported says that the endpoint does not have an operation: nothing was done, and repeating is useless.
var ErrUnsupported = errors.New("the endpoint does not support the operation")

// ErrRefused says that nothing was done and that repeating is useless: something must be put right first.
var ErrRefused = errors.New("refused")

// ConflictError is an ErrConflict with what was found in the alias's place. Found has an empty Revision when the alias is gone.
type ConflictError struct {
	Want  AliasRouting // what was to be written; Revision is the one that was expected
	Found AliasRouting
}

func (e *ConflictError) Error() string {
	if e.Found.Revision == "" {
		return fmt.Sprintf("%s: %v: it is gone; read what is there before you move it again", e.Want.Ref, ErrConflict)
	}
	return fmt.Sprintf("%s: %v: it routes to %s, and was to route to %s; read what is there before you move it again",
		e.Want.Ref, ErrConflict, e.Found.Routing, e.Want.Routing)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }
