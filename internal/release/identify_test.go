package release

import "testing"

func TestIdentify(t *testing.T) {
	of := func(id, digest string) Release {
		return Release{ID: id, Functions: []FunctionVersion{{Key: "a", Digest: digest}}}
	}
	all := []Release{of("re-20260101-1", "x"), of("re-20260102-2", "y"), of("re-20260103-3", "x")}
	x := all[0].Digest()
	if x != all[2].Digest() || x == all[1].Digest() {
		t.Fatal("digests do not tell contents apart")
	}
	for name, want := range map[string]string{
		"re-20260102-2": "re-20260102-2", "1": "re-20260101-1", "3": "re-20260103-3", "re-20260102": "re-20260102-2",
		x: "re-20260103-3", x[len("sha256:"):20]: "re-20260103-3", all[1].Digest()[:12]: "re-20260102-2",
		"0": "", "4": "", "re-": "", "": "", "nothing": "", "sha256:": "",
	} {
		if got, err := Identify(all, name); got.ID != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", name, got.ID, err, want)
		}
	}
}
