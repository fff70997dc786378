package kube

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// What a match leaves away is what the Gateway API says it is.
func TestDefaultsOfAMatch(t *testing.T) {
	rt := cluster(t, leads("a", "r", "mcp.example.com", "{}, {path: {value: /a}}, {path: {type: Exact}}, {method: GET}")).routes["a/r"]
	want := []routeMatch{{kind: pathPrefix, path: "/"}, {kind: pathPrefix, path: "/a"}, {kind: exact, path: "/"}, {kind: pathPrefix, path: "/", conditional: true}}
	if got := rt.rules[0].matches; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// An object that cannot be read as what it is has one problem, and not those as well that come of its being unread.
func TestOneProblemIsOne(t *testing.T) {
	for _, c := range []struct{ kind, spec, want string }{
		{"ProtectedResource", "colour: red", "spec.colour"},
		{"ProtectedResource", `resource: "https://a.example", scopes: 7`, "spec.scopes"},
		{"ClusterAuthorizationServer", "colour: red", "spec.colour"},
		{"ClusterAuthorizationServer", `issuer: "https://bad-keys.example.com?x"`, "spec.issuer"}, // its keys are not looked at
		{"ResourceGrant", "colour: red", "spec.colour"},
	} {
		w := cluster(t, "apiVersion: mcp-authz.dev/v1alpha1\nkind: "+c.kind+"\nmetadata: {name: x}\nspec: {"+c.spec+"}")
		var problems []spec.Problem
		for _, r := range w.resources {
			problems = r.problems
		}
		for _, s := range w.servers {
			problems = s.problems
		}
		for _, g := range w.grants {
			problems = g.problems
		}
		if len(problems) != 1 || problems[0].Path != c.want {
			t.Errorf("%s {%s}: %v", c.kind, c.spec, problems)
		}
	}
}

// No API server sends what is no JSON. If one did, the object would be bad and its URL kept.
func TestASpecThatIsNoJSON(t *testing.T) {
	u := &unstructured.Unstructured{Object: map[string]any{"kind": "ProtectedResource", "spec": map[string]any{"resource": h + "/mcp", "odd": math.NaN()}}}
	if r := (reader{}).resource(u); !r.identified || r.id.Path != "/mcp" || r.good() {
		t.Errorf("%+v", r)
	}
	if got := Problems(u); len(got) != 1 || got[0].Path != "spec" || got[0].Found != "no JSON" {
		t.Errorf("%v", got)
	}
}

// A URL that is too long has no place, at its border it has one.
func TestALongURL(t *testing.T) {
	long := func(n int) string { return h + "/" + strings.Repeat("a", n-len(h)-1) }
	expect(t, judged(t, "Any", empty, all(corp, protected("a", "x", long(spec.MaxResourceBytes)), protected("a", "y", long(spec.MaxResourceBytes+1)))), "a/x: in force", "a/y: Invalid")
}

// Age decides, then the name, and of two the same one whoever is asked.
func TestBefore(t *testing.T) {
	of := func(age int64, namespace, name string) *object {
		return &object{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(time.Unix(age, 0))}}
	}
	for _, c := range []struct {
		a, b *object
		want int
	}{
		{of(1, "b", "y"), of(2, "a", "x"), -1},
		{of(1, "a", "x"), of(1, "a", "y"), -1},
		{of(1, "a", "y"), of(1, "b", "x"), -1},
		{of(1, "", "x"), of(1, "", "y"), -1},
		{of(1, "a", "x"), of(1, "a", "x"), 0},
	} {
		if got, back := c.a.before(c.b), c.b.before(c.a); got != c.want || back != -c.want {
			t.Errorf("%s before %s: %d, and %d the other way round", c.a.key(), c.b.key(), got, back)
		}
	}
	if a, b := of(1, "a", "x").key(), of(1, "", "x").key(); a != "a/x" || b != "x" {
		t.Errorf("%q, %q", a, b)
	}
}

// A path that more than one namespace takes is nobody's own, in whatever order they come.
func TestTogether(t *testing.T) {
	for _, c := range []struct{ owner, another, want string }{{"", "a", "a"}, {"a", "a", "a"}, {"a", "b", several}, {"b", "a", several}, {several, "a", several}} {
		if got := together(c.owner, c.another); got != c.want {
			t.Errorf("%q and %q: %q", c.owner, c.another, got)
		}
	}
}
