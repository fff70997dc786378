package kube

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// tenants has every namespace of a test granted a host.
func tenants(host string, namespaces ...string) string {
	return fmt.Sprintf("apiVersion: mcp-authz.dev/v1alpha1\nkind: ResourceGrant\nmetadata: {name: shared}\nspec: {namespaces: {names: [%s]}, hosts: [%q]}", strings.Join(namespaces, ", "), host)
}

// routesOf are the metadata routes of a judgement: hostname → where it stands.
func routesOf(j *Judgement, at ...spec.ParentRef) map[string][]string {
	k := &spec.Kubernetes{Namespace: "mcp-authz", Lease: "mcp-authz", MetadataRoutes: &spec.MetadataRoutes{Service: "mcp-authz", Port: 8080, ParentRefs: at}}
	out := map[string][]string{}
	for _, r := range metadataRoutes(k, j) {
		var said httpRoute
		lenient(r.Object, &said)
		for _, p := range said.Spec.ParentRefs {
			out[said.Spec.Hostnames[0]] = append(out[said.Spec.Hostnames[0]], strings.TrimSpace(*p.Kind+" "+p.Namespace+"/"+p.Name+" "+p.SectionName))
		}
	}
	return out
}

// at makes a route stand at Gateways: "namespace/name", "namespace/name section", and with a "?" those that did not take it.
func at(route string, gateways ...string) string {
	var said, took []string
	for _, g := range gateways {
		name, refused := strings.CutSuffix(g, "?")
		namespace, name, _ := strings.Cut(name, "/")
		name, section, _ := strings.Cut(name, " ")
		ref := fmt.Sprintf("{namespace: %s, name: %s}", namespace, name)
		if section != "" {
			ref = fmt.Sprintf("{namespace: %s, name: %s, sectionName: %s}", namespace, name, section)
		}
		said = append(said, ref)
		took = append(took, fmt.Sprintf("{parentRef: %s, conditions: [{type: Accepted, status: %q}]}", ref, map[bool]string{false: "True", true: "False"}[refused]))
	}
	spec, _, _ := strings.Cut(route, "\nstatus:")
	return strings.Replace(spec, "parentRefs: [{namespace: infra, name: gw}]", "parentRefs: ["+strings.Join(said, ", ")+"]", 1) + "\nstatus: {parents: [" + strings.Join(took, ", ") + "]}"
}

