package release

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Digest identifies what a release holds: "sha256:" and the hex SHA-256 of the digests of its functions and workflows, by
// key. Two releases of the same content have the same digest, whatever the numbers of their versions.
func (r Release) Digest() string {
	type unit struct {
		Kind   Kind   `json:"kind"`
		Key    string `json:"key"`
		Digest string `json:"digest"`
	}
	var units []unit
	for _, f := range r.Functions {
		units = append(units, unit{KindFunction, f.Key, f.Digest})
	}
	for _, w := range r.Workflows {
		units = append(units, unit{KindStateMachine, w.Key, w.Digest})
	}
	slices.SortFunc(units, func(a, b unit) int { return strings.Compare(string(a.Kind)+a.Key, string(b.Kind)+b.Key) })
	return digest("teal.release.v1", units)
}

// Identify finds the release that a person means: by its ID, its number (1 is the oldest), or the beginning of its ID or
// digest. all is in order of time, oldest first. It fails when there is none or more than one; of several with the same
// digest the newest is meant.
func Identify(all []Release, name string) (Release, error) {
	if n, err := strconv.Atoi(name); err == nil {
		if n < 1 || n > len(all) {
			return Release{}, fmt.Errorf("there is no release %d: the ledger has 1 to %d", n, len(all))
		}
		return all[n-1], nil
	}
	hex := strings.TrimPrefix(name, "sha256:")
	var found []Release
	for _, r := range all {
		switch {
		case r.ID == name:
			return r, nil
		case name != "" && strings.HasPrefix(r.ID, name), len(hex) >= 4 && strings.HasPrefix(r.Digest(), "sha256:"+hex):
			found = append(found, r)
		}
	}
	switch {
	case len(found) == 0:
		return Release{}, fmt.Errorf("the ledger has no release %s: teal history lists them", name)
	case slices.ContainsFunc(found, func(r Release) bool { return r.Digest() != found[0].Digest() }):
		return Release{}, fmt.Errorf("%s may be %s or %s: write more of it", name, found[0].ID, found[len(found)-1].ID)
	}
	return found[len(found)-1], nil
}
