package istio

import (
	"slices"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	upstream "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
)

const (
	weather  = "outbound|80||weather.weather.svc.cluster.local"
	metadata = "outbound|8080||mcp-authz.mcp-authz.svc.cluster.local"
	checks   = "outbound|9001||mcp-authz.mcp-authz.svc.cluster.local"
)

// both are the two ways to attach, as they are shipped.
func both(t *testing.T) map[string]sent {
	mesh, cluster := recipe(t, "istio/mesh.yaml"), read(t, "testdata/cluster.yaml")
	return map[string]sent{
		"authorizationpolicy.yaml": translate(t, classic, mesh, cluster, read(t, "testdata/mesh.yaml"),
			recipe(t, "istio/authorizationpolicy.yaml"), recipe(t, "istio/metadata.yaml")),
		"authorizationpolicy-gateway-api.yaml": translate(t, ofAGatewayAPI, mesh, cluster,
			recipe(t, "istio/authorizationpolicy-gateway-api.yaml")),
	}
}

// Invariant 1, I-13, I-18, I-20, I-21, I-22, I-27: what Istio makes of mesh.yaml refuses where there is no answer, waits long enough for
// one, shows mcp-authz all headers and the beginning of the body, and lets it change no route.
func TestWhatTheGatewayAsks(t *testing.T) {
	for name, got := range both(t) {
		t.Run(name, func(t *testing.T) {
			a := got.authz
			if a == nil {
				t.Fatal("nothing is checked")
			}
			if a.FailureModeAllow || a.StatusOnError.GetCode() != 503 || a.FilterEnabled != nil || a.ShadowMode {
				t.Errorf("no answer is not a 503: %v", a)
			}
			service := a.GetGrpcService()
			if d := service.GetTimeout().AsDuration(); d != 2500*time.Millisecond {
				t.Errorf("the gateway waits %v", d)
			}
			if service.GetEnvoyGrpc().GetClusterName() != checks {
				t.Errorf("it asks %v", service)
			}
			if b := a.WithRequestBody; b.GetMaxRequestBytes() != 8192 || !b.GetAllowPartialMessage() || !b.GetPackAsBytes() {
				t.Errorf("it sends the body %v", b)
			}
			if a.AllowedHeaders != nil || a.DisallowedHeaders != nil || a.ClearRouteCache || a.TransportApiVersion != core.ApiVersion_V3 {
				t.Errorf("it hides headers, or chooses routes anew: %v", a)
			}
		})
	}
}

// requests are those to which a rule could be blind, all of them to a host of an app team.
var requests = []request{
	{"weather.mcp.example.com", "/mcp"},
	{"weather.mcp.example.com:8443", "/mcp"},
	{"weather.mcp.example.com:443", "/mcp"},
	{"WEATHER.MCP.example.com", "/mcp"},
	{"weather.mcp.example.com", "/mcp/"},
	{"weather.mcp.example.com", "//mcp"},
	{"weather.mcp.example.com", "/mcp%2fadmin"},
	{"weather.mcp.example.com", "/.well-known/oauth-protected-resource"},
	{"weather.mcp.example.com", "/.well-known/oauth-protected-resource/..%2f..%2fmcp"},
	{"weather.mcp.example.com", "/.well-known/oauth-protected-resource/mcp"},
	{"other.example.com", "/"},
}

// I-26: every request is checked, whatever its host and path.
func TestEveryRequestIsChecked(t *testing.T) {
	for name, got := range both(t) {
		for _, r := range requests {
			if !got.checked(t, r) {
				t.Errorf("%s: %v is not", name, r)
			}
		}
		if got.denies != nil {
			t.Errorf("%s: the gateway refuses by itself: %v", name, got.denies)
		}
	}
}

// What the files do not have, and why: each narrower rule leaves out a request that is routed all the same.
func TestNarrowerRulesAreHoles(t *testing.T) {
	for rule, unchecked := range map[string][]request{
		// The end of the host with its port is compared; routes ignore the port.
		`{to: [{operation: {hosts: ["*.mcp.example.com"]}}]}`:                            {requests[1], requests[2]},
		`{to: [{operation: {hosts: ["*.mcp.example.com", "*.mcp.example.com:*"]}}]}`:     {requests[1], requests[2]},
		`{to: [{operation: {paths: ["/.well-known/*", "/mcp", "/mcp/*"]}}]}`:             {{"weather.mcp.example.com", "/mcp%2fadmin"}},
		`{to: [{operation: {notPaths: ["/.well-known/oauth-protected-resource*"]}}]}`:    {requests[7], requests[8], requests[9]},
		`{to: [{operation: {notPaths: ["/.well-known/oauth-protected-resource/mcp"]}}]}`: {requests[9]},
	} {
		policy := strings.Replace(recipe(t, "istio/authorizationpolicy.yaml"), "  - {}", "  - "+rule, 1)
		got := translate(t, classic, recipe(t, "istio/mesh.yaml"), read(t, "testdata/cluster.yaml"), read(t, "testdata/mesh.yaml"),
			recipe(t, "istio/metadata.yaml"), policy)
		for _, r := range unchecked {
			if got.checked(t, r) {
				t.Errorf("%s: %v is checked, and the page says otherwise", rule, r)
			}
			if got.upstream(t, r) == "" {
				t.Errorf("%s: %v is not routed either", rule, r)
			}
		}
		if !got.checked(t, request{"weather.mcp.example.com", "/mcp"}) {
			t.Errorf("%s: checks nothing at all, which proves nothing", rule)
		}
	}
	if !translate(t, classic, recipe(t, "istio/mesh.yaml"), read(t, "testdata/cluster.yaml"), read(t, "testdata/mesh.yaml")).routes.IgnorePortInHostMatching {
		t.Error("routes heed the port now; the page says otherwise")
	}
}

