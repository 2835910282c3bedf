package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
)

// errChanged says that an object is not as the condition of a write says.
var errChanged = errors.New("the object was changed by someone else")

// maxObject bounds what is read of one object: a snapshot of a large rollout has some 100 kB.
const maxObject = 64 << 20

// parallelReads is how many objects are read at once.
const parallelReads = 16

// object is what is known of one that was read.
type object struct {
	etag     string
	modified time.Time // by S3's clock, to the second
	served   time.Time // when S3 answered, by its clock
}

func (s *S3Ledger) key(parts ...string) string { return s.prefix + strings.Join(parts, "/") }

func (s *S3Ledger) get(ctx context.Context, key string, into any) (object, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		if codeOf(err) == "NoSuchKey" {
			return object{}, fmt.Errorf("%s: %w", key, ErrNotFound)
		}
		return object{}, s.explain("read "+key, err)
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(out.Body, maxObject))
	if err != nil {
		return object{}, s.explain("read "+key, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return object{}, fmt.Errorf("ledger: s3://%s/%s is damaged: %w; restore an older version of the object, if the bucket keeps them", s.bucket, key, err)
	}
	o := object{etag: aws.ToString(out.ETag), modified: aws.ToTime(out.LastModified)}
	o.served, _ = middleware.GetServerTime(out.ResultMetadata)
	return o, nil
}

// put creates an object that is not there yet (etag empty), or replaces it if it still has the ETag. It fails with
// errChanged, having changed nothing, when the condition does not hold; that may be because the SDK repeated a request
// that had been carried out.
func (s *S3Ledger) put(ctx context.Context, key string, v any, etag string) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	in := &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(raw), ContentType: aws.String("application/json")}
	if etag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &etag
	}
	if _, err = s.client.PutObject(ctx, in); err == nil {
		return nil
	}
	switch codeOf(err) {
	case "PreconditionFailed", "ConditionalRequestConflict":
		return errChanged
	case "NoSuchKey":
		if etag != "" {
			return errChanged
		}
	}
	return s.explain("write "+key, err)
}

// sealed is a record that is replaced. Its fence is that of whoever wrote or sealed it last, so that its ETag differs for
// every holder even where the record is the same.
type sealed struct {
	Fence int64           `json:"fence"`
	Value json.RawMessage `json:"value,omitempty"` // absent: sealed before there was a record
}

func (s *S3Ledger) getSealed(ctx context.Context, key string, into any) error {
	var w sealed
	if _, err := s.get(ctx, key, &w); err != nil {
		return err
	}
	if len(w.Value) == 0 {
		return fmt.Errorf("%s: %w", key, ErrNotFound)
	}
	if err := json.Unmarshal(w.Value, into); err != nil {
		return fmt.Errorf("ledger: s3://%s/%s is damaged: %w", s.bucket, key, err)
	}
	return nil
}

func (s *S3Ledger) replaceBy(ctx context.Context, l Lock, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return s.replace(ctx, l, key, func(json.RawMessage) (json.RawMessage, error) { return raw, nil })
}

// replace changes a record under the lock. The object is read before the lock is, so that a holder who takes over after
// that, and seals, makes the write fail.
func (s *S3Ledger) replace(ctx context.Context, l Lock, key string, change func(json.RawMessage) (json.RawMessage, error)) error {
	for range attempts {
		var old sealed
		o, err := s.get(ctx, key, &old)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if old.Fence > l.Fence {
			return fencedOff(l)
		}
		if err := s.holds(ctx, l); err != nil {
			return err
		}
		value, err := change(old.Value)
		if err != nil {
			return err
		}
		if err := s.put(ctx, key, sealed{Fence: l.Fence, Value: value}, o.etag); !errors.Is(err, errChanged) {
			return err
		}
	}
	return fmt.Errorf("ledger: %s changes all the time: try again", key)
}

// list gives the names directly below a prefix, in order; with folders also those of folders. after is the name to begin
// behind.
func (s *S3Ledger) list(ctx context.Context, prefix, after string, folders bool) ([]string, error) {
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, Delimiter: aws.String("/")}
	if after != "" {
		in.StartAfter = aws.String(prefix + after)
	}
	var found []string
	pages := s3.NewListObjectsV2Paginator(s.client, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.explain("list "+prefix, err)
		}
		for _, o := range page.Contents {
			found = append(found, strings.TrimPrefix(aws.ToString(o.Key), prefix))
		}
		for _, p := range page.CommonPrefixes {
			if folders {
				found = append(found, strings.TrimSuffix(strings.TrimPrefix(aws.ToString(p.Prefix), prefix), "/"))
			}
		}
	}
	return found, nil
}

// parallel calls f for 0 to n-1, some at once, until one fails.
func parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

// prove finds out, once, that the endpoint keeps the conditions of writes: one that ignores them would give a lock to two.
func (s *S3Ledger) prove(ctx context.Context) error {
	s.mu.Lock()
	proven := s.proven
	s.mu.Unlock()
	if proven {
		return nil
	}
	key := s.key("conditional-writes.json")
	for range 2 { // the first may create it
		err := s.put(ctx, key, "this object must not be written twice", "")
		if errors.Is(err, errChanged) {
			s.mu.Lock()
			s.proven = true
			s.mu.Unlock()
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("ledger: the endpoint of s3://%s does not keep conditions of writes (If-None-Match), so it cannot hold a lock: use S3 itself, or a folder", s.bucket)
}

// codeOf gives the error code of S3, or "".
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// explain says what to do about an error of S3.
func (s *S3Ledger) explain(doing string, err error) error {
	status := 0
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		status = answer.HTTPStatusCode()
	}
	say := func(next string) error {
		return fmt.Errorf("ledger: %s in bucket %s: %s: %w", doing, s.bucket, next, err)
	}
	switch code := codeOf(err); {
	case code == "NoSuchBucket":
		return say(fmt.Sprintf("there is no such bucket; make it with: aws s3api create-bucket --bucket %s, and turn its versioning on", s.bucket))
	case code == "AccessDenied" || status == http.StatusForbidden:
		return say(fmt.Sprintf("access denied; allow s3:GetObject and s3:PutObject on arn:aws:s3:::%s/%s* and s3:ListBucket on arn:aws:s3:::%s (without it, what is missing looks forbidden)", s.bucket, s.prefix, s.bucket))
	case code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed" || status == http.StatusMovedPermanently:
		return say("the bucket is in another region; name that with --region or AWS_REGION")
	case code == "NotImplemented" || status == http.StatusNotImplemented:
		return say("the endpoint cannot do that; use S3 itself, or a folder")
	}
	return fmt.Errorf("ledger: %s in bucket %s: %w", doing, s.bucket, err)
}
