package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"codeberg.org/miekg/dns"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/rogpeppe/go-internal/testscript"
)

// What someone else does with Route 53, and what clients of the DNS see, in scripts.

// scriptZone is: zone NAME. It makes a hosted zone and puts its ID into $ZONE.
func scriptZone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: zone NAME")
	}
	out, err := route53.NewFromConfig(awsOf(ts)).CreateHostedZone(context.Background(), &route53.CreateHostedZoneInput{Name: &args[0], CallerReference: &args[0]})
	ts.Check(err)
	ts.Setenv("ZONE", strings.TrimPrefix(*out.HostedZone.Id, "/hostedzone/"))
}

// scriptRecord is: record NAME TTL SLOT=WEIGHT... It writes a CNAME for every slot, which leads to SLOT.NAME where it did not
// lead anywhere before. A slot without a weight gets a record set without one.
func scriptRecord(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: record NAME TTL SLOT=WEIGHT...")
	}
	there := recordsOf(ts, args[0])
	for _, arg := range args[2:] {
		slot, weight, weighted := strings.Cut(arg, "=")
		set := types.ResourceRecordSet{
			Name: &args[0], Type: types.RRTypeCname, TTL: aws.Int64(int64(number(ts, args[1]))),
			ResourceRecords: []types.ResourceRecord{{Value: aws.String(slot + "." + args[0])}},
		}
		if weighted {
			set.SetIdentifier, set.Weight = &slot, aws.Int64(int64(number(ts, weight)))
		}
		if old, ok := there[slot]; ok {
			set.ResourceRecords = old.ResourceRecords
		}
		upsert(ts, set)
	}
}

// scriptEntrance is: entrance NAME SLOT FUNCTION:ALIAS. It makes a function URL for the alias and lets the slot lead to it. An
// alias that there is not is made at version 1.
func scriptEntrance(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: entrance NAME SLOT FUNCTION:ALIAS")
	}
	function, name := splitAlias(ts, args[2])
	client := lambda.NewFromConfig(awsOf(ts))
	if _, err := client.GetAlias(context.Background(), &lambda.GetAliasInput{FunctionName: &function, Name: &name}); err != nil {
		_, err = client.CreateAlias(context.Background(), &lambda.CreateAliasInput{FunctionName: &function, Name: &name, FunctionVersion: aws.String("1")})
		ts.Check(err)
	}
	out, err := client.CreateFunctionUrlConfig(context.Background(), &lambda.CreateFunctionUrlConfigInput{FunctionName: &function, Qualifier: &name, AuthType: lambdatypes.FunctionUrlAuthTypeNone})
	ts.Check(err)
	_, err = client.AddPermission(context.Background(), &lambda.AddPermissionInput{
		FunctionName: &function, Qualifier: &name, StatementId: aws.String("url"), Action: aws.String("lambda:InvokeFunctionUrl"),
		Principal: aws.String("*"), FunctionUrlAuthType: lambdatypes.FunctionUrlAuthTypeNone,
	})
	ts.Check(err)
	at, err := url.Parse(*out.FunctionUrl)
	ts.Check(err)
	set := recordsOf(ts, args[0])[args[1]]
	set.ResourceRecords = []types.ResourceRecord{{Value: aws.String(at.Hostname())}}
	upsert(ts, set)
}

// scriptWeights is: weights NAME SLOT=WEIGHT... The record sets must have these weights, and there must be no others.
func scriptWeights(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: weights NAME SLOT=WEIGHT...")
	}
	there := recordsOf(ts, args[0])
	for _, arg := range args[1:] {
		slot, weight, _ := strings.Cut(arg, "=")
		if got := strconv.FormatInt(aws.ToInt64(there[slot].Weight), 10); got != weight {
			ts.Fatalf("slot %s of %s has the weight %s, want %s", slot, args[0], got, weight)
		}
	}
	if len(there) != len(args)-1 {
		ts.Fatalf("%s has %d record sets", args[0], len(there))
	}
}

// scriptAnswers is: answers NAME SLOT PERCENT. That share of the DNS's answers must lead to the slot, give or take
// five standard deviations.
func scriptAnswers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: answers NAME SLOT PERCENT")
	}
	leads := strings.TrimSuffix(*recordsOf(ts, args[0])[args[1]].ResourceRecords[0].Value, ".") + "."
	const asked = 1000
	seen := 0
	for range asked {
		to, err := lookUp(context.Background(), ts.Getenv("DNS"), args[0])
		ts.Check(err)
		if to == leads {
			seen++
		}
	}
	p := float64(number(ts, args[2])) / 100
	if off := math.Abs(float64(seen) - p*asked); off > 5*math.Sqrt(p*(1-p)*asked) {
		ts.Fatalf("%d of %d answers lead to slot %s, want %s%%", seen, asked, args[1], args[2])
	}
}

// scriptVisit is: visit NAME. A client asks the DNS for the name and then whatever it leads to, over and over until the script
// ends.
func scriptVisit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: visit NAME")
	}
	server, address := ts.Getenv("DNS"), ts.Getenv("ADDRESS")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for every := time.NewTicker(2 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				every.Stop()
				return
			case <-every.C:
				visit(ctx, server, address, args[0]) // what fails is the rollout's to see
			}
		}
	}()
	ts.Defer(func() { cancel(); <-done })
}

// visit makes one request as a client does: the DNS first, then the host that it named.
func visit(ctx context.Context, server, address, name string) {
	host, err := lookUp(ctx, server, name)
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return
	}
	req.Host = strings.TrimSuffix(host, ".")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// lookUp asks a DNS server where a name leads.
func lookUp(ctx context.Context, server, name string) (string, error) {
	m, _, err := dns.NewClient().Exchange(ctx, dns.NewMsg(name, dns.TypeCNAME), "udp", server)
	if err != nil {
		return "", err
	}
	for _, rr := range m.Answer {
		if c, ok := rr.(*dns.CNAME); ok {
			return c.Target, nil
		}
	}
	return "", fmt.Errorf("%s has no CNAME: %s", name, m)
}

// recordsOf reads the CNAMEs of a name, by set identifier.
func recordsOf(ts *testscript.TestScript, name string) map[string]types.ResourceRecordSet {
	zone := ts.Getenv("ZONE")
	out, err := route53.NewFromConfig(awsOf(ts)).ListResourceRecordSets(context.Background(), &route53.ListResourceRecordSetsInput{HostedZoneId: &zone})
	ts.Check(err)
	found := map[string]types.ResourceRecordSet{}
	for _, set := range out.ResourceRecordSets {
		if *set.Name == name+"." && set.Type == types.RRTypeCname {
			found[aws.ToString(set.SetIdentifier)] = set
		}
	}
	return found
}

func upsert(ts *testscript.TestScript, set types.ResourceRecordSet) {
	zone := ts.Getenv("ZONE")
	_, err := route53.NewFromConfig(awsOf(ts)).ChangeResourceRecordSets(context.Background(), &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &zone, ChangeBatch: &types.ChangeBatch{Changes: []types.Change{{Action: types.ChangeActionUpsert, ResourceRecordSet: &set}}},
	})
	ts.Check(err)
}
