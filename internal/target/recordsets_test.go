package target

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/tealdeploy/teal/internal/release"
)

// element is any element of XML: what a record set has, also what this package knows nothing of.
type element struct {
	XMLName xml.Name
	Text    string    `xml:",chardata"`
	Inner   []element `xml:",any"`
}

// lines writes an element so that two with the same content are equal, in whichever order it was sent.
func (e element) lines(at string) []string {
	at += "/" + e.XMLName.Local
	if len(e.Inner) == 0 {
		return []string{at + "=" + e.Text}
	}
	var all []string
	for _, in := range e.Inner {
		all = append(all, in.lines(at)...)
	}
	slices.Sort(all)
	return all
}

func (e element) part(name string) string {
	for _, in := range e.Inner {
		if in.XMLName.Local == name {
			return in.Text
		}
	}
	return ""
}

// route53Zone is a hosted zone that keeps what it is sent as it came.
type route53Zone struct {
	mu      sync.Mutex
	sets    []string // ResourceRecordSet elements
	page    int      // how many it lists at once; 0 for all
	batches []string
	pending int    // how many looks a change stays PENDING
	refuse  string // an error code for changes
}

func (z *route53Zone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z.mu.Lock()
	defer z.mu.Unlock()
	const head = `<?xml version="1.0" encoding="UTF-8"?>`
	switch {
	case strings.HasPrefix(r.URL.Path, "/2013-04-01/change/"):
		status := "INSYNC"
		if z.pending > 0 {
			z.pending--
			status = "PENDING"
		}
		fmt.Fprintf(w, head+`<GetChangeResponse><ChangeInfo><Id>/change/C7</Id><Status>%s</Status><SubmittedAt>2026-11-21T12:00:00Z</SubmittedAt></ChangeInfo></GetChangeResponse>`, status)
	case !strings.HasPrefix(r.URL.Path, "/2013-04-01/hostedzone/Z1/rrset"):
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, head+`<ErrorResponse><Error><Code>NoSuchHostedZone</Code><Message>No hosted zone found</Message></Error></ErrorResponse>`)
	case r.Method == http.MethodGet:
		z.list(w, r)
	case z.refuse != "":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, head+`<ErrorResponse><Error><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`, z.refuse)
	default:
		body, _ := io.ReadAll(r.Body)
		z.batches = append(z.batches, string(body))
		var in struct {
			Batch struct {
				Changes []struct {
					Action string
					Set    struct {
						XML string `xml:",innerxml"`
					} `xml:"ResourceRecordSet"`
				} `xml:"Changes>Change"`
			} `xml:"ChangeBatch"`
		}
		if err := xml.Unmarshal(body, &in); err != nil {
			panic(err)
		}
		for _, c := range in.Batch.Changes {
			set := "<ResourceRecordSet>" + c.Set.XML + "</ResourceRecordSet>"
			i := slices.IndexFunc(z.sets, func(old string) bool { return parse(old).part("SetIdentifier") == parse(set).part("SetIdentifier") })
			z.sets[i] = set
		}
		fmt.Fprint(w, head+`<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C7</Id><Status>PENDING</Status><SubmittedAt>2026-11-21T12:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>`)
	}
}

