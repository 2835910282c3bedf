package manifest

import (
	"fmt"
	"sort"
	"strings"

	"github.com/tealdeploy/teal/internal/release"
	"github.com/tealdeploy/teal/internal/rollout"
)

var (
	zoneForm       = newForm(`^(/hostedzone/)?[A-Z0-9]{1,32}$`)
	domainForm     = newForm(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.?$`)
	identifierForm = newForm(`^[!-~]([ -~]{0,126}[!-~])?$`)
)

const routerExample = "router: {route53: {hostedZone: Z0123456789, name: api.example.com, type: CNAME}}"

// readRouter reads where traffic is split: `router: alias`, which is the default, or `router: {route53: …}`.
func (a *application) readRouter(f field) {
	n := a.plain(f.node)
	if n == nil {
		return
	}
	if _, mapping := a.entries(n); !mapping {
		if s := a.nonEmpty(f, routerExample); s != "" && s != "alias" {
			a.fault(f.node, fmt.Sprintf("there is no router %q", s), "write router: alias, or "+routerExample)
		}
		return
	}
	a.object(f, map[string]func(field){"route53": a.readRoute53}, map[string]string{
		"alias": "write router: alias", "Route53": "write route53:", "dns": "write route53:",
	})
}

// readRoute53 reads a router of two weighted record sets. The slots are blue and green unless they are named, and a slot's
// set identifier and alias are its name unless they are given.
func (a *application) readRoute53(f field) {
	r := release.Router{}
	var slots field
	before := len(a.faults)
	if !a.object(f, map[string]func(field){
		"hostedZone": func(f field) {
			r.HostedZone = strings.TrimPrefix(a.matching(f, zoneForm, "the ID of a hosted zone", "hostedZone: Z0123456789"), "/hostedzone/")
		},
		"name": func(f field) {
			r.Name = strings.TrimSuffix(a.matching(f, domainForm, "a domain name in lower case", "name: api.example.com"), ".")
		},
		"type": func(f field) { r.Type = a.oneOf(f, release.RouterTypes...) },
		"slots": func(f field) {
			slots = f
			a.members(f, func(name string, f field) {
				s := release.Slot{SetIdentifier: name, Alias: name}
				if !a.isNull(f) {
					a.object(f, map[string]func(field){
						"setIdentifier": func(f field) {
							s.SetIdentifier = a.matching(f, identifierForm, "a set identifier of at most 128 characters", "setIdentifier: "+name)
						},
						"alias": func(f field) { s.Alias = a.alias(f) },
					}, map[string]string{"weight": "remove it: a release moves the weights"})
				}
				if !aliasForm.MatchString(s.Alias) && len(a.faults) == before {
					a.fault(f.key, fmt.Sprintf("%q is no name of an alias", s.Alias), "write alias: blue")
				}
				r.Slots = append(r.Slots, s)
			})
		},
	}, map[string]string{
		"hostedZoneId": "write hostedZone:", "zone": "write hostedZone:", "record": "write name: and type:",
		"ttl": "remove it: the TTL of the record sets is what counts", "alias": "write it in a slot",
	}) || len(a.faults) > before {
		return
	}
	if slots.node == nil {
		r.Slots = []release.Slot{{SetIdentifier: "blue", Alias: "blue"}, {SetIdentifier: "green", Alias: "green"}}
	}
	sort.Slice(r.Slots, func(i, j int) bool { return r.Slots[i].SetIdentifier < r.Slots[j].SetIdentifier })
	if err := r.Validate(); err != nil {
		a.fault(f.key, err.Error(), "write "+routerExample)
		return
	}
	a.route(f, r)
}

// route makes a router the application's, and refuses what does not go with one.
func (a *application) route(f field, r release.Router) {
	s := &a.m.Spec
	if len(s.Routes) > 0 {
		a.fault(f.key, "routes make one entrance, and a router needs one for each slot", "make the two entrances yourself, each calling its slot's alias, and remove routes:")
	}
	for _, fn := range s.Functions {
		if fn.Alias != DefaultAlias {
			a.fault(f.key, fmt.Sprintf("function %s names alias %s, but behind a router the slots name the aliases", fn.Key, fn.Alias), "remove alias:")
		}
		a.apart(f, fn.Preview, r)
	}
	for _, w := range s.Workflows {
		if w.Alias != DefaultAlias {
			a.fault(f.key, fmt.Sprintf("workflow %s names alias %s, but behind a router the slots name the aliases", w.Key, w.Alias), "remove alias:")
		}
		if !w.UseExactVersion {
			a.fault(f.key, fmt.Sprintf("workflow %s calls aliases, and one definition cannot call those of two slots", w.Key), "remove useExactVersion: false, so that it calls the exact versions of its release")
		}
		a.apart(f, w.Preview, r)
	}
	for _, slot := range r.Slots {
		if slot.Alias == rollout.HookAlias {
			a.fault(f.key, fmt.Sprintf("slot %s has the alias %s, which hooks of CodeDeploy take for themselves", slot.SetIdentifier, slot.Alias), "write another alias:")
		}
	}
	s.Router = &r
	*s = s.Through("")
}

// apart refuses a preview in a slot.
func (a *application) apart(f field, preview string, r release.Router) {
	for _, slot := range r.Slots {
		if preview == slot.Alias {
			a.fault(f.key, fmt.Sprintf("the preview is %s, the alias of a slot", preview), "remove preview: the idle slot's entrance shows green before it gets traffic")
			return
		}
	}
}
