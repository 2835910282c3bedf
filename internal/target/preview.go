package target

import (
	"context"
	"errors"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

// preview points an alias that has no live traffic at a version, wherever it was. Repeated, it does nothing more.
func (t *Target) preview(ctx context.Context, ref release.Ref, version string) error {
	want := release.AliasRouting{Ref: ref, Routing: alias.Routing{Primary: version}}
	for attempt := 0; ; attempt++ {
		now, err := t.GetRouting(ctx, ref)
		switch {
		case errors.Is(err, release.ErrNoAlias):
		case err != nil:
			return err
		case alike(now.Routing, want.Routing):
			return nil
		}
		want.Revision = now.Revision
		_, err = t.SetRouting(ctx, want)
		if err == nil || !errors.Is(err, release.ErrConflict) || attempt+1 == publishAttempts {
			return err
		}
		if err := pause(ctx, time.Duration(attempt+1)*50*time.Millisecond); err != nil {
			return err
		}
	}
}
