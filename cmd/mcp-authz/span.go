package main

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcp-authz/mcp-authz/authz"
)

// describe tells the span of a check what was decided, and returns the id of its trace; "" if nobody records it. Of the
// request it tells what the client claims of its message, as the log does. Who the client is stands in the log alone.
func describe(ctx context.Context, r *authz.Request, d authz.Decision, outcome string) (traceID string) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return ""
	}
	attributes := make([]attribute.KeyValue, 0, 7)
	add := func(name, value string) {
		if value != "" {
			attributes = append(attributes, attribute.String(name, cut(value)))
		}
	}
	add(attrDecision, d.ID)
	add(attrOutcome, outcome)
	add(attrReason, d.Reason.String())
	attributes = append(attributes, attribute.Int(attrStatus, statusOf(d)))
	add(attrResource, d.Resource)
	add(attrMCPMethod, r.Header("mcp-method"))
	add(attrMCPName, r.Header("mcp-name"))
	span.SetAttributes(attributes...)
	return span.SpanContext().TraceID().String()
}
