package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

const (
	traceID  = "0af7651916cd43dd8448eb211c80319c"
	parentID = "b7ad6b7169203331"
)

// called asks for one verdict as a gateway does that is at a trace; flags 01 wants it recorded.
func (p *process) called(r authztest.HTTP, flags string) authztest.Verdict {
	p.t.Helper()
	conn := p.dial(insecure.NewCredentials())
	defer conn.Close()
	ctx := metadata.NewOutgoingContext(p.t.Context(), metadata.Pairs("traceparent", "00-"+traceID+"-"+parentID+"-"+flags, "tracestate", "vendor=MARKER-state"))
	v, err := checkOver(ctx, conn, r)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// collector keeps what comes by OTLP over HTTP.
type collector struct {
	mu  sync.Mutex
	got []*collectorv1.ExportTraceServiceRequest
	of  []*http.Request
}

// ServeHTTP implements http.Handler.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	in := &collectorv1.ExportTraceServiceRequest{}
	if err != nil || proto.Unmarshal(body, in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got, c.of = append(c.got, in), append(c.of, r)
}

// only is the one export that there was, and how it came.
func (c *collector) only(t *testing.T) (*tracev1.ResourceSpans, *tracev1.Span, *http.Request) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*tracev1.ResourceSpans
	var spans []*tracev1.Span
	for _, in := range c.got {
		for _, of := range in.GetResourceSpans() {
			found = append(found, of)
			for _, scope := range of.GetScopeSpans() {
				spans = append(spans, scope.GetSpans()...)
			}
		}
	}
	if len(found) != 1 || len(spans) != 1 {
		t.Fatalf("exported: %v", c.got)
	}
	return found[0], spans[0], c.of[0]
}

func texts(attributes []*commonv1.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

func exportTo(t *testing.T, handler http.Handler) (url string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// A process exports the span of each check that the gateway wants recorded, with who it is and what it decided, and at its end
// the spans that wait. Credentials of the collector reach it, and nothing else; what the library has to say to that stays unsaid.
// No token, query, or text of a client's choice stands in what is exported (invariant 4, B-38).
func TestSpansOfAProcess(t *testing.T) {
	to := &collector{}
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", exportTo(t, to)+"/v1/traces")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "10.0.0.1:MARKER") // not in force: the library complains all the same
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=MARKER-key")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "600000") // so that they wait until the end
	issuer := authorizationServer(t)
	p := start(t, anyPorts+corp(issuer)+github)
	p.log.wait(t, "ready", 1)
	token := good(issuer)
	r := with(token)
	r.Path += "?access_token=MARKER-query"
	wantAllowed(t, "a good token", p.called(r, "01"))
	wantRefused(t, "a trace that is not recorded", p.called(anonymous(), "00"), 401, "no_credential")
	p.health("")
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}

	if line := p.log.wait(t, "serving", 1); line["traces"] != otlpHTTP {
		t.Errorf("traces are %v", line["traces"])
	}
	lines := p.log.all("decision")
	if len(lines) != 2 || lines[0][fieldTraceID] != traceID || lines[1][fieldTraceID] != nil {
		t.Fatalf("lines: %v", lines)
	}
	of, span, by := to.only(t)
	if by.URL.Path != "/v1/traces" || by.Header.Get("Api-Key") != "MARKER-key" {
		t.Errorf("exported to %s with %v", by.URL, by.Header)
	}
	if hex.EncodeToString(span.GetTraceId()) != traceID || hex.EncodeToString(span.GetParentSpanId()) != parentID || span.GetTraceState() != "" {
		t.Errorf("a span of trace %x below %x, with the state %q", span.GetTraceId(), span.GetParentSpanId(), span.GetTraceState())
	}
	resource := texts(of.GetResource().GetAttributes())
	if resource["service.version"] == "" {
		t.Error("no version")
	}
	delete(resource, "telemetry.sdk.version")
	delete(resource, "service.version")
	if diff := cmp.Diff(map[string]string{"service.name": "mcp-authz", "deployment.environment.name": "test", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "go"}, resource); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
	attributes := texts(span.GetAttributes())
	if attributes[attrDecision] != lines[0][fieldDecision] || attributes[attrReason] != "allowed" || attributes[attrResource] != "github" {
		t.Errorf("attributes %v, the line says %v", attributes, lines[0])
	}
	exported := prototext.Format(of)
	for _, secret := range append(strings.Split(token, "."), "MARKER", "access_token", "user-1", "/github") {
		if strings.Contains(exported, secret) {
			t.Errorf("exported: %.20q in %s", secret, exported)
		}
	}
	if strings.Contains(p.log.text(), "MARKER") {
		t.Errorf("the log says %s", p.log.text())
	}
}

// Without a variable nothing is exported, and no trace is named.
func TestNoSpansUnlessAsked(t *testing.T) {
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		t.Setenv(name, "")
	}
	p := start(t, anyPorts+"resources: []\n")
	p.called(anonymous(), "01")
	if line := p.log.wait(t, "decision", 1); line[fieldTraceID] != nil {
		t.Errorf("a trace that nobody records: %v", line)
	}
	if line := p.log.wait(t, "serving", 1); line["traces"] != "off" {
		t.Errorf("traces are %v", line["traces"])
	}
}

