// Package route53 is the part of Amazon Route 53 by which traffic is shifted at the DNS: public hosted zones, record sets
// with weights, and a responder that answers for them. It speaks in aws-sdk-go-v2's types; an operation is one method and
// one line in API.
//
// A zone is an immutable snapshot (zone.go); requests and questions read it without a lock, a change replaces it whole once
// it is durable. So a batch of changes is seen as a whole or not at all.
//
// https://docs.aws.amazon.com/Route53/latest/APIReference/Welcome.html
package route53

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/clock"
	"github.com/tealdeploy/teal/internal/store"
)

// Buckets of the store.
const (
	bucketZones   = "route53.zones"   // by ID
	bucketSets    = "route53.sets"    // by zone ID / place of the set in the zone
	bucketChanges = "route53.changes" // by ID
)

// Config says what a service works with. Store must be set.
type Config struct {
	Store store.Store
	Clock clock.Clock // clock.System when nil
}

// Service is Route 53. Its methods may be called from any goroutine.
type Service struct {
	store store.Store
	clock clock.Clock

	mu      sync.Mutex // orders changes, which hold it until they are durable
	zones   atomic.Pointer[map[string]*zone]
	changes []string // IDs of those that are kept, oldest first; guarded by mu
}

// keptChanges is how many changes GetChange knows. AWS documents no number and no age.
const keptChanges = 1000

// zoneRecord is a hosted zone without its record sets.
type zoneRecord struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"` // in lower case, with a dot at the end
	Reference string    `json:"reference"`
	Comment   string    `json:"comment,omitempty"`
	Created   time.Time `json:"created"`
}

