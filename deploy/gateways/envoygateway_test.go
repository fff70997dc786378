package gateways

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var building sync.Mutex

// tool is a program of a Go module, built once and kept.
func tool(t *testing.T, pkg, version string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "mcp-authz", "e2e", "bin")
	program := filepath.Join(folder, filepath.Base(pkg))
	marker := program + ".version"
	if built, err := os.ReadFile(marker); err == nil && string(built) == version && exists(program) {
		return program
	}
	install := exec.Command("go", "install", "-trimpath", "-ldflags", "-s -w", pkg+"@"+version)
	install.Dir = os.TempDir() // outside of any module
	install.Env = append(os.Environ(), "GOBIN="+folder, "CGO_ENABLED=0", "GOFLAGS=-mod=mod -buildvcs=false")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install %s@%s: %v\n%s", pkg, version, err, out)
	}
	if err := os.WriteFile(marker, []byte(version), 0o600); err != nil { // last: what was broken off is built anew
		t.Fatal(err)
	}
	return program
}

// translated is what Envoy Gateway makes of objects: the status that it writes, and the configuration of Envoy.
type translated struct {
	whole   any
	manager map[string]any // of the Gateway's listener
	hosts   map[string]any // its virtual hosts, by domain
}

// translate gives the cluster of testdata and more objects to Envoy Gateway's own translator.
func translate(t *testing.T, objects ...string) translated {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.yaml")
	text := string(readFile(t, "testdata/envoy-gateway.yaml")) + "\n---\n" + strings.Join(objects, "\n---\n")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	egctl := exec.Command(tool(t, envoyGateway.module+"/cmd/egctl", envoyGateway.version), "x", "translate",
		"--from", "gateway-api", "--to", "gateway-api,xds", "--type", "all", "-o", "yaml", "-f", file)
	var problems strings.Builder
	egctl.Stderr = &problems
	out, err := egctl.Output()
	if err != nil {
		t.Fatalf("egctl: %v\n%s", err, problems.String())
	}
	got := translated{whole: decode(t, "egctl", out)[0], hosts: map[string]any{}}
	walk(got.whole, "", func(_ string, v any) { got.visit(v) })
	if got.manager == nil || len(got.hosts) == 0 {
		t.Fatalf("no listener or no routes in\n%s", out)
	}
	return got
}

