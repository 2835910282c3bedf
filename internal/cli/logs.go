package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/spf13/cobra"
)

const (
	logsPoll = time.Second     // between two looks for new events
	logsLate = 5 * time.Second // how much later than others an event may come and still be shown
)

func (a *app) logsCommand() *cobra.Command {
	var follow bool
	var since time.Duration
	var pattern string
	c := &cobra.Command{
		Use:   "logs FUNCTION[:VERSION|:ALIAS]",
		Short: "Show what a function has logged, and which version did",
		Long: `Show what a function has logged, in the order of time, each line with the version that wrote it. With an alias, the
versions that it points at now are shown: during a rollout blue's and green's side by side.

With --output json the events are one list; with --follow each is a document on a line of its own.`,
		Example: `  teal logs orders-hello --since 1h
  teal logs orders-hello:live --follow
  teal logs orders-hello:7 --filter '?ERROR ?Exception'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if since <= 0 {
				return usage("--since %s is no time ago; write it as 10m or 2h", since)
			}
			cfg, err := a.configFromManifestIfAny(c.Context())
			if err != nil {
				return err
			}
			if err := a.reachable(c.Context(), cfg); err != nil {
				return err
			}
			t, err := newTail(c.Context(), cfg, args[0])
			if err != nil {
				return a.connection(cfg, err)
			}
			t.from, t.pattern = time.Now().Add(-since), pattern
			if follow {
				return a.follow(c.Context(), t)
			}
			events, err := t.next(c.Context())
			if err != nil {
				return a.connection(cfg, err)
			}
			if a.json() {
				return a.printJSON(events)
			}
			for _, e := range events {
				a.printEvent(e)
			}
			if len(events) == 0 {
				a.progress("%s has logged nothing in the last %s", args[0], since)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&follow, "follow", false, "go on with what is logged from now on, until Ctrl-C")
	c.Flags().DurationVar(&since, "since", 10*time.Minute, "how far to go back")
	c.Flags().StringVar(&pattern, "filter", "", "show what this filter pattern of CloudWatch Logs matches")
	return c
}

// follow shows events as they come, until ctx ends.
func (a *app) follow(ctx context.Context, t *tail) error {
	for {
		events, err := t.next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was asked to end
		case err != nil:
			return err
		}
		for _, e := range events {
			if !a.json() {
				a.printEvent(e)
				continue
			}
			line, err := json.Marshal(e)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.Out, "%s\n", line)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(logsPoll):
		}
	}
}

// logEvent is one event as it is printed.
type logEvent struct {
	Time    time.Time `json:"time"`
	Version string    `json:"version,omitempty"`
	Stream  string    `json:"stream"`
	Message string    `json:"message"`
}

func (a *app) printEvent(e logEvent) {
	fmt.Fprintf(a.Out, "%s [%s] %s\n", e.Time.Format("15:04:05.000"), e.Version, strings.TrimRight(e.Message, "\n"))
}

// tail reads a function's log group again and again.
type tail struct {
	logs     *cloudwatchlogs.Client
	group    string
	versions []string // nil for all
	pattern  string
	from     time.Time            // of what is asked for next
	seen     map[string]time.Time // events since from that have been given already, by id
}

// newTail finds a function's log group, and the versions that name speaks of.
func newTail(ctx context.Context, cfg aws.Config, name string) (*tail, error) {
	client := lambda.NewFromConfig(cfg)
	function, qualifier := name, ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 && (!strings.HasPrefix(name, "arn:") || strings.Count(name, ":") == 7) {
		function, qualifier = name[:i], name[i+1:]
	}
	in := &lambda.GetFunctionConfigurationInput{FunctionName: &function}
	if qualifier != "" {
		in.Qualifier = &qualifier
	}
	f, err := client.GetFunctionConfiguration(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", name, err)
	}
	t := &tail{logs: cloudwatchlogs.NewFromConfig(cfg), group: "/aws/lambda/" + aws.ToString(f.FunctionName), seen: map[string]time.Time{}}
	if f.LoggingConfig != nil && aws.ToString(f.LoggingConfig.LogGroup) != "" {
		t.group = *f.LoggingConfig.LogGroup
	}
	if qualifier == "" {
		return t, nil
	}
	t.versions = []string{aws.ToString(f.Version)}
	if qualifier == t.versions[0] {
		return t, nil
	}
	alias, err := client.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: &function, Name: &qualifier})
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", name, err)
	}
	if alias.RoutingConfig != nil {
		for v := range alias.RoutingConfig.AdditionalVersionWeights {
			t.versions = append(t.versions, v)
		}
	}
	return t, nil
}

// next gives the events that were not given yet, in the order of time. A group that is not there yet has none.
func (t *tail) next(ctx context.Context) ([]logEvent, error) {
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &t.group, StartTime: aws.Int64(t.from.UnixMilli())}
	if t.pattern != "" {
		in.FilterPattern = &t.pattern
	}
	events := []logEvent{}
	newest := t.from
	for pages := cloudwatchlogs.NewFilterLogEventsPaginator(t.logs, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		var none *logstypes.ResourceNotFoundException
		if errors.As(err, &none) {
			return events, nil
		}
		if err != nil {
			return nil, fmt.Errorf("log group %s: %w", t.group, err)
		}
		for _, e := range page.Events {
			at := time.UnixMilli(aws.ToInt64(e.Timestamp))
			if _, again := t.seen[aws.ToString(e.EventId)]; again {
				continue
			}
			t.seen[aws.ToString(e.EventId)] = at
			if at.After(newest) {
				newest = at
			}
			version := loggedBy(aws.ToString(e.LogStreamName))
			if t.versions != nil && !slices.Contains(t.versions, version) {
				continue
			}
			events = append(events, logEvent{at, version, aws.ToString(e.LogStreamName), aws.ToString(e.Message)})
		}
	}
	if late := newest.Add(-logsLate); late.After(t.from) {
		t.from = late
	}
	for id, at := range t.seen {
		if at.Before(t.from) {
			delete(t.seen, id)
		}
	}
	return events, nil
}

// loggedBy takes the version out of a stream's name: 2026/11/21/[7]0123456789abcdef.
func loggedBy(stream string) string {
	_, rest, _ := strings.Cut(stream, "[")
	version, _, ok := strings.Cut(rest, "]")
	if !ok {
		return ""
	}
	return version
}
