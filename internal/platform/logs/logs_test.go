package logs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/platform/logs"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// service opens the service on a store.
func service(t interface {
	Helper()
	Fatal(...any)
}, db store.Store, maxBytes int64,
) *logs.Service {
	t.Helper()
	s, err := logs.New(logs.Config{Store: db, MaxBytes: maxBytes})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// client is the SDK's client of a service behind the wire.
func client(t *testing.T, s *logs.Service) *cloudwatchlogs.Client {
	t.Helper()
	mux, err := awsproto.NewMux(awsproto.Config{}, s.API())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return cloudwatchlogs.New(cloudwatchlogs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), Credentials: credentials.NewStaticCredentialsProvider("x", "x", ""),
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks an error's code and the beginning of its message.
func refused(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.HasPrefix(api.ErrorMessage(), message) {
		t.Errorf("got %v, want %s: %s", err, code, message)
	}
}

func TestGroupsAndStreams(t *testing.T) {
	s := service(t, memory.New(), 0)
	defer s.Close()
	c, ctx := client(t, s), t.Context()
	for _, name := range []string{"/aws/lambda/b", "/aws/lambda/a", "other"} {
		_, err := c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name, Tags: map[string]string{"k": name}})
		must(t, err)
	}
	_, err := c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("other")})
	refused(t, err, "ResourceAlreadyExistsException", "The specified log group already exists")
	_, err = c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("a b")})
	refused(t, err, "InvalidParameterException", "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern")
	_, err = c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("k"), KmsKeyId: aws.String("key")})
	refused(t, err, "InvalidParameterException", "kmsKeyId is not supported")

	var names []string
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(c, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/aws/"), Limit: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		must(t, err)
		for _, g := range page.LogGroups {
			names = append(names, *g.LogGroupName)
			if want := "arn:aws:logs:us-east-1:000000000000:log-group:" + *g.LogGroupName; *g.LogGroupArn != want || *g.Arn != want+":*" {
				t.Errorf("ARNs %s and %s", *g.LogGroupArn, *g.Arn)
			}
		}
	}
	if !slices.Equal(names, []string{"/aws/lambda/a", "/aws/lambda/b"}) {
		t.Errorf("groups %v", names)
	}

	group := aws.String("/aws/lambda/a")
	_, err = c.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(2)})
	refused(t, err, "InvalidParameterException", "1 validation error detected: Value '2' at 'retentionInDays'")
	_, err = c.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(3)})
	must(t, err)
	arn := aws.String("arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/a")
	_, err = c.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"l": "m"}})
	must(t, err)
	_, err = c.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"k"}})
	must(t, err)
	tags, err := c.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: arn})
	must(t, err)
	if len(tags.Tags) != 1 || tags.Tags["l"] != "m" {
		t.Errorf("tags %v", tags.Tags)
	}

	for _, name := range []string{"x", "y"} {
		_, err = c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: &name})
		must(t, err)
	}
	_, err = c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: aws.String("x")})
	refused(t, err, "ResourceAlreadyExistsException", "The specified log stream already exists")
	_, err = c.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, OrderBy: types.OrderByLastEventTime, LogStreamNamePrefix: aws.String("x")})
	refused(t, err, "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
	streams, err := c.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupIdentifier: arn, Descending: aws.Bool(true)})
	must(t, err)
	if len(streams.LogStreams) != 2 || *streams.LogStreams[0].LogStreamName != "y" || streams.LogStreams[0].LastEventTimestamp != nil {
		t.Errorf("streams %+v", streams.LogStreams)
	}
	_, err = c.DeleteLogStream(ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: group, LogStreamName: aws.String("x")})
	must(t, err)
	_, err = c.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: aws.String("x")})
	refused(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
	_, err = c.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group})
	must(t, err)
	_, err = c.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group})
	refused(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
}

