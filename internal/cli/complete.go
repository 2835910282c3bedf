package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/release"
)

// completionTime bounds what a shell waits for when a person presses Tab.
const completionTime = 2 * time.Second

// complete makes a completion of what the manifest and the ledger know. What cannot be read completes to nothing.
func (a *app) complete(names func(ctx context.Context, s *session) []string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx := c.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, completionTime)
		defer cancel()
		s, err := a.open(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(ctx, s), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// releaseNames completes the numbers of releases.
func releaseNames(ctx context.Context, s *session) []string {
	all, err := releases(ctx, s.ledger, s.manifest.Spec.App)
	if err != nil {
		return nil
	}
	var names []string
	for i := len(all) - 1; i >= 0; i-- {
		names = append(names, fmt.Sprintf("%d\t%s %s", all[i].Number, all[i].ID, all[i].Commit))
	}
	return names
}

// functionNames completes the functions of the manifest, with their aliases.
func functionNames(_ context.Context, s *session) []string {
	return named(s, release.KindFunction)
}

// workflowNames completes the workflows of the manifest, with their aliases.
func workflowNames(_ context.Context, s *session) []string {
	return named(s, release.KindStateMachine)
}

func named(s *session, kind release.Kind) []string {
	var names []string
	for _, ref := range s.manifest.Spec.Refs() {
		if ref.Kind != kind {
			continue
		}
		names = append(names, shownAs(ref))
		if !slices.Contains(names, ref.Name) {
			names = append(names, ref.Name)
		}
	}
	return names
}
