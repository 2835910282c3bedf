package lambda

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/tealdeploy/teal/internal/alias"
)

// A function's tag asks for a way of choosing between an alias's two versions other than AWS's draw. It changes how the
// weights are met, never the weights:
//
//	teal:routing:live = stratified                      every window of requests has the share, to one request
//	teal:routing:live = sticky:headers.x-user-id        one value at this place of the event, one version
const (
	routingTag = "teal:routing:"
	stratified = "stratified"
	sticky     = "sticky:"
)

// picker chooses the version of each request that comes through an alias. The zero value draws, as AWS does.
type picker struct {
	count *atomic.Uint64 // requests so far; nil unless stratified
	place []string       // of the key in the event; nil unless sticky
}

// newPicker reads a tag's value. One that says nothing known draws, and TagResource has refused it.
func newPicker(tag string) picker {
	if tag == stratified {
		return picker{count: new(atomic.Uint64)}
	}
	if place, ok := strings.CutPrefix(tag, sticky); ok {
		return picker{place: strings.Split(strings.TrimPrefix(place, "$."), ".")}
	}
	return picker{}
}

// checkRoutingTags refuses what newPicker would not understand.
func checkRoutingTags(tags map[string]string) error {
	for k, v := range tags {
		if !strings.HasPrefix(k, routingTag) || v == stratified {
			continue
		}
		if place, ok := strings.CutPrefix(v, sticky); ok && strings.Trim(place, ".$") != "" {
			continue
		}
		return invalid("The tag %s must be %q, or %q and the place of a value in the event, such as %s.", k, stratified, sticky, sticky+"headers.x-user-id")
	}
	return nil
}

// pick chooses for one request. A request without the key of sticky routing is drawn for.
func (p picker) pick(r alias.Routing, payload []byte) string {
	switch {
	case p.count != nil:
		return r.PickNth(p.count.Add(1) - 1)
	case p.place != nil:
		if key, ok := valueAt(payload, p.place); ok {
			return r.PickKey(key)
		}
	}
	return r.Pick(rand.Float64())
}

// valueAt finds the text of the value at a place in a JSON document: a string's own, that of a number or boolean as it is
// written. Names of headers, which differ in case between the formats of events, are compared without it.
func valueAt(doc []byte, place []string) (string, bool) {
	for _, name := range place {
		var members map[string]json.RawMessage
		if json.Unmarshal(doc, &members) != nil {
			return "", false
		}
		next, ok := members[name]
		if !ok {
			for k, v := range members {
				if strings.EqualFold(k, name) {
					next, ok = v, true
				}
			}
		}
		if !ok {
			return "", false
		}
		doc = next
	}
	var text string
	if json.Unmarshal(doc, &text) == nil {
		return text, text != ""
	}
	if len(doc) == 0 || doc[0] == '{' || doc[0] == '[' {
		return "", false
	}
	return string(doc), true
}