// Invariant 1: what cannot be asked is refused, not let through: a provider that nobody declared, a Service that is not there, and two
// providers for one gateway.
func TestWhatCannotBeAskedIsRefused(t *testing.T) {
	mesh, cluster, world := recipe(t, "istio/mesh.yaml"), read(t, "testdata/cluster.yaml"), read(t, "testdata/mesh.yaml")
	policy := recipe(t, "istio/authorizationpolicy.yaml")
	second := strings.NewReplacer("provider: {name: mcp-authz}", "provider: {name: other}", "name: mcp-authz\n", "name: other\n").Replace(policy)
	const other = "\n- {name: other, envoyExtAuthzGrpc: {service: mcp-authz.mcp-authz.svc.cluster.local, port: 9001}}\n"
	for name, got := range map[string]sent{
		"another name":  translate(t, classic, strings.Replace(mesh, "name: mcp-authz", "name: mcp-auth", 1), cluster, world, policy),
		"no Service":    translate(t, classic, mesh, strings.Replace(cluster, "name: mcp-authz,", "name: elsewhere,", 1), world, policy),
		"two providers": translate(t, classic, mesh+other, cluster, world, policy, second),
	} {
		for _, r := range requests {
			if !got.refused(t, r) {
				t.Errorf("%s: %v is not refused", name, r)
			}
		}
	}
}

// The gateway speaks HTTP/2 to the port because of its name or its appProtocol; the chart sets both. Without, no check gets an answer.
func TestThePortIsSpokenToInHTTP2(t *testing.T) {
	cluster := read(t, "testdata/cluster.yaml")
	for name, c := range map[string]struct {
		service string
		http2   bool
	}{
		"as the chart makes it": {cluster, true},
		"the name alone":        {strings.Replace(cluster, ", appProtocol: grpc", "", 1), true},
		"appProtocol alone":     {strings.Replace(cluster, "grpc-ext-authz", "ext-authz", 1), true},
		"neither":               {strings.Replace(cluster, "name: grpc-ext-authz, port: 9001, appProtocol: grpc", "name: ext-authz, port: 9001", 1), false},
	} {
		got := translate(t, classic, recipe(t, "istio/mesh.yaml"), c.service, read(t, "testdata/mesh.yaml"), recipe(t, "istio/authorizationpolicy.yaml"))
		options := &upstream.HttpProtocolOptions{}
		if packed := got.clusters[checks].GetTypedExtensionProtocolOptions()["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]; packed != nil {
			decode(t, packed, options)
		}
		if is := options.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil; is != c.http2 {
			t.Errorf("%s: HTTP/2 is %v", name, is)
		}
	}
}

// C-01, I-26: the metadata has a route on the app team's host beside the team's own, so it is checked, and so answered. A wildcard does
// not reach a host that has a VirtualService of its own.
func TestMetadataIsRouted(t *testing.T) {
	document := request{"weather.mcp.example.com", "/.well-known/oauth-protected-resource/mcp"}
	server := request{"weather.mcp.example.com", "/mcp"}
	mesh, cluster, world, policy := recipe(t, "istio/mesh.yaml"), read(t, "testdata/cluster.yaml"), read(t, "testdata/mesh.yaml"), recipe(t, "istio/authorizationpolicy.yaml")
	for name, c := range map[string]struct{ config, upstream string }{
		"the file":          {recipe(t, "istio/metadata.yaml"), metadata},
		"without it":        {"", ""},
		"with a wildcard":   {strings.Replace(recipe(t, "istio/metadata.yaml"), "- weather.mcp.example.com", `- "*.mcp.example.com"`, 1), ""},
		"with another host": {strings.Replace(recipe(t, "istio/metadata.yaml"), "- weather.mcp", "- climate.mcp", 1), ""},
	} {
		got := translate(t, classic, mesh, cluster, world, policy, c.config)
		if to := got.upstream(t, document); to != c.upstream {
			t.Errorf("%s: the document is at %q", name, to)
		}
		if to := got.upstream(t, server); to != weather {
			t.Errorf("%s: the server is at %q", name, to)
		}
	}
}

// What the page says about the gateway beside the check: preflights reach mcp-authz, since CORS comes after it, and every route takes
// upgrades, whose body nobody sees.
func TestOrderAndUpgrades(t *testing.T) {
	for name, got := range both(t) {
		var names []string
		for _, f := range got.manager.HttpFilters {
			names = append(names, f.Name)
		}
		check, cors := slices.Index(names, "envoy.filters.http.ext_authz"), slices.Index(names, "envoy.filters.http.cors")
		if check < 0 || cors < check || slices.Index(names, "envoy.filters.http.router") < cors {
			t.Errorf("%s: the order is %v", name, names)
		}
		if u := got.manager.UpgradeConfigs; len(u) != 1 || u[0].UpgradeType != "websocket" {
			t.Errorf("%s: upgrades are %v", name, u)
		}
	}
}
