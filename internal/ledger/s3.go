package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// S3Ledger keeps a ledger in an S3 bucket, below a prefix:
//
//	<app>/lock.json, current.json
//	<app>/releases/<id>.json
//	<app>/rollouts/<id>/rollout.json, journal/<n>.json, commands/<n>.json
//
// It needs S3's conditional writes (If-None-Match: * to create, If-Match with an ETag to replace) and its strong
// consistency, and nothing else. A record is checked and written by two requests, so whoever takes the lock from a holder
// that is gone first changes everything that this holder may replace: a write that it had sent before then fails with its
// condition, however late it arrives.
//
// Silence is measured by S3's clock, so the clocks of the machines do not have to agree.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
type S3Ledger struct {
	client *s3.Client
	bucket string
	prefix string           // ends in / unless empty
	now    func() time.Time // nil: silence is measured by S3's clock
	ttl    time.Duration

	mu     sync.Mutex
	logs   map[string]*slotLog // by folder; what is written once never changes
	proven bool                // the endpoint keeps conditions
}

var _ Ledger = (*S3Ledger)(nil)

// S3Option changes how an S3 ledger sees the world; it is for tests.
type S3Option func(*S3Ledger)

// WithS3Clock measures silence by a clock of the caller's.
func WithS3Clock(now func() time.Time) S3Option { return func(s *S3Ledger) { s.now = now } }

