package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

// aliasTTL is how long resolvers keep the answer of a record set that is an alias of an AWS resource.
//
// https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-choosing-alias-non-alias.html
const aliasTTL = time.Minute

// recordSets are the two weighted record sets of a router, by their set identifiers, as Route 53 has them.
type recordSets [2]types.ResourceRecordSet

// setsRouting reads a router's record sets. It fails with release.ErrNoAlias when there are none, and with release.ErrRefused
// when their weights would not move the traffic, or not all of it.
func (t *Target) setsRouting(ctx context.Context, r release.Ref) (release.AliasRouting, error) {
	sets, err := t.recordSets(ctx, r)
	if err != nil {
		return release.AliasRouting{}, err
	}
	return sets.routing(r)
}

// recordSets reads all that the hosted zone has under the router's name, which includes what would keep its weights from
// being the whole truth.
func (t *Target) recordSets(ctx context.Context, r release.Ref) (sets recordSets, err error) {
	zone, kind := r.RecordSets()
	name := r.Name + "."
	in := &route53.ListResourceRecordSetsInput{HostedZoneId: &zone, StartRecordName: &name}
	var found []types.ResourceRecordSet
	unfit := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w: %s", r, release.ErrRefused, fmt.Sprintf(format, args...))
	}
	for more := true; more; {
		page, err := t.zones.ListResourceRecordSets(ctx, in)
		if is(err, "NoSuchHostedZone") {
			return sets, unfit("there is no hosted zone %s", zone)
		}
		if err != nil {
			return sets, t.failed("read "+r.String(), "route53:ListResourceRecordSets", err)
		}
		more = page.IsTruncated
		for _, set := range page.ResourceRecordSets {
			if !strings.EqualFold(aws.ToString(set.Name), name) {
				more = false // names come in order
				break
			}
			switch {
			case string(set.Type) == kind:
				found = append(found, set)
			case slices.Contains(release.RouterTypes, string(set.Type)):
				return sets, unfit("there are record sets of type %s too, by which clients would go on as before", set.Type)
			}
		}
		in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = page.NextRecordName, page.NextRecordType, page.NextRecordIdentifier
	}
	if len(found) == 0 {
		return sets, fmt.Errorf("%s: %w", r, release.ErrNoAlias)
	}
	ids := make([]string, len(found))
	for i, set := range found {
		if set.SetIdentifier == nil || set.Weight == nil {
			return sets, unfit("%s has no weight: give it and another one the weights 100 and 0, one for each slot", first(aws.ToString(set.SetIdentifier), "the record set"))
		}
		ids[i] = *set.SetIdentifier
	}
	if len(found) != 2 {
		return sets, unfit("there are %d (%s), and a router has two, one for each slot", len(found), strings.Join(ids, ", "))
	}
	slices.SortFunc(found, func(a, b types.ResourceRecordSet) int { return strings.Compare(*a.SetIdentifier, *b.SetIdentifier) })
	return recordSets(found), nil
}

// routing is what the weights make of the traffic. Where all are 0 Route 53 answers by each as often.
//
// https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-weighted.html
func (s recordSets) routing(r release.Ref) (release.AliasRouting, error) {
	a := release.AliasRouting{Ref: r, Routing: alias.Routing{Primary: *s[0].SetIdentifier, Additional: *s[1].SetIdentifier, Weight: 0.5}}
	if all := *s[0].Weight + *s[1].Weight; all > 0 {
		a.Routing.Weight = float64(*s[1].Weight) / float64(all)
	}
	rest := s
	for i, set := range s {
		a.TTL = max(a.TTL, timeToLive(set))
		rest[i].Weight = nil
	}
	raw, err := json.Marshal(rest)
	if err != nil {
		return a, fmt.Errorf("%s: %w", r, err)
	}
	sum := sha256.Sum256(raw)
	a.Revision = written(a.Routing) + "@" + hex.EncodeToString(sum[:8])
	return a, nil
}

// Router reads the record sets of an application's router, and the aliases of the slot that is idle. It changes nothing, and
// fails where a release could not begin.
func (t *Target) Router(ctx context.Context, s release.Spec) (*release.ObservedRouter, error) {
	sets, err := t.recordSets(ctx, s.Router.Ref())
	if errors.Is(err, release.ErrNoAlias) {
		return nil, fmt.Errorf("%s has no record sets: make a weighted one for each slot, which leads to its entrance", s.Router.Ref())
	}
	if err != nil {
		return nil, err
	}
	now, err := sets.routing(s.Router.Ref())
	if err != nil {
		return nil, err
	}
	r := &release.ObservedRouter{Routing: now}
	if one, other := timeToLive(sets[0]), timeToLive(sets[1]); one != other {
		r.Notes = append(r.Notes, fmt.Sprintf("%s is kept for %s in slot %s and for %s in slot %s: the longer counts; give both the same TTL", s.Router.Name, one, *sets[0].SetIdentifier, other, *sets[1].SetIdentifier))
	}
	if now.TTL > longTTL {
		r.Notes = append(r.Notes, fmt.Sprintf("every change of weights takes %s to reach all clients, also on the way back: lower the TTL of %s", now.TTL, s.Router.Name))
	}
	if r.Live, r.Idle, err = s.Router.Choose(now.Routing); err != nil {
		return nil, err
	}
	idle := s.Through(r.Idle.Alias)
	idle.Router = nil
	for _, ref := range idle.Refs() {
		a, err := t.routingIfAny(ctx, ref)
		if err != nil {
			return nil, err
		}
		r.Aliases = append(r.Aliases, a)
	}
	return r, nil
}

