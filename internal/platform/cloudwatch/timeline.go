package cloudwatch

import "sort"

// How long data is kept, in seconds, as AWS keeps high-resolution metrics.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention
const (
	keepSeconds = 3 * 60 * 60
	keepMinutes = 15 * 24 * 60 * 60
)

// timeline holds the summaries of a metric, in the order of their time, which is seconds since 1970.
type timeline struct {
	width int64 // of a span, in seconds
	limit int   // entries of a distribution
	spans []span
}

type span struct {
	at int64
	summary
}

const spanBytes = 64

// add merges what came in at the time at, and returns by how many bytes the timeline grew.
func (t *timeline) add(at int64, in *summary) int64 {
	at -= at % t.width
	n := len(t.spans)
	if n > 0 && t.spans[n-1].at == at {
		return t.spans[n-1].merge(in, t.limit)
	}
	i := n
	if n > 0 && t.spans[n-1].at > at {
		i = t.find(at)
		if t.spans[i].at == at {
			return t.spans[i].merge(in, t.limit)
		}
	}
	t.spans = append(t.spans, span{})
	copy(t.spans[i+1:], t.spans[i:])
	t.spans[i] = span{at: at}
	return spanBytes + t.spans[i].merge(in, t.limit)
}

// find returns the index of the first span at or after the time at.
func (t *timeline) find(at int64) int {
	return sort.Search(len(t.spans), func(i int) bool { return t.spans[i].at >= at })
}

// dropBefore forgets spans before the time at, and returns how many bytes that freed.
func (t *timeline) dropBefore(at int64) (freed int64) {
	if len(t.spans) == 0 || t.spans[0].at >= at {
		return 0
	}
	i := t.find(at)
	for k := range t.spans[:i] {
		freed += spanBytes + t.spans[k].extra()
		t.spans[k] = span{}
	}
	t.spans = t.spans[i:]
	// Without this, appending would copy a short list over and over, or keep the room of what is gone.
	if cap(t.spans) > 64 && len(t.spans) < cap(t.spans)/4 {
		t.spans = append(make([]span, 0, 2*len(t.spans)+16), t.spans...)
	}
	return freed
}