func (got *translated) visit(v any) {
	for _, v := range append(listOf(v), v) {
		object, _ := v.(map[string]any)
		switch kind, _ := object["@type"].(string); {
		case strings.HasSuffix(kind, ".HttpConnectionManager") && strings.HasPrefix(fmt.Sprint(at(object, "rds.routeConfigName")), "edge/edge/"):
			got.manager = object
		case strings.HasSuffix(kind, ".RouteConfiguration") && strings.HasPrefix(fmt.Sprint(object["name"]), "edge/edge/"):
			for _, host := range listOf(object["virtualHosts"]) {
				for _, domain := range listOf(at(host, "domains")) {
					got.hosts[fmt.Sprint(domain)] = host
				}
			}
		}
	}
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

// filters are the names of the HTTP filters, in their order.
func (got translated) filters() (names []string) {
	for _, f := range listOf(got.manager["httpFilters"]) {
		names = append(names, fmt.Sprint(at(f, "name")))
	}
	return names
}

// routeTo is the first route of a host whose path begins so.
func (got translated) routeTo(host, path string) any {
	for _, r := range listOf(at(got.hosts[host], "routes")) {
		for _, key := range []string{"match.pathSeparatedPrefix", "match.prefix", "match.path"} {
			if prefix, ok := at(r, key).(string); ok && strings.HasPrefix(path, prefix) {
				return r
			}
		}
	}
	return nil
}

const ours = "envoy.filters.http.ext_authz/securitypolicy/edge/mcp-authz"

// checked says whether mcp-authz is asked about requests of a route: its filter is off at the listener, and on where a route says so.
func (got translated) checked(route any) bool {
	settings, _ := at(route, "typedPerFilterConfig").(map[string]any)
	on, _ := settings[ours].(map[string]any)
	return slices.Contains(got.filters(), ours) && on != nil && on["disabled"] == nil
}

const (
	host     = "weather.mcp.example.com"
	document = "/.well-known/oauth-protected-resource/mcp"
)

// Invariant 1, I-13, I-18, I-20, I-21, I-22, I-26, I-27: what Envoy Gateway makes of attach.yaml asks about every route, the metadata
// too, waits long enough, refuses with 503 where there is no answer, and says which route matched.
func TestEnvoyGatewayAsks(t *testing.T) {
	got := translate(t, string(recipe(t, "envoy-gateway/attach.yaml")))
	for _, path := range []string{"/mcp", document} {
		route := got.routeTo(host, path)
		if !got.checked(route) || at(route, "route.cluster") == nil {
			t.Errorf("%s is not checked, or leads nowhere: %v", path, route)
		}
		if upgrades := at(route, "route.upgradeConfigs.0.upgradeType"); upgrades != "websocket" {
			t.Errorf("%s: upgrades are %v, and the page says otherwise", path, upgrades)
		}
	}
	var check any
	for _, f := range listOf(got.manager["httpFilters"]) {
		if at(f, "name") == ours {
			check = at(f, "typedConfig")
		}
	}
	for path, want := range map[string]any{
		"failureModeAllow": nil, "statusOnError.code": "ServiceUnavailable", "grpcService.timeout": "2.500s", "withRequestBody": nil,
		"clearRouteCache": nil, "allowedHeaders": nil, "disallowedHeaders": nil, "routeMetadataContextNamespaces.0": "envoy-gateway", "transportApiVersion": "V3",
	} {
		if is := at(check, path); is != want && (want != nil || is != false) {
			t.Errorf("%s is %v, want %v", path, is, want)
		}
	}
	// Paths and names of headers that two programs could read differently are refused.
	for path, want := range map[string]any{"pathWithEscapedSlashesAction": "REJECT_REQUEST", "mergeSlashes": nil, "commonHttpProtocolOptions.headersWithUnderscoresAction": "REJECT_REQUEST"} {
		if is := at(got.manager, path); is != want && (want != nil || is != false) {
			t.Errorf("%s is %v, want %v", path, is, want)
		}
	}
}

const corsOnly = `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: cors, namespace: weather}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: weather}]
  cors: {allowOrigins: ["https://app.example.com"]}
`

// Why the guard is there: an app team's policy about CORS takes the check off its route, and with mergeType it does not. CORS then comes
// before the check.
func TestEnvoyGatewayPolicyOfAnAppTeam(t *testing.T) {
	attach := string(recipe(t, "envoy-gateway/attach.yaml"))
	alone := translate(t, attach, corsOnly)
	if route := alone.routeTo(host, "/mcp"); alone.checked(route) || at(route, "route.cluster") == nil {
		t.Errorf("a policy without mergeType leaves the check on; the page says otherwise: %v", route)
	}
	if !alone.checked(alone.routeTo(host, document)) {
		t.Error("it takes the check off other routes")
	}
	merged := translate(t, attach, corsOnly+"  mergeType: StrategicMerge\n")
	route := merged.routeTo(host, "/mcp")
	var check string // the merged policy has a filter of its own
	for name := range asMap(at(route, "typedPerFilterConfig")) {
		if strings.HasPrefix(name, "envoy.filters.http.ext_authz/") {
			check = name
		}
	}
	order := merged.filters()
	cors, authz := slices.Index(order, "envoy.filters.http.cors"), slices.Index(order, check)
	if check == "" || cors < 0 || authz < cors {
		t.Errorf("with mergeType the check is %q, the order %v", check, order)
	}
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// Invariant 1: a policy that cannot be applied shuts its routes; with failOpen, which no file has, it opens them.
func TestEnvoyGatewayPolicyThatCannotBeApplied(t *testing.T) {
	attach := string(recipe(t, "envoy-gateway/attach.yaml"))
	documents := strings.Split(attach, "\n---\n")
	for name, broken := range map[string]string{
		"no ReferenceGrant": documents[0],
		"no such Service":   strings.ReplaceAll(attach, "name: mcp-authz, namespace: mcp-authz, port", "name: mcp-auth, namespace: mcp-authz, port"),
		"no such port":      strings.ReplaceAll(attach, "port: 9001", "port: 9002"),
	} {
		got := translate(t, broken)
		for _, path := range []string{"/mcp", document} {
			if status := at(got.routeTo(host, path), "directResponse.status"); fmt.Sprint(status) != "500" {
				t.Errorf("%s: %s answers %v, want 500: %v", name, path, status, got.routeTo(host, path))
			}
		}
		if said := got.accepted(); said != "False" {
			t.Errorf("%s: the status says Accepted: %s", name, said)
		}
		open := translate(t, strings.Replace(broken, "failOpen: false", "failOpen: true", 1))
		if route := open.routeTo(host, "/mcp"); open.checked(route) || at(route, "route.cluster") == nil {
			t.Errorf("%s: with failOpen the route is %v; the page says that it is open", name, route)
		}
	}
	if said := translate(t, attach).accepted(); said != "True" {
		t.Errorf("the status of the file as it is: Accepted: %s", said)
	}
}

// accepted is what Envoy Gateway says of the policy.
func (got translated) accepted() (status string) {
	for _, policy := range listOf(at(got.whole, "securityPolicies")) {
		for _, c := range listOf(at(policy, "status.ancestors.0.conditions")) {
			if at(policy, "metadata.name") == "mcp-authz" && at(c, "type") == "Accepted" {
				status = fmt.Sprint(at(c, "status"))
			}
		}
	}
	return status
}

// C-01, I-26: the document is on the very host of the app team. A route for a wildcard does not reach a host with a route of its own.
func TestEnvoyGatewayMetadataOfAWildcard(t *testing.T) {
	world := string(readFile(t, "testdata/envoy-gateway.yaml"))
	_, route, _ := strings.Cut(world, "metadata: {name: metadata, namespace: mcp-authz}")
	wildcard := "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: wildcard, namespace: mcp-authz}" +
		strings.Replace(route, "[weather.mcp", `["*.mcp`, 1)
	wildcard = strings.Replace(wildcard, `"*.mcp.example.com]`, `"*.mcp.example.com"]`, 1)
	other := "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: climate, namespace: weather}\nspec:\n" +
		"  parentRefs: [{name: edge, namespace: edge}]\n  hostnames: [climate.mcp.example.com]\n" +
		"  rules: [{matches: [{path: {type: PathPrefix, value: /mcp}}], backendRefs: [{name: weather, port: 80}]}]\n"
	got := translate(t, string(recipe(t, "envoy-gateway/attach.yaml")), wildcard, other)
	if got.routeTo("*.mcp.example.com", document) == nil {
		t.Fatal("the wildcard is not routed at all")
	}
	if got.routeTo("climate.mcp.example.com", "/mcp") == nil || got.routeTo("climate.mcp.example.com", document) != nil {
		t.Error("the wildcard's document reaches a host with a route of its own; the page says otherwise")
	}
}
