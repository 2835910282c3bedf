package route53

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"codeberg.org/miekg/dns"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// Limits of Route 53. https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
const (
	maxChanges   = 1000
	maxSets      = 10_000 // of a zone
	maxRecords   = 400    // of a set
	maxWeight    = 255
	maxTTL       = 1<<31 - 1
	maxIdentifer = 128
	maxText      = 4000 // characters of a TXT value
)

// apply makes the changes of a batch one after the other and returns the zone that follows, with every reason against it;
// the zone counts only when there is none. z is not changed.
func (z *zone) apply(changes []types.Change) (*zone, []string) {
	next := &zone{zoneRecord: z.zoneRecord, sets: slices.Clone(z.sets)}
	var wrong []string
	for _, c := range changes {
		set := *c.ResourceRecordSet
		set.Name = aws.String(canonical(*set.Name))
		if why := next.change(c.Action, set); why != "" {
			wrong = append(wrong, why)
		}
	}
	if len(next.sets) > maxSets {
		wrong = append(wrong, fmt.Sprintf("A hosted zone has at most %d resource record sets", maxSets))
	}
	return next, wrong
}

func (z *zone) change(action types.ChangeAction, set types.ResourceRecordSet) (why string) {
	name, kind := *set.Name, set.Type
	title := fmt.Sprintf("resource record set [name='%s', type='%s'", name, kind)
	if set.SetIdentifier != nil {
		title += fmt.Sprintf(", set identifier='%s'", *set.SetIdentifier)
	}
	title += "]"
	at, exists := z.find(placeOf(&set))
	if name != z.Name && !strings.HasSuffix(name, "."+z.Name) {
		return fmt.Sprintf("RRSet with DNS name %s is not permitted in zone %s", name, z.Name)
	}
	if action == types.ChangeActionDelete {
		switch {
		case !exists:
			return "Tried to delete " + title + " but it was not found"
		case !same(&z.sets[at], &set):
			return "Tried to delete " + title + " but the values provided do not match the current values"
		case name == z.Name && (kind == types.RRTypeSoa || kind == types.RRTypeNs):
			return fmt.Sprintf("A HostedZone must contain exactly one %s record for the zone itself", kind)
		}
		z.sets = slices.Delete(z.sets, at, at+1)
		return ""
	}
	if action == types.ChangeActionCreate && exists {
		return "Tried to create " + title + " but it already exists"
	}
	if kind == types.RRTypeCname && name == z.Name {
		return fmt.Sprintf("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s", name, z.Name)
	}
	for _, other := range z.named(name) {
		switch {
		case other.Type != kind && (kind == types.RRTypeCname || other.Type == types.RRTypeCname):
			return fmt.Sprintf("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type %s with the same DNS name already exists in zone %s", kind, name, other.Type, z.Name)
		case other.Type == kind && (other.SetIdentifier == nil) != (set.SetIdentifier == nil):
			return fmt.Sprintf("RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created because a conflicting RRSet exists", name, kind, cmpOr(aws.ToString(set.SetIdentifier), "null"))
		}
	}
	for _, r := range set.ResourceRecords {
		if why := checkValue(kind, aws.ToString(r.Value)); why != "" {
			return fmt.Sprintf("Invalid Resource Record: '%s encountered with '%s''", why, aws.ToString(r.Value))
		}
	}
	if kind == types.RRTypeCname && len(set.ResourceRecords) > 1 {
		return fmt.Sprintf("RRSet of type CNAME with DNS name %s has more than one value", name)
	}
	if exists {
		z.sets[at] = set
	} else {
		z.sets = slices.Insert(z.sets, at, set)
	}
	return ""
}

// same compares sets as DELETE does: all that was given when they were made.
func same(a, b *types.ResourceRecordSet) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

func checkValue(kind types.RRType, value string) (why string) {
	switch kind {
	case types.RRTypeA:
		if a, err := netip.ParseAddr(value); err != nil || !a.Is4() {
			return "FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
		}
	case types.RRTypeAaaa:
		if a, err := netip.ParseAddr(value); err != nil || !a.Is6() || a.Zone() != "" {
			return "FATAL problem: AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
		}
	case types.RRTypeCname, types.RRTypeNs:
		if !validDomain(canonical(value)) {
			return "FATAL problem: DomainLabelEmpty (Domain name is not valid)"
		}
	case types.RRTypeSoa:
		if _, err := record(dns.Header{}, kind, value); err != nil {
			return "FATAL problem: SOARRDATANotSingleField (Value is not that of an SOA record)"
		}
	case types.RRTypeTxt:
		if _, err := texts(value); err != nil || len(value) > maxText {
			return "FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks)"
		}
	}
	return ""
}

