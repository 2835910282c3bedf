package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tealdeploy/teal/internal/release"
)

func (a *app) renderCommand() *cobra.Command {
	var values bool
	c := &cobra.Command{
		Use:   "render [WORKFLOW]",
		Short: "Print what a deploy would send: functions, and definitions with every pin resolved",
		Long: `Print what a deploy would send, as JSON: every function with its configuration, and every workflow's definition with its
functions at their exact versions; "new" stands for the number of a version that is still to be published. With the name of a
workflow, print its definition alone. Values of environment variables are hidden unless --values is set.`,
		Example: `  teal render | jq .workflows
  teal render shop-order > order.pinned.asl.json`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: a.complete(func(_ context.Context, s *session) []string {
			var names []string
			for _, w := range s.manifest.Spec.Workflows {
				names = append(names, w.Name)
			}
			return names
		}),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.openReachable(c.Context())
			if err != nil {
				return err
			}
			spec, err := a.packaged(c.Context(), s.manifest)
			if err != nil {
				return err
			}
			observed, err := s.target.Observe(c.Context(), spec)
			if err != nil {
				return a.connection(s.cfg, err)
			}
			r, err := release.Render(spec, observed, values)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.printJSON(r)
			}
			for _, w := range r.Workflows {
				if w.Name == args[0] || w.Key == args[0] {
					if a.json() {
						return a.printJSON(w.Definition)
					}
					_, err := fmt.Fprintf(a.Out, "%s\n", w.Definition)
					return err
				}
			}
			return usage("%s has no workflow %s", spec.App, args[0])
		},
	}
	c.Flags().BoolVar(&values, "values", false, "show the values of environment variables")
	return c
}
