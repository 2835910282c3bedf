package platform

import (
	"encoding/json"
	"net/http"
	"testing"
)

// The health page tells of every property of the pool's isolation, as the pool has found it, and why one does not hold.
func TestHealthTellsOfIsolation(t *testing.T) {
	r := start(t, Config{})
	resp, err := http.Get(r.url + healthPath)
	must(t, err)
	defer resp.Body.Close()
	var h health
	must(t, json.NewDecoder(resp.Body).Decode(&h))
	found := r.platform.pool.Isolation()
	if len(found) == 0 || len(h.Isolation) != len(found) {
		t.Fatalf("%d properties are told of, the pool has %d", len(h.Isolation), len(found))
	}
	for i, x := range found {
		if told := h.Isolation[i]; told.Name != x.Name || told.Holds != x.Holds || told.Why != x.Why {
			t.Errorf("told %+v of %+v", told, x)
		}
		if x.Holds == (x.Why != "") {
			t.Errorf("%s: holds is %v, and the reason why not is %q", x.Name, x.Holds, x.Why)
		}
	}
}
