package awsproto

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Mux serves AWS services at one address. Make it with [NewMux].
type Mux struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	byTarget map[string]*Service
	byScope  map[string][]*Service
	services []*Service
	serves   string // the names of the services, for messages
}

var _ http.Handler = (*Mux)(nil)

// NewMux checks the tables, builds the plan of every type that they mention and returns the handler of all services.
// Its error names the service, the operation and the member that cannot be served.
func NewMux(cfg Config, services ...*Service) (*Mux, error) {
	m := &Mux{cfg: cfg, log: cfg.Logger, now: cfg.Now, byTarget: map[string]*Service{}, byScope: map[string][]*Service{}}
	if m.log == nil {
		m.log = slog.Default()
	}
	if m.now == nil {
		m.now = time.Now
	}
	var names []string
	for _, s := range services {
		if s.maxLen = s.MaxBody; s.maxLen <= 0 {
			s.maxLen = cfg.MaxBody
		}
		if s.maxLen <= 0 {
			s.maxLen = DefaultMaxBody
		}
		if !cfg.Lazy {
			if err := s.check(); err != nil {
				return nil, err
			}
		}
		if s.Target != "" {
			if other := m.byTarget[s.Target]; other != nil {
				return nil, fmt.Errorf("services %s and %s have the same target %s", other.Name, s.Name, s.Target)
			}
			m.byTarget[s.Target] = s
		}
		scopes := s.Scopes
		if len(scopes) == 0 {
			scopes = []string{s.Name}
		}
		for _, scope := range scopes {
			m.byScope[scope] = append(m.byScope[scope], s)
		}
		m.services = append(m.services, s)
		names = append(names, s.Name)
	}
	slices.Sort(names)
	m.serves = strings.Join(names, ", ")
	return m, nil
}

// check prepares all that the table has.
func (s *Service) check() error {
	if err := s.ready(); err != nil {
		return err
	}
	for _, o := range s.Operations {
		if err := o.op.ready(); err != nil {
			return err
		}
	}
	return nil
}

// ready prepares what finds the table's operations, once; each of them is prepared by its own ready.
func (s *Service) ready() error {
	s.once.Do(func() {
		if err := s.build(); err != nil {
			s.fault = fmt.Errorf("service %s: %w", s.Name, err)
		}
	})
	return s.fault
}

func (s *Service) build() error {
	if s.Name == "" {
		return errors.New("a service needs a name")
	}
	if len(s.Protocols) == 0 {
		return errors.New("a service needs a protocol")
	}
	if s.speaks(RESTJSON) && s.speaks(RESTXML) {
		return errors.New("a service speaks REST-JSON or REST-XML, not both")
	}
	c, err := s.newCodec()
	if err != nil {
		return err
	}
	byName, routes := map[string]*operation{}, newRouter()
	routes.exact = s.speaks(RESTXML)
	for _, o := range s.Operations {
		op := o.op
		if byName[op.name] != nil {
			return fmt.Errorf("operation %s stands twice in the table", op.name)
		}
		byName[op.name] = op
		op.svc = s
		if err := op.enter(routes); err != nil {
			return fmt.Errorf("operation %s: %w", op.name, err)
		}
	}
	s.codec, s.byName, s.routes = c, byName, routes
	return nil
}

func (s *Service) speaks(p Protocol) bool { return slices.Contains(s.Protocols, p) }

// rest returns the protocol in which the service is met by method and path, if it has one.
func (s *Service) rest() (Protocol, bool) {
	switch {
	case s.speaks(RESTJSON):
		return RESTJSON, true
	case s.speaks(RESTXML):
		return RESTXML, true
	}
	return 0, false
}

// enter puts the operation among the service's routes, where it has any.
func (op *operation) enter(routes *router) (err error) {
	if op.refused && !op.svc.speaks(RESTXML) {
		return errors.New("only REST-XML knows operations that are refused")
	}
	if op.raw != nil && !op.svc.speaks(RESTJSON) {
		return errors.New("a raw operation needs the protocol restJson1")
	}
	if _, rest := op.svc.rest(); !rest {
		return nil
	}
	if op.http == nil {
		return errors.New("a REST operation needs an HTTP binding (Schema or HTTP)")
	}
	if op.http.err != nil {
		return op.http.err
	}
	if op.rest, err = newRestPlan(op); err != nil {
		return err
	}
	return routes.add(op)
}

// ready prepares the plans of the operation's types, once; its service is ready.
func (op *operation) ready() error {
	op.once.Do(func() {
		if err := op.build(op.svc.codec); err != nil {
			op.fault = fmt.Errorf("service %s: operation %s: %w", op.svc.Name, op.name, err)
		}
	})
	return op.fault
}

func (op *operation) build(c *codec) (err error) {
	if op.raw != nil || op.refused {
		return nil
	}
	if op.inPlan, err = c.plan(op.in); err != nil {
		return err
	}
	if op.outPlan, err = c.plan(op.out); err != nil {
		return err
	}
	if op.rest == nil {
		return nil
	}
	if err := op.rest.bind(op); err != nil {
		return err
	}
	if op.svc.speaks(RESTXML) && op.needsRoot() {
		return errors.New("an output with members in the body needs the name of its element (Root)")
	}
	return nil
}

// Call tells a handler about the request that it serves.
type Call struct {
	RequestID   string // as in the answer's X-Amzn-Requestid
	AccessKeyID string // "" when the request was not signed
	Region      string // of the credential's scope; "" when the request was not signed
	Host        string
	TraceID     string // the request's X-Amzn-Trace-Id, of at most 1,024 bytes
	// Document is the request in JSON, for what the SDK's types cannot tell, such as a zero from nothing; a form is given as
	// the same in JSON, and it is nil in other protocols. It must not be changed.
	Document []byte

	log           *slog.Logger
	names, labels []string
}

// Label is the value of a label in the path of a raw operation, "" when the path has none of this name.
func (c Call) Label(name string) string {
	if i := slices.Index(c.names, name); i >= 0 {
		return c.labels[i]
	}
	return ""
}

type callKey struct{}

// CallOf returns what ctx, a handler's context, knows of its request; the zero value outside of one.
func CallOf(ctx context.Context) Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	if c == nil {
		return Call{}
	}
	return *c
}

// NewRequestID makes a random UUID (version 4). It identifies, it does not protect.
func NewRequestID() string {
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[:8], rand.Uint64())
	binary.BigEndian.PutUint64(u[8:], rand.Uint64())
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}