var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]+[a-z0-9]$`) // of 63 characters at most

// IsS3 reports whether the place of a ledger is one in S3, such as s3://bucket/prefix.
func IsS3(place string) bool { return strings.HasPrefix(place, "s3://") }

// S3 opens the ledger at a place such as s3://bucket/prefix. It makes no request.
func S3(client *s3.Client, place string, options ...S3Option) (*S3Ledger, error) {
	rest, ok := strings.CutPrefix(place, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || len(bucket) > 63 || !bucketForm.MatchString(bucket) {
		return nil, fmt.Errorf("ledger %q is no place in S3: write it as s3://bucket/prefix", place)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	s := &S3Ledger{client: client, bucket: bucket, prefix: prefix, ttl: SilentHolderIsGone, logs: map[string]*slotLog{}}
	for _, o := range options {
		o(s)
	}
	return s, nil
}

// Place is where the ledger is, as S3 takes it.
func (s *S3Ledger) Place() string { return "s3://" + s.bucket + "/" + s.prefix }

// s3Lock is lock.json. The token tells a write of ours whose answer was lost from one of someone else's.
type s3Lock struct {
	lockFile
	Token string `json:"token"`
}

// attempts bounds how often a write begins anew because something changed in between.
const attempts = 20

func (s *S3Ledger) time() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

// Lock implements Ledger.
func (s *S3Ledger) Lock(ctx context.Context, app, rollout string, o Owner) (Lock, error) {
	if err := names(app, rollout); err != nil {
		return Lock{}, err
	}
	if err := s.prove(ctx); err != nil {
		return Lock{}, err
	}
	for range attempts {
		held, etag, err := s.readLock(ctx, app)
		if err != nil {
			return Lock{}, err
		}
		left := "" // the rollout whose holder is displaced
		if held.Fence > 0 && !held.Free {
			gone := s.Gone(held.Lock)
			free := gone && held.Rollout == rollout
			if gone && !free {
				if free, err = s.finished(ctx, app, held.Rollout); err != nil {
					return Lock{}, err
				}
			}
			if !free {
				return Lock{}, &HeldError{Lock: held.Lock, Gone: gone}
			}
			left = held.Rollout
		}
		now := s.time()
		mine := s3Lock{Token: rand.Text()}
		mine.Lock = Lock{App: app, Rollout: rollout, Fence: held.Fence + 1, Owner: o, Since: now, Renewed: now}
		if err := s.writeLock(ctx, mine, etag); errors.Is(err, errChanged) {
			continue
		} else if err != nil {
			return Lock{}, err
		}
		if left != "" {
			if err := s.seal(ctx, mine.Lock, left); err != nil {
				return Lock{}, errors.Join(err, s.Park(context.WithoutCancel(ctx), mine.Lock))
			}
		}
		return mine.Lock, nil
	}
	return Lock{}, fmt.Errorf("ledger: the lock of %s changes hands all the time: try again", app)
}

// writeLock replaces the lock if it still has the ETag, which is empty for a lock that is not there yet.
func (s *S3Ledger) writeLock(ctx context.Context, l s3Lock, etag string) error {
	err := s.put(ctx, s.key(l.App, "lock.json"), l, etag)
	if !errors.Is(err, errChanged) {
		return err
	}
	now, _, readErr := s.readLock(ctx, l.App)
	if readErr != nil {
		return readErr
	}
	if now.Token == l.Token && now.Free == l.Free && now.Parked == l.Parked && now.Fence == l.Fence {
		return nil // the SDK repeated a request that had been carried out
	}
	return errChanged
}

// readLock gives the lock, zero when there is none yet, with Renewed by the caller's clock.
func (s *S3Ledger) readLock(ctx context.Context, app string) (s3Lock, string, error) {
	if err := names(app); err != nil {
		return s3Lock{}, "", err
	}
	var held s3Lock
	o, err := s.get(ctx, s.key(app, "lock.json"), &held)
	if errors.Is(err, ErrNotFound) {
		return s3Lock{}, "", nil
	}
	if err == nil && s.now == nil && !o.modified.IsZero() && !o.served.IsZero() {
		held.Renewed = time.Now().Add(-o.served.Sub(o.modified))
	}
	return held, o.etag, err
}

func (s *S3Ledger) finished(ctx context.Context, app, rollout string) (bool, error) {
	switch r, err := s.Rollout(ctx, app, rollout); {
	case errors.Is(err, ErrNotFound):
		return true, nil
	case err != nil:
		return false, err
	default:
		return !r.Ended.IsZero(), nil
	}
}

// seal changes everything that the holder before may still be about to replace.
func (s *S3Ledger) seal(ctx context.Context, l Lock, left string) error {
	for _, key := range []string{s.key(l.App, "current.json"), s.key(l.App, "rollouts", left, "rollout.json")} {
		if err := s.replace(ctx, l, key, func(old json.RawMessage) (json.RawMessage, error) { return old, nil }); err != nil {
			return err
		}
	}
	return s.sealLog(ctx, s.key(l.App, "rollouts", left, "journal"), l.Fence)
}

// Gone implements Ledger. Processes are not looked at: machines of one name are common where a ledger is shared.
func (s *S3Ledger) Gone(l Lock) bool { return l.Parked || s.time().Sub(l.Renewed) > s.ttl }

// changeLock changes the lock of its holder.
func (s *S3Ledger) changeLock(ctx context.Context, l Lock, change func(*s3Lock)) error {
	for range attempts {
		held, etag, err := s.readLock(ctx, l.App)
		if err != nil {
			return err
		}
		if held.Fence != l.Fence || held.Free {
			return fencedOff(l)
		}
		change(&held)
		if err := s.writeLock(ctx, held, etag); !errors.Is(err, errChanged) {
			return err
		}
	}
	return fmt.Errorf("ledger: the lock of %s changes all the time: try again", l.App)
}

func fencedOff(l Lock) error {
	return fmt.Errorf("lock %d of %s for rollout %s: %w", l.Fence, l.App, l.Rollout, ErrFenced)
}

// Renew implements Ledger.
func (s *S3Ledger) Renew(ctx context.Context, l Lock) error {
	return s.changeLock(ctx, l, func(held *s3Lock) { held.Renewed = s.time() })
}

// Park implements Ledger.
func (s *S3Ledger) Park(ctx context.Context, l Lock) error {
	return s.changeLock(ctx, l, func(held *s3Lock) { held.Parked = true })
}

// Unlock implements Ledger.
func (s *S3Ledger) Unlock(ctx context.Context, l Lock) error {
	held, _, err := s.readLock(ctx, l.App)
	if err != nil {
		return err
	}
	if held.Fence == l.Fence && held.Free {
		return nil
	}
	return s.changeLock(ctx, l, func(held *s3Lock) { held.Free = true })
}

// Holder implements Ledger.
func (s *S3Ledger) Holder(ctx context.Context, app string) (Lock, bool, error) {
	held, _, err := s.readLock(ctx, app)
	if err != nil || held.Fence == 0 || held.Free {
		return Lock{}, false, err
	}
	return held.Lock, true, nil
}

// holds fails with ErrFenced when the lock is no longer l's.
func (s *S3Ledger) holds(ctx context.Context, l Lock) error {
	held, _, err := s.readLock(ctx, l.App)
	if err != nil {
		return err
	}
	if held.Free || held.Fence != l.Fence {
		return fencedOff(l)
	}
	return nil
}

// PutRelease implements Ledger. A release is written once under a name of its own, so one that arrives late from a former
// holder is a record that nothing points to.
func (s *S3Ledger) PutRelease(ctx context.Context, l Lock, r Release) error {
	if err := names(r.ID); err != nil {
		return err
	}
	if err := s.holds(ctx, l); err != nil {
		return err
	}
	err := s.put(ctx, s.key(l.App, "releases", r.ID+".json"), r, "")
	if !errors.Is(err, errChanged) {
		return err
	}
	old, err := s.Release(ctx, l.App, r.ID)
	if err != nil {
		return err
	}
	a, errA := json.Marshal(old)
	b, errB := json.Marshal(r)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return fmt.Errorf("release %s: %w", r.ID, ErrConflict)
	}
	return nil
}

// Release implements Ledger.
func (s *S3Ledger) Release(ctx context.Context, app, id string) (Release, error) {
	var r Release
	if err := names(app, id); err != nil {
		return r, err
	}
	_, err := s.get(ctx, s.key(app, "releases", id+".json"), &r)
	return r, err
}

// Releases implements Ledger.
func (s *S3Ledger) Releases(ctx context.Context, app string) ([]Release, error) {
	return listS3(ctx, s, app, "releases", func(ctx context.Context, name string) (Release, error) {
		return s.Release(ctx, app, strings.TrimSuffix(name, ".json"))
	}, func(r Release) (time.Time, string) { return r.Created, r.ID })
}

// PutRollout implements Ledger.
func (s *S3Ledger) PutRollout(ctx context.Context, l Lock, r Rollout) error {
	if r.ID != l.Rollout {
		return fmt.Errorf("rollout %s: the lock is held for %s", r.ID, l.Rollout)
	}
	return s.replaceBy(ctx, l, s.key(l.App, "rollouts", r.ID, "rollout.json"), r)
}

// Rollout implements Ledger.
func (s *S3Ledger) Rollout(ctx context.Context, app, id string) (Rollout, error) {
	var r Rollout
	if err := names(app, id); err != nil {
		return r, err
	}
	return r, s.getSealed(ctx, s.key(app, "rollouts", id, "rollout.json"), &r)
}

// Rollouts implements Ledger.
func (s *S3Ledger) Rollouts(ctx context.Context, app string) ([]Rollout, error) {
	return listS3(ctx, s, app, "rollouts", func(ctx context.Context, name string) (Rollout, error) { return s.Rollout(ctx, app, name) },
		func(r Rollout) (time.Time, string) { return r.Started, r.ID })
}

// Current implements Ledger.
func (s *S3Ledger) Current(ctx context.Context, app string) (Current, error) {
	var c Current
	if err := names(app); err != nil {
		return c, err
	}
	return c, s.getSealed(ctx, s.key(app, "current.json"), &c)
}

// SetCurrent implements Ledger.
func (s *S3Ledger) SetCurrent(ctx context.Context, l Lock, c Current) error {
	return s.replaceBy(ctx, l, s.key(l.App, "current.json"), c)
}

// listS3 reads every record of a folder, newest first.
func listS3[T any](ctx context.Context, s *S3Ledger, app, folder string, read func(ctx context.Context, name string) (T, error), when func(T) (time.Time, string)) ([]T, error) {
	if err := names(app); err != nil {
		return nil, err
	}
	found, err := s.list(ctx, s.key(app, folder)+"/", "", true)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(n string) bool { return !isName(n) })
	all := make([]*T, len(found))
	if err := parallel(ctx, len(found), func(ctx context.Context, i int) error {
		one, err := read(ctx, found[i])
		if errors.Is(err, ErrNotFound) {
			return nil // a rollout whose record was not written yet
		}
		all[i] = &one
		return err
	}); err != nil {
		return nil, err
	}
	var out []T
	for _, one := range all {
		if one != nil {
			out = append(out, *one)
		}
	}
	newestFirst(out, when)
	return out, nil
}

// Versioning asks whether the bucket keeps old versions of its objects: Enabled, Suspended, or empty for never.
func (s *S3Ledger) Versioning(ctx context.Context) (string, error) {
	out, err := s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.bucket})
	if err != nil {
		return "", s.explain("ask for the versioning", err)
	}
	return string(out.Status), nil
}