func (z *route53Zone) list(w io.Writer, r *http.Request) {
	from := 0
	if id := r.URL.Query().Get("identifier"); id != "" {
		from = slices.IndexFunc(z.sets, func(s string) bool { return parse(s).part("SetIdentifier") == id })
	}
	to, next := len(z.sets), "<IsTruncated>false</IsTruncated>"
	if z.page > 0 && from+z.page < to {
		to = from + z.page
		after := parse(z.sets[to])
		next = fmt.Sprintf("<IsTruncated>true</IsTruncated><NextRecordName>%s</NextRecordName><NextRecordType>%s</NextRecordType><NextRecordIdentifier>%s</NextRecordIdentifier>", after.part("Name"), after.part("Type"), after.part("SetIdentifier"))
	}
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><ListResourceRecordSetsResponse><ResourceRecordSets>%s</ResourceRecordSets>%s<MaxItems>300</MaxItems></ListResourceRecordSetsResponse>`, strings.Join(z.sets[from:to], ""), next)
}

func parse(s string) (e element) {
	if err := xml.Unmarshal([]byte(s), &e); err != nil {
		panic(err)
	}
	return e
}

func cname(id string, weight, ttl int) string {
	return fmt.Sprintf(`<ResourceRecordSet><Name>api.shop.test.</Name><Type>CNAME</Type><SetIdentifier>%s</SetIdentifier><Weight>%d</Weight><TTL>%d</TTL><ResourceRecords><ResourceRecord><Value>%s.shop.test</Value></ResourceRecord></ResourceRecords><HealthCheckId>abc-%s</HealthCheckId></ResourceRecordSet>`, id, weight, ttl, id, id)
}

func aliased(id string, weight int) string {
	return fmt.Sprintf(`<ResourceRecordSet><Name>api.shop.test.</Name><Type>A</Type><SetIdentifier>%s</SetIdentifier><Weight>%d</Weight><AliasTarget><HostedZoneId>Z2</HostedZoneId><DNSName>d-%s.execute-api.us-east-1.amazonaws.com.</DNSName><EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget></ResourceRecordSet>`, id, weight, id)
}

func openZone(t *testing.T, z *route53Zone) *Target {
	srv := httptest.NewServer(z)
	t.Cleanup(srv.Close)
	return New(aws.Config{Region: "us-east-1", BaseEndpoint: &srv.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}, Options{})
}

func routerOf(kind string) release.Router {
	return release.Router{HostedZone: "Z1", Name: "api.shop.test", Type: kind, Slots: []release.Slot{{SetIdentifier: "blue", Alias: "blue"}, {SetIdentifier: "green", Alias: "green"}}}
}

// TestWeightsAreAllThatIsWritten: both record sets go in one batch, and everything of them but the weight is as it was read.
func TestWeightsAreAllThatIsWritten(t *testing.T) {
	for kind, of := range map[string]struct {
		sets []string
		ttl  time.Duration
	}{
		"CNAME": {[]string{cname("green", 0, 300), cname("blue", 255, 60)}, 5 * time.Minute},
		"A":     {[]string{aliased("blue", 7), aliased("green", 0)}, time.Minute},
	} {
		t.Run(kind, func(t *testing.T) {
			z, ctx, r := &route53Zone{sets: slices.Clone(of.sets), page: 1}, t.Context(), routerOf(kind)
			g := openZone(t, z)
			now, err := g.GetRouting(ctx, r.Ref())
			if err != nil || now.Routing != r.Towards("blue", 100) || now.TTL != of.ttl || now.Revision == "" || now.Change != "" {
				t.Fatalf("read %+v, %v", now, err)
			}
			want := release.AliasRouting{Ref: r.Ref(), Routing: r.Towards("green", 10), Revision: now.Revision}
			got, err := g.SetRouting(ctx, want)
			if err != nil || got.Routing != want.Routing || got.Change != "C7" || got.TTL != of.ttl {
				t.Fatalf("set %+v, %v", got, err)
			}
			if len(z.batches) != 1 || strings.Count(z.batches[0], "<Action>UPSERT</Action>") != 2 {
				t.Fatalf("batches: %q", z.batches)
			}
			for i, set := range z.sets {
				weight := map[string]string{"blue": "90", "green": "10"}[parse(set).part("SetIdentifier")]
				is := strings.Join(parse(set).lines(""), "\n")
				was := strings.Join(parse(of.sets[i]).lines(""), "\n")
				if is != strings.Replace(was, "/Weight="+parse(of.sets[i]).part("Weight"), "/Weight="+weight, 1) {
					t.Errorf("written:\n%s\nwas:\n%s", is, was)
				}
			}
			read, err := g.GetRouting(ctx, r.Ref())
			if err != nil || read.Revision != got.Revision || read.Routing != want.Routing {
				t.Errorf("read again %+v, %v; set gave %+v", read, err, got)
			}
			// The same once more, as when the answer was lost: that is a change to wait for.
			if again, err := g.SetRouting(ctx, want); err != nil || again != got || len(z.batches) != 2 {
				t.Errorf("again %+v, %v, %d batches", again, err, len(z.batches))
			}
		})
	}
}

func TestRecordSetsOfOthersAreNotOverwritten(t *testing.T) {
	ctx, r := t.Context(), routerOf("CNAME")
	for name, change := range map[string]func(*route53Zone){
		"other weights": func(z *route53Zone) { z.sets[1] = cname("green", 33, 60) },
		"other target":  func(z *route53Zone) { z.sets[1] = strings.ReplaceAll(cname("green", 0, 60), "green.shop", "else.shop") },
		"other TTL":     func(z *route53Zone) { z.sets[1] = cname("green", 0, 61) },
		"other slots":   func(z *route53Zone) { z.sets[1] = cname("grün", 0, 60) },
	} {
		t.Run(name, func(t *testing.T) {
			z := &route53Zone{sets: []string{cname("blue", 100, 60), cname("green", 0, 60)}}
			g := openZone(t, z)
			now, err := g.GetRouting(ctx, r.Ref())
			if err != nil {
				t.Fatal(err)
			}
			change(z)
			_, err = g.SetRouting(ctx, release.AliasRouting{Ref: r.Ref(), Routing: r.Towards("green", 10), Revision: now.Revision})
			if !errors.Is(err, release.ErrConflict) || len(z.batches) != 0 {
				t.Errorf("%v, %d batches", err, len(z.batches))
			}
		})
	}
}

func TestRecordSetsThatDoNotFitAreToldByName(t *testing.T) {
	simple := `<ResourceRecordSet><Name>api.shop.test.</Name><Type>CNAME</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>x.shop.test</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>`
	latency := `<ResourceRecordSet><Name>api.shop.test.</Name><Type>CNAME</Type><SetIdentifier>near</SetIdentifier><Region>eu-west-1</Region><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>x.shop.test</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>`
	below := strings.ReplaceAll(simple, "api.shop.test.", "a.api.shop.test.")
	for name, c := range map[string]struct {
		sets []string
		want string
	}{
		"one":        {[]string{cname("blue", 1, 60)}, "there are 1 (blue), and a router has two"},
		"three":      {[]string{cname("blue", 1, 60), cname("green", 0, 60), cname("red", 0, 60)}, "there are 3 (blue, green, red)"},
		"simple":     {[]string{simple}, "the record set has no weight"},
		"latency":    {[]string{latency}, "near has no weight"},
		"other type": {[]string{aliased("blue", 1), cname("blue", 1, 60), cname("green", 0, 60)}, "there are record sets of type A too"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openZone(t, &route53Zone{sets: c.sets}).GetRouting(t.Context(), routerOf("CNAME").Ref())
			if !errors.Is(err, release.ErrRefused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if _, err := openZone(t, &route53Zone{sets: []string{below}}).GetRouting(t.Context(), routerOf("CNAME").Ref()); !errors.Is(err, release.ErrNoAlias) {
		t.Errorf("without record sets of the name: %v", err)
	}
	r := routerOf("CNAME")
	r.HostedZone = "Z9"
	if _, err := openZone(t, &route53Zone{}).GetRouting(t.Context(), r.Ref()); !errors.Is(err, release.ErrRefused) || !strings.Contains(err.Error(), "there is no hosted zone Z9") {
		t.Errorf("without a hosted zone: %v", err)
	}
	z := &route53Zone{sets: []string{cname("blue", 0, 60), cname("green", 0, 60)}}
	if now, err := openZone(t, z).GetRouting(t.Context(), routerOf("CNAME").Ref()); err != nil || now.Routing.Weight != 0.5 {
		t.Errorf("all weights 0 answer alike: %+v, %v", now, err)
	}
	odd := release.AliasRouting{Ref: routerOf("CNAME").Ref(), Routing: routerOf("CNAME").Towards("green", 0)}
	odd.Routing.Weight = 0.105
	if _, err := openZone(t, z).SetRouting(t.Context(), odd); !errors.Is(err, release.ErrRefused) {
		t.Errorf("half a percent: %v", err)
	}
	z.refuse = "PriorRequestNotComplete"
	now := release.AliasRouting{Ref: routerOf("CNAME").Ref(), Routing: routerOf("CNAME").Towards("green", 50)}
	if _, err := openZone(t, z).SetRouting(t.Context(), now); code(err) != "PriorRequestNotComplete" {
		t.Errorf("a zone with a change under way: %v", err)
	}
}

// direct answers requests in the caller's goroutine, so that time in a bubble stands still meanwhile.
type direct struct{ http.Handler }

func (d direct) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestAwaitChangeWaitsUntilItIsInSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &route53Zone{pending: 20}
		g := New(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://route53.test"), HTTPClient: direct{z}, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}, Options{})
		began := time.Now()
		if err := g.AwaitChange(t.Context(), "C7"); err != nil || z.pending != 0 {
			t.Fatalf("%v, %d looks left", err, z.pending)
		}
		if took := time.Since(began); took < 45*time.Second || took > 75*time.Second {
			t.Errorf("20 looks took %s", took)
		}
		z.pending = 1000
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.AwaitChange(ctx, "C7"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "still PENDING") {
			t.Errorf("a change that never arrives: %v", err)
		}
	})
}

// TestEntrancesThatDoNotAskTheDNS: an event source mapping of a slot's alias gets what is in the slot.
func TestEntrancesThatDoNotAskTheDNS(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.Header.Get("Authorization"), "/sts/"):
			fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>000000000000</Account><Arn>arn:aws:iam::000000000000:root</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		case strings.HasPrefix(r.URL.Path, "/2015-03-31/event-source-mappings"):
			fmt.Fprint(w, `{"EventSourceMappings":[{"UUID":"u1","EventSourceArn":"arn:aws:sqs:us-east-1:000000000000:q","FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:shop-f:green"},{"UUID":"u2","FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:shop-f:batch"}]}`)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	t.Cleanup(srv.Close)
	g := New(aws.Config{Region: "us-east-1", BaseEndpoint: &srv.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}, Options{})
	r := routerOf("CNAME")
	found, err := g.Entrances(t.Context(), release.Spec{App: "shop", Functions: []release.Function{{Key: "f", Name: "shop-f"}}, Router: &r})
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Text, "u1 of arn:aws:sqs:us-east-1:000000000000:q leads to alias green and does not ask the DNS") {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestRoute53HasOneBucket(t *testing.T) {
	one, lim, ok := limitOf(route53.ServiceID, "GetChange")
	other, _, _ := limitOf(route53.ServiceID, "ChangeResourceRecordSets")
	if !ok || one != other || lim.rate > 5 || lim.burst > 5 {
		t.Errorf("%s and %s at %v", one, other, lim)
	}
}
