package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mcp-authz/mcp-authz/authz"
)

// observer tells operators of every decision: one metric sample, one log line as far as log.decisions wants it, and its span, if
// there is one.
type observer struct {
	log       *slog.Logger
	lines     atomic.Int32 // which decisions get a line
	traced    bool         // checks have spans
	decisions *prometheus.CounterVec
	duration  map[string]prometheus.Observer
}

const (
	linesAll int32 = iota
	linesDenied
	linesNone
)

func newObserver(log *slog.Logger, registry prometheus.Registerer) *observer {
	o := &observer{
		log: log,
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricDecisions, Help: "Decisions, by protected resource (empty if none was found), outcome and reason.",
		}, []string{"resource", "outcome", "reason"}),
		duration: map[string]prometheus.Observer{},
	}
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: metricDuration, Help: "Time for one decision, waiting for keys included, by outcome.",
		Buckets: []float64{5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1e-2, 0.1, 1},
	}, []string{"outcome"})
	for _, outcome := range []string{outcomeAllow, outcomeDeny, outcomeAnswer} {
		o.duration[outcome] = duration.WithLabelValues(outcome)
	}
	registry.MustRegister(o.decisions, duration)
	return o
}

func (o *observer) setLines(which string) {
	switch which {
	case "none":
		o.lines.Store(linesNone)
	case "denied":
		o.lines.Store(linesDenied)
	default:
		o.lines.Store(linesAll)
	}
}

// Observe implements authz.Observer.
func (o *observer) Observe(ctx context.Context, r *authz.Request, d authz.Decision, took time.Duration) {
	outcome := outcomeOf(d)
	o.decisions.WithLabelValues(d.Resource, outcome, d.Reason.String()).Inc()
	o.duration[outcome].Observe(took.Seconds())
	traceID := ""
	if o.traced {
		traceID = describe(ctx, r, d, outcome)
	}
	lines := o.lines.Load()
	if lines == linesNone || lines == linesDenied && outcome != outcomeDeny || !o.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 15)
	attrs = append(attrs,
		slog.String(fieldDecision, d.ID), slog.String(fieldOutcome, outcome), slog.String(fieldReason, d.Reason.String()),
		slog.Int(fieldStatus, statusOf(d)), slog.String(fieldResource, d.Resource),
		slog.String(fieldMethod, cut(r.Method)), slog.String(fieldHost, cut(r.Host)), slog.String(fieldPath, cut(withoutQuery(r.Path))),
		slog.Int64(fieldTook, took.Microseconds()))
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, cut(value)))
		}
	}
	add(fieldIssuer, d.Claims.Issuer)
	add(fieldSubject, d.Claims.Subject)
	add(fieldClientID, d.Claims.ClientID)
	add(fieldMCPMethod, r.Header("mcp-method"))
	add(fieldMCPName, r.Header("mcp-name"))
	add(fieldTraceID, traceID)
	o.log.LogAttrs(context.Background(), slog.LevelInfo, "decision", attrs...)
}

// statusOf is the HTTP status of our answer; 200 for an allow, whose answer is the upstream's.
func statusOf(d authz.Decision) int {
	if d.Allowed() {
		return http.StatusOK
	}
	return d.Answer().Status
}

func outcomeOf(d authz.Decision) string {
	switch d.Reason {
	case authz.Allowed:
		return outcomeAllow
	case authz.Metadata, authz.Preflight:
		return outcomeAnswer
	default:
		return outcomeDeny
	}
}

// withoutQuery cuts a path where a query begins, or what somebody meant to be one: misplaced, or encoded, once or more than
// once. A token may stand behind it.
func withoutQuery(path string) string {
	const begin = "?#;&="
	for i := range len(path) {
		if strings.IndexByte(begin, path[i]) >= 0 {
			return path[:i]
		}
		if path[i] == '%' && i+2 < len(path) {
			switch strings.ToLower(path[i+1 : i+3]) {
			case "3f", "23", "3b", "26", "3d", "25": // those of begin, and the percent sign of a second encoding
				return path[:i]
			}
		}
	}
	return path
}

// cut bounds what a client chose, and makes UTF-8 of it: one byte that is not would make a whole batch of spans unfit to send.
func cut(s string) string {
	if len(s) > maxFieldBytes {
		return strings.ToValidUTF8(s[:maxFieldBytes], "") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
