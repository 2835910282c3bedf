// Package alias holds the routing value of an alias and the one decision that is made with it: which version serves a
// request. It is pure; the caller brings the randomness.
package alias

import (
	"errors"
	"fmt"
)

// Routing says where an alias sends its traffic: to Primary, and, when Additional is set, the share Weight of it to
// Additional. The zero value routes nowhere. Routing is comparable: two aliases route alike when their values are equal.
//
// For a Lambda alias Primary is FunctionVersion and Additional the one entry of AdditionalVersionWeights. For a state
// machine alias they are the first and the second entry of the routing configuration, as version ARNs.
type Routing struct {
	Primary    string  `json:"primary"`
	Additional string  `json:"additional,omitempty"`
	Weight     float64 `json:"weight,omitempty"` // share of Additional, 0 to 1
}

// Validate reports why r is not a routing that AWS accepts: a missing primary, the same version twice, or a weight
// outside 0 to 1.
func (r Routing) Validate() error {
	switch {
	case r.Primary == "":
		return errors.New("routing has no primary version")
	case r.Additional == r.Primary:
		return fmt.Errorf("routing names version %s twice", r.Primary)
	case !(r.Weight >= 0 && r.Weight <= 1):
		return fmt.Errorf("weight %v of version %s is not between 0 and 1", r.Weight, r.Additional)
	case r.Additional == "" && r.Weight != 0:
		return fmt.Errorf("weight %v belongs to no version", r.Weight)
	}
	return nil
}

// Pick returns the version that serves a request whose random draw is u, uniform in [0, 1).
func (r Routing) Pick(u float64) string {
	if r.Additional != "" && u < r.Weight {
		return r.Additional
	}
	return r.Primary
}

// Share returns the part of the traffic, 0 to 1, that version gets.
func (r Routing) Share(version string) float64 {
	switch version {
	case "":
		return 0
	case r.Additional:
		return r.Weight
	case r.Primary:
		return 1 - r.Weight
	}
	return 0
}

// Versions lists the versions that r names: one or two, primary first. Both are in use, whatever their weight.
func (r Routing) Versions() []string {
	switch {
	case r.Primary == "":
		return nil
	case r.Additional == "":
		return []string{r.Primary}
	}
	return []string{r.Primary, r.Additional}
}

// String gives the routing as a person reads it, such as "7 90% · 8 10%".
func (r Routing) String() string {
	switch {
	case r.Primary == "":
		return "nowhere"
	case r.Additional == "":
		return r.Primary + " 100%"
	}
	return fmt.Sprintf("%s %.4g%% · %s %.4g%%", r.Primary, (1-r.Weight)*100, r.Additional, r.Weight*100)
}
