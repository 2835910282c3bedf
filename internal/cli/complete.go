package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
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
	var names []string
	for _, f := range s.manifest.Spec.Functions {
		names = append(names, f.Name+":"+f.Alias, f.Name)
	}
	return names
}

// workflowNames completes the workflows of the manifest, with their aliases.
func workflowNames(_ context.Context, s *session) []string {
	var names []string
	for _, w := range s.manifest.Spec.Workflows {
		names = append(names, w.Name+":"+w.Alias, w.Name)
	}
	return names
}
