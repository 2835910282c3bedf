package trace

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTraceparent(t *testing.T) {
	const id, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for h, want := range map[string]string{
		"00-" + id + "-" + span + "-01":       "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" + span + ";Sampled=1",
		"00-" + id + "-" + span + "-00":       "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" + span + ";Sampled=0",
		"00-" + id + "-" + span + "-03":       "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" + span + ";Sampled=1",
		"cc-" + id + "-" + span + "-01-later": "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" + span + ";Sampled=1",
		"":                                    "", "00": "",
		"00-" + id + "-" + span + "-01-more":                 "", // version 00 has no more
		"cc-" + id + "-" + span + "-01.more":                 "",
		"ff-" + id + "-" + span + "-01":                      "",
		"00-" + strings.ToUpper(id) + "-" + span + "-01":     "",
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01": "",
		"00-" + id + "-0000000000000000-01":                  "",
		"00-" + id + "-" + span + "-0g":                      "",
		"00_" + id + "_" + span + "_01":                      "",
		"00-" + id[:31] + "--" + span + "-01":                "",
	} {
		got := ""
		if c, ok := FromTraceparent(h); ok {
			got = c.XRay()
		}
		if got != want {
			t.Errorf("%q is %q, want %q", h, got, want)
		}
	}
}

func TestXRay(t *testing.T) {
	const root = "Root=1-5759e988-bd862e3fe1be46a994272793"
	for h, want := range map[string]string{
		root: root,
		root + ";Parent=53995c3f42cd8ad8;Sampled=1":                                root + ";Parent=53995c3f42cd8ad8;Sampled=1",
		"Sampled=0; Parent=53995c3f42cd8ad8; " + root:                              root + ";Parent=53995c3f42cd8ad8;Sampled=0",
		"Self=1-67891234-12456789abcdef012345678;" + root + ";CalledFrom=app":      root,
		root + ";Parent=53995c3f42cd8ad8;Sampled=?":                                root + ";Parent=53995c3f42cd8ad8",
		root + ";Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2;Parent=53995c3f42cd8ad8": root + ";Parent=53995c3f42cd8ad8",
		"": "", "Parent=53995c3f42cd8ad8;Sampled=1": "", "Root=2-5759e988-bd862e3fe1be46a994272793": "",
		"Root=1-5759e988-bd862e3fe1be46a99427279": "", "Root=1-00000000-000000000000000000000000": "", root + ";Parent=xyz": "",
		root + ";" + strings.Repeat("a", maxHeader): "",
	} {
		got := ""
		if c, ok := FromXRay(h); ok {
			got = c.XRay()
		}
		if got != want {
			t.Errorf("%q is %q, want %q", h, got, want)
		}
	}
}

func TestXRayRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Context
		copy(c.Trace[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace"))
		copy(c.Span[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "span"))
		c.Decided = rapid.Bool().Draw(t, "decided")
		c.Sampled = c.Decided && rapid.Bool().Draw(t, "sampled")
		got, ok := FromXRay(c.XRay())
		if ok != c.valid() || got != c {
			t.Fatalf("%+v is read as %+v, %v", c, got, ok)
		}
	})
}
