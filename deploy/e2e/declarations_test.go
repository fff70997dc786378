package e2e

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/kube"
	"github.com/mcp-authz/mcp-authz/authz/spec"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// httpRoutes is the least that a definition of the Gateway API's HTTPRoute can say: here no Gateway reads it.
const httpRoutes = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: httproutes.gateway.networking.k8s.io, annotations: {api-approved.kubernetes.io: "unapproved, for a test"}}
spec:
  group: gateway.networking.k8s.io
  scope: Namespaced
  names: {kind: HTTPRoute, plural: httproutes, singular: httproute, listKind: HTTPRouteList}
  versions:
  - {name: v1, served: true, storage: true, subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

// declaring is an API server that knows our kinds, and who may issue tokens.
type declaring struct {
	*apiServer
	t      *testing.T
	issuer *authztest.Issuer
	config string // of a process that watches it
}

func newDeclaring(t *testing.T) *declaring {
	t.Helper()
	d := &declaring{apiServer: startAPIServer(t, startEtcd(t), ""), t: t, issuer: authztest.NewIssuer("https://idp.example.com")}
	definitions, err := filepath.Glob("../../charts/mcp-authz/files/crds/*.yaml")
	if err != nil || len(definitions) != 3 {
		t.Fatalf("definitions: %v, %v", definitions, err)
	}
	for _, name := range definitions {
		d.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", read(t, name))
	}
	d.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", httpRoutes)
	for _, path := range []string{group + "/protectedresources", group + "/clusterauthorizationservers", group + "/resourcegrants", "/apis/gateway.networking.k8s.io/v1/httproutes"} {
		eventually(t, path+" is served", func() bool {
			status, _ := d.send(t, adminToken, "GET", path, "", "")
			return status == http.StatusOK
		})
	}
	for _, name := range []string{"mcp-authz", "weather", "news"} {
		d.make("/api/v1/namespaces", "metadata: {name: "+name+"}")
	}
	d.make("/api/v1/namespaces/mcp-authz/services", "metadata: {name: mcp-authz}\nspec: {ports: [{name: http-metadata, port: 8080}]}")
	d.make(group+"/clusterauthorizationservers", fmt.Sprintf("apiVersion: mcp-authz.dev/v1alpha1\nkind: ClusterAuthorizationServer\nmetadata: {name: corp}\nspec: {issuer: %q, jwks: %s}", d.issuer.URL(), d.issuer.KeySet()))
	for _, team := range []string{"weather", "news"} {
		d.grant(team)
	}
	t.Setenv("KUBECONFIG", d.kubeconfig(adminToken))
	d.config = "kubernetes: {namespace: mcp-authz, metadataRoutes: {service: mcp-authz, port: 8080, parentRefs: [{namespace: infra, name: gw}]}}\nresources: []\n"
	return d
}

// kubeconfig is the access to the API server of whoever has the token.
func (d *declaring) kubeconfig(token string) (name string) {
	name = filepath.Join(d.t.TempDir(), "kubeconfig")
	write(d.t, name, fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"+
		"clusters: [{name: c, cluster: {server: \"https://%s\", certificate-authority: %q}}]\nusers: [{name: u, user: {token: %q}}]\n", d.addr, d.ca, token))
	return name
}

// unready starts a process that may never be ready.
func (d *declaring) unready() *front { return d.process("drainDelay: 0s\n") }

// process starts one with more in its configuration.
func (d *declaring) process(more string) *front {
	file := filepath.Join(d.t.TempDir(), "mcp-authz.yaml")
	write(d.t, file, "listen: {grpc: 127.0.0.1:0, metadata: 127.0.0.1:0, admin: 127.0.0.1:0}\n"+more+d.config)
	f := &front{process: start(d.t, "mcp-authz", bin+"/mcp-authz", "serve", "--config", file)}
	eventually(d.t, "it serves", func() bool { return f.running() && len(f.out.lines("serving")) > 0 })
	line := f.out.lines("serving")[0]
	f.grpc, f.metadata, f.admin = line["grpc"].(string), line["metadata"].(string), line["admin"].(string)
	return f
}

