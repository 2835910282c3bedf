package s3

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// matches tells whether an If-Match or If-None-Match header names the ETag.
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == "*" || strings.Trim(part, `"`) == etag {
			return true
		}
	}
	return false
}

// readCondition holds the four conditional headers of GET, HEAD and a copy's source.
type readCondition struct {
	ifMatch, ifNoneMatch              *string
	ifModifiedSince, ifUnmodifedSince *time.Time
	copying                           bool // what would be 304 is 412
}

// check compares in the order of RFC 9110, section 13.2.2, as S3 does.
func (c readCondition) check(rec *objectRecord) error {
	switch {
	case c.ifMatch != nil:
		if !matches(*c.ifMatch, rec.ETag) {
			return preconditionFailed("If-Match")
		}
	case c.ifUnmodifedSince != nil && rec.Modified.After(*c.ifUnmodifedSince):
		return preconditionFailed("If-Unmodified-Since")
	}
	unchanged := ""
	switch {
	case c.ifNoneMatch != nil:
		if matches(*c.ifNoneMatch, rec.ETag) {
			unchanged = "If-None-Match"
		}
	case c.ifModifiedSince != nil && !rec.Modified.After(*c.ifModifiedSince):
		unchanged = "If-Modified-Since"
	}
	switch {
	case unchanged == "":
		return nil
	case c.copying:
		return preconditionFailed(unchanged)
	}
	return notModified()
}

// writeCondition holds the conditional headers of a write.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
type writeCondition struct{ ifMatch, ifNoneMatch *string }

// valid refuses what S3 does not compare writes with.
func (c writeCondition) valid() error {
	switch {
	case c.ifNoneMatch != nil && strings.TrimSpace(*c.ifNoneMatch) != "*":
		return notImplemented("If-None-Match of a write with a value other than *")
	case c.ifMatch != nil && c.ifNoneMatch != nil:
		return notImplemented("If-Match together with If-None-Match")
	}
	return nil
}

// check holds the condition against what the key has now, nil for nothing.
func (c writeCondition) check(now *objectRecord) error {
	switch {
	case c.ifNoneMatch != nil && now != nil:
		return preconditionFailed("If-None-Match")
	case c.ifMatch == nil:
		return nil
	case now == nil:
		return noSuchKey()
	case !matches(*c.ifMatch, now.ETag):
		return preconditionFailed("If-Match")
	}
	return nil
}

// deletable is check for a delete: there a missing object does not hold either.
func (c writeCondition) deletable(now *objectRecord) error {
	if c.ifMatch != nil && (now == nil || !matches(*c.ifMatch, now.ETag)) {
		return preconditionFailed("If-Match")
	}
	return nil
}

func quoted(etag string) *string { return aws.String(`"` + etag + `"`) }
