package route53

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/miekg/dns"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// rig is a service with AWS's own client and a resolver that asks its responder.
type rig struct {
	t        *testing.T
	svc      *Service
	client   *sdk.Client
	resolver *net.Resolver
}

func start(t *testing.T, s store.Store) *rig {
	t.Helper()
	svc, err := New(Config{Store: s})
	must(t, err)
	mux, err := awsproto.NewMux(awsproto.Config{}, svc.API())
	must(t, err)
	server := httptest.NewServer(mux)
	responder, err := svc.Respond("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { server.Close(); responder.Close() })
	return &rig{
		t: t, svc: svc,
		client: sdk.NewFromConfig(aws.Config{
			Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
		}),
		resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, responder.Addr())
		}},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) zone(name string) string {
	r.t.Helper()
	out, err := r.client.CreateHostedZone(r.t.Context(), &sdk.CreateHostedZoneInput{Name: &name, CallerReference: &name})
	must(r.t, err)
	return *out.HostedZone.Id
}

func (r *rig) change(zone string, changes ...types.Change) error {
	out, err := r.client.ChangeResourceRecordSets(r.t.Context(), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &zone, ChangeBatch: &types.ChangeBatch{Changes: changes}})
	if err != nil {
		return err
	}
	got, err := r.client.GetChange(r.t.Context(), &sdk.GetChangeInput{Id: out.ChangeInfo.Id})
	if err == nil && got.ChangeInfo.Status != types.ChangeStatusInsync {
		err = fmt.Errorf("the change is %s", got.ChangeInfo.Status)
	}
	return err
}

func change(action types.ChangeAction, name string, kind types.RRType, id string, weight int64, values ...string) types.Change {
	set := &types.ResourceRecordSet{Name: &name, Type: kind, TTL: aws.Int64(30)}
	if id != "" {
		set.SetIdentifier, set.Weight = &id, &weight
	}
	for _, v := range values {
		set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: &v})
	}
	return types.Change{Action: action, ResourceRecordSet: set}
}

// share asks n times and gives the part of the answers that are ip.
func (r *rig) share(name, ip string, n int) float64 {
	r.t.Helper()
	hits := 0
	for range n {
		ips, err := r.resolver.LookupHost(r.t.Context(), name)
		must(r.t, err)
		if slices.Contains(ips, ip) {
			hits++
		}
	}
	return float64(hits) / float64(n)
}

// Why: whoever shifts at the DNS trusts that the weights are the shares, from the moment at which the change was answered.
func TestWeightsAreShares(t *testing.T) {
	r := start(t, memory.New())
	zone := r.zone("shop.test")
	for _, weights := range [][2]int64{{90, 10}, {0, 100}, {100, 0}, {0, 0}} {
		must(t, r.change(zone,
			change(types.ChangeActionUpsert, "api.shop.test", types.RRTypeA, "blue", weights[0], "127.0.0.1"),
			change(types.ChangeActionUpsert, "api.shop.test", types.RRTypeA, "green", weights[1], "127.0.0.2")))
		want, n := float64(weights[1])/math.Max(float64(weights[0]+weights[1]), 1), 1500
		if weights == [2]int64{} {
			want = 0.5 // equal, as AWS does
		}
		limit := 5 * math.Sqrt(want*(1-want)/float64(n)) // five standard deviations
		if have := r.share("api.shop.test", "127.0.0.2", n); math.Abs(have-want) > limit {
			t.Errorf("weights %v: green has %.3f, want %.3f ± %.3f", weights, have, want, limit)
		}
	}
}

// Why: the pick must be right for any number of sets, not for two only: over all draws each has its share.
func TestPickSharesByWeight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Int64Range(0, maxWeight), 1, 6).Draw(t, "weights")
		var sets []types.ResourceRecordSet
		total := int64(0)
		for i, w := range weights {
			sets = append(sets, types.ResourceRecordSet{SetIdentifier: aws.String(fmt.Sprint(i)), Weight: &w})
			total += w
		}
		const n = 5000
		hits := map[string]int{}
		for i := range n {
			set := pick(sets, (float64(i)+0.5)/n)
			if set == nil {
				t.Fatalf("nothing is picked of %v at %v", weights, (float64(i)+0.5)/n)
			}
			hits[*set.SetIdentifier]++
		}
		for i, w := range weights {
			want := float64(w) / float64(max(total, 1))
			if total == 0 {
				want = 1 / float64(len(weights))
			}
			if have := float64(hits[fmt.Sprint(i)]) / n; math.Abs(have-want) > 2.0/n*float64(len(weights)) {
				t.Errorf("set %d of %v has %.4f, want %.4f", i, weights, have, want)
			}
		}
	})
}

