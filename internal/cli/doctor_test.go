package cli

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// What the platform says of its isolation is what the doctor says: each property by name, and why one does not hold.
func TestDoctorTellsOfIsolation(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"platform":"teal","isolation":[{"name":"separate users","holds":true},{"name":"memory limit","holds":false,"why":"no control groups"}]}`))
	}))
	defer s.Close()
	d := &doctor{}
	d.platform(t.Context(), s.URL)
	want := []checked{
		{Check: "isolation: separate users", State: checkOK, Text: "holds"},
		{Check: "isolation: memory limit", State: checkWarn, Text: "does not hold: no control groups"},
	}
	if !slices.Equal(d.found, want) {
		t.Errorf("got %+v, want %+v", d.found, want)
	}
}