func (d *declaring) make(path, body string) {
	d.do(d.t, adminToken, "POST", path, body, http.StatusCreated)
}

func (d *declaring) grant(team string) {
	d.make(group+"/resourcegrants", "apiVersion: mcp-authz.dev/v1alpha1\nkind: ResourceGrant\nmetadata: {name: "+team+"}\nspec: {namespaces: {names: ["+team+"]}, hosts: [mcp.example.com]}")
}

func (d *declaring) declare(team, name, path, more string) {
	d.make(group+"/namespaces/"+team+"/protectedresources", fmt.Sprintf(
		"apiVersion: mcp-authz.dev/v1alpha1\nkind: ProtectedResource\nmetadata: {name: %s}\nspec: {resource: \"https://mcp.example.com%s\", authorizationServers: [corp]%s}", name, path, more))
}

func (d *declaring) remove(path string) { d.do(d.t, adminToken, "DELETE", path, "", http.StatusOK) }

func (d *declaring) patch(path, body string) {
	if status, answer := d.send(d.t, adminToken, "PATCH", path, "application/merge-patch+json", body); status != http.StatusOK {
		d.t.Fatalf("%s: %d %s", path, status, answer)
	}
}

// reason is that of a condition of a ProtectedResource.
func (d *declaring) reason(team, name, kind string) string {
	var o struct {
		Metadata struct{ Generation int64 }
		Status   struct {
			Conditions []struct {
				Type, Reason       string
				ObservedGeneration int64
			}
		}
	}
	_, answer := d.send(d.t, adminToken, "GET", group+"/namespaces/"+team+"/protectedresources/"+name, "", "")
	if json.Unmarshal(answer, &o) != nil {
		return ""
	}
	for _, c := range o.Status.Conditions {
		if c.Type == kind && c.ObservedGeneration == o.Metadata.Generation {
			return c.Reason
		}
	}
	return ""
}

func (d *declaring) becomes(team, name, kind, reason string) {
	d.t.Helper()
	eventually(d.t, team+"/"+name+" is "+reason, func() bool { return d.reason(team, name, kind) == reason })
}

func (d *declaring) good(path string) string {
	return d.issuer.Mint(map[string]any{"aud": "https://mcp.example.com" + path, "sub": "alice"})
}