// Why: every kind that is served must reach a client as it was put, with its TTL, and survive a restart.
func TestAnswersAndRestart(t *testing.T) {
	s := memory.New()
	r := start(t, s)
	zone := r.zone("shop.test")
	must(t, r.change(zone,
		change(types.ChangeActionCreate, "www.shop.test", types.RRTypeCname, "", 0, "deep.api.shop.test"),
		change(types.ChangeActionCreate, "deep.api.shop.test", types.RRTypeA, "", 0, "127.0.0.9"),
		change(types.ChangeActionCreate, "deep.api.shop.test", types.RRTypeAaaa, "", 0, "::9"),
		change(types.ChangeActionCreate, "note.shop.test", types.RRTypeTxt, "", 0, `"one" "two \"quoted\""`),
		change(types.ChangeActionCreate, "long.shop.test", types.RRTypeTxt, "", 0, `"`+strings.Repeat("x", 255)+`" "`+strings.Repeat("y", 255)+`" "`+strings.Repeat("z", 255)+`"`)))
	for range 2 {
		ctx := t.Context()
		ips, err := r.resolver.LookupHost(ctx, "www.shop.test")
		slices.Sort(ips)
		if err != nil || !slices.Equal(ips, []string{"127.0.0.9", "::9"}) {
			t.Errorf("www: %v, %v", ips, err)
		}
		if name, err := r.resolver.LookupCNAME(ctx, "www.shop.test"); err != nil || name != "deep.api.shop.test." {
			t.Errorf("cname: %s, %v", name, err)
		}
		if txt, err := r.resolver.LookupTXT(ctx, "note.shop.test"); err != nil || !slices.Equal(txt, []string{`onetwo "quoted"`}) {
			t.Errorf("txt: %q, %v", txt, err)
		}
		if txt, err := r.resolver.LookupTXT(ctx, "long.shop.test"); err != nil || len(txt) != 1 || len(txt[0]) != 765 { // truncated over UDP, whole over TCP
			t.Errorf("long: %q, %v", txt, err)
		}
		var missing *net.DNSError
		if _, err := r.resolver.LookupHost(ctx, "none.shop.test"); !errors.As(err, &missing) || !missing.IsNotFound {
			t.Errorf("a name that is not there: %v", err)
		}
		r = start(t, s)
	}
	m := &dns.Msg{}
	r.svc.answer(m, "deep.api.shop.test.", dns.TypeA, func() float64 { return 0 })
	if len(m.Answer) != 1 || m.Answer[0].Header().TTL != 30 || !m.Authoritative {
		t.Errorf("answer: %v", m)
	}
	for name, want := range map[string]uint16{"api.shop.test.": dns.RcodeSuccess, "x.shop.test.": dns.RcodeNameError, "example.com.": dns.RcodeRefused} {
		m := &dns.Msg{}
		if r.svc.answer(m, name, dns.TypeA, func() float64 { return 0 }); m.Rcode != want || len(m.Answer) != 0 {
			t.Errorf("%s: code %d, want %d", name, m.Rcode, want)
		}
	}
}

// Why: a batch that has one thing wrong must change nothing, and say everything that is wrong.
func TestBatchesAreAtomic(t *testing.T) {
	r := start(t, memory.New())
	zone := r.zone("shop.test")
	a := func(action types.ChangeAction, name string, values ...string) types.Change {
		return change(action, name, types.RRTypeA, "", 0, values...)
	}
	must(t, r.change(zone, a(types.ChangeActionCreate, "a.shop.test", "127.0.0.1")))
	for _, c := range []struct {
		code, says string
		changes    []types.Change
	}{
		{"InvalidChangeBatch", "already exists", []types.Change{a("CREATE", "b.shop.test", "127.0.0.1"), a("CREATE", "a.shop.test", "127.0.0.1")}},
		{"InvalidChangeBatch", "was not found", []types.Change{a("CREATE", "b.shop.test", "127.0.0.1"), a("DELETE", "c.shop.test", "127.0.0.1")}},
		{"InvalidChangeBatch", "do not match", []types.Change{a("DELETE", "a.shop.test", "127.0.0.2")}},
		{"InvalidChangeBatch", "not permitted in zone", []types.Change{a("CREATE", "b.other.test", "127.0.0.1")}},
		{"InvalidChangeBatch", "valid IPv4", []types.Change{a("CREATE", "b.shop.test", "me")}},
		{"InvalidChangeBatch", "at apex", []types.Change{change("CREATE", "shop.test", types.RRTypeCname, "", 0, "x.test")}},
		{"InvalidChangeBatch", "conflicting RRSet of type A", []types.Change{change("CREATE", "a.shop.test", types.RRTypeCname, "", 0, "x.test")}},
		{"InvalidChangeBatch", "conflicting RRSet", []types.Change{change("CREATE", "a.shop.test", types.RRTypeA, "x", 1, "127.0.0.1")}},
		{"InvalidInput", "between 0 and 255", []types.Change{change("CREATE", "b.shop.test", types.RRTypeA, "x", 256, "127.0.0.1")}},
		{"InvalidInput", "not served here", []types.Change{change("CREATE", "b.shop.test", types.RRTypeMx, "", 0, "1 x.test")}},
		{"InvalidInput", "none", []types.Change{a("CREATE", "b.shop.test")}},
	} {
		err := r.change(zone, c.changes...)
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != c.code || !strings.Contains(api.ErrorMessage(), c.says) {
			t.Errorf("have %v, want %s that says %q", err, c.code, c.says)
		}
	}
	var names []string
	list, err := r.client.ListResourceRecordSets(t.Context(), &sdk.ListResourceRecordSetsInput{HostedZoneId: &zone})
	must(t, err)
	for _, set := range list.ResourceRecordSets {
		names = append(names, *set.Name+" "+string(set.Type))
	}
	if want := []string{"shop.test. NS", "shop.test. SOA", "a.shop.test. A"}; !slices.Equal(names, want) {
		t.Errorf("have %v, want %v", names, want)
	}
	_, err = r.client.DeleteHostedZone(t.Context(), &sdk.DeleteHostedZoneInput{Id: &zone})
	var full *types.HostedZoneNotEmpty
	if !errors.As(err, &full) {
		t.Errorf("a zone with records was deleted, or refused otherwise: %v", err)
	}
	must(t, r.change(zone, a(types.ChangeActionDelete, "a.shop.test", "127.0.0.1")))
	_, err = r.client.DeleteHostedZone(t.Context(), &sdk.DeleteHostedZoneInput{Id: &zone})
	must(t, err)
	_, err = r.client.GetHostedZone(t.Context(), &sdk.GetHostedZoneInput{Id: &zone})
	var gone *types.NoSuchHostedZone
	if !errors.As(err, &gone) {
		t.Errorf("a deleted zone: %v", err)
	}
}