func TestPutLogEvents(t *testing.T) {
	s := service(t, memory.New(), 0)
	defer s.Close()
	c, ctx := client(t, s), t.Context()
	g, st := aws.String("g"), aws.String("s")
	_, err := c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: g})
	must(t, err)
	put := func(events ...types.InputLogEvent) (*cloudwatchlogs.PutLogEventsOutput, error) {
		return c.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: g, LogStreamName: st, LogEvents: append([]types.InputLogEvent{}, events...)})
	}
	now := time.Now()
	at := func(d time.Duration) types.InputLogEvent {
		return types.InputLogEvent{Timestamp: aws.Int64(now.Add(d).UnixMilli()), Message: aws.String(d.String())}
	}
	_, err = put(at(0))
	refused(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
	_, err = c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: g, LogStreamName: st})
	must(t, err)
	_, err = put()
	refused(t, err, "InvalidParameterException", "1 validation error detected: Value '[]' at 'logEvents'")
	_, err = put(at(0), at(-time.Second))
	refused(t, err, "InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.")
	_, err = put(at(-25*time.Hour), at(0))
	refused(t, err, "InvalidParameterException", "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	large := types.InputLogEvent{Timestamp: aws.Int64(now.UnixMilli()), Message: aws.String(strings.Repeat("x", 600<<10))}
	_, err = put(large, large)
	refused(t, err, "InvalidParameterException", "Upload too large")

	out, err := put(at(-time.Minute), at(0), at(3*time.Hour), at(4*time.Hour))
	must(t, err)
	if r := out.RejectedLogEventsInfo; r == nil || aws.ToInt32(r.TooNewLogEventStartIndex) != 2 || r.TooOldLogEventEndIndex != nil {
		t.Errorf("rejected %+v", r)
	}
	got, err := c.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: g, LogStreamName: st})
	must(t, err)
	if len(got.Events) != 2 || *got.Events[0].Message != "-1m0s" || *got.Events[1].Message != "0s" {
		t.Errorf("events %+v", got.Events)
	}
}

// messages are those of a page.
func messages(events []types.OutputLogEvent) (out []string) {
	for _, e := range events {
		out = append(out, *e.Message)
	}
	return out
}

// GetLogEvents pages from the newest back to the oldest, and from any place forward to what came since.
func TestPages(t *testing.T) {
	s := service(t, memory.New(), 0)
	defer s.Close()
	ctx := t.Context()
	began := time.Now()
	for i := range 25 {
		appendOne(s, "g", "s", began.Add(time.Duration(i)*time.Millisecond), fmt.Sprint(i))
	}
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), Limit: aws.Int32(10)}
	get := func(token *string) *cloudwatchlogs.GetLogEventsOutput {
		t.Helper()
		in.NextToken = token
		out, err := s.GetLogEvents(ctx, in)
		must(t, err)
		return out
	}
	last := get(nil)
	if got := messages(last.Events); len(got) != 10 || got[0] != "15" || got[9] != "24" {
		t.Fatalf("the last page: %v", got)
	}
	middle := get(last.NextBackwardToken)
	if got := messages(middle.Events); len(got) != 10 || got[0] != "5" {
		t.Errorf("the page before: %v", got)
	}
	first := get(middle.NextBackwardToken)
	if got := messages(first.Events); len(got) != 5 || got[0] != "0" {
		t.Errorf("the first page: %v", got)
	}
	if end := get(first.NextBackwardToken); len(end.Events) > 0 || *end.NextBackwardToken != *first.NextBackwardToken {
		t.Errorf("before the first page: %v", messages(end.Events))
	}
	if again := get(first.NextForwardToken); !slices.Equal(messages(again.Events), messages(middle.Events)) {
		t.Errorf("forward again: %v", messages(again.Events))
	}
	end := get(last.NextForwardToken)
	if len(end.Events) > 0 || *end.NextForwardToken != *last.NextForwardToken {
		t.Errorf("behind the last page: %v", messages(end.Events))
	}
	appendOne(s, "g", "s", began.Add(time.Second), "new")
	if more := get(end.NextForwardToken); !slices.Equal(messages(more.Events), []string{"new"}) {
		t.Errorf("what came since: %v", messages(more.Events))
	}
	in.NextToken = aws.String("no token")
	_, err := s.GetLogEvents(ctx, in)
	refused(t, err, "InvalidParameterException", "The specified nextToken is invalid.")
}

