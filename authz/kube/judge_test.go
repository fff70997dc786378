package kube

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

const (
	empty = "resources: []\n"
	h     = "https://mcp.example.com"
)

// Who gets a URL, in the order grant, proof by a route, no nesting across namespaces, age.
func TestOwnership(t *testing.T) {
	grantsOfBoth := all(granted("a", "mcp.example.com"), granted("b", "mcp.example.com"))
	for _, c := range []struct {
		name, ownership, file, cluster string
		want                           []string
	}{
		{"without a grant nobody owns anything", "Grant", empty, all(corp, protected("a", "x", h+"/mcp")), []string{"a/x: NotGranted"}},
		{"a grant of the namespace", "Grant", empty, all(corp, granted("a", "mcp.example.com"), protected("a", "x", h+"/mcp")), []string{"a/x: in force"}},
		{"a grant of another namespace", "Grant", empty, all(corp, granted("b", "mcp.example.com"), protected("a", "x", h+"/mcp")), []string{"a/x: NotGranted"}},
		{"a grant of another host", "Grant", empty, all(corp, granted("a", "mcp.example.org"), protected("a", "x", h+"/mcp")), []string{"a/x: NotGranted"}},
		{"a grant of a prefix", "Grant", empty, all(
			corp, granted("a", "mcp.example.com", "pathPrefixes: [/a]"),
			protected("a", "x", h+"/a"), protected("a", "y", h+"/a/b"), protected("a", "z", h+"/ab"), protected("a", "root", h)),
			[]string{"a/x: in force", "a/y: in force", "a/z: NotGranted", "a/root: NotGranted"}},
		{"a wildcard grant covers one label", "Grant", empty, all(
			corp, granted("a", "*.mcp.example.com"), protected("a", "x", "https://w.mcp.example.com"), protected("a", "y", "https://v.w.mcp.example.com"), protected("a", "z", h)),
			[]string{"a/x: in force", "a/y: NotGranted", "a/z: NotGranted"}},
		{"a grant is for every port", "Grant", empty, all(corp, granted("a", "mcp.example.com"), protected("a", "x", "https://mcp.example.com:8443/mcp")), []string{"a/x: in force"}},
		{"a grant that is not good gives nothing", "Grant", empty, all(corp, granted("a", "mcp.example.com", "pathPrefixes: [/a/]"), protected("a", "x", h+"/a")), []string{"a/x: NotGranted"}},
		{"a grant by label", "Grant", empty, all(
			corp, "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {team: mcp}}", "apiVersion: v1\nkind: Namespace\nmetadata: {name: b}",
			"apiVersion: mcp-authz.dev/v1alpha1\nkind: ResourceGrant\nmetadata: {name: g}\nspec: {namespaces: {selector: {matchLabels: {team: mcp}}}, hosts: [mcp.example.com]}",
			protected("a", "x", h+"/a"), protected("b", "y", h+"/b"), protected("c", "z", h+"/c")),
			[]string{"a/x: in force", "b/y: NotGranted", "c/z: NotGranted"}},

		{"a grant by name, where labels are known", "Grant", empty, all(
			corp, "apiVersion: v1\nkind: Namespace\nmetadata: {name: b, labels: {team: mcp}}", granted("a", "mcp.example.com"), protected("b", "x", h+"/mcp")),
			[]string{"b/x: NotGranted"}},
		{"what is not an error does no harm", "Grant", empty, all(corp, granted("a", "mcp.example.com"), protected("a", "x", h+"/sse")), []string{"a/x: in force"}},

		{"the same URL: the older wins", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp"), protected("b", "y", h+"/mcp")), []string{"a/x: in force", "b/y: Conflicted"}},
		{"the same URL, other order", "Grant", empty, all(corp, grantsOfBoth, protected("b", "y", h+"/mcp"), protected("a", "x", h+"/mcp")), []string{"b/y: in force", "a/x: Conflicted"}},
		{"the same age: the name decides", "Grant", empty, all(
			corp, grantsOfBoth,
			strings.Replace(protected("b", "x", h+"/mcp"), `name: "x"`, `name: "x", creationTimestamp: "2026-02-01T00:00:00Z"`, 1),
			strings.Replace(protected("a", "x", h+"/mcp"), `name: "x"`, `name: "x", creationTimestamp: "2026-02-01T00:00:00Z"`, 1)),
			[]string{"a/x: in force", "b/x: Conflicted"}},
		{"the older without a grant shades nobody", "Grant", empty, all(corp, granted("b", "mcp.example.com"), protected("a", "x", h+"/mcp"), protected("b", "y", h+"/mcp")), []string{"a/x: NotGranted", "b/y: in force"}},
		{"the same URL within a namespace", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp"), protected("a", "y", h+"/mcp")), []string{"a/x: in force", "a/y: Conflicted"}},
		{"nested below another's", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp"), protected("b", "y", h+"/mcp/admin")), []string{"a/x: in force", "b/y: Conflicted"}},
		{"nested around another's", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp/admin"), protected("b", "y", h+"/mcp"), protected("b", "z", h)), []string{"a/x: in force", "b/y: Conflicted", "b/z: Conflicted"}},
		{"nested around those of several", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp/a"), protected("b", "y", h+"/mcp/b"), protected("a", "z", h+"/mcp")), []string{"a/x: in force", "b/y: in force", "a/z: Conflicted"}},
		{"nested around another's and one's own", "Grant", empty, all(corp, grantsOfBoth, protected("b", "x", h+"/mcp/b"), protected("a", "y", h+"/mcp/a"), protected("a", "z", h+"/mcp")), []string{"b/x: in force", "a/y: in force", "a/z: Conflicted"}},
		{"nested within a namespace", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp"), protected("a", "y", h+"/mcp/admin"), protected("a", "z", h)), []string{"a/x: in force", "a/y: in force", "a/z: in force"}},
		{"beside another's", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp"), protected("b", "y", h+"/mcpx")), []string{"a/x: in force", "b/y: in force"}},
		{"another port of another's host", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp"), protected("b", "y", "https://mcp.example.com:8443/mcp"), protected("b", "z", "https://mcp.example.com:8443/mcp/x")), []string{"a/x: in force", "b/y: Conflicted", "b/z: Conflicted"}},
		{"another port within a namespace", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp"), protected("a", "y", "https://mcp.example.com:8443/mcp")), []string{"a/x: in force", "a/y: in force"}},
		{"another scheme", "Grant", empty, all(corp, granted("a", "localhost"), granted("b", "localhost"), protected("a", "x", "https://localhost/mcp"), protected("b", "y", "http://localhost/mcp"), protected("a", "z", "http://localhost/mcp")), []string{"a/x: in force", "b/y: Conflicted", "a/z: Conflicted"}},
		{"a wildcard is not for the cluster", "Grant", empty, all(corp, granted("a", "*.mcp.example.com"), protected("a", "x", "https://*.mcp.example.com")), []string{"a/x: Invalid"}},
		{"a URL that is not canonical", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp/"), protected("a", "y", h+"/%67")), []string{"a/x: Invalid", "a/y: Invalid"}},

		{"the file goes before the cluster", "Grant", filed(h + "/mcp"), all(corp, grantsOfBoth, protected("a", "x", h+"/mcp"), protected("a", "y", h+"/mcp/z"), protected("a", "z", h), protected("a", "w", h+"/w")),
			[]string{"a/x: Conflicted", "a/y: Conflicted", "a/z: Conflicted", "a/w: in force"}},
		{"what takes any host in the file takes none that is declared", "Grant", strings.Replace(filed(h+"/mcp"), "name: f,", "insecureAnyHost: true, name: f,", 1), all(corp, grantsOfBoth, protected("a", "x", h+"/mcp")), []string{"a/x: in force"}},
		{"a wildcard of the file covers the hosts under it", "Grant", filed("https://*.mcp.example.com/x"), all(corp, granted("a", "*.mcp.example.com"), granted("b", "*.w.mcp.example.com"), protected("a", "x", "https://w.mcp.example.com/y"), protected("b", "y", "https://v.w.mcp.example.com")),
			[]string{"a/x: Conflicted", "b/y: in force"}},

		{"Any: nothing is asked for", "Any", empty, all(corp, protected("a", "x", h+"/mcp", "audiences: [api]", "forwardToken: true"), protected("b", "y", h+"/mcp")), []string{"a/x: in force", "b/y: Conflicted"}},
		{"Route: no route", "Route", empty, all(corp, protected("a", "x", h+"/mcp")), []string{"a/x: NotProven"}},
		{"Route: a route", "Route", empty, all(corp, leads("a", "r", "mcp.example.com", prefixMatch("/mcp")), protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]")), []string{"a/x: in force"}},
		{"Route: a route of another namespace", "Route", empty, all(corp, leads("b", "r", "mcp.example.com", prefixMatch("/mcp")), protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]")), []string{"a/x: NotProven, TargetNotFound"}},
		{"Route: the same URL twice below the namespace's own", "Route", empty, all(
			corp, leads("a", "r", "mcp.example.com", prefixMatch("/mcp")), protected("a", "outer", h+"/mcp", "targetRefs: [{name: r}]"), protected("a", "x", h+"/mcp/x"), protected("a", "y", h+"/mcp/x")),
			[]string{"a/outer: in force", "a/x: NotProven, 503", "a/y: NotProven"}},
		{"Grant: a route that is missing keeps the place", "Grant", empty, all(corp, grantsOfBoth, protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]")), []string{"a/x: NotProven, TargetNotFound, 503"}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, judged(t, c.ownership, c.file, c.cluster), c.want...) })
	}
}

func filed(url string) string {
	return "authorizationServers: [{name: file, issuer: \"https://file.example.com\"}]\nresources: [{name: f, resource: \"" + url + "\", authorizationServers: [file]}]\n"
}

// What a route must show to prove a URL.
func TestProof(t *testing.T) {
	at := func(kind string) string {
		return strings.ReplaceAll(leads("a", "r", "mcp.example.com", prefixMatch("/mcp")), "namespace: infra, name: gw", kind+", namespace: infra, name: gw")
	}
	for _, c := range []struct {
		name, route, want string
	}{
		{"the path", leads("a", "r", "mcp.example.com", prefixMatch("/mcp")), "in force"},
		{"a path above", leads("a", "r", "mcp.example.com", prefixMatch("/")), "in force"},
		{"no match at all is the root", strings.Replace(leads("a", "r", "mcp.example.com", ""), ", matches: []", "", 1), "in force"},
		{"the exact path", leads("a", "r", "mcp.example.com", "{path: {type: Exact, value: /mcp}}"), "in force"},
		{"a wildcard host", leads("a", "r", "*.example.com", prefixMatch("/mcp")), "in force"},
		{"a wildcard host of more labels", leads("a", "r", "*.com", prefixMatch("/mcp")), "in force"},
		{"one of several matches", leads("a", "r", "mcp.example.com", prefixMatch("/other")+", "+prefixMatch("/mcp")), "in force"},
		{"a Gateway of the namespace", strings.Replace(strings.ReplaceAll(leads("a", "r", "mcp.example.com", prefixMatch("/mcp")), "namespace: infra", "namespace: a"), "namespace: a, name: gw", "name: gw", 1), "in force"},
		{"listeners of a set", at("kind: ListenerSet"), "in force"},
		{"listeners of a set, before that was decided", at("group: gateway.networking.x-k8s.io, kind: XListenerSet"), "in force"},
		{"a path below", leads("a", "r", "mcp.example.com", prefixMatch("/mcp/admin")), "NotProven, 503"},
		{"a sibling", leads("a", "r", "mcp.example.com", prefixMatch("/mc")), "NotProven, 503"},
		{"another exact path", leads("a", "r", "mcp.example.com", "{path: {type: Exact, value: /}}"), "NotProven, 503"},
		{"a pattern", leads("a", "r", "mcp.example.com", "{path: {type: RegularExpression, value: \"/mcp\"}}"), "NotProven, 503"},
		{"a header", leads("a", "r", "mcp.example.com", "{path: {value: /mcp}, headers: [{name: x-a, value: \"1\"}]}"), "NotProven, 503"},
		{"a query", leads("a", "r", "mcp.example.com", "{path: {value: /mcp}, queryParams: [{name: a, value: \"1\"}]}"), "NotProven, 503"},
		{"a method", leads("a", "r", "mcp.example.com", "{path: {value: /mcp}, method: POST}"), "NotProven, 503"},
		{"another host", leads("a", "r", "mcp.example.org", prefixMatch("/mcp")), "NotProven, 503"},
		{"a wildcard that is not above", leads("a", "r", "*.mcp.example.com", prefixMatch("/mcp")), "NotProven, 503"},
		{"a wildcard of another domain", leads("a", "r", "*.example.org", prefixMatch("/mcp")), "NotProven, 503"},
		{"no host", strings.Replace(leads("a", "r", "", prefixMatch("/mcp")), `[""]`, "[]", 1), "NotProven, 503"},
		{"not accepted", strings.Replace(leads("a", "r", "mcp.example.com", prefixMatch("/mcp")), `"True"`, `"False"`, 1), "NotProven, 503"},
		{"true of something else", strings.Replace(leads("a", "r", "mcp.example.com", prefixMatch("/mcp")), "type: Accepted", "type: ResolvedRefs", 1), "NotProven, 503"},
		{"a Service", at("kind: Service"), "NotProven, 503"},
		{"a Gateway of another group", at("group: example.com"), "NotProven, 503"},
		{"a ListenerSet of another group", at("group: example.com, kind: ListenerSet"), "NotProven, 503"},
		{"an XListenerSet of another group", at("kind: XListenerSet"), "NotProven, 503"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, judged(t, "Grant", empty, all(corp, granted("a", "mcp.example.com"), c.route, protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]"))), "a/x: "+c.want)
		})
	}
	// A resource that is an origin has the path "/".
	for match, want := range map[string]string{"{path: {type: Exact, value: /}}": "in force", "{path: {type: Exact, value: /mcp}}": "NotProven, 503", prefixMatch("/"): "in force"} {
		expect(t, judged(t, "Grant", empty, all(corp, granted("a", "mcp.example.com"), leads("a", "r", "mcp.example.com", match), protected("a", "x", h, "targetRefs: [{name: r}]"))), "a/x: "+want)
	}
	expect(t, judged(t, "Grant", empty, all(corp, granted("a", "mcp.example.com"), leads("a", "r", "mcp.example.com", prefixMatch("/mcp")),
		protected("a", "x", h+"/mcp", "targetRefs: [{name: r, sectionName: mcp}]"), protected("a", "y", h+"/mcp/y", "targetRefs: [{name: r, sectionName: other}]"))),
		"a/x: in force", "a/y: NotProven, 503")
}

// Whatever is wrong with an inner resource that is its namespace's own, or lies below one that is: it keeps its place and answers
// 503. The laxer outer one never judges its path.
func TestABrokenInnerResourceKeepsItsPlace(t *testing.T) {
	inner := h + "/mcp/admin"
	outer := all(corp, granted("a", "mcp.example.com", "authorizationServers: [corp]"), leads("a", "r", "mcp.example.com", prefixMatch("/mcp")), protected("a", "outer", h+"/mcp"))
	for name, c := range map[string]struct{ ownership, broken, want string }{
		"a bad scope":                  {"Grant", protected("a", "inner", inner, "scopes: {required: [\"a b\"]}"), "Invalid, 503"},
		"an unknown key":               {"Grant", protected("a", "inner", inner, "insecureAllowHTTP: true"), "Invalid, 503"},
		"a file":                       {"Grant", protected("a", "inner", inner, "caFile: /etc/passwd"), "Invalid, 503"},
		"a type":                       {"Grant", protected("a", "inner", inner, "scopes: 7"), "Invalid, 503"},
		"no authorization server":      {"Grant", protected("a", "inner", inner, "authorizationServers: [none]"), "AuthorizationServerNotPermitted, 503"},
		"one that does not exist":      {"Any", protected("a", "inner", inner, "authorizationServers: [none]"), "AuthorizationServerNotFound, 503"},
		"one that is not good":         {"Any", all(strings.ReplaceAll(other, "other.example.com", "bad-keys.example.com"), protected("a", "inner", inner, "authorizationServers: [other]")), "AuthorizationServerInvalid, 503"},
		"an empty list of them":        {"Grant", protected("a", "inner", inner, "authorizationServers: []"), "Invalid, 503"},
		"a foreign audience":           {"Grant", protected("a", "inner", inner, "audiences: [\"https://b.example.com\"]"), "NotGranted, 503"},
		"the token of its callers":     {"Grant", protected("a", "inner", inner, "forwardToken: true"), "NotGranted, 503"},
		"a route that is gone":         {"Grant", protected("a", "inner", inner, "targetRefs: [{name: gone}]"), "NotProven, TargetNotFound, 503"},
		"no route where one is needed": {"Route", protected("a", "inner", inner), "NotProven, 503"},
		"the same, farther below":      {"Route", protected("a", "inner", inner+"/x"), "NotProven, 503"},
	} {
		t.Run(name, func(t *testing.T) {
			base := outer
			if c.ownership == "Route" {
				base = strings.Replace(outer, protected("a", "outer", h+"/mcp"), protected("a", "outer", h+"/mcp", "targetRefs: [{name: r}]"), 1)
			}
			j := judged(t, c.ownership, empty, all(base, c.broken))
			expect(t, j, "a/outer: in force", "a/inner: "+c.want)
			unusable := map[string]bool{}
			for _, r := range j.File.Resources {
				unusable[r.Name] = r.Unusable
			}
			if diff := cmp.Diff(map[string]bool{"a/outer": false, "a/inner": true}, unusable); diff != "" {
				t.Errorf("unusable in the table (-want +got):\n%s", diff)
			}
		})
	}
	// The grant of the inner path alone is gone: it lies below the namespace's own, which has it.
	j := judged(t, "Grant", empty, all(corp, granted("a", "mcp.example.com", "pathPrefixes: [/mcp]"), protected("a", "inner", inner), protected("a", "outer", h+"/mcp")))
	expect(t, j, "a/inner: in force", "a/outer: in force")
}

// An ungranted claim below another's path changes nothing for him.
func TestAnUngrantedClaimShadesNobody(t *testing.T) {
	j := judged(t, "Grant", empty, all(corp, granted("b", "mcp.example.com"), protected("a", "x", h+"/mcp/admin"), protected("b", "y", h+"/mcp")))
	expect(t, j, "a/x: NotGranted", "b/y: in force")
	if len(j.File.Resources) != 1 {
		t.Errorf("%d resources in the table", len(j.File.Resources))
	}
}

// What a grant must allow beside the URL.
func TestWhatTakesAGrant(t *testing.T) {
	some := granted("a", "mcp.example.com", "authorizationServers: [corp]", "audiences: [api]", "forwardToken: true")
	j := judged(t, "Grant", empty, all(corp, other, some,
		protected("a", "x", h+"/x", "audiences: [api]", "forwardToken: true"), protected("a", "y", h+"/y", "audiences: [api, API]"),
		protected("a", "z", h+"/z", "authorizationServers: [corp, other]")))
	expect(t, j, "a/x: in force", "a/y: NotGranted, 503", "a/z: AuthorizationServerNotPermitted, 503")
	// Grants add up.
	more := strings.Replace(granted("a", "*.example.com", "authorizationServers: [other]", "audiences: [API]"), "name: a", "name: more", 1)
	j = judged(t, "Grant", empty, all(corp, other, some, more, protected("a", "y", h+"/y", "audiences: [api, API]"), protected("a", "z", h+"/z", "authorizationServers: [corp, other]")))
	expect(t, j, "a/y: in force", "a/z: in force")
	// With a route for a proof, that is all that it proves.
	j = judged(t, "Route", empty, all(corp, leads("a", "r", "mcp.example.com", prefixMatch("/")),
		protected("a", "x", h+"/x", "targetRefs: [{name: r}]", "audiences: [api]"), protected("a", "y", h+"/y", "targetRefs: [{name: r}]", "forwardToken: true"), protected("a", "z", h+"/z", "targetRefs: [{name: r}]")))
	expect(t, j, "a/x: NotGranted, 503", "a/y: NotGranted, 503", "a/z: in force")
}

// The servers of the file count for the cluster, and keep their names and issuers.
func TestAuthorizationServers(t *testing.T) {
	named := func(name, issuer string) string {
		return strings.NewReplacer("other.example.com", issuer, "name: other", "name: "+name).Replace(other)
	}
	j := judged(t, "Any", "authorizationServers: [{name: corp, issuer: \"https://file.example.com\"}]\nresources: []\n", all(
		corp, named("file", "file.example.com"), other, named("again", "other.example.com"), named("slow", "slow.example.com?x"), named("keys", "bad-keys.example.com"),
		named("here", "localhost"), protected("a", "x", h+"/x"), protected("a", "y", h+"/y", "authorizationServers: [again]"), protected("a", "z", h+"/z", "authorizationServers: [other, corp]")))
	expect(t, j, "a/x: in force", "a/y: AuthorizationServerInvalid, 503", "a/z: in force")
	var got []string
	for _, s := range j.servers {
		got = append(got, s.Name+": "+s.accepted.reason)
	}
	want := []string{"corp: Conflicted", "file: Conflicted", "other: ", "again: Conflicted", "slow: Invalid", "keys: Invalid", "here: Invalid"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var names []string
	for _, s := range j.File.AuthorizationServers {
		names = append(names, s.Name+" "+s.Issuer)
		if s.Foreign != (s.Name != "corp") {
			t.Errorf("%s: foreign %t", s.Name, s.Foreign)
		}
	}
	if diff := cmp.Diff([]string{"corp https://file.example.com", "other https://other.example.com"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// When the winner goes, the next one is promoted, if it has a grant of its own.
func TestPromotion(t *testing.T) {
	older, younger := protected("a", "x", h+"/mcp"), protected("b", "y", h+"/mcp")
	with := all(corp, granted("a", "mcp.example.com"), granted("b", "mcp.example.com"), older, younger)
	expect(t, judged(t, "Grant", empty, with), "a/x: in force", "b/y: Conflicted")
	expect(t, judged(t, "Grant", empty, strings.Replace(with, "\n---\n"+older, "", 1)), "b/y: in force")
	expect(t, judged(t, "Grant", empty, strings.NewReplacer("\n---\n"+older, "", "\n---\n"+granted("b", "mcp.example.com"), "").Replace(with)), "b/y: NotGranted")
}

// A route of somebody else that may take requests is told of, one that cannot is not.
func TestForeignRoutes(t *testing.T) {
	for _, c := range []struct {
		name, route string
		want        bool
	}{
		{"below", leads("b", "r", "mcp.example.com", prefixMatch("/mcp/admin")), true},
		{"the same path", leads("b", "r", "mcp.example.com", prefixMatch("/mcp")), true},
		{"the exact path", leads("b", "r", "mcp.example.com", "{path: {type: Exact, value: /mcp}}"), true},
		{"with a header", leads("b", "r", "mcp.example.com", "{path: {value: /mcp}, headers: [{name: x-a, value: \"1\"}]}"), true},
		{"a pattern", leads("b", "r", "mcp.example.com", "{path: {type: RegularExpression, value: \"/m.*\"}}"), true},
		{"a wildcard host", leads("b", "r", "*.example.com", prefixMatch("/mcp/x")), true},
		{"below, among others", leads("b", "r", "mcp.example.com", prefixMatch("/z")+", "+prefixMatch("/mcp/b")+", "+prefixMatch("/a")), true},
		{"every host", strings.Replace(leads("b", "r", "", prefixMatch("/mcp/x")), `[""]`, "[]", 1), true},
		{"above", leads("b", "r", "mcp.example.com", prefixMatch("/")), false},
		{"a sibling", leads("b", "r", "mcp.example.com", prefixMatch("/mcpx")), false},
		{"another host", leads("b", "r", "mcp.example.org", prefixMatch("/mcp")), false},
		{"not accepted", strings.Replace(leads("b", "r", "mcp.example.com", prefixMatch("/mcp")), `"True"`, `"False"`, 1), false},
		{"its own", leads("a", "r2", "mcp.example.com", prefixMatch("/mcp")), false},
		{"ours", leads("mcp-authz", "r", "mcp.example.com", prefixMatch("/mcp")), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := "a/x: in force"
			if c.want {
				want += ", foreign route"
			}
			expect(t, judged(t, "Grant", empty, all(corp, granted("a", "mcp.example.com"), c.route, protected("a", "x", h+"/mcp"))), want)
		})
	}
}

// The same objects give the same table, in whatever order they come.
func TestTheOrderDoesNotMatter(t *testing.T) {
	w := cluster(t, all(corp, other, granted("a", "mcp.example.com"), granted("b", "mcp.example.com"),
		protected("a", "x", h+"/mcp"), protected("b", "y", h+"/mcp"), protected("b", "z", h+"/mcp/z"), protected("a", "w", h+"/other", "scopes: 1"),
		protected("b", "v", h+"/v"), protected("a", "u", h+"/v"), protected("c", "t", h+"/t")))
	k := spec.Kubernetes{Namespace: "mcp-authz", Ownership: "Grant"}
	want := w.judge(&k, fileOf(t, empty))
	for range 50 {
		rand.Shuffle(len(w.resources), func(i, j int) { w.resources[i], w.resources[j] = w.resources[j], w.resources[i] })
		rand.Shuffle(len(w.grants), func(i, j int) { w.grants[i], w.grants[j] = w.grants[j], w.grants[i] })
		rand.Shuffle(len(w.servers), func(i, j int) { w.servers[i], w.servers[j] = w.servers[j], w.servers[i] })
		w.sort()
		got := w.judge(&k, fileOf(t, empty))
		if diff := cmp.Diff(outcomes(want), outcomes(got)); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(want.File, got.File); diff != "" {
			t.Fatal(diff)
		}
	}
}

// Whatever is judged compiles, and one bad object costs no other anything.
func TestEveryJudgementCompiles(t *testing.T) {
	j := judged(t, "Any", filed(h+"/file"), all(corp, protected("a", "x", h+"/mcp", "targetRefs: [{name: r, sectionName: s}]"), leads("a", "r", "mcp.example.com", prefixMatch("/")),
		protected("a", "y", h+"/y", "scopes: [1]"), protected("a", "z", "ftp://x"), protected("b", "w", h+"/w", "identityHeaders: {x-real-ip: a}")))
	expect(t, j, "a/x: NotProven, 503", "a/y: Invalid, 503", "a/z: Invalid", "b/w: Invalid, 503")
	var asked [][]string
	if _, err := j.File.Snapshot(func(names []string) authz.Verifier { asked = append(asked, names); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := [][]string{{"file"}}; !slices.EqualFunc(asked, want, slices.Equal) {
		t.Errorf("verifiers for %v", asked)
	}
	for _, r := range j.File.Resources {
		if r.Name == "a/x" && !slices.Equal(r.Routes, []authz.RouteRef{{Namespace: "a", Name: "r", Rule: "s"}}) {
			t.Errorf("routes %v", r.Routes)
		}
	}
}

// Beyond the limit an authorization server does not count, nor what names it.
func TestMoreServersThanThereMayBe(t *testing.T) {
	file := &spec.File{}
	for i := range spec.MaxServers - 1 {
		s := spec.NewAuthorizationServer(fmt.Sprint("s-", i))
		s.Issuer = fmt.Sprintf("https://s%d.example.com", i)
		file.AuthorizationServers = append(file.AuthorizationServers, s)
	}
	w := cluster(t, all(corp, other, protected("a", "x", h+"/x"), protected("a", "y", h+"/y", "authorizationServers: [other]")))
	j := w.judge(&spec.Kubernetes{Ownership: "Any"}, file)
	expect(t, j, "a/x: in force", "a/y: AuthorizationServerInvalid, 503")
	if got := j.servers[1].accepted.reason; got != reasonLimitExceeded || len(j.File.AuthorizationServers) != spec.MaxServers {
		t.Errorf("%s, %d authorization servers", got, len(j.File.AuthorizationServers))
	}
}

// The file that is judged beside a cluster is nobody's to write into: it is judged again, while what came of it is still in force.
func TestTheFileStaysAsItIs(t *testing.T) {
	file := fileOf(t, filed(h+"/file"))
	file.Resources, file.AuthorizationServers = slices.Grow(file.Resources, 8), slices.Grow(file.AuthorizationServers, 8)
	k := &spec.Kubernetes{Ownership: "Any"}
	before := cluster(t, all(corp, protected("a", "x", h+"/x"))).judge(k, file)
	cluster(t, all(other, protected("b", "y", h+"/y", "authorizationServers: [other]"))).judge(k, file)
	if got := before.File.Resources[1].Name + " " + before.File.AuthorizationServers[1].Name; got != "a/x corp" {
		t.Error(got)
	}
}

// What is counted is what an operator sees in the metrics.
func TestCounts(t *testing.T) {
	j := judged(t, "Grant", empty, all(corp, granted("a", "mcp.example.com"), protected("a", "x1", h+"/x1"), protected("a", "x2", h+"/x2"), protected("a", "x3", h+"/x3"),
		protected("a", "y1", h+"/y1", "scopes: 7"), protected("a", "y2", h+"/y2", "scopes: 7"), protected("b", "z", h+"/z")))
	if inForce, unusable, refused := j.Counts(); inForce != 3 || unusable != 2 || refused != 1 {
		t.Errorf("%d in force, %d unusable, %d refused", inForce, unusable, refused)
	}
}