// A collector that hangs, refuses, talks or is not there harms no check: each is answered, and the process ends although spans
// wait. The log says so once, in our words.
func TestCollectorsThatFail(t *testing.T) {
	const cannot, lost = "spans cannot be exported", "spans that waited were not exported before the end"
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, c := range []struct {
		what, protocol, url, want string
	}{
		{"hangs", otlpHTTP, exportTo(t, http.HandlerFunc(hang)), lost},
		{"talks", otlpHTTP, exportTo(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "MARKER", http.StatusTeapot) })), cannot},
		{"is not there", otlpHTTP, gone.URL, cannot},
		{"is not there", otlpGRPC, gone.URL, lost},
	} {
		t.Run(c.what+" "+c.protocol, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.url)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", c.protocol)
			t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")
			t.Setenv("OTEL_BSP_EXPORT_TIMEOUT", "600000")
			t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
			t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
			issuer := authorizationServer(t)
			p := start(t, anyPorts+corp(issuer)+github)
			p.log.wait(t, "ready", 1)
			for range 100 {
				wantAllowed(t, "a good token", p.called(with(good(issuer)), "01"))
				wantRefused(t, "no token", p.called(anonymous(), "01"), 401, "no_credential")
			}
			eventually(t, "calls end, too, whose span finds no place", func() bool {
				n, err := strconv.Atoi(p.metric("go_goroutines"))
				return err == nil && n < 100
			})
			p.signal(syscall.SIGTERM)
			if code := p.exit(); code != 0 {
				t.Errorf("exit %d", code)
			}
			if n := len(p.log.all(c.want)); n != 1 || strings.Contains(p.log.text(), "MARKER") {
				t.Errorf("%q %d times in\n%s", c.want, n, p.log.text())
			}
			if n := len(p.log.all("decision")); n != 200 {
				t.Errorf("%d lines for 200 checks", n)
			}
		})
	}
}

// hang answers nothing until the client is gone, which is seen once its request was read.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// A collector that is back is told, too.
func TestCollectorThatIsBack(t *testing.T) {
	to := &collector{}
	var refused sync.Once
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", exportTo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := false
		refused.Do(func() { first = true })
		if first {
			http.Error(w, "MARKER", http.StatusTeapot)
			return
		}
		to.ServeHTTP(w, r)
	})))
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
	p := start(t, anyPorts+"resources: []\n")
	p.called(anonymous(), "01")
	p.log.wait(t, "spans cannot be exported", 1)
	p.called(anonymous(), "01")
	p.log.wait(t, "spans are exported again", 1)
}
