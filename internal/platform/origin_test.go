package platform

import (
	"net/http/httptest"
	"testing"
)

func TestForeignPages(t *testing.T) {
	for _, c := range []struct {
		host, origin, site string
		foreign            bool
	}{
		{"127.0.0.1:4566", "", "", false}, // aws, boto3, the SDKs
		{"localhost:4566", "http://localhost:8080", "same-site", false},
		{"127.0.0.1:4566", "http://127.0.0.1:4566", "same-origin", false},
		{"127.0.0.1:4566", "https://evil.example", "cross-site", true},
		{"127.0.0.1:4566", "null", "cross-site", true},
		{"127.0.0.1:4566", "", "cross-site", true}, // a form or an image of another site
		{"127.0.0.1:4566", "", "none", false},      // typed into the address bar
		{"rebound.example:4566", "http://rebound.example:4566", "same-origin", true},
		{"rebound.example:4566", "", "same-origin", true},
		{"sync-localhost:4566", "", "", false}, // StartSyncExecution's host prefix
	} {
		r := httptest.NewRequest("POST", "http://"+c.host+"/", nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		if got := fromForeignPage(r); got != c.foreign {
			t.Errorf("host %q origin %q site %q: foreign = %v", c.host, c.origin, c.site, got)
		}
	}
}
