package cloudwatch

import (
	"math"
	"slices"
)

// distribution counts values in buckets whose width grows with the value, as an HdrHistogram does, but sparsely: a
// second of one metric meets few of them. A bucket also has the sum of its values, so that it stands for exactly what
// it got when that was one value. It starts 1/128 wide and doubles its widths when it would pass its limit, so its
// size is bounded whatever it is given. Two distributions merge without further loss.
type distribution struct {
	shift   uint8 // width of a bucket: 2^shift/128 of its value
	entries []entry
}

// entry is one bucket; keys rise with the values.
type entry struct {
	key    int32
	n, sum float64
}

// Most entries of a distribution, by where it is kept.
const (
	liveEntries   = 256
	secondEntries = 128
	minuteEntries = 256
	queryEntries  = 4096
)

const entryBytes = 24

// maxShift is reached when a bucket spans a factor of 2^32.
const maxShift = 12

// keyOf gives the bucket of a finite value: sign, exponent and the upper bits of the mantissa.
func keyOf(v float64, shift uint8) int32 {
	if v == 0 { // negative zero, too
		return 0
	}
	if v < 0 {
		return -int32(math.Float64bits(-v)>>(45+shift)) - 1
	}
	return int32(math.Float64bits(v) >> (45 + shift))
}

// widen gives the key of the bucket, by shifts wider, that holds the bucket of key.
func widen(key int32, by uint8) int32 {
	if key < 0 {
		return -((-key - 1) >> by) - 1
	}
	return key >> by
}

// add counts n times the value v.
func (d *distribution) add(v, n float64, limit int) {
	d.addEntry(entry{key: keyOf(v, d.shift), n: n, sum: v * n})
	if len(d.entries) > limit {
		d.coarsen(limit)
	}
}

// addEntry is on the path of every recorded value: the search is written out.
func (d *distribution) addEntry(e entry) {
	lo, hi := 0, len(d.entries)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); d.entries[mid].key < e.key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(d.entries) && d.entries[lo].key == e.key {
		d.entries[lo].n += e.n
		d.entries[lo].sum += e.sum
		return
	}
	d.entries = slices.Insert(d.entries, lo, e)
}

// coarsen doubles the widths until no more than limit entries are left.
func (d *distribution) coarsen(limit int) {
	for len(d.entries) > limit && d.shift < maxShift {
		d.widenTo(d.shift + 1)
	}
}

func (d *distribution) widenTo(shift uint8) {
	if shift <= d.shift {
		return
	}
	by := shift - d.shift
	d.shift = shift
	kept := d.entries[:0]
	for _, e := range d.entries {
		e.key = widen(e.key, by)
		if n := len(kept); n > 0 && kept[n-1].key == e.key {
			kept[n-1].n += e.n
			kept[n-1].sum += e.sum
			continue
		}
		kept = append(kept, e)
	}
	d.entries = kept
}

// merge adds what other counted; other stays as it is.
func (d *distribution) merge(other *distribution, limit int) {
	if len(other.entries) == 0 {
		return
	}
	d.widenTo(other.shift)
	by := d.shift - other.shift
	merged := make([]entry, 0, len(d.entries)+len(other.entries))
	i := 0
	for _, e := range other.entries {
		e.key = widen(e.key, by)
		for i < len(d.entries) && d.entries[i].key < e.key {
			merged = append(merged, d.entries[i])
			i++
		}
		switch n := len(merged); {
		case n > 0 && merged[n-1].key == e.key:
			merged[n-1].n += e.n
			merged[n-1].sum += e.sum
		case i < len(d.entries) && d.entries[i].key == e.key:
			both := d.entries[i]
			both.n += e.n
			both.sum += e.sum
			merged = append(merged, both)
			i++
		default:
			merged = append(merged, e)
		}
	}
	d.entries = append(merged, d.entries[i:]...)
	d.coarsen(limit)
}

// clone copies d without spare room.
func (d *distribution) clone() *distribution {
	return &distribution{shift: d.shift, entries: slices.Clip(slices.Clone(d.entries))}
}

// percentile returns the smallest value that at least p percent of the values do not exceed, within the width of its
// bucket.
func (d *distribution) percentile(p, n float64) float64 {
	rank, seen := p/100*n, 0.0
	for _, e := range d.entries {
		// The slack is for sums of fractional counts.
		if seen += e.n; seen >= rank*(1-1e-12) {
			return e.sum / e.n
		}
	}
	if len(d.entries) == 0 {
		return math.NaN()
	}
	last := d.entries[len(d.entries)-1]
	return last.sum / last.n
}
