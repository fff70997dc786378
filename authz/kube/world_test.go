package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// cluster reads objects as they would come from an API server. Each is as old as it stands early in the text, but for those that say
// their age themselves.
func cluster(t testing.TB, text string) *world {
	t.Helper()
	w := newWorld()
	read := reader{check: func(s *spec.AuthorizationServer) error {
		if strings.Contains(s.Issuer, "bad-keys") {
			return fmt.Errorf("no key of use")
		}
		return nil
	}}
	for i, document := range strings.Split(text, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &u.Object); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if age := u.GetCreationTimestamp(); age.IsZero() {
			_ = unstructured.SetNestedField(u.Object, fmt.Sprintf("2026-01-01T00:%02d:%02dZ", i/60, i%60), "metadata", "creationTimestamp")
		}
		if u.GetUID() == "" {
			_ = unstructured.SetNestedField(u.Object, fmt.Sprint("uid-", i), "metadata", "uid")
		}
		switch u.GetKind() {
		case "ProtectedResource":
			w.resources = append(w.resources, read.resource(u))
		case "ClusterAuthorizationServer":
			w.servers = append(w.servers, read.server(u))
		case "ResourceGrant":
			w.grants = append(w.grants, read.grant(u))
		case "HTTPRoute":
			w.addRoute(read.route(u))
		case "SecurityPolicy":
			p := read.policy(u)
			w.policies[p.Namespace] = append(w.policies[p.Namespace], p)
		case "Namespace":
			n := read.namespace(u)
			w.namespaces[n.Name] = n
		default:
			t.Fatalf("a %q", u.GetKind())
		}
	}
	w.sort()
	return w
}

const (
	corp  = "apiVersion: mcp-authz.dev/v1alpha1\nkind: ClusterAuthorizationServer\nmetadata: {name: corp}\nspec: {issuer: \"https://idp.example.com\"}"
	other = "apiVersion: mcp-authz.dev/v1alpha1\nkind: ClusterAuthorizationServer\nmetadata: {name: other}\nspec: {issuer: \"https://other.example.com\"}"
)

// protected is a ProtectedResource of a namespace, named like it, with what else its spec says.
func protected(namespace, name, url string, more ...string) string {
	more = append([]string{fmt.Sprintf("resource: %q", url), "authorizationServers: [corp]"}, more...)
	if len(more) > 2 && strings.HasPrefix(more[2], "authorizationServers:") {
		more = append(more[:1], more[2:]...)
	}
	return fmt.Sprintf("apiVersion: mcp-authz.dev/v1alpha1\nkind: ProtectedResource\nmetadata: {namespace: %s, name: %q}\nspec: {%s}", namespace, name, strings.Join(more, ", "))
}

func granted(namespace, host string, more ...string) string {
	more = append([]string{"namespaces: {names: [" + namespace + "]}", fmt.Sprintf("hosts: [%q]", host)}, more...)
	return fmt.Sprintf("apiVersion: mcp-authz.dev/v1alpha1\nkind: ResourceGrant\nmetadata: {name: %s}\nspec: {%s}", namespace, strings.Join(more, ", "))
}

// leads is an accepted HTTPRoute with one match.
func leads(namespace, name, host, match string) string {
	return fmt.Sprintf(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: %s, name: %s}
spec: {hostnames: [%q], parentRefs: [{namespace: infra, name: gw}], rules: [{name: mcp, matches: [%s]}]}
status: {parents: [{parentRef: {namespace: infra, name: gw}, conditions: [{type: Accepted, status: "True"}]}]}`, namespace, name, host, match)
}

func prefixMatch(path string) string {
	return fmt.Sprintf("{path: {type: PathPrefix, value: %q}}", path)
}

func all(documents ...string) string { return strings.Join(documents, "\n---\n") }

func fileOf(t testing.TB, text string) *spec.File {
	t.Helper()
	f, problems := spec.Load([]byte(text))
	if f == nil {
		t.Fatal(problems)
	}
	return f
}

func judged(t testing.TB, ownership, file, text string) *Judgement {
	t.Helper()
	k := spec.Kubernetes{Namespace: "mcp-authz", Ownership: ownership, Lease: "mcp-authz"}
	return cluster(t, text).judge(&k, fileOf(t, file))
}

// outcomes writes what became of every ProtectedResource on one line each: its reasons, or "in force".
func outcomes(j *Judgement) (lines []string) {
	for _, v := range j.resources {
		var said []string
		for _, s := range []state{v.accepted, v.refs} {
			if !s.good() {
				said = append(said, s.reason)
			}
		}
		switch {
		case v.usable():
			said = append(said, "in force")
		case v.placed:
			said = append(said, "503")
		}
		if v.foreignRoute {
			said = append(said, "foreign route")
		}
		if v.bypass != "" {
			said = append(said, "bypassed by "+v.bypass)
		}
		lines = append(lines, v.key()+": "+strings.Join(said, ", "))
	}
	return lines
}

func expect(t *testing.T, j *Judgement, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, outcomes(j)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
