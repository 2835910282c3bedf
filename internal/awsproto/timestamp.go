package awsproto

import (
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// AWS's timestamps have millisecond resolution at most.

func timeOf(v reflect.Value) time.Time {
	t, _ := v.Interface().(time.Time)
	return t
}

// appendEpoch writes seconds since 1970 with up to three decimals.
func appendEpoch(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		b = append(b, '-')
		ms = -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	return appendMillis(b, ms%1000)
}

// appendMillis writes a fraction of a second, nothing when it is zero.
func appendMillis(b []byte, ms int64) []byte {
	if ms == 0 {
		return b
	}
	b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

func appendTime(b []byte, t time.Time, format TimeFormat) []byte {
	t = t.UTC()
	switch format {
	case EpochSeconds:
		return appendEpoch(b, t)
	case HTTPDate:
		return t.AppendFormat(b, http.TimeFormat)
	}
	b = t.AppendFormat(b, "2006-01-02T15:04:05")
	b = appendMillis(b, int64(t.Nanosecond()/1e6))
	return append(b, 'Z')
}

// Timestamps outside these years are refused: they have no RFC 3339 form.
var (
	minTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	maxTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
)

// parseEpoch reads seconds since 1970, exactly to the millisecond.
func parseEpoch(text string) (time.Time, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0).UTC(), n >= minTime && n <= maxTime
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}, false
	}
	return epochTime(f)
}

// epochTime makes a time of seconds since 1970, rounded to the millisecond.
func epochTime(f float64) (time.Time, bool) {
	if math.IsNaN(f) || f < float64(minTime) || f > float64(maxTime) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true
}

// parseTime reads a timestamp in text: the expected format first, then the others that clients send.
func parseTime(s string, format TimeFormat) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if format == HTTPDate {
		if t, err := http.ParseTime(s); err == nil {
			return t.UTC(), true
		}
	}
	if s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && !strings.ContainsAny(s, "T:") {
		return parseEpoch(s)
	}
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05", http.TimeFormat} {
		if t, err := time.Parse(layout, s); err == nil && t.Unix() >= minTime {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
