package platform

import (
	"encoding/json"
	"net/http"
)

// healthPath is where a platform says that it is one, and what holds on its machine. It names nothing of what it keeps.
const healthPath = "/_teal/health"

// health is the answer of healthPath.
type health struct {
	Platform  string     `json:"platform"` // always teal
	Isolation []property `json:"isolation"`
	Runtimes  []runnable `json:"runtimes"`
}

// property is one part of the isolation of functions.
type property struct {
	Name  string `json:"name"`
	Holds bool   `json:"holds"`
	Why   string `json:"why,omitempty"` // it does not
}

// runnable is one kind of function that this machine can, or cannot, run.
type runnable struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

func (p *Platform) serveHealth(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "GET tells how the platform is", http.StatusMethodNotAllowed)
		return
	}
	h := health{Platform: "teal"}
	for _, x := range p.pool.Isolation() {
		h.Isolation = append(h.Isolation, property{Name: x.Name, Holds: x.Holds, Why: x.Why})
	}
	for _, name := range []string{"provided.al2023", "python3.13", "nodejs22.x"} {
		one := runnable{Name: name}
		if err := p.pool.Check(name); err != nil {
			one.Error = err.Error()
		}
		h.Runtimes = append(h.Runtimes, one)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(h) // the caller is gone when this fails
}
