// Package envoy_test holds what must be true of the files for a plain Envoy, as far as Go alone can tell.
package envoy_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

func TestConfigurationIsGood(t *testing.T) {
	f := configuration(t)
	if got := f.Resources[0].Resource; got != "http://localhost:3000" {
		t.Errorf("resource is %q, which is not what envoy.yaml listens for", got)
	}
}

// Invariant 1, I-18, I-20, I-21: the gate is shut when there is no answer, and mcp-authz is the one that gives it, in time.
func TestNoAnswerIsARefusal(t *testing.T) {
	authz, limits := extAuthz(t), configuration(t).Limits
	equal(t, authz, "failure_mode_allow", false)
	equal(t, authz, "status_on_error.code", "ServiceUnavailable")
	absent(t, authz, "filter_enabled", "shadow_mode", "deny_at_disable", "failure_mode_allow_header_add", "http_service")

	timeout, err := time.ParseDuration(fmt.Sprint(at(authz, "grpc_service.timeout")))
	if err != nil || timeout < limits.CheckDeadline+500*time.Millisecond {
		t.Errorf("timeout is %v (%v), which leaves mcp-authz too little beside its checkDeadline of %v", timeout, err, limits.CheckDeadline)
	}
}

// Invariant 1, I-06, I-08, I-09, I-13: every request fits a CheckRequest, whatever its body, and its bytes arrive as they are.
func TestWhatMcpAuthzIsShown(t *testing.T) {
	authz, limits := extAuthz(t), configuration(t).Limits
	equal(t, authz, "transport_api_version", "V3")
	equal(t, authz, "encode_raw_headers", true)
	equal(t, authz, "with_request_body.allow_partial_message", true)
	equal(t, authz, "with_request_body.pack_as_bytes", true)
	body, _ := at(authz, "with_request_body.max_request_bytes").(int)
	headers, _ := at(manager(t), "max_request_headers_kb").(int)
	if body <= 0 || headers <= 0 || 4*(body+headers<<10) > limits.MessageBytes {
		t.Errorf("body of %d bytes and headers of %d KiB are not well below messageBytes %d", body, headers, limits.MessageBytes)
	}
	absent(t, authz, "allowed_headers", "disallowed_headers") // I-22
}

// I-26, I-27: no request goes round the check, and none changes its way after it.
func TestEveryRouteIsChecked(t *testing.T) {
	hcm := manager(t)
	absent(t, extAuthz(t), "clear_route_cache", "decoder_header_mutation_rules", "filter_enabled_metadata")
	for _, path := range keys(root(t), "") {
		switch name := path[strings.LastIndexByte(path, '.')+1:]; name {
		case "typed_per_filter_config", "per_filter_config", "disabled", "is_optional", "request_headers_to_add", "prefix_rewrite",
			"regex_rewrite", "path_rewrite_policy", "redirect", "direct_response", "internal_redirect_policy", "upgrade_configs",
			"enable_trailers", "allow_connect", "request_mirror_policies", "inline_matcher", "scoped_routes", "rds", "vhds":
			t.Errorf("%s: %s lets a request round the check, or changes it afterwards", path, name)
		}
	}
	filters, _ := at(hcm, "http_filters").([]any)
	if at(root(t), "static_resources.listeners.1") != nil || at(root(t), "static_resources.listeners.0.filter_chains.1") != nil {
		t.Error("a second listener or filter chain, which this test does not look at")
	}
	var names []string
	for _, f := range filters {
		names = append(names, fmt.Sprint(at(f, "name")))
	}
	if got := strings.Join(names, " "); got != "envoy.filters.http.ext_authz envoy.filters.http.router" {
		t.Errorf("http_filters are %s; one before ext_authz could answer or re-route, one after it could change the request", got)
	}
	equal(t, hcm, "route_config.ignore_port_in_host_matching", true) // invariant 10: "a:443" is the declared "a"
	hosts, _ := at(hcm, "route_config.virtual_hosts").([]any)
	if len(hosts) != 1 || fmt.Sprint(at(hosts[0], "domains")) != "[*]" {
		t.Errorf("virtual hosts are %v; a host without one is not checked", hosts)
	}
	if fmt.Sprint(at(hosts[0], "routes.0.match")) != "map[prefix:/]" {
		t.Errorf("the route matches %v; a path without one has no metadata", at(hosts[0], "routes.0.match"))
	}
}

// E-36: a stream is judged once, when it begins, so it has an end.
func TestStreamsEnd(t *testing.T) {
	longest, err := time.ParseDuration(fmt.Sprint(at(manager(t), "route_config.virtual_hosts.0.routes.0.route.max_stream_duration.max_stream_duration")))
	if err != nil || longest <= 0 || longest > time.Hour {
		t.Errorf("a stream may last %v (%v), want an hour at most", longest, err)
	}
}