// changeRecord is a change that was made.
type changeRecord struct {
	ID      string    `json:"id"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}

// New opens the service on what is in the store.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("route53: a store is needed")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	s := &Service{store: cfg.Store, clock: cfg.Clock}
	zones := map[string]*zone{}
	err := scan(cfg.Store, bucketZones, store.Range{}, func(_ string, r *zoneRecord) error {
		z := &zone{zoneRecord: *r}
		zones[r.ID] = z
		return scan(cfg.Store, bucketSets, store.Prefix(r.ID+"/"), func(_ string, set *types.ResourceRecordSet) error {
			z.sets = append(z.sets, *set) // in the order of the keys, which is that of the zone
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	s.zones.Store(&zones)
	var changes []changeRecord
	err = scan(cfg.Store, bucketChanges, store.Range{}, func(_ string, r *changeRecord) error {
		changes = append(changes, *r)
		return nil
	})
	slices.SortFunc(changes, func(a, b changeRecord) int { return a.At.Compare(b.At) })
	for _, r := range changes {
		s.changes = append(s.changes, r.ID)
	}
	return s, err
}

// API is the table of the operations that are served; every other one is refused by its name.
func (s *Service) API() *awsproto.Service {
	const zones, zone = "/2013-04-01/hostedzone", "/2013-04-01/hostedzone/{HostedZoneId}/rrset"
	return &awsproto.Service{
		Name: "route53", APIVersion: "2013-04-01", Namespace: "https://route53.amazonaws.com/doc/2013-04-01/",
		Protocols: []awsproto.Protocol{awsproto.RESTXML}, WrappedErrors: true,
		Statuses: map[string]int{
			"NoSuchHostedZone": 404, "NoSuchChange": 404, "HostedZoneAlreadyExists": 409,
		},
		Lists: map[string]string{
			"ChangeBatch.Changes": "Change", "ResourceRecordSet.ResourceRecords": "ResourceRecord", "DelegationSet.NameServers": "NameServer",
			"ListHostedZonesOutput.HostedZones": "HostedZone", "ListHostedZonesByNameOutput.HostedZones": "HostedZone",
			"ListResourceRecordSetsOutput.ResourceRecordSets": "ResourceRecordSet", "InvalidChangeBatch.Messages": "Message",
			"GetHostedZoneOutput.VPCs": "VPC",
		},
		Operations: []awsproto.Operation{
			awsproto.Op(s.ChangeResourceRecordSets, awsproto.HTTP("POST", zone, 200), awsproto.Root("ChangeResourceRecordSetsResponse")),
			awsproto.Op(s.CreateHostedZone, awsproto.HTTP("POST", zones, 201, awsproto.InHeader("Location", "Location").ForOutput()), awsproto.Root("CreateHostedZoneResponse")),
			awsproto.Op(s.DeleteHostedZone, awsproto.HTTP("DELETE", zones+"/{Id}", 200), awsproto.Root("DeleteHostedZoneResponse")),
			awsproto.Op(s.GetChange, awsproto.HTTP("GET", "/2013-04-01/change/{Id}", 200), awsproto.Root("GetChangeResponse")),
			awsproto.Op(s.GetHostedZone, awsproto.HTTP("GET", zones+"/{Id}", 200), awsproto.Root("GetHostedZoneResponse")),
			awsproto.Op(s.ListHostedZones, awsproto.HTTP("GET", zones, 200,
				awsproto.InQuery("DelegationSetId", "delegationsetid"), awsproto.InQuery("HostedZoneType", "hostedzonetype"),
				awsproto.InQuery("Marker", "marker").ForInput(), awsproto.InQuery("MaxItems", "maxitems").ForInput()), awsproto.Root("ListHostedZonesResponse")),
			awsproto.Op(s.ListHostedZonesByName, awsproto.HTTP("GET", "/2013-04-01/hostedzonesbyname", 200,
				awsproto.InQuery("DNSName", "dnsname").ForInput(), awsproto.InQuery("HostedZoneId", "hostedzoneid").ForInput(),
				awsproto.InQuery("MaxItems", "maxitems").ForInput()), awsproto.Root("ListHostedZonesByNameResponse")),
			awsproto.Op(s.ListResourceRecordSets, awsproto.HTTP("GET", zone, 200,
				awsproto.InQuery("MaxItems", "maxitems").ForInput(), awsproto.InQuery("StartRecordIdentifier", "identifier"),
				awsproto.InQuery("StartRecordName", "name"), awsproto.InQuery("StartRecordType", "type")), awsproto.Root("ListResourceRecordSetsResponse")),
		},
	}
}

// commit makes a batch durable, with a record of the change, and then shows a zone in its new form; nil shows that it is
// gone. The oldest changes make room for the new one. The caller holds mu.
func (s *Service) commit(ctx context.Context, b *store.Batch, comment, id string, z *zone) (*types.ChangeInfo, error) {
	change := changeRecord{ID: newID("C"), Comment: comment, At: s.clock.Now()}
	if err := put(b, bucketChanges, change.ID, change); err != nil {
		return nil, err
	}
	changes := append(s.changes, change.ID)
	for ; len(changes) > keptChanges; changes = changes[1:] {
		b.Delete(bucketChanges, changes[0])
	}
	if err := s.store.Commit(ctx, b); err != nil {
		return nil, err
	}
	s.changes = changes
	next := maps.Clone(*s.zones.Load())
	delete(next, id)
	if z != nil {
		next[id] = z
	}
	s.zones.Store(&next)
	return changeInfo(change), nil
}

func scan[T any](s store.Store, bucket string, r store.Range, each func(key string, v *T) error) error {
	for e, err := range s.Scan(context.Background(), bucket, r) {
		if err != nil {
			return fmt.Errorf("route53: reading %s: %w", bucket, err)
		}
		v := new(T)
		if err := json.Unmarshal(e.Value, v); err != nil {
			return fmt.Errorf("route53: %s %s in the store cannot be read: %w", bucket, e.Key, err)
		}
		if err := each(e.Key, v); err != nil {
			return err
		}
	}
	return nil
}

func put(b *store.Batch, bucket, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("route53: %s %s: %w", bucket, key, err)
	}
	b.Put(bucket, key, raw)
	return nil
}
