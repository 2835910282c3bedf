package s3

import (
	"fmt"
	"strconv"
	"strings"
)

// span is a run of bytes of an object.
type span struct{ offset, length int64 }

func (p span) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", p.offset, p.offset+p.length-1, size)
}

// parseRange reads a Range header against an object's size. ok is false when the whole object is meant: no header, one
// that is not understood, or several ranges, which S3 does not serve. A range outside of the object is InvalidRange.
func parseRange(header string, size int64) (span, bool, error) {
	list, found := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	from, to, dash := strings.Cut(list, "-")
	if !found || !dash || strings.Contains(list, ",") {
		return span{}, false, nil
	}
	from, to = strings.TrimSpace(from), strings.TrimSpace(to)
	if from == "" {
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n < 0 {
			return span{}, false, nil //nolint:nilerr // a range that cannot be read is ignored, as HTTP says
		}
		if n == 0 || size == 0 {
			return span{}, false, invalidRange(header, size)
		}
		n = min(n, size)
		return span{size - n, n}, true, nil
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first < 0 {
		return span{}, false, nil //nolint:nilerr // as above
	}
	last := size - 1
	if to != "" {
		given, err := strconv.ParseInt(to, 10, 64)
		if err != nil || given < first {
			return span{}, false, nil //nolint:nilerr // as above
		}
		last = min(last, given)
	}
	if first >= size {
		return span{}, false, invalidRange(header, size)
	}
	return span{first, last - first + 1}, true, nil
}
