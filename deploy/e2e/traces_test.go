package e2e

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Spans of clients.
const (
	recordedTrace = "0af7651916cd43dd8448eb211c80319c"
	refusedTrace  = "8a3c60f7d188f8fa79d48a391a778fa6"
	droppedTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan    = "b7ad6b7169203331"
)

// TestTraces: with the Envoy configuration of docs/operations.md, a check is a span in the trace that the client began, below
// the span of Envoy's call, and its log line names the trace. What the client does not want recorded is not recorded. No span
// of either holds a token or a query (invariant 4, B-38).
func TestTraces(t *testing.T) {
	for _, c := range []struct {
		version, protocol string
		addr              func(*collector) string
	}{
		{oldest, "grpc", func(c *collector) string { return c.grpc }},
		{newest, "http/protobuf", func(c *collector) string { return c.http }},
	} {
		t.Run(c.version+" "+c.protocol, func(t *testing.T) {
			to := newCollector(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr(to))
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", c.protocol)
			t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
			w := newWorld(t, c.version, tracing(t, to.http)...)

			call := func(want int, trace, flags, authorization string) {
				t.Helper()
				got := w.gateway.call(t, "POST", "/github/mcp?access_token=MARKER-query", "mcp.example.com", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
					"Authorization: "+authorization, "traceparent: 00-"+trace+"-"+clientSpan+"-"+flags, "tracestate: vendor=MARKER-state", "baggage: who=MARKER-baggage")
				if got.status != want {
					t.Fatalf("%d %s", got.status, got.body)
				}
			}
			good := "Bearer " + w.cast.Tokens["good"]
			call(200, droppedTrace, "00", good)
			call(401, refusedTrace, "01", "Basic MARKER-basic") // whose query nobody takes away
			call(200, recordedTrace, "01", good)

			of := func(service, trace string) []span {
				return to.find(func(s span) bool { return s.service == service && s.trace == trace })
			}
			eventually(t, "the spans of two requests", func() bool {
				return len(of("mcp-authz", recordedTrace)) > 0 && len(of("envoy", recordedTrace)) >= 2 && len(of("mcp-authz", refusedTrace)) > 0 && len(of("envoy", refusedTrace)) >= 2
			})
			check := of("mcp-authz", recordedTrace)[0]
			asked := to.find(func(s span) bool { return s.id == check.parent })
			if len(asked) != 1 || asked[0].service != "envoy" || asked[0].GetKind() != tracev1.Span_SPAN_KIND_CLIENT || !strings.Contains(asked[0].GetName(), "Authorization.Check") {
				t.Fatalf("the parent of our span %v is %v", check, asked)
			}
			request := to.find(func(s span) bool { return s.id == asked[0].parent })
			if len(request) != 1 || request[0].service != "envoy" || request[0].parent != clientSpan {
				t.Errorf("the parent of Envoy's call is %v", request)
			}
			if dropped := append(of("mcp-authz", droppedTrace), of("envoy", droppedTrace)...); len(dropped) > 0 {
				t.Errorf("recorded against the client's will: %v", dropped)
			}
			if reason := of("mcp-authz", refusedTrace)[0].attribute("mcp_authz.reason"); reason != "no_credential" {
				t.Errorf("refused because of %q", reason)
			}

			lines := w.front.out.lines("decision")
			if len(lines) != 3 || lines[0]["trace_id"] != nil || lines[1]["trace_id"] != refusedTrace || lines[2]["trace_id"] != recordedTrace || lines[2]["decision"] != check.attribute("mcp_authz.decision") {
				t.Errorf("the span names %q, the lines are %v", check.attribute("mcp_authz.decision"), lines)
			}
			for _, s := range to.find(func(span) bool { return true }) {
				for _, secret := range append(strings.Split(w.cast.Tokens["good"], "."), "access_token", "MARKER-query", "MARKER-baggage", "MARKER-basic") {
					if strings.Contains(s.text, secret) {
						t.Errorf("a span of %s holds %.20q", s.service, secret)
					}
				}
				if s.service == "mcp-authz" && strings.Contains(s.text, "MARKER") {
					t.Errorf("something of the request: %s", s.text)
				}
			}
		})
	}
}

// tracing adds what docs/operations.md says to the shipped file, with a collector of this test, and records every trace that a
// client does not object to.
func tracing(t *testing.T, addr string) []edit {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	manager := replaced(t, envoyFragment(t, "tracing:", 10), "random_sampling: {value: 10}", "random_sampling: {value: 100}")
	cluster := replaced(t, envoyFragment(t, "- name: otel-collector", 2), "type: STRICT_DNS", "type: STATIC")
	cluster = replaced(t, cluster, "address: otel-collector, port_value: 4318", "address: 127.0.0.1, port_value: "+port)
	return []edit{{"stat_prefix: mcp\n", "stat_prefix: mcp\n" + manager}, {"\n  clusters:\n", "\n  clusters:\n" + cluster}}
}

// envoyFragment is the block of docs/operations.md that begins so, indented.
func envoyFragment(t *testing.T, begin string, indent int) string {
	t.Helper()
	_, rest, found := strings.Cut(read(t, filepath.Join(root, "docs/operations.md")), "```\n"+begin)
	block, _, ended := strings.Cut(rest, "\n```")
	if !found || !ended {
		t.Fatalf("docs/operations.md has no block that begins with %q", begin)
	}
	margin := strings.Repeat(" ", indent)
	return margin + strings.ReplaceAll(begin+block, "\n", "\n"+margin) + "\n"
}

func replaced(t *testing.T, text, old, with string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("docs/operations.md no longer has %q, which this test changes", old)
	}
	return strings.ReplaceAll(text, old, with)
}
