package route53

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/tealdeploy/teal/internal/store"
)

const pageLength = 100

// nameServer is what every zone names as its server; the responder is reached by its address, not by this name.
const nameServer = "ns.teal.localhost."

// CreateHostedZone makes a public zone with its SOA and NS records. A CallerReference counts once.
func (s *Service) CreateHostedZone(ctx context.Context, in *sdk.CreateHostedZoneInput) (*sdk.CreateHostedZoneOutput, error) {
	name := canonical(aws.ToString(in.Name))
	switch {
	case !validDomain(name):
		return nil, &types.InvalidDomainName{Message: aws.String(fmt.Sprintf("The domain name %q is not valid", aws.ToString(in.Name)))}
	case aws.ToString(in.CallerReference) == "" || len(*in.CallerReference) > 128:
		return nil, invalid("CallerReference has 1 to 128 characters")
	case in.VPC != nil || in.HostedZoneConfig != nil && in.HostedZoneConfig.PrivateZone:
		return nil, invalid("Private hosted zones are not served here")
	case in.DelegationSetId != nil:
		return nil, invalid("Reusable delegation sets are not served here")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range *s.zones.Load() {
		if z.Reference == *in.CallerReference {
			return nil, &types.HostedZoneAlreadyExists{Message: aws.String("A hosted zone has already been created with the specified caller reference.")}
		}
	}
	z := &zone{zoneRecord: zoneRecord{ID: newID("Z"), Name: name, Reference: *in.CallerReference, Created: s.clock.Now()}}
	if in.HostedZoneConfig != nil {
		z.Comment = aws.ToString(in.HostedZoneConfig.Comment)
	}
	for _, set := range []types.ResourceRecordSet{
		{Name: &name, Type: types.RRTypeNs, TTL: aws.Int64(172800), ResourceRecords: []types.ResourceRecord{{Value: aws.String(nameServer)}}},
		{Name: &name, Type: types.RRTypeSoa, TTL: aws.Int64(900), ResourceRecords: []types.ResourceRecord{{Value: aws.String(nameServer + " hostmaster." + name + " 1 7200 900 1209600 86400")}}},
	} {
		if why := z.change(types.ChangeActionCreate, set); why != "" {
			return nil, errors.New("route53: a new zone: " + why)
		}
	}
	b := &store.Batch{}
	if err := put(b, bucketZones, z.ID, z.zoneRecord); err != nil {
		return nil, err
	}
	for i := range z.sets {
		if err := put(b, bucketSets, z.ID+"/"+placeOf(&z.sets[i]), z.sets[i]); err != nil {
			return nil, err
		}
	}
	change, err := s.commit(ctx, b, "", z.ID, z)
	if err != nil {
		return nil, err
	}
	return &sdk.CreateHostedZoneOutput{
		ChangeInfo: change, DelegationSet: &types.DelegationSet{NameServers: []string{nameServer}}, HostedZone: zoneInfo(z),
		Location: aws.String("https://route53.amazonaws.com/2013-04-01/hostedzone/" + z.ID),
	}, nil
}

// GetHostedZone tells about a zone.
func (s *Service) GetHostedZone(_ context.Context, in *sdk.GetHostedZoneInput) (*sdk.GetHostedZoneOutput, error) {
	z, err := s.zone(in.Id)
	if err != nil {
		return nil, err
	}
	return &sdk.GetHostedZoneOutput{HostedZone: zoneInfo(z), DelegationSet: &types.DelegationSet{NameServers: []string{nameServer}}}, nil
}

// DeleteHostedZone deletes a zone in which nothing is left but what it was made with.
func (s *Service) DeleteHostedZone(ctx context.Context, in *sdk.DeleteHostedZoneInput) (*sdk.DeleteHostedZoneOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z, err := s.zone(in.Id)
	if err != nil {
		return nil, err
	}
	if len(z.sets) > 2 {
		return nil, &types.HostedZoneNotEmpty{Message: aws.String("The specified hosted zone contains non-required resource record sets and so cannot be deleted.")}
	}
	b := &store.Batch{}
	b.Delete(bucketZones, z.ID)
	for i := range z.sets {
		b.Delete(bucketSets, z.ID+"/"+placeOf(&z.sets[i]))
	}
	change, err := s.commit(ctx, b, "", z.ID, nil)
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteHostedZoneOutput{ChangeInfo: change}, nil
}

// ListHostedZones lists zones by their IDs.
func (s *Service) ListHostedZones(_ context.Context, in *sdk.ListHostedZonesInput) (*sdk.ListHostedZonesOutput, error) {
	if in.DelegationSetId != nil || in.HostedZoneType != "" {
		return nil, invalid("Delegation sets and types of hosted zones are not served here")
	}
	size, err := pageSize(in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListHostedZonesOutput{HostedZones: []types.HostedZone{}, Marker: in.Marker, MaxItems: aws.Int32(int32(size))}
	for _, z := range s.sorted(func(a, b *zone) int { return cmp.Compare(a.ID, b.ID) }) {
		switch {
		case z.ID < aws.ToString(in.Marker):
		case len(out.HostedZones) == size:
			out.IsTruncated, out.NextMarker = true, &z.ID
			return out, nil
		default:
			out.HostedZones = append(out.HostedZones, *zoneInfo(z))
		}
	}
	return out, nil
}

// ListHostedZonesByName lists zones by their names from the right, beginning with a name.
func (s *Service) ListHostedZonesByName(_ context.Context, in *sdk.ListHostedZonesByNameInput) (*sdk.ListHostedZonesByNameOutput, error) {
	size, err := pageSize(in.MaxItems)
	if err != nil {
		return nil, err
	}
	order := func(name, id string) string { return place(name, "", id) }
	from := ""
	if in.DNSName != nil {
		from = order(canonical(*in.DNSName), bareID(aws.ToString(in.HostedZoneId)))
	} else if in.HostedZoneId != nil {
		return nil, invalid("HostedZoneId needs DNSName")
	}
	out := &sdk.ListHostedZonesByNameOutput{HostedZones: []types.HostedZone{}, DNSName: in.DNSName, HostedZoneId: in.HostedZoneId, MaxItems: aws.Int32(int32(size))}
	for _, z := range s.sorted(func(a, b *zone) int { return cmp.Compare(order(a.Name, a.ID), order(b.Name, b.ID)) }) {
		switch {
		case order(z.Name, z.ID) < from:
		case len(out.HostedZones) == size:
			out.IsTruncated, out.NextDNSName, out.NextHostedZoneId = true, &z.Name, &z.ID
			return out, nil
		default:
			out.HostedZones = append(out.HostedZones, *zoneInfo(z))
		}
	}
	return out, nil
}

// ChangeResourceRecordSets makes all changes of a batch, or none. The responder answers by them when this has returned.
func (s *Service) ChangeResourceRecordSets(ctx context.Context, in *sdk.ChangeResourceRecordSetsInput) (*sdk.ChangeResourceRecordSetsOutput, error) {
	switch {
	case in.ChangeBatch == nil || len(in.ChangeBatch.Changes) == 0:
		return nil, invalid("A ChangeBatch has at least one change")
	case len(in.ChangeBatch.Changes) > maxChanges:
		return nil, &types.InvalidChangeBatch{Message: aws.String(fmt.Sprintf("Number of records limit of %d exceeded.", maxChanges))}
	}
	for i := range in.ChangeBatch.Changes {
		if err := checkChange(&in.ChangeBatch.Changes[i]); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	z, err := s.zone(in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	next, wrong := z.apply(in.ChangeBatch.Changes)
	if len(wrong) > 0 {
		return nil, &types.InvalidChangeBatch{Message: aws.String("[" + strings.Join(wrong, ", ") + "]")}
	}
	b := &store.Batch{}
	for _, c := range in.ChangeBatch.Changes {
		at := place(canonical(*c.ResourceRecordSet.Name), c.ResourceRecordSet.Type, aws.ToString(c.ResourceRecordSet.SetIdentifier))
		if i, ok := next.find(at); !ok {
			b.Delete(bucketSets, z.ID+"/"+at)
		} else if err := put(b, bucketSets, z.ID+"/"+at, next.sets[i]); err != nil {
			return nil, err
		}
	}
	change, err := s.commit(ctx, b, aws.ToString(in.ChangeBatch.Comment), z.ID, next)
	if err != nil {
		return nil, err
	}
	return &sdk.ChangeResourceRecordSetsOutput{ChangeInfo: change}, nil
}

// ListResourceRecordSets lists the sets of a zone by name from the right, type and identifier.
func (s *Service) ListResourceRecordSets(_ context.Context, in *sdk.ListResourceRecordSetsInput) (*sdk.ListResourceRecordSetsOutput, error) {
	z, err := s.zone(in.HostedZoneId)
	if err != nil {
		return nil, err
	}
	size, err := pageSize(in.MaxItems)
	if err != nil {
		return nil, err
	}
	from := 0
	switch {
	case in.StartRecordName != nil:
		from, _ = z.find(place(canonical(*in.StartRecordName), in.StartRecordType, aws.ToString(in.StartRecordIdentifier)))
	case in.StartRecordType != "" || in.StartRecordIdentifier != nil:
		return nil, invalid("A start type or identifier needs a start name")
	}
	to := min(from+size, len(z.sets))
	out := &sdk.ListResourceRecordSetsOutput{ResourceRecordSets: z.sets[from:to], MaxItems: aws.Int32(int32(size))}
	if to < len(z.sets) {
		next := z.sets[to]
		out.IsTruncated, out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier = true, next.Name, next.Type, next.SetIdentifier
	}
	return out, nil
}

// GetChange tells about a change. It is in sync once it was answered, so that nothing is lost when old ones are let go.
func (s *Service) GetChange(ctx context.Context, in *sdk.GetChangeInput) (*sdk.GetChangeOutput, error) {
	id := strings.TrimPrefix(aws.ToString(in.Id), "/change/")
	raw, err := s.store.Get(ctx, bucketChanges, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &types.NoSuchChange{Message: aws.String("Could not find resource with ID: " + id)}
	}
	if err != nil {
		return nil, err
	}
	var r changeRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("route53: change %s cannot be read: %w", id, err)
	}
	return &sdk.GetChangeOutput{ChangeInfo: changeInfo(r)}, nil
}

func changeInfo(r changeRecord) *types.ChangeInfo {
	info := &types.ChangeInfo{Id: aws.String("/change/" + r.ID), Status: types.ChangeStatusInsync, SubmittedAt: &r.At}
	if r.Comment != "" {
		info.Comment = &r.Comment
	}
	return info
}

func (s *Service) zone(id *string) (*zone, error) {
	bare := bareID(aws.ToString(id))
	if z := (*s.zones.Load())[bare]; z != nil {
		return z, nil
	}
	return nil, &types.NoSuchHostedZone{Message: aws.String("No hosted zone found with ID: " + bare)}
}

func (s *Service) sorted(order func(a, b *zone) int) []*zone {
	var list []*zone
	for _, z := range *s.zones.Load() {
		list = append(list, z)
	}
	slices.SortFunc(list, order)
	return list
}

func zoneInfo(z *zone) *types.HostedZone {
	h := &types.HostedZone{
		Id: aws.String("/hostedzone/" + z.ID), Name: &z.Name, CallerReference: &z.Reference,
		Config: &types.HostedZoneConfig{}, ResourceRecordSetCount: aws.Int64(int64(len(z.sets))),
	}
	if z.Comment != "" {
		h.Config.Comment = &z.Comment
	}
	return h
}

func bareID(id string) string { return strings.TrimPrefix(id, "/hostedzone/") }

func newID(kind string) string { return kind + rand.Text()[:20] }

func pageSize(n *int32) (int, error) {
	if n == nil {
		return pageLength, nil
	}
	if *n < 1 {
		return 0, invalid("MaxItems is at least 1")
	}
	return min(int(*n), pageLength), nil
}