// Every instance decides by what the cluster declares, one of them writes status and routes, ownership moves with the objects, and
// one bad object holds up no other.
func TestDeclarations(t *testing.T) {
	d := newDeclaring(t)
	fronts := []*front{serve(t, d.config), serve(t, d.config)}
	status := func(f *front, path string) int {
		if v := checking(t, f.grpc, path)(d.good(path)); !v.Allowed {
			return v.Status
		}
		return http.StatusOK
	}
	everywhere := func(path string, want int) {
		t.Helper()
		for _, f := range fronts {
			eventually(t, fmt.Sprintf("%s is answered %d", path, want), func() bool { return status(f, path) == want })
		}
	}
	everywhere("/weather", http.StatusNotFound)

	began := time.Now()
	d.declare("weather", "tools", "/weather", "")
	everywhere("/weather", http.StatusOK)
	t.Logf("from the object to an answer by it, of both instances: %v", time.Since(began).Round(time.Millisecond))
	d.becomes("weather", "tools", "Accepted", "Accepted")
	d.becomes("weather", "tools", "Programmed", "Programmed")
	eventually(t, "there is one leader", func() bool {
		n := 0.0
		for _, f := range fronts {
			n += f.metrics(t)["mcp_authz_kubernetes_leading"]
		}
		return n == 1
	})

	// The metadata route, and whose it is.
	const routes = "/apis/gateway.networking.k8s.io/v1/namespaces/mcp-authz/httproutes"
	list := func() string {
		_, answer := d.send(t, adminToken, "GET", routes, "", "")
		return string(answer)
	}
	eventually(t, "the metadata route is there", func() bool {
		got := list()
		return strings.Contains(got, `"hostnames":["mcp.example.com"]`) && strings.Contains(got, `"kind":"Service"`) && strings.Contains(got, `"ownerReferences"`)
	})

	// Another namespace takes neither the URL nor one below it; when the owner goes, it is promoted. The age of an object has seconds.
	eventually(t, "what comes now is younger", func() bool { return time.Now().Unix() > began.Unix()+2 })
	d.declare("news", "same", "/weather", "")
	d.declare("news", "below", "/weather/admin", "")
	d.becomes("news", "same", "Accepted", "Conflicted")
	d.becomes("news", "below", "Accepted", "Conflicted")
	everywhere("/weather", http.StatusOK)

	// A bad object of one namespace, and a revocation by the other that must not wait for it.
	d.declare("news", "bad", "/news", ", scopes: {required: [offline_access]}")
	d.becomes("news", "bad", "Accepted", "Invalid")
	everywhere("/news", http.StatusServiceUnavailable)
	d.patch(group+"/namespaces/weather/protectedresources/tools", `{"spec":{"scopes":{"required":["weather:admin"]}}}`)
	everywhere("/weather", http.StatusForbidden)
	d.patch(group+"/namespaces/weather/protectedresources/tools", `{"spec":{"scopes":null}}`)
	everywhere("/weather", http.StatusOK)
	d.patch(group+"/namespaces/news/protectedresources/bad", `{"spec":{"scopes":null}}`)
	everywhere("/news", http.StatusOK)

	// The grant is withdrawn: the URL is nobody's, at once.
	d.remove(group + "/resourcegrants/weather")
	d.becomes("weather", "tools", "Accepted", "NotGranted")
	d.becomes("news", "same", "Accepted", "Accepted")
	eventually(t, "the promotion is an event", func() bool {
		_, answer := d.send(t, adminToken, "GET", "/apis/events.k8s.io/v1/namespaces/news/events", "", "")
		return strings.Contains(string(answer), `"reason":"Promoted"`)
	})
	d.remove(group + "/resourcegrants/news")
	everywhere("/weather", http.StatusNotFound)
	eventually(t, "the route of a host that is nobody's is gone", func() bool { return strings.Contains(list(), `"items":[]`) })
	d.grant("weather")
	everywhere("/weather", http.StatusOK)

	// The leader ends; the other one writes.
	for i, f := range fronts {
		if f.metrics(t)["mcp_authz_kubernetes_leading"] == 1 {
			f.kill()
			fronts = append(fronts[:i], fronts[i+1:]...)
			break
		}
	}
	d.declare("weather", "later", "/later", "")
	d.becomes("weather", "later", "Programmed", "Programmed")
	everywhere("/later", http.StatusOK)
}

// An instance that ends leaves the writing to another one at once, while it still serves.
func TestADrainingLeaderStepsDown(t *testing.T) {
	d := newDeclaring(t)
	leading := func(f *front) float64 { return f.metrics(t)["mcp_authz_kubernetes_leading"] }
	old := d.process("drainDelay: 5m\n")
	eventually(t, "the first leads", func() bool { return leading(old) == 1 })
	next := serve(t, d.config)
	if err := old.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second leads", func() bool { return leading(next) == 1 })
	d.declare("weather", "tools", "/weather", "")
	d.becomes("weather", "tools", "Programmed", "Programmed")
	if !old.running() || leading(old) != 0 {
		t.Errorf("the first: running %t, leading %v", old.running(), leading(old))
	}
	eventually(t, "the first still follows", func() bool { return checking(t, old.grpc, "/weather")(d.good("/weather")).Allowed })
}

