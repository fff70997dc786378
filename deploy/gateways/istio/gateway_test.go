package istio

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	rbac "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config/mesh"
)

// recipe is a file of deploy, as it is shipped.
func recipe(t *testing.T, name string) string { return read(t, filepath.Join("../..", name)) }

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// gateway is the Envoy of an ingress gateway: which namespace it is in and what it is called there.
type gateway struct {
	namespace string
	labels    map[string]string
}

var (
	classic       = gateway{"istio-ingress", map[string]string{"istio": "ingressgateway"}}
	ofAGatewayAPI = gateway{"edge", map[string]string{"gateway.networking.k8s.io/gateway-name": "edge"}}
)

// sent is what Istio would send to it.
type sent struct {
	manager  *hcm.HttpConnectionManager
	authz    *authz.ExtAuthz // nil if nothing is checked
	shadow   *rbac.RBAC      // says which requests are checked
	denies   *rbac.RBAC      // says which are refused without anybody being asked
	routes   *route.RouteConfiguration
	clusters map[string]*cluster.Cluster
}

// translate gives all the objects and the mesh configuration to Istio's discovery server.
func translate(t *testing.T, g gateway, meshConfig, inCluster string, configs ...string) sent {
	t.Helper()
	m, err := mesh.ApplyMeshConfigDefaults(meshConfig)
	if err != nil {
		t.Fatal(err)
	}
	server := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		MeshConfig: m, KubernetesObjectString: inCluster, ConfigString: strings.Join(configs, "\n---\n"),
	})
	proxy := server.SetupProxy(&model.Proxy{
		Type: model.Router, ConfigNamespace: g.namespace, Labels: g.labels,
		Metadata: &model.NodeMetadata{Namespace: g.namespace, Labels: g.labels},
	})
	out := sent{clusters: map[string]*cluster.Cluster{}}
	for _, l := range server.Listeners(proxy) {
		for _, chain := range l.FilterChains {
			for _, f := range chain.Filters {
				if f.Name == "envoy.filters.network.http_connection_manager" {
					out.manager = &hcm.HttpConnectionManager{}
					decode(t, f.GetTypedConfig(), out.manager)
				}
			}
		}
	}
	if out.manager == nil {
		t.Fatal("the gateway has no HTTP listener")
	}
	for _, f := range out.manager.HttpFilters {
		switch f.Name {
		case "envoy.filters.http.ext_authz":
			out.authz = &authz.ExtAuthz{}
			decode(t, f.GetTypedConfig(), out.authz)
		case "envoy.filters.http.rbac":
			rules := &rbac.RBAC{}
			decode(t, f.GetTypedConfig(), rules)
			if rules.ShadowRules != nil {
				out.shadow = rules
			}
			if rules.Rules != nil {
				out.denies = rules
			}
		}
	}
	var names []string
	for _, r := range server.Routes(proxy) {
		names = append(names, r.Name)
		if r.Name == out.manager.GetRds().GetRouteConfigName() {
			out.routes = r
		}
	}
	if out.routes == nil {
		t.Fatalf("no routes %s among %q", out.manager.GetRds().GetRouteConfigName(), names)
	}
	for _, c := range server.Clusters(proxy) {
		out.clusters[c.Name] = c
	}
	return out
}

// anyMessage is a message in an envelope.
type anyMessage interface{ UnmarshalTo(proto.Message) error }

func decode(t *testing.T, from anyMessage, to proto.Message) {
	t.Helper()
	if err := from.UnmarshalTo(to); err != nil {
		t.Fatal(err)
	}
}
