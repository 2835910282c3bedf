package platform

import (
	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/platform/lambda"
	"github.com/tealdeploy/teal/internal/platform/states"
	"github.com/tealdeploy/teal/internal/trace"
)

// tracer is what the services together need of one.
type tracer interface {
	executeapi.Tracer
	lambda.Tracer
	states.Tracer
}

var _ tracer = (*trace.Tracer)(nil)

// openTracer makes the platform's tracer: nil without an endpoint. Spans are in the platform's time.
func openTracer(cfg Config) (*trace.Tracer, error) {
	if cfg.Traces.Endpoint == "" {
		return nil, nil
	}
	cfg.Traces.Clock, cfg.Traces.Logger = cfg.Clock, cfg.Logger
	return trace.New(cfg.Traces)
}