// Whatever is appended to whatever streams, FilterLogEvents gives it all, once, in the order of time, in pages of any
// length, in both directions, with and without a pattern, also after a restart.
func TestFilterProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db := memory.New()
		s := service(t, db, 0)
		ctx := context.Background()
		began := time.Now().Add(-time.Hour).UnixMilli()
		type line struct {
			at      int64
			message string
		}
		var want []line
		n := rapid.IntRange(0, 400).Draw(t, "events")
		for i := range n {
			at := began + rapid.Int64Range(0, 200).Draw(t, "at")
			m := fmt.Sprintf("%d %s", i, strings.Repeat("x", rapid.IntRange(0, 3000).Draw(t, "size")))
			if rapid.IntRange(0, 3).Draw(t, "wanted") == 0 {
				m += " wanted"
			}
			appendOne(s, "g", fmt.Sprint("s", rapid.IntRange(0, 4).Draw(t, "stream")), time.UnixMilli(at), m)
			want = append(want, line{at, m})
			if rapid.IntRange(0, 40).Draw(t, "read") == 0 { // which writes what is collected
				if _, err := s.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g")}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n == 0 {
			return
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = service(t, db, 0)
		defer s.Close()
		from, to := began+rapid.Int64Range(0, 200).Draw(t, "from"), began+rapid.Int64Range(0, 200).Draw(t, "to")
		in := &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: aws.String("g"), StartTime: &from, EndTime: &to, Limit: aws.Int32(rapid.Int32Range(1, 100).Draw(t, "limit")),
			StartFromHead: aws.Bool(rapid.Bool().Draw(t, "head")),
		}
		filtered := rapid.Bool().Draw(t, "filtered")
		if filtered {
			in.FilterPattern = aws.String("wanted")
		}
		want = slices.DeleteFunc(want, func(l line) bool {
			return l.at < from || l.at > to || filtered && !strings.HasSuffix(l.message, "wanted")
		})
		seen, ids := map[string]bool{}, map[string]bool{}
		last := int64(-1)
		for {
			out, err := s.FilterLogEvents(ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range out.Events {
				at := *e.Timestamp
				if !*in.StartFromHead {
					at = -at
				}
				if last != -1 && at < last {
					t.Fatalf("%d comes after %d", at, last)
				}
				last = at
				if seen[*e.Message] || ids[*e.EventId] {
					t.Fatalf("twice: %s", *e.Message)
				}
				seen[*e.Message], ids[*e.EventId] = true, true
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if len(seen) != len(want) {
			t.Fatalf("%d events of %d", len(seen), len(want))
		}
		for _, l := range want {
			if !seen[l.message] {
				t.Fatalf("lost: %s", l.message)
			}
		}
	})
}

// What PutLogEvents has acknowledged is there when the process is gone without a Close.
func TestAcknowledgedSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "teal.db")
	db, err := sqlite.Open(path)
	must(t, err)
	s := service(t, db, 0)
	ctx := t.Context()
	for _, name := range []string{"a", "b"} {
		_, err := s.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name})
		must(t, err)
		_, err = s.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &name, LogStreamName: aws.String("s")})
		must(t, err)
		for i := range 3 {
			_, err = s.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &name, LogStreamName: aws.String("s"), LogEvents: []types.InputLogEvent{
				{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String(fmt.Sprint(i))},
			}})
			must(t, err)
		}
	}
	must(t, db.Close()) // the service is not closed: nothing more is written
	db, err = sqlite.Open(path)
	must(t, err)
	defer db.Close()
	again := service(t, db, 0)
	defer again.Close()
	for _, name := range []string{"a", "b"} {
		out, err := again.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: &name, LogStreamName: aws.String("s")})
		must(t, err)
		if got := messages(out.Events); !slices.Equal(got, []string{"0", "1", "2"}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	_ = s.Close() // its store is closed
}

// Retention takes what is too old, the bound on all events takes the oldest; a stream without events goes with them.
func TestPruning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memory.New()
		s := service(t, db, 0)
		ctx := t.Context()
		appendOne(s, "short", "old", time.Now(), "old")
		appendOne(s, "long", "old", time.Now(), "old")
		_, err := s.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("short")})
		must(t, err)
		_, err = s.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: aws.String("short"), RetentionInDays: aws.Int32(1)})
		must(t, err)
		time.Sleep(25*time.Hour + time.Minute)
		appendOne(s, "short", "new", time.Now(), "new")
		time.Sleep(time.Hour)
		synctest.Wait()
		for group, want := range map[string]int{"short": 1, "long": 1} {
			streams, err := s.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &group})
			must(t, err)
			out, err := s.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group})
			must(t, err)
			if len(streams.LogStreams) != want || len(out.Events) != want {
				t.Errorf("%s has %d streams and %d events", group, len(streams.LogStreams), len(out.Events))
			}
		}
		must(t, s.Close())

		s = service(t, db, 100<<10)
		defer s.Close()
		for i := range 300 {
			appendOne(s, "many", "s", time.Now(), fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000)))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		out, err := s.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
		must(t, err)
		total := int64(0)
		for _, g := range out.LogGroups {
			total += *g.StoredBytes
		}
		if total > 100<<10 || total < 40<<10 {
			t.Errorf("%d bytes are kept", total)
		}
		events, err := s.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("many"), LogStreamName: aws.String("s")})
		must(t, err)
		if got := messages(events.Events); len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "299 ") {
			t.Errorf("the newest event is not there: %d events", len(got))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "teal.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	s := service(b, db, 0)
	defer s.Close()
	line, at := strings.Repeat("x", 120), time.Now()
	for b.Loop() {
		appendOne(s, "g", "s", at, line)
	}
}

func appendOne(s *logs.Service, group, stream string, at time.Time, message string) {
	s.Append(group, stream, func(yield func(time.Time, string) bool) { yield(at, message) })
}
