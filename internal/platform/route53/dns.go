package route53

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"

	"codeberg.org/miekg/dns"
	"codeberg.org/miekg/dns/dnsutil"
	"codeberg.org/miekg/dns/rdata"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// maxUDP is what an answer over UDP may have without EDNS; clients ask again over TCP for more.
const maxUDP = 512

// maxChain is how many CNAMEs are followed.
const maxChain = 8

// Responder answers questions of the DNS for the hosted zones, over UDP and TCP at one address. It is no resolver: what is
// in no zone is refused.
type Responder struct {
	servers []*dns.Server
	addr    string
}

// Respond starts a responder at an address such as 127.0.0.1:5300; port 0 takes a free one. The caller ends it with Close.
// An error means that the address cannot be listened on, and nothing runs.
func (s *Service) Respond(addr string) (*Responder, error) {
	var l net.Listener
	var p net.PacketConn
	lc := &net.ListenConfig{}
	for try := 0; ; try++ { // a free port of TCP may be taken for UDP
		var err error
		if l, err = lc.Listen(context.Background(), "tcp", addr); err != nil {
			return nil, fmt.Errorf("route53: %w", err)
		}
		if p, err = lc.ListenPacket(context.Background(), "udp", l.Addr().String()); err == nil {
			break
		}
		l.Close()
		if try == 10 || !strings.HasSuffix(addr, ":0") {
			return nil, fmt.Errorf("route53: %w", err)
		}
	}
	r := &Responder{addr: l.Addr().String()}
	started := make(chan struct{}, 2)
	for _, server := range []*dns.Server{{Net: "tcp", Listener: l}, {Net: "udp", PacketConn: p}} {
		server.Handler = dns.HandlerFunc(s.serve)
		server.NotifyStartedFunc = func(context.Context) { started <- struct{}{} }
		r.servers = append(r.servers, server)
		go server.ListenAndServe() //nolint:errcheck // it fails only where it opens a socket itself
	}
	<-started
	<-started
	return r, nil
}

// Addr is where the responder listens.
func (r *Responder) Addr() string { return r.addr }

// Close ends the responder and frees its port.
func (r *Responder) Close() error {
	for _, server := range r.servers {
		server.Shutdown(context.Background())
	}
	return nil
}

// serve answers one message.
func (s *Service) serve(_ context.Context, w dns.ResponseWriter, q *dns.Msg) {
	if err := q.Unpack(); err != nil || len(q.Question) != 1 {
		return
	}
	m := dnsutil.SetReply(&dns.Msg{}, q)
	name, kind := dnsutil.Question(q)
	s.answer(m, canonical(name), kind, rand.Float64)
	if err := m.Pack(); err != nil {
		m = dnsutil.SetReply(&dns.Msg{}, q)
		m.Rcode = dns.RcodeServerFailure
		if m.Pack() != nil {
			return
		}
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && len(m.Data) > maxUDP {
		m.Truncated, m.Answer, m.Ns = true, nil, nil
		if m.Pack() != nil {
			return
		}
	}
	_, _ = m.WriteTo(w) // whoever asked has gone
}

// answer fills a reply. draw gives uniform numbers in [0, 1).
func (s *Service) answer(m *dns.Msg, name string, kind uint16, draw func() float64) {
	z := s.zoneOf(name)
	if z == nil {
		m.Rcode = dns.RcodeRefused
		return
	}
	m.Authoritative = true
	for range maxChain {
		set, exists := z.choose(name, kind, draw)
		if set == nil {
			if !exists && len(m.Answer) == 0 {
				m.Rcode = dns.RcodeNameError
			}
			if soa, _ := z.choose(z.Name, dns.TypeSOA, draw); soa != nil {
				m.Ns = records(soa)
			}
			return
		}
		m.Answer = append(m.Answer, records(set)...)
		if set.Type != types.RRTypeCname || kind == dns.TypeCNAME {
			return
		}
		name = canonical(aws.ToString(set.ResourceRecords[0].Value))
		if z = s.zoneOf(name); z == nil {
			return // the client's resolver goes on
		}
	}
}

// zoneOf finds the zone with the longest name that a name is in.
func (s *Service) zoneOf(name string) (best *zone) {
	for _, z := range *s.zones.Load() {
		if (name == z.Name || strings.HasSuffix(name, "."+z.Name)) && (best == nil || len(z.Name) > len(best.Name)) {
			best = z
		}
	}
	return best
}

// choose draws the set that answers a question, a CNAME for any type; exists tells whether the name is there at all.
func (z *zone) choose(name string, kind uint16, draw func() float64) (set *types.ResourceRecordSet, exists bool) {
	all := z.named(name)
	for _, want := range []types.RRType{types.RRType(dns.TypeToString[kind]), types.RRTypeCname} {
		from := 0
		for from < len(all) && all[from].Type != want {
			from++
		}
		to := from
		for to < len(all) && all[to].Type == want {
			to++
		}
		if from < to {
			return pick(all[from:to], draw()), true
		}
	}
	return nil, len(all) > 0 || z.below(name)
}

// records gives the records of a set. Their values were checked when they were put.
func records(set *types.ResourceRecordSet) (list []dns.RR) {
	h := dns.Header{Name: *set.Name, TTL: uint32(aws.ToInt64(set.TTL)), Class: dns.ClassINET}
	for _, r := range set.ResourceRecords {
		if rr, err := record(h, set.Type, aws.ToString(r.Value)); err == nil {
			list = append(list, rr)
		}
	}
	return list
}

func record(h dns.Header, kind types.RRType, value string) (dns.RR, error) {
	switch kind {
	case types.RRTypeA:
		a, err := netip.ParseAddr(value)
		return &dns.A{Hdr: h, A: rdata.A{Addr: a}}, err
	case types.RRTypeAaaa:
		a, err := netip.ParseAddr(value)
		return &dns.AAAA{Hdr: h, AAAA: rdata.AAAA{Addr: a}}, err
	case types.RRTypeCname:
		return &dns.CNAME{Hdr: h, CNAME: rdata.CNAME{Target: canonical(value)}}, nil
	case types.RRTypeNs:
		return &dns.NS{Hdr: h, NS: rdata.NS{Ns: canonical(value)}}, nil
	case types.RRTypeTxt:
		list, err := texts(value)
		return &dns.TXT{Hdr: h, TXT: rdata.TXT{Txt: list}}, err
	case types.RRTypeSoa:
		soa := rdata.SOA{}
		_, err := fmt.Sscan(value, &soa.Ns, &soa.Mbox, &soa.Serial, &soa.Refresh, &soa.Retry, &soa.Expire, &soa.Minttl)
		return &dns.SOA{Hdr: h, SOA: soa}, err
	}
	return nil, errors.New("route53: no records of type " + string(kind))
}
