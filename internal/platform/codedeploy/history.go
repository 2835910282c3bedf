package codedeploy

import (
	"slices"

	"github.com/tealdeploy/teal/internal/store"
)

// How many deployments and revisions are kept, the newest first. AWS documents no number and no age for its history.
const (
	keptOfGroup   = 1000
	keptInAll     = 10_000 // with those of groups that were deleted
	keptRevisions = 1000   // of an application
)

// displaceRevisions puts into the batch that makes a revision known the end of those of its application that it displaces: the ones that
// were used or registered longest ago. The result lets go of them, once the batch is durable. The caller holds mu.
func (r *registry) displaceRevisions(b *store.Batch, key string, rec *revisionRecord) (forget func()) {
	var others []string
	for k, v := range r.revisions {
		if v.Application == rec.Application && k != key {
			others = append(others, k)
		}
	}
	gone := others[:0]
	if many := len(others) + 1 - keptRevisions; many > 0 {
		slices.SortFunc(others, func(a, b string) int { return r.revisions[a].touched().Compare(r.revisions[b].touched()) })
		gone = others[:many]
	}
	for _, k := range gone {
		b.Delete(bucketRevisions, k)
	}
	return func() {
		for _, k := range gone {
			delete(r.revisions, k)
		}
	}
}

// displaced lists what a further deployment of a group makes one too many: the oldest that have ended.
func (r *registry) displaced(groupID string) (gone []*deployment) {
	ofGroup, all := 1, 1 // the further one
	for _, d := range slices.Backward(r.deployments) {
		rec := d.record()
		all++
		if rec.GroupID == groupID {
			ofGroup++
		}
		if ended(rec.Status) && (all > keptInAll || rec.GroupID == groupID && ofGroup > keptOfGroup) {
			gone = append(gone, d)
		}
	}
	return gone
}

// displace puts into the batch that makes a further deployment of a group the end of those that it displaces; the result
// lets go of them, once the batch is durable. The caller holds mu.
func (r *registry) displace(b *store.Batch, groupID string) (forget func()) {
	gone := r.displaced(groupID)
	for _, d := range gone {
		b.Delete(bucketDeployments, d.record().ID)
	}
	return func() {
		if len(gone) == 0 {
			return
		}
		for _, d := range gone {
			delete(r.byID, d.record().ID)
		}
		// Another slice: New may still go through this one.
		r.deployments = slices.DeleteFunc(slices.Clone(r.deployments), func(d *deployment) bool { return r.byID[d.record().ID] == nil })
	}
}