// The API server is gone and the clock an hour on: no decision changes, whatever was known stays in force. An instance that starts
// then is not ready and allows nothing.
func TestTheAPIServerIsGone(t *testing.T) {
	d := newDeclaring(t)
	d.declare("weather", "tools", "/weather", "")
	d.declare("news", "bad", "/bad", ", scopes: {required: [offline_access]}")
	running := serve(t, d.config)
	d.becomes("weather", "tools", "Programmed", "Programmed")

	// The same within this process, with a clock of its own.
	ahead := time.Duration(0)
	a := &authz.Authorizer{Now: func() time.Time { return time.Now().Add(ahead) }}
	file, problems := spec.Load([]byte(d.config))
	if file == nil {
		t.Fatal(problems)
	}
	changes := make(chan struct{}, 1)
	var cluster *kube.Cluster
	cluster, err := kube.New(kube.Config{Kubernetes: *file.Kubernetes, Log: slog.New(slog.DiscardHandler), UserAgent: "test", Changed: func() {
		j := cluster.Judge(file)
		s, err := j.File.Snapshot(func(names []string) authz.Verifier {
			var issuers []*token.Issuer
			for i := range j.File.AuthorizationServers {
				s := &j.File.AuthorizationServers[i]
				issuer, err := token.NewIssuer(token.Config{Name: s.Name, Issuer: s.Issuer, JWKS: s.JWKS, RefreshInterval: time.Hour, MaxStaleness: 2 * time.Hour})
				if err != nil {
					t.Error(err)
				}
				issuers = append(issuers, issuer)
			}
			return token.NewVerifier(issuers...)
		})
		if err != nil {
			t.Error(err)
		}
		a.Use(s)
		select {
		case changes <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	var watching sync.WaitGroup
	watching.Go(func() { cluster.Run(t.Context()) })
	t.Cleanup(watching.Wait)
	<-changes
	compact := d.issuer.Mint(map[string]any{"aud": "https://mcp.example.com/weather", "sub": "alice", "exp": time.Now().Add(3 * time.Hour).Unix()})
	decide := func() (out []string) {
		for _, path := range []string{"/weather", "/bad", "/none"} {
			for _, credential := range []string{"", "Bearer " + compact} {
				r := &authz.Request{Method: "POST", Host: "mcp.example.com", Path: path}
				if credential != "" {
					r.Headers = []authz.Header{{Name: "authorization", Value: credential}}
				}
				out = append(out, path+" "+a.Authorize(t.Context(), r).Reason.String())
			}
		}
		return out
	}
	before := strings.Join(decide(), "\n")
	if !strings.Contains(before, "/weather allowed") || !strings.Contains(before, "/weather no_credential") || !strings.Contains(before, "/bad resource_unusable") {
		t.Fatalf("decisions:\n%s", before)
	}

	d.kill()
	eventually(t, "the process misses the API server", func() bool {
		return len(running.out.lines("the Kubernetes API server cannot be watched; what is known stays in force")) > 0
	})
	for _, ahead = range []time.Duration{0, time.Hour, 2 * time.Hour} {
		if after := strings.Join(decide(), "\n"); after != before {
			t.Errorf("%v later, without the API server:\n%s\nwant\n%s", ahead, after, before)
		}
	}
	if v := checking(t, running.grpc, "/weather")(compact); !v.Allowed {
		t.Errorf("the running process: %+v", v)
	}
	if !answers("http://"+running.admin+"/readyz", http.StatusOK) {
		t.Error("the running process is not ready any more")
	}

	fresh := d.unready()
	if !answers("http://"+fresh.admin+"/readyz", http.StatusServiceUnavailable) {
		t.Error("an instance that knows nothing says that it is ready")
	}
	if v := checking(t, fresh.grpc, "/weather")(compact); v.Status != http.StatusServiceUnavailable {
		t.Errorf("an instance that knows nothing: %+v", v)
	}
}

// One kind that cannot be read, here for want of permission, and nothing at all is in force: what is missing may be what forbids.
func TestOneKindUnread(t *testing.T) {
	d := newDeclaring(t)
	d.declare("weather", "tools", "/weather", "")
	d.make("/api/v1/namespaces/mcp-authz/serviceaccounts", "metadata: {name: half}")
	d.make("/apis/rbac.authorization.k8s.io/v1/clusterroles", `
metadata: {name: half}
rules:
- {apiGroups: [mcp-authz.dev], resources: [protectedresources, clusterauthorizationservers], verbs: [get, list, watch]}
- {apiGroups: [gateway.networking.k8s.io], resources: [httproutes], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [namespaces], verbs: [get, list, watch]}
`)
	d.make("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "metadata: {name: half}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: half}\nsubjects: [{kind: ServiceAccount, namespace: mcp-authz, name: half}]")
	status, answer := d.call("POST", "/api/v1/namespaces/mcp-authz/serviceaccounts/half/token", adminToken, map[string]any{"spec": map[string]any{}})
	var made struct{ Status struct{ Token string } }
	if err := json.Unmarshal(answer, &made); err != nil || status != http.StatusCreated {
		t.Fatalf("a token: %d %s", status, answer)
	}
	t.Setenv("KUBECONFIG", d.kubeconfig(made.Status.Token))
	f := d.unready()
	eventually(t, "the log names the kind and the next step", func() bool {
		for _, line := range f.out.lines("the Kubernetes API server cannot be watched; what is known stays in force") {
			if line["kind"] == "resourcegrants" && line["cause"] == "no permission; install the ClusterRole of the chart" {
				return true
			}
		}
		return false
	})
	if v := checking(t, f.grpc, "/weather")(d.good("/weather")); v.Allowed || v.Status != http.StatusServiceUnavailable {
		t.Errorf("%+v", v)
	}
	if answers("http://"+f.admin+"/readyz", http.StatusOK) {
		t.Error("it says that it is ready")
	}
	// The permission comes: no restart is needed.
	d.patch("/apis/rbac.authorization.k8s.io/v1/clusterroles/half", `{"rules":[{"apiGroups":["mcp-authz.dev","gateway.networking.k8s.io",""],"resources":["protectedresources","clusterauthorizationservers","resourcegrants","httproutes","namespaces"],"verbs":["get","list","watch"]}]}`)
	eventually(t, "it is ready", func() bool { return answers("http://"+f.admin+"/readyz", http.StatusOK) })
	if v := checking(t, f.grpc, "/weather")(d.good("/weather")); !v.Allowed {
		t.Errorf("%+v", v)
	}
}

// TestTenThousand loads ten thousand ProtectedResources and a thousand ClusterAuthorizationServers from a real API server. What that
// costs is printed.
func TestTenThousand(t *testing.T) {
	const resources, servers = 10_000, 999 // and corp: the limit
	d := newDeclaring(t)
	work := make(chan [2]string)
	var makers sync.WaitGroup
	for range 8 {
		makers.Go(func() {
			for w := range work {
				if status, answer := d.send(t, adminToken, "POST", w[0], yaml, w[1]); status != http.StatusCreated {
					t.Errorf("%s: %d %s", w[0], status, answer)
				}
			}
		})
	}
	for i := range servers {
		work <- [2]string{group + "/clusterauthorizationservers", fmt.Sprintf(
			"apiVersion: mcp-authz.dev/v1alpha1\nkind: ClusterAuthorizationServer\nmetadata: {name: as-%d}\nspec: {issuer: \"https://as-%d.example.com\", jwks: %s}", i, i, d.issuer.KeySet())}
	}
	for i := range resources {
		work <- [2]string{group + "/namespaces/weather/protectedresources", fmt.Sprintf(
			"apiVersion: mcp-authz.dev/v1alpha1\nkind: ProtectedResource\nmetadata: {name: r-%d}\nspec: {resource: \"https://mcp.example.com/r-%d\", authorizationServers: [corp, as-%d], scopes: {required: [\"mcp:use\"]}}", i, i, i%servers)}
	}
	close(work)
	makers.Wait()

	began := time.Now()
	f := serve(t, d.config)
	ready := time.Since(began)
	in := f.metrics(t)[`mcp_authz_kubernetes_protected_resources{state="in_force"}`]
	if in != resources {
		t.Fatalf("%v resources in force", in)
	}
	began = time.Now()
	d.declare("weather", "one-more", "/one-more", "")
	ask := checking(t, f.grpc, "/one-more")
	good := d.good("/one-more")
	eventually(t, "one more is in force", func() bool { return ask(good).Allowed })
	m := f.metrics(t)
	t.Logf("%d resources and %d authorization servers: ready after %v, one more in force after %v, %.0f MB resident, %.0f MB of them in use",
		resources, servers, ready.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), m["process_resident_memory_bytes"]/(1<<20), m["go_memstats_heap_alloc_bytes"]/(1<<20))
}
