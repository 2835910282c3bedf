package lambda

import (
	"context"
	"encoding/json"
	"errors"
)

// Tracer records what requests go through as spans of traces. The trace headers are AWS's (X-Amzn-Trace-Id); attributes
// are names and values in turn. Its methods may be called from any goroutine, and never wait.
type Tracer interface {
	// Join gives ctx in the trace that header names, unless it is in one already.
	Join(ctx context.Context, header string) context.Context
	// Header is the trace header for what is below the span of ctx; outside a trace it begins one.
	Header(ctx context.Context) string
	// Start begins a span of the kind server, client or internal below that of ctx; the function ends it, with its name and
	// the type of what has failed, or "".
	Start(ctx context.Context, kind string) (context.Context, func(name, failure string, attributes ...any))
}

// traced is execute within a span. The attributes are OpenTelemetry's for functions, so that the versions of an alias can
// be compared in any tool for traces.
//
// https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/
func (s *Service) traced(ctx context.Context, t target, inv *invocation) (outcome, error) {
	if err := s.follow(t, inv); err != nil {
		t.to.version.run.release()
		return outcome{}, err
	}
	if s.cfg.Tracer == nil {
		return s.execute(ctx, t, inv)
	}
	ctx, end := s.cfg.Tracer.Start(s.cfg.Tracer.Join(ctx, inv.traceID), "server")
	inv.traceID = s.cfg.Tracer.Header(ctx)
	o, err := s.execute(ctx, t, inv)
	alias := ""
	if t.snapshot.aliases[inv.qualifier] != nil {
		alias = inv.qualifier
	}
	end(t.function.name, failureOf(o, err),
		"faas.name", t.function.name, "faas.version", t.to.version.Version, "faas.invocation_id", inv.requestID,
		"faas.coldstart", o.result.Cold, "cloud.resource_id", t.to.version.run.fn.ARN, "cloud.region", s.cfg.Region,
		"cloud.account.id", s.cfg.Account, "aws.lambda.invoked_arn", t.route.invoked, "aws.lambda.alias", alias,
	)
	return o, err
}

// failureOf names the error of an invocation: the function's own, or Lambda's.
func failureOf(o outcome, err error) string {
	var coded interface{ ErrorCode() string }
	switch {
	case errors.As(err, &coded):
		return coded.ErrorCode()
	case err != nil:
		return "ServiceException"
	case o.result.FunctionError == "":
		return ""
	}
	var e struct {
		Type string `json:"errorType"`
	}
	if json.Unmarshal(o.result.Payload, &e) != nil || e.Type == "" {
		return o.result.FunctionError
	}
	return e.Type
}

// traceHeader is what an asynchronous invocation hands on to the one that is to come.
func (s *Service) traceHeader(ctx context.Context, inv *invocation) string {
	if s.cfg.Tracer == nil {
		return inv.traceID
	}
	trace, lineage := cutLineage(inv.traceID)
	header := s.cfg.Tracer.Header(s.cfg.Tracer.Join(ctx, trace))
	if lineage != "" {
		header += ";" + lineageKey + lineage
	}
	return header
}