// A metadata route goes where the resource's own route was accepted, and to no Gateway that the route merely names: ours is the
// namespace that every Gateway lets in.
func TestAMetadataRouteStandsWhereItsRouteDoes(t *testing.T) {
	j := judged(t, "Any", empty, all(corp, at(leads("a", "r", "mcp.example.com", prefixMatch("/")), "infra/gw", "victim/gw?"),
		protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]")))
	expect(t, j, "a/x: in force")
	if diff := cmp.Diff(map[string][]string{"mcp.example.com": {"Gateway infra/gw"}}, routesOf(j)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := j.resources[0].wanted(j.resources[0].CreationTimestamp.Time); len(s.Ancestors) != 1 || s.Ancestors[0].AncestorRef.Namespace != "infra" {
		t.Errorf("ancestors: %+v", s.Ancestors)
	}
	// No Gateway accepted it: there is nothing for it to stand at, and nothing proved.
	j = judged(t, "Route", empty, all(corp, at(leads("a", "r", "mcp.example.com", prefixMatch("/")), "victim/gw?"), protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]")))
	expect(t, j, "a/x: NotProven")
	// One that it was taken off since.
	gone := strings.Replace(leads("a", "r", "mcp.example.com", prefixMatch("/")), "parentRefs: [{namespace: infra, name: gw}]", "parentRefs: []", 1)
	expect(t, judged(t, "Route", empty, all(corp, gone, protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]"))), "a/x: NotProven")
}

// A mesh accepts any hostname for a Service of one's own: no proof of a URL, and nowhere for a metadata route to stand.
func TestARouteOfAMeshProvesNothing(t *testing.T) {
	mesh := strings.ReplaceAll(leads("a", "r", "mcp.example.com", prefixMatch("/")), "namespace: infra, name: gw", `group: "", kind: Service, name: mine`)
	j := judged(t, "Route", empty, all(corp, mesh, protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]")))
	expect(t, j, "a/x: NotProven")
	if got := routesOf(j); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// A route for the very host makes a gateway forget the wildcard that led there until now, for everything but the metadata.
func TestAMetadataRouteTakesNoHostAway(t *testing.T) {
	gw := spec.ParentRef{Namespace: "infra", Name: "gw"}
	https := spec.ParentRef{Namespace: "infra", Name: "gw", SectionName: "https"}
	hostless := func(namespace string) string {
		return strings.Replace(leads(namespace, "all", "", prefixMatch("/")), `[""]`, "[]", 1)
	}
	targeted, free := protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]"), protected("a", "x", h+"/mcp")
	for _, c := range []struct {
		name, cluster string
		at            spec.ParentRef
		want          map[string][]string
	}{
		{"its route has a wildcard", all(leads("a", "r", "*.example.com", prefixMatch("/")), targeted), gw, map[string][]string{"*.example.com": {"Gateway infra/gw"}}},
		{"and the host", all(strings.Replace(leads("a", "r", "*.example.com", prefixMatch("/")), `"*.example.com"`, `"*.com", "mcp.example.com", "*.example.com"`, 1), targeted), gw, map[string][]string{"mcp.example.com": {"Gateway infra/gw"}}},
		{"the longer of two wildcards", all(strings.Replace(leads("a", "r", "*.example.com", prefixMatch("/")), `"*.example.com"`, `"*.com", "*.example.com"`, 1), targeted), gw, map[string][]string{"*.example.com": {"Gateway infra/gw"}}},
		{"the longer of two wildcards, the other way round", all(strings.Replace(leads("a", "r", "*.example.com", prefixMatch("/")), `"*.example.com"`, `"*.example.com", "*.com"`, 1), targeted), gw, map[string][]string{"*.example.com": {"Gateway infra/gw"}}},
		{"a longer name of another host", all(strings.Replace(leads("a", "r", "*.example.com", prefixMatch("/")), `"*.example.com"`, `"*.example.com", "weather.example.org"`, 1), targeted), gw, map[string][]string{"*.example.com": {"Gateway infra/gw"}}},
		{"a wildcard as long as the host", all(strings.Replace(leads("a", "r", "*.example.com", prefixMatch("/")), `"*.example.com"`, `"*.example.com", "m.example.com"`, 1), protected("a", "x", "https://m.example.com/mcp", "targetRefs: [{name: r}]")), gw, map[string][]string{"m.example.com": {"Gateway infra/gw"}}},
		{"its route has another host", all(leads("a", "r", "mcp.example.org", prefixMatch("/")), targeted), gw, map[string][]string{}},
		{"no route leads there", all(free), gw, map[string][]string{"mcp.example.com": {"Gateway infra/gw"}}},
		{"a wildcard of others leads there", all(leads("b", "r", "*.example.com", prefixMatch("/")), free), gw, map[string][]string{}},
		{"a route of others for all hosts", all(hostless("b"), free), gw, map[string][]string{}},
		{"the host is listed beside it", all(hostless("b"), leads("b", "r", "mcp.example.com", prefixMatch("/x")), free), gw, map[string][]string{"mcp.example.com": {"Gateway infra/gw"}}},
		{"the wildcard is at another Gateway", all(at(leads("b", "r", "*.example.com", prefixMatch("/")), "infra/other"), free), gw, map[string][]string{"mcp.example.com": {"Gateway infra/gw"}}},
		{"the wildcard is at another listener", all(at(leads("b", "r", "*.example.com", prefixMatch("/")), "infra/gw http"), free), https, map[string][]string{"mcp.example.com": {"Gateway infra/gw https"}}},
		{"a wildcard is at the listener", all(at(leads("b", "r", "*.example.com", prefixMatch("/")), "infra/gw https"), free), https, map[string][]string{}},
		{"a wildcard is at one of the listeners", all(at(leads("b", "r", "*.example.com", prefixMatch("/")), "infra/gw https"), free), gw, map[string][]string{}},
		{"the host is listed at all listeners", all(leads("b", "r", "mcp.example.com", prefixMatch("/")), leads("b", "s", "*.example.com", prefixMatch("/")), free), https, map[string][]string{"mcp.example.com": {"Gateway infra/gw https"}}},
		{"the host is listed at the listener", all(at(leads("b", "r", "mcp.example.com", prefixMatch("/")), "infra/gw https"), leads("b", "s", "*.example.com", prefixMatch("/")), free), https, map[string][]string{"mcp.example.com": {"Gateway infra/gw https"}}},
		{"the host is listed at one of the listeners", all(at(leads("b", "r", "mcp.example.com", prefixMatch("/")), "infra/gw http"), free), gw, map[string][]string{"mcp.example.com": {"Gateway infra/gw"}}},
		{"the host is listed at another listener", all(at(leads("b", "r", "mcp.example.com", prefixMatch("/")), "infra/gw http"), at(leads("b", "s", "*.example.com", prefixMatch("/")), "infra/gw"), free), https, map[string][]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, routesOf(judged(t, "Any", empty, all(corp, c.cluster)), c.at)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What the API server would refuse is not asked of it: one such route, and the leader would begin anew every few seconds.
func TestMetadataRoutesThatTheAPIWouldRefuse(t *testing.T) {
	j := judged(t, "Any", empty, all(corp, at(leads("a", "r", "mcp.example.com", prefixMatch("/")), "infra/gw https", "infra/two https", "infra/two http"), at(leads("b", "r", "mcp.example.com", prefixMatch("/")), "infra/gw"),
		protected("a", "x", h+"/a", "targetRefs: [{name: r}]"), protected("b", "y", h+"/b", "targetRefs: [{name: r}]"),
		protected("a", "z", "https://a_b.example.com"), protected("a", "w", "https://-a.example.com"), protected("a", "v", "https://a-.example.com")))
	want := map[string][]string{"mcp.example.com": {"Gateway infra/gw", "Gateway infra/two http", "Gateway infra/two https"}}
	if diff := cmp.Diff(want, routesOf(j, spec.ParentRef{Namespace: "infra", Name: "gw"})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Nobody finds a host whose metadata route has the name of another's: 32 bits of a hash are found in no time.
func TestNamesOfMetadataRoutesDoNotCollide(t *testing.T) {
	k := &spec.Kubernetes{Namespace: "mcp-authz", MetadataRoutes: &spec.MetadataRoutes{}}
	const shared = "weather-service.production.mcp.corp.example."
	seen, found := map[uint32]string{}, 0
	for i := 0; found < 3; i++ {
		host := fmt.Sprintf("%s%d.example", shared, i)
		sum := sha256.Sum256([]byte(host))
		short := binary.BigEndian.Uint32(sum[:])
		if other, twice := seen[short]; twice {
			found++
			if a, b := metadataRoute(k, host, nil).GetName(), metadataRoute(k, other, nil).GetName(); a == b || len(a) > 63 || len(b) > 63 {
				t.Errorf("%s and %s are %s and %s", host, other, a, b)
			}
		}
		seen[short] = host
	}
}

// Some servers fold case, so the check refuses a spelling of another resource. That must not let a tenant shut another's paths.
func TestAnotherCaseOfAnothersPath(t *testing.T) {
	both := tenants("mcp.example.com", "a", "b")
	expect(t, judged(t, "Grant", empty, all(corp, both, protected("a", "x", h+"/mcp"), protected("b", "y", h+"/MCP"), protected("b", "z", h+"/MCP/tools"), protected("b", "w", h+"/mCp/tools"))),
		"a/x: in force", "b/y: Conflicted", "b/z: Conflicted", "b/w: Conflicted")
	expect(t, judged(t, "Grant", empty, all(corp, both, protected("a", "x", h+"/Mcp/tools"), protected("b", "y", h+"/mcp"))), "a/x: in force", "b/y: Conflicted")
	expect(t, judged(t, "Grant", empty, all(corp, both, protected("a", "x", h+"/mcp"), protected("a", "y", h+"/MCP"), protected("a", "z", h+"/MCP/tools"))), "a/x: in force", "a/y: in force", "a/z: in force")
	expect(t, judged(t, "Grant", filed(h+"/mcp"), all(corp, both, protected("a", "x", h+"/MCP/tools"))), "a/x: Conflicted")
}

// answers says what requests without a token get.
func answers(t *testing.T, j *Judgement) func(host, path string) string {
	t.Helper()
	s, err := j.File.Snapshot(func([]string) authz.Verifier { return nil })
	if err != nil {
		t.Fatal(err)
	}
	s.Limits = authz.Limits{TokenBytes: 1024, ConcurrentChecks: 1}
	a := &authz.Authorizer{}
	a.Use(s)
	return func(host, path string) string {
		d := a.Authorize(context.Background(), &authz.Request{Method: "POST", Host: host, Path: path})
		return d.Reason.String() + " " + d.Resource
	}
}

// Whatever tenants declare: what came before them is judged as if they had declared nothing, and what is judged compiles.
func TestWhatComesLaterChangesNothingForOthers(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	pick := func(of []string) string { return of[random.IntN(len(of))] }
	hosts := []string{"https://mcp.example.com", "https://mcp.example.com:8443", "http://localhost", "https://localhost", "https://localhost:80", "https://x.mcp.example.com", "https://[::1]"}
	paths := []string{"", "/a", "/A", "/a/b", "/a/B", "/A/b", "/a/b/c", "/ab", "/b"}
	odd := []string{"authorizationServers: [corp]", "scopes: 7", "targetRefs: [{name: gone}]", "authorizationServers: [none]", "forwardToken: true", "audiences: [x]", "colour: red"}
	for range 200 {
		file := pick([]string{empty, filed("https://mcp.example.com/b"), filed("https://*.mcp.example.com:8443/b")})
		common := all(corp, tenants("mcp.example.com", "a", "b", "c"), strings.Replace(tenants("*.mcp.example.com", "a", "c"), "shared", "wild", 1),
			strings.Replace(strings.Replace(tenants("localhost", "a", "b"), "shared", "here", 1), `["localhost"]`, `["localhost", "[::1]"]`, 1), granted("d", "mcp.example.com", "pathPrefixes: [/a]"))
		var older, later []string
		ownership := pick([]string{spec.OwnershipGrant, spec.OwnershipAny})
		for i := range 6 {
			o := protected(pick([]string{"a", "b", "c", "d", "e"}), fmt.Sprint("x", i), pick(hosts)+pick(paths), pick(odd))
			older, later = append(older, o), append(later, o)
		}
		for i := range 4 {
			later = append(later, protected(pick([]string{"v", "w"}), fmt.Sprint("y", i), pick(hosts)+pick(paths), pick(odd)))
		}
		later = append(later, strings.Replace(tenants("*.mcp.example.com", "v", "w"), "shared", "wilder", 1), strings.Replace(strings.Replace(tenants("localhost", "v", "w"), "shared", "there", 1), `["localhost"]`, `["localhost", "mcp.example.com"]`, 1))
		before, after := judged(t, ownership, file, all(append([]string{common}, older...)...)), judged(t, ownership, file, all(append([]string{common}, later...)...))
		if diff := cmp.Diff(outcomes(before), outcomes(after)[:len(older)]); diff != "" {
			t.Fatalf("%s\n%s", diff, strings.Join(later, "\n---\n"))
		}
		then, now := answers(t, before), answers(t, after)
		for i := range before.File.Resources {
			id, err := before.File.Resources[i].Identifier()
			if err != nil {
				t.Fatal(err)
			}
			for _, below := range []string{"", "/", "/b", "/B", "/x/y"} {
				path := id.Path + below
				if path == "" {
					path = "/"
				}
				host := strings.Replace(id.Host, "*", "x", 1)
				if was, is := then(host, path), now(host, path); was != is {
					t.Fatalf("%s%s: %s, then %s\n%s", host, path, was, is, strings.Join(later, "\n---\n"))
				}
			}
		}
	}
}

// Beyond the limit an inner resource keeps its place, too: the outer one, which may ask for less, must not judge its requests.
func TestBeyondTheLimit(t *testing.T) {
	file := &spec.File{}
	for i := range spec.MaxResources - 1 {
		file.Resources = append(file.Resources, spec.ProtectedResource{ProtectedResourceSpec: spec.ProtectedResourceSpec{Resource: fmt.Sprintf("https://h%d.example.org", i)}})
	}
	w := cluster(t, all(corp, protected("a", "outer", h+"/mcp"), protected("a", "inner", h+"/mcp/admin"), protected("a", "other", h+"/other"), protected("b", "same", h+"/other")))
	expect(t, w.judge(&spec.Kubernetes{Ownership: "Any"}, file), "a/outer: in force", "a/inner: LimitExceeded, 503", "a/other: LimitExceeded", "b/same: LimitExceeded")
}

// A path has a bounded number of segments: a few thousand of the longest would cost every judgement seconds.
func TestSegmentsOfAPath(t *testing.T) {
	deep := func(n int) string { return h + strings.Repeat("/a", n) }
	expect(t, judged(t, "Any", empty, all(corp, protected("a", "x", deep(maxSegments)), protected("b", "y", strings.Replace(deep(maxSegments+1), "mcp", "other", 1)))), "a/x: in force", "b/y: Invalid")
	// Not even below one of its namespace's own: an API server has refused it.
	expect(t, judged(t, "Any", empty, all(corp, protected("a", "x", h), protected("a", "y", deep(maxSegments+1)))), "a/x: in force", "a/y: Invalid")
}

// Which route a gateway would look at first decides whether one above the resource takes its requests away.
func TestForeignRoutesAboveAResource(t *testing.T) {
	own := func(host, path string) string { return leads("a", "own", host, prefixMatch(path)) }
	for _, c := range []struct {
		name, own, route string
		want             bool
	}{
		{"between the own route and the resource", own("mcp.example.com", "/"), leads("b", "r", "mcp.example.com", prefixMatch("/team")), true},
		{"the same, with a header", own("mcp.example.com", "/"), leads("b", "r", "mcp.example.com", "{path: {value: /team}, headers: [{name: x-a, value: \"1\"}]}"), true},
		{"as far above as the own route", own("mcp.example.com", "/"), leads("b", "r", "mcp.example.com", "{path: {value: /}, headers: [{name: x-a, value: \"1\"}]}"), true},
		{"farther above", own("mcp.example.com", "/team"), leads("b", "r", "mcp.example.com", prefixMatch("/")), false},
		{"a more exact host", own("*.example.com", "/team/mcp"), leads("b", "r", "mcp.example.com", prefixMatch("/")), true},
		{"a less exact host", own("mcp.example.com", "/"), leads("b", "r", "*.example.com", prefixMatch("/team")), false},
		{"an exact path takes nothing below it", own("mcp.example.com", "/"), leads("b", "r", "mcp.example.com", "{path: {type: Exact, value: /team}}"), false},
		{"a sibling of a segment", own("mcp.example.com", "/"), leads("b", "r", "mcp.example.com", prefixMatch("/tea")), false},
		{"an own one with a header is none", leads("a", "own", "mcp.example.com", "{path: {value: /team/mcp}, headers: [{name: x-a, value: \"1\"}]}"), leads("b", "r", "mcp.example.com", prefixMatch("/team")), false},
		{"an own one with a header, and one above", all(own("mcp.example.com", "/"), leads("a", "own2", "mcp.example.com", "{path: {value: /team/mcp}, headers: [{name: x-a, value: \"1\"}]}")), leads("b", "r", "mcp.example.com", prefixMatch("/team")), true},
		{"an own one without and with a header", all(own("mcp.example.com", "/"), leads("a", "own2", "mcp.example.com", prefixMatch("/team")+", {path: {value: /team}, headers: [{name: x-a, value: \"1\"}]}")), leads("b", "r", "mcp.example.com", prefixMatch("/")), false},
		{"many of its own between", all(own("mcp.example.com", "/team/mcp"), leads("a", "own2", "mcp.example.com", prefixMatch("/team/mcp/a")), leads("a", "own3", "mcp.example.com", prefixMatch("/team/mcp/c"))), leads("b", "r", "mcp.example.com", prefixMatch("/team/mcp/b")), true},
		{"nothing but its own below", all(own("mcp.example.com", "/team/mcp"), leads("a", "own2", "mcp.example.com", prefixMatch("/team/mcp/a"))), leads("b", "r", "mcp.example.com", prefixMatch("/team/mcq")), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := "a/x: in force"
			if c.want {
				want += ", foreign route"
			}
			expect(t, judged(t, "Any", empty, all(corp, c.own, c.route, protected("a", "x", h+"/team/mcp"))), want)
		})
	}
}

// BenchmarkJudgeBesideRoutes is what a tenant's routes cost all others at each change.
func BenchmarkJudgeBesideRoutes(b *testing.B) {
	for _, n := range []int{0, 20, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := cluster(b, crowd(10_000))
			for i := range n {
				rt := &route{parents: []parent{{}}, rules: make([]routeRule, 1)}
				rt.Namespace, rt.Name = "attacker", fmt.Sprint("r-", i)
				for m := range 128 {
					rt.rules[0].matches = append(rt.rules[0].matches, routeMatch{kind: pathPrefix, path: fmt.Sprintf("/elsewhere/%d/%d", i, m)})
				}
				w.routes[rt.key()] = rt
			}
			k := &spec.Kubernetes{Namespace: "mcp-authz", Ownership: "Grant"}
			for b.Loop() {
				w.judge(k, &spec.File{})
			}
		})
	}
}

// The routes go with the Service of the metadata listener. That it cannot be read for once does not change whose they are.
func TestTheOwnerOfTheRoutesStays(t *testing.T) {
	service := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"namespace": "mcp-authz", "name": "mcp-authz", "uid": "of-the-service"}}}
	kinds := map[schema.GroupVersionResource]string{httpRoutes(): "HTTPRouteList", {Version: "v1", Resource: "services"}: "ServiceList"}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, service)
	applied, away := map[string]string{}, false
	client.PrependReactor("patch", "httproutes", func(a clienttesting.Action) (bool, runtime.Object, error) {
		patch := a.(clienttesting.PatchAction)
		applied[patch.GetName()] = string(patch.GetPatch())
		return true, &unstructured.Unstructured{Object: map[string]any{"apiVersion": httpRoutes().GroupVersion().String(), "kind": "HTTPRoute", "metadata": map[string]any{"name": patch.GetName()}}}, nil
	})
	client.PrependReactor("get", "services", func(clienttesting.Action) (bool, runtime.Object, error) {
		return away, nil, errors.New("away")
	})
	c := &Cluster{client: client, log: slog.New(slog.DiscardHandler), config: Config{Kubernetes: spec.Kubernetes{
		Namespace: "mcp-authz", Lease: "mcp-authz", MetadataRoutes: &spec.MetadataRoutes{Service: "mcp-authz", Port: 8080},
	}}}
	j := judged(t, "Any", empty, all(corp, leads("a", "r", "mcp.example.com", prefixMatch("/")), protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]")))
	w := newRouteWriter(c)
	for _, away = range []bool{false, true} {
		w.listed = w.listed.Add(-2 * writeAll)
		clear(applied)
		if !w.write(context.Background(), j) || len(applied) != 1 {
			t.Fatalf("away %t: %v", away, slices.Collect(maps.Keys(applied)))
		}
		for _, text := range applied {
			if !strings.Contains(text, "of-the-service") {
				t.Errorf("away %t: nobody's: %s", away, text)
			}
		}
	}
}