// longTTL is from when on a TTL is worth a word before a release.
const longTTL = 5 * time.Minute

func timeToLive(set types.ResourceRecordSet) time.Duration {
	if set.AliasTarget != nil {
		return aliasTTL
	}
	return time.Duration(aws.ToInt64(set.TTL)) * time.Second
}

// setSetsRouting writes the weights of both record sets in one batch, so that there is no moment at which one counts and the
// other does not, and everything else of them as it was read. Route 53 knows no revisions: what is there is read, compared
// with what the caller expects, and then written; a change by someone else in the milliseconds between is overwritten.
//
// Weights are whole percents. Record sets that have the wanted weights already are written all the same, as only that gives
// a change whose arrival can be waited for; the routing that is returned names it. None are created: what they lead to is
// not for a release to know.
func (t *Target) setSetsRouting(ctx context.Context, want release.AliasRouting) (release.AliasRouting, error) {
	percent := math.Round(want.Routing.Weight * 100)
	if math.Abs(percent-want.Routing.Weight*100) > 1e-6 {
		return release.AliasRouting{}, fmt.Errorf("%s: %w: weights are whole percents, and %s is not", want.Ref, release.ErrRefused, want.Routing)
	}
	sets, err := t.recordSets(ctx, want.Ref)
	if err != nil {
		if errors.Is(err, release.ErrNoAlias) {
			return release.AliasRouting{}, &release.ConflictError{Want: want}
		}
		return release.AliasRouting{}, err
	}
	found, err := sets.routing(want.Ref)
	switch {
	case err != nil:
		return release.AliasRouting{}, err
	case found.Routing.Primary != want.Routing.Primary || found.Routing.Additional != want.Routing.Additional,
		found.Revision != want.Revision && !alike(found.Routing, want.Routing):
		return release.AliasRouting{}, &release.ConflictError{Want: want, Found: found}
	}
	sets[0].Weight, sets[1].Weight = aws.Int64(100-int64(percent)), aws.Int64(int64(percent))
	batch := &types.ChangeBatch{Comment: aws.String("teal: " + want.Routing.String())}
	for i := range sets {
		batch.Changes = append(batch.Changes, types.Change{Action: types.ChangeActionUpsert, ResourceRecordSet: &sets[i]})
	}
	zone, _ := want.Ref.RecordSets()
	out, err := t.zones.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: &zone, ChangeBatch: batch})
	if err != nil {
		return release.AliasRouting{}, t.failed("route "+want.Ref.String()+" to "+want.Routing.String(), "route53:ChangeResourceRecordSets", err)
	}
	got, err := sets.routing(want.Ref)
	if out.ChangeInfo != nil {
		got.Change = strings.TrimPrefix(aws.ToString(out.ChangeInfo.Id), "/change/")
	}
	if err == nil && got.Change == "" {
		err = fmt.Errorf("%s: %s answered route53:ChangeResourceRecordSets without the ID of the change", want.Ref, t.endpoint)
	}
	return got, err
}

// The delays between two looks at a change: a platform has it at once, Route 53 takes up to a minute and answers five
// requests a second.
const (
	firstChangeDelay = 20 * time.Millisecond
	maxChangeDelay   = 5 * time.Second
)

// AwaitChange waits until a change of record sets, as SetRouting names it, has reached every server of Route 53. It waits as
// long as ctx lasts.
func (t *Target) AwaitChange(ctx context.Context, change string) error {
	for delay := firstChangeDelay; ; delay = min(2*delay, maxChangeDelay) {
		out, err := t.zones.GetChange(ctx, &route53.GetChangeInput{Id: &change})
		if err != nil {
			return t.failed("look at change "+change, "route53:GetChange", err)
		}
		switch {
		case out.ChangeInfo == nil:
			return fmt.Errorf("%s answered route53:GetChange without a status of change %s", t.endpoint, change)
		case out.ChangeInfo.Status == types.ChangeStatusInsync:
			return nil
		}
		if err := pause(ctx, delay); err != nil {
			return fmt.Errorf("change %s is still PENDING at Route 53: %w", change, err)
		}
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