// Why: AWS's own pages must end and miss nothing.
func TestListsAreWhole(t *testing.T) {
	r := start(t, memory.New())
	var zones []string
	for _, name := range []string{"b.test", "a.test", "x.a.test"} {
		zones = append(zones, r.zone(name))
	}
	var changes []types.Change
	for i := range 250 {
		changes = append(changes, change(types.ChangeActionCreate, fmt.Sprintf("h%03d.a.test", i), types.RRTypeA, "", 0, "127.0.0.1"))
	}
	must(t, r.change(zones[1], changes...))
	n := 0
	for p := sdk.NewListResourceRecordSetsPaginator(r.client, &sdk.ListResourceRecordSetsInput{HostedZoneId: &zones[1]}); p.HasMorePages(); {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		page, err := p.NextPage(ctx)
		cancel()
		must(t, err)
		n += len(page.ResourceRecordSets)
	}
	if n != 252 {
		t.Errorf("listed %d record sets, want 252", n)
	}
	n = 0
	for p := sdk.NewListHostedZonesPaginator(r.client, &sdk.ListHostedZonesInput{MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		must(t, err)
		n += len(page.HostedZones)
	}
	if n != 3 {
		t.Errorf("listed %d zones, want 3", n)
	}
	byName, err := r.client.ListHostedZonesByName(t.Context(), &sdk.ListHostedZonesByNameInput{DNSName: aws.String("a.test")})
	must(t, err)
	var names []string
	for _, z := range byName.HostedZones {
		names = append(names, *z.Name)
	}
	if want := []string{"a.test.", "x.a.test.", "b.test."}; !slices.Equal(names, want) {
		t.Errorf("by name: %v, want %v", names, want)
	}
	_, err = r.client.CreateHostedZone(t.Context(), &sdk.CreateHostedZoneInput{Name: aws.String("c.test"), CallerReference: aws.String("a.test")})
	var twice *types.HostedZoneAlreadyExists
	if !errors.As(err, &twice) {
		t.Errorf("a reference that was used: %v", err)
	}
}

// Why: a zone whose weights move for years must not grow for ever; what a client waits for must be there meanwhile.
func TestOldChangesAreLetGo(t *testing.T) {
	s := memory.New()
	defer s.Close()
	svc, err := New(Config{Store: s})
	must(t, err)
	made, err := svc.CreateHostedZone(t.Context(), &sdk.CreateHostedZoneInput{Name: aws.String("shop.test"), CallerReference: aws.String("1")})
	must(t, err)
	ids := []*string{made.ChangeInfo.Id}
	for i := range keptChanges + 2 {
		if i == 500 {
			svc, err = New(Config{Store: s})
			must(t, err)
		}
		out, err := svc.ChangeResourceRecordSets(t.Context(), &sdk.ChangeResourceRecordSetsInput{
			HostedZoneId: made.HostedZone.Id,
			ChangeBatch:  &types.ChangeBatch{Changes: []types.Change{change(types.ChangeActionUpsert, "api.shop.test", types.RRTypeA, "blue", int64(i%256), "127.0.0.1")}},
		})
		must(t, err)
		ids = append(ids, out.ChangeInfo.Id)
	}
	for i, id := range ids {
		_, err := svc.GetChange(t.Context(), &sdk.GetChangeInput{Id: id})
		var unknown *types.NoSuchChange
		if gone := errors.As(err, &unknown); gone != (i < 3) || err != nil && !gone {
			t.Fatalf("change %d of %d: %v", i+1, len(ids), err)
		}
	}
}