// texts reads the quoted strings of a TXT value.
func texts(value string) (list []string, err error) {
	rest := strings.TrimSpace(value)
	for rest != "" {
		if rest[0] != '"' {
			return nil, fmt.Errorf("%q is not in quotation marks", rest)
		}
		var b strings.Builder
		i, closed := 1, false
		for ; i < len(rest) && !closed; i++ {
			switch c := rest[i]; {
			case c == '\\' && i+1 < len(rest):
				i++
				b.WriteByte(rest[i])
			case c == '"':
				closed = true
			default:
				b.WriteByte(c)
			}
		}
		if !closed || b.Len() > 255 {
			return nil, fmt.Errorf("%q is no string of at most 255 characters", rest)
		}
		list, rest = append(list, b.String()), strings.TrimSpace(rest[i:])
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%q holds no string", value)
	}
	return list, nil
}

// checkChange refuses, before any zone is looked at, what is not served and what is not well-formed.
func checkChange(c *types.Change) error {
	set := c.ResourceRecordSet
	if set == nil || aws.ToString(set.Name) == "" {
		return invalid("A change needs a ResourceRecordSet with a Name")
	}
	where := fmt.Sprintf("in Change with [Action=%s, Name=%s, Type=%s, SetIdentifier=%s]", c.Action, *set.Name, set.Type, cmpOr(aws.ToString(set.SetIdentifier), "null"))
	switch {
	case !slices.Contains(c.Action.Values(), c.Action):
		return invalid("There is no action %q %s", c.Action, where)
	case !validDomain(canonical(*set.Name)):
		return invalid("The name is not served here: labels have letters, digits, hyphens and underscores, and there are no wildcards, %s", where)
	case !slices.Contains([]types.RRType{types.RRTypeA, types.RRTypeAaaa, types.RRTypeCname, types.RRTypeTxt, types.RRTypeNs, types.RRTypeSoa}, set.Type):
		return invalid("The type is not served here: there are A, AAAA, CNAME, TXT, NS and SOA, %s", where)
	case set.AliasTarget != nil || set.TrafficPolicyInstanceId != nil:
		return invalid("Alias targets and traffic policies are not served here %s", where)
	case set.Failover != "" || set.GeoLocation != nil || set.GeoProximityLocation != nil || set.CidrRoutingConfig != nil || set.MultiValueAnswer != nil || set.Region != "":
		return invalid("Only simple and weighted routing are served here %s", where)
	case set.HealthCheckId != nil:
		return invalid("Health checks are not served here %s", where)
	case set.TTL == nil || len(set.ResourceRecords) == 0:
		return invalid("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none %s", where)
	case *set.TTL < 0 || *set.TTL > maxTTL:
		return invalid("Invalid request: The TTL must be between 0 and %d %s", maxTTL, where)
	case len(set.ResourceRecords) > maxRecords:
		return invalid("Invalid request: A set has at most %d records %s", maxRecords, where)
	case (set.SetIdentifier == nil) != (set.Weight == nil):
		return invalid("Invalid request: SetIdentifier and Weight must be given together %s", where)
	case set.SetIdentifier != nil && (*set.SetIdentifier == "" || len(*set.SetIdentifier) > maxIdentifer):
		return invalid("Invalid request: A SetIdentifier has 1 to %d characters %s", maxIdentifer, where)
	case set.Weight != nil && (*set.Weight < 0 || *set.Weight > maxWeight):
		return invalid("Invalid request: A Weight is between 0 and %d %s", maxWeight, where)
	case set.Weight != nil && (set.Type == types.RRTypeNs || set.Type == types.RRTypeSoa):
		return invalid("Invalid request: Sets of this type have no weights %s", where)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &types.InvalidInput{Message: aws.String(fmt.Sprintf(format, args...))}
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