// I-04: Envoy 1.37.0 loses headers of refusals, and without WWW-Authenticate nobody can log in. The file says so, and another
// version is fetched for those who name none.
func TestEnvoyThatLosesHeaders(t *testing.T) {
	if head, _, _ := strings.Cut(string(read(t, "envoy.yaml")), "\n"); !strings.Contains(head, "1.37.0") {
		t.Errorf("envoy.yaml begins with %q, which does not warn of 1.37.0", head)
	}
	_, version, found := strings.Cut(string(read(t, "get-envoy")), "version=${1:-")
	version, _, _ = strings.Cut(version, "}")
	if !found || version == "" || version == "1.37.0" {
		t.Errorf("get-envoy fetches %q", version)
	}
}

// Reject, never repair: mcp-authz and the upstream see the path that the client sent.
func TestNothingIsRepaired(t *testing.T) {
	hcm := manager(t)
	equal(t, hcm, "normalize_path", false)
	equal(t, hcm, "merge_slashes", false)
	equal(t, hcm, "path_with_escaped_slashes_action", "REJECT_REQUEST")
	equal(t, hcm, "common_http_protocol_options.headers_with_underscores_action", "REJECT_REQUEST")
	equal(t, hcm, "use_remote_address", true)
	// Otherwise a client on a private network sets timeouts and retries by x-envoy-* headers.
	equal(t, hcm, "internal_address_config.cidr_ranges.0.address_prefix", "255.255.255.255")
	equal(t, hcm, "internal_address_config.cidr_ranges.1", nil)
	absent(t, hcm, "strip_trailing_host_dot", "strip_any_host_port", "strip_matching_host_port", "path_normalization_options")
}

// The two files belong together: Envoy asks where mcp-authz listens, and is not reachable but from this machine.
func TestAddresses(t *testing.T) {
	all, _ := at(root(t), "static_resources.clusters").([]any)
	found := false
	for _, c := range all {
		if at(c, "name") == at(extAuthz(t), "grpc_service.envoy_grpc.cluster_name") {
			found = true
			address := at(c, "load_assignment.endpoints.0.lb_endpoints.0.endpoint.address.socket_address")
			if got := addr(address); got != configuration(t).Listen.GRPC {
				t.Errorf("Envoy asks at %s, mcp-authz listens on %s", got, configuration(t).Listen.GRPC)
			}
		}
	}
	if !found {
		t.Error("the cluster of ext_authz does not exist")
	}
	for _, path := range []string{"static_resources.listeners.0.address.socket_address", "admin.address.socket_address"} {
		host, _, _ := net.SplitHostPort(addr(at(root(t), path)))
		if !net.ParseIP(host).IsLoopback() {
			t.Errorf("%s is %q, want loopback", path, host)
		}
	}
}

func configuration(t *testing.T) *spec.File {
	t.Helper()
	f, problems := spec.Load(read(t, "mcp-authz.yaml"))
	for _, p := range problems {
		t.Error(p)
	}
	if f == nil || len(f.Resources) == 0 {
		t.Fatal("mcp-authz.yaml declares nothing")
	}
	return f
}

func root(t *testing.T) any {
	t.Helper()
	var out any
	if err := yaml.Unmarshal(read(t, "envoy.yaml"), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func manager(t *testing.T) any {
	t.Helper()
	hcm := at(root(t), "static_resources.listeners.0.filter_chains.0.filters.0.typed_config")
	if hcm == nil {
		t.Fatal("envoy.yaml has no HTTP connection manager where it should be")
	}
	return hcm
}

func extAuthz(t *testing.T) any {
	t.Helper()
	f := at(manager(t), "http_filters.0.typed_config")
	if f == nil {
		t.Fatal("ext_authz is not the first filter")
	}
	return f
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// at is what stands at a dotted path, nil if there is nothing.
func at(v any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

// keys are the paths of all mapping keys in v.
func keys(v any, path string) (paths []string) {
	switch in := v.(type) {
	case map[string]any:
		for k, inner := range in {
			paths = append(append(paths, path+"."+k), keys(inner, path+"."+k)...)
		}
	case []any:
		for i, inner := range in {
			paths = append(paths, keys(inner, fmt.Sprintf("%s.%d", path, i))...)
		}
	}
	return paths
}

func addr(v any) string {
	return fmt.Sprintf("%v:%v", at(v, "address"), at(v, "port_value"))
}

func equal(t *testing.T, v any, path string, want any) {
	t.Helper()
	if got := at(v, path); got != want {
		t.Errorf("%s is %v, want %v", path, got, want)
	}
}

func absent(t *testing.T, v any, names ...string) {
	t.Helper()
	for _, name := range names {
		if got := at(v, name); got != nil {
			t.Errorf("%s is %v, want it left out", name, got)
		}
	}
}
