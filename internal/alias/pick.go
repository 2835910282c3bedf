package alias

import "math"

// There are three ways to choose the version of a request. Pick draws: AWS's own way, in which 10 % of 40 requests are
// between 0 and 10 nearly always. PickNth counts: every window of requests has the share exactly, to one request. PickKey
// looks at whose request it is: one caller is always served by the same version.

// grain is the precision of a weight in PickNth: one billionth.
const grain = 1_000_000_000

// PickNth returns the version that serves the nth request, counted from 0 without gaps. Of any n requests that follow one
// another, the number that Additional gets is within one of n times its weight, and exactly that where it is whole.
func (r Routing) PickNth(n uint64) string {
	if r.Additional == "" || !(r.Weight > 0) {
		return r.Primary
	}
	w := uint64(math.Round(min(r.Weight, 1) * grain))
	// The multiples of the weight, rounded down, step up by one exactly where Additional is due. The sequence repeats
	// after grain requests, which keeps the products small.
	i := n % grain
	if (i+1)*w/grain > i*w/grain {
		return r.Additional
	}
	return r.Primary
}

// PickKey returns the version that serves requests with this key. Of many keys Additional gets the share of its weight. A
// key that Additional serves stays with it when the weight grows, and comes back to Primary only when it shrinks.
func (r Routing) PickKey(key string) string {
	return r.Pick(draw(key))
}

// draw gives a key its place in [0, 1): FNV-1a, mixed by the finaliser of SplitMix64, so that keys that differ little lie
// far apart.
func draw(key string) float64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return float64(h>>11) / (1 << 53)
}
