package route53

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/tealdeploy/teal/internal/alias"
)

// zone is a hosted zone at one moment. It is never changed in place.
type zone struct {
	zoneRecord
	sets []types.ResourceRecordSet // in the order of place
}

// place orders the sets of a zone as Route 53 lists them: by the labels of the name from the right, the type, the
// identifier. It is the set's key in the store.
func place(name string, kind types.RRType, identifier string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, "\x02") + "\x01" + string(kind) + "\x01" + identifier
}

func placeOf(set *types.ResourceRecordSet) string {
	return place(*set.Name, set.Type, aws.ToString(set.SetIdentifier))
}

// find gives the index of the set at a place, or where it would be.
func (z *zone) find(at string) (int, bool) {
	return slices.BinarySearchFunc(z.sets, at, func(set types.ResourceRecordSet, at string) int {
		return strings.Compare(placeOf(&set), at)
	})
}

// named gives all sets of a name.
func (z *zone) named(name string) []types.ResourceRecordSet {
	from, _ := z.find(place(name, "", ""))
	to := from
	for to < len(z.sets) && *z.sets[to].Name == name {
		to++
	}
	return z.sets[from:to]
}

// below reports whether a name exists only because names below it do.
func (z *zone) below(name string) bool {
	from, _ := z.find(strings.TrimSuffix(place(name, "", ""), "\x01\x01") + "\x02")
	return from < len(z.sets) && strings.HasSuffix(*z.sets[from].Name, "."+name)
}

// pick chooses one of the sets that share a name and a type, by their weights and a draw u, uniform in [0, 1). It goes
// through them as through aliases with two versions each: this set, or one of those that are left. When all weights are
// zero each is as likely as the others.
//
// https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-weighted.html
func pick(sets []types.ResourceRecordSet, u float64) *types.ResourceRecordSet {
	total := int64(0)
	for _, s := range sets {
		total += aws.ToInt64(s.Weight)
	}
	weight := func(i int) int64 {
		if total == 0 {
			return 1
		}
		return aws.ToInt64(sets[i].Weight)
	}
	left := total
	if total == 0 {
		left = int64(len(sets))
	}
	for i := range sets {
		share := float64(weight(i)) / float64(left)
		if share >= 1 || (alias.Routing{Primary: "the rest", Additional: "this", Weight: share}).Pick(u) == "this" {
			return &sets[i]
		}
		u, left = (u-share)/(1-share), left-weight(i)
	}
	return nil
}

// canonical gives a name in lower case with a dot at the end.
func canonical(name string) string {
	return strings.TrimSuffix(strings.ToLower(name), ".") + "."
}

// validDomain tells whether a canonical name is one of the DNS: labels of 1 to 63 letters, digits, hyphens and
// underscores, at most 255 characters.
func validDomain(name string) bool {
	if len(name) > 255 || name == "." {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if len(label) < 1 || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}
