package fault_test

import (
	"testing"

	"github.com/tealdeploy/teal/internal/fault"
)

func TestStatus(t *testing.T) {
	for want, e := range map[int]*fault.Error{
		400: fault.Validation("no"),
		404: {Code: "X", Status: 404},
		500: {Code: "X", Server: true},
		503: {Code: "X", Server: true, Status: 503},
	} {
		if got := e.HTTPStatus(); got != want {
			t.Errorf("%+v travels with %d, want %d", e, got, want)
		}
	}
	if e := fault.New("Code", "message"); e.Error() != "Code: message" || e.ErrorCode() != "Code" || e.ErrorMessage() != "message" {
		t.Errorf("%v", e)
	}
}
