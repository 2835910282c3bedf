package ledger_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/ledger"
	"github.com/tealdeploy/teal/internal/ledger/ledgertest"
	"github.com/tealdeploy/teal/internal/platform/s3"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// bucket is an object store behind HTTP. hook, when set, is called with every request before it is served.
type bucket struct {
	url  string
	mu   sync.Mutex
	hook func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool
}

func newBucket(t *testing.T, names ...string) *bucket {
	t.Helper()
	records := memory.New()
	svc, err := s3.New(s3.Config{Store: records, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(svc.Close(), records.Close()) })
	mux, err := awsproto.NewMux(awsproto.Config{}, svc.API())
	if err != nil {
		t.Fatal(err)
	}
	b := &bucket{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		hook := b.hook
		b.mu.Unlock()
		if hook == nil || !hook(w, r, mux) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	for _, name := range names {
		if _, err := b.client().CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *bucket) client() *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: &b.url, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
		Retryer:     retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})
}

func (b *bucket) set(hook func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hook = hook
}

func (b *bucket) open(t *testing.T, place string, o ...ledger.S3Option) *ledger.S3Ledger {
	t.Helper()
	l, err := ledger.S3(b.client(), place, o...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestS3(t *testing.T) {
	ledgertest.Exercise(t, func(t *testing.T) ledgertest.World {
		b := newBucket(t, "books")
		now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		open := func() ledger.Ledger {
			return b.open(t, "s3://books/teams/ours", ledger.WithS3Clock(func() time.Time { return now }))
		}
		return ledgertest.World{Ledger: open(), Reopen: open, Silence: func() { now = now.Add(time.Hour) }}
	})
}

// A holder checks the lock and writes in two requests. One that is held up between the two, and displaced meanwhile, must not
// change anything any more: each kind of write is held up here right before it is served.
func TestALateWriteOfAFormerHolderIsRefused(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	writes := map[string]func(context.Context, ledger.Ledger, ledger.Lock) error{
		"/journal/": func(ctx context.Context, l ledger.Ledger, held ledger.Lock) error {
			return l.Append(ctx, held, ledger.Entry{Seq: 2, At: at})
		},
		"/rollout.json": func(ctx context.Context, l ledger.Ledger, held ledger.Lock) error {
			return l.PutRollout(ctx, held, ledger.Rollout{ID: "ro-1", App: "shop", Phase: "late", Started: at})
		},
		"/current.json": func(ctx context.Context, l ledger.Ledger, held ledger.Lock) error {
			return l.SetCurrent(ctx, held, ledger.Current{Release: "late"})
		},
		"/lock.json": func(ctx context.Context, l ledger.Ledger, held ledger.Lock) error { return l.Unlock(ctx, held) },
	}
	for path, write := range writes {
		for _, fresh := range []bool{true, false} { // whether there is a record already
			t.Run(strings.Trim(path, "/"), func(t *testing.T) {
				ctx := t.Context()
				b := newBucket(t, "books")
				now := at
				clock := ledger.WithS3Clock(func() time.Time { return now })
				former, heir := b.open(t, "s3://books", clock), b.open(t, "s3://books", clock)
				must := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				held, err := former.Lock(ctx, "shop", "ro-1", ledger.Owner{By: "ann"})
				must(err)
				must(former.Append(ctx, held, ledger.Entry{Seq: 1, At: at}))
				if !fresh {
					must(former.PutRollout(ctx, held, ledger.Rollout{ID: "ro-1", App: "shop", Phase: "shifting", Started: at}))
					must(former.SetCurrent(ctx, held, ledger.Current{Release: "re-1"}))
				}
				var taken ledger.Lock
				b.set(func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool {
					if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, path) {
						return false
					}
					b.set(nil)
					now = now.Add(time.Hour)
					var err error
					if taken, err = heir.Lock(context.WithoutCancel(ctx), "shop", "ro-1", ledger.Owner{By: "bob"}); err != nil {
						t.Error(err)
					}
					return false // and now the late write is served
				})
				if err := write(ctx, former, held); !errors.Is(err, ledger.ErrFenced) {
					t.Fatalf("the late write: %v", err)
				}
				entries, err := heir.Journal(ctx, "shop", "ro-1", 0)
				must(err)
				if len(entries) != 1 {
					t.Errorf("the journal has %d entries", len(entries))
				}
				if r, err := heir.Rollout(ctx, "shop", "ro-1"); err == nil && r.Phase == "late" || fresh && !errors.Is(err, ledger.ErrNotFound) {
					t.Errorf("the rollout is %+v, %v", r, err)
				}
				if c, err := heir.Current(ctx, "shop"); err == nil && c.Release == "late" || fresh && !errors.Is(err, ledger.ErrNotFound) {
					t.Errorf("current is %+v, %v", c, err)
				}
				must(heir.Append(ctx, taken, ledger.Entry{Seq: 2, At: at}))
				must(heir.PutRollout(ctx, taken, ledger.Rollout{ID: "ro-1", App: "shop", Phase: "shifting", Started: at}))
				must(heir.SetCurrent(ctx, taken, ledger.Current{Release: "re-1"}))
				must(heir.Unlock(ctx, taken))
			})
		}
	}
}

// The answer to every second write is lost after it was carried out, so that the SDK sends it again: that is no conflict.
func TestARepeatedRequestIsNoConflict(t *testing.T) {
	b := newBucket(t, "books")
	l := b.open(t, "s3://books/x")
	var mu sync.Mutex
	lost := map[string]int{}
	b.set(func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool {
		if r.Method != http.MethodPut || strings.HasSuffix(r.URL.Path, "conditional-writes.json") {
			return false
		}
		mu.Lock()
		lost[r.URL.Path]++
		n := lost[r.URL.Path]
		mu.Unlock()
		if n%2 == 0 {
			return false
		}
		serve.ServeHTTP(httptest.NewRecorder(), r)
		http.Error(w, "lost", http.StatusServiceUnavailable)
		return true
	})
	ctx := t.Context()
	held, err := l.Lock(ctx, "shop", "ro-1", ledger.Owner{By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"PutRollout": l.PutRollout(ctx, held, ledger.Rollout{ID: "ro-1", App: "shop", Started: time.Now()}),
		"Append":     errors.Join(l.Append(ctx, held, ledger.Entry{Seq: 1}), l.Append(ctx, held, ledger.Entry{Seq: 2})),
		"SetCurrent": l.SetCurrent(ctx, held, ledger.Current{Release: "re-1"}),
		"Renew":      l.Renew(ctx, held),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := l.Send(ctx, "shop", "ro-1", ledger.Command{Kind: "pause", At: time.Now()})
	if err != nil || c.Seq != 1 {
		t.Errorf("the wish has the number %d, %v", c.Seq, err)
	}
	entries, err := l.Journal(ctx, "shop", "ro-1", 0)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if err := l.Unlock(ctx, held); err != nil {
		t.Error(err)
	}
}

func TestAnEndpointThatIgnoresConditionsHoldsNoLock(t *testing.T) {
	b := newBucket(t, "books")
	b.set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		r.Header.Del("If-None-Match")
		return false
	})
	_, err := b.open(t, "s3://books").Lock(t.Context(), "shop", "ro-1", ledger.Owner{})
	if err == nil || !strings.Contains(err.Error(), "does not keep conditions") {
		t.Fatalf("got %v", err)
	}
}

func TestErrorsOfS3SayWhatToDo(t *testing.T) {
	b := newBucket(t)
	_, err := b.open(t, "s3://nobody").Lock(t.Context(), "shop", "ro-1", ledger.Owner{})
	if err == nil || !strings.Contains(err.Error(), "aws s3api create-bucket --bucket nobody") {
		t.Errorf("without a bucket: %v", err)
	}
	b.set(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`))
		return true
	})
	_, err = b.open(t, "s3://nobody/a").Current(t.Context(), "shop")
	if err == nil || !strings.Contains(err.Error(), "allow s3:GetObject and s3:PutObject on arn:aws:s3:::nobody/a/*") {
		t.Errorf("without permission: %v", err)
	}
	for _, place := range []string{"s3://", "s3://UPPER/x", "bucket", "s3://a"} {
		if _, err := ledger.S3(b.client(), place); err == nil {
			t.Errorf("%q was taken for a place", place)
		}
	}
}

// Without a clock of the test's, silence is the time since the last write by the clock of the store.
func TestSilenceIsMeasuredByTheStoresClock(t *testing.T) {
	b := newBucket(t, "books")
	l := b.open(t, "s3://books")
	if _, err := l.Lock(t.Context(), "shop", "ro-1", ledger.Owner{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	read := func(behind time.Duration) ledger.Lock {
		b.set(func(w http.ResponseWriter, r *http.Request, serve http.Handler) bool {
			w.Header().Set("Date", time.Now().Add(behind).UTC().Format(http.TimeFormat))
			return false
		})
		held, _, err := l.Holder(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	if held := read(0); l.Gone(held) {
		t.Error("a holder that has just written is gone")
	}
	if held := read(time.Minute); !l.Gone(held) {
		t.Error("a holder that is silent for a minute lives")
	}
}
