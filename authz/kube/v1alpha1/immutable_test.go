package v1alpha1_test

import (
	"encoding/json"
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

// An object's age is the age of its claim, so that its URL and its routes stay what they are, whichever way they are written anew.
// Everything else may change.
func TestImmutable(t *testing.T) {
	k := readKinds(t)["ProtectedResource"]
	refs := func(r ...values) values { return values{"targetRefs": append([]values{}, r...)} }
	a, b := values{"name": "a"}, values{"name": "b"}
	for _, c := range []struct {
		what     string
		old, new values
		refused  bool
	}{
		{"nothing", nil, nil, false},
		{"the URL", nil, values{"resource": "https://mcp.example.com/gitlab"}, true},
		{"the URL to a path below", nil, values{"resource": "https://mcp.example.com/github/mcp"}, true},
		{"the scheme", values{"resource": "http://localhost"}, values{"resource": "https://localhost"}, true},
		{"a route comes", nil, refs(a), true},
		{"a second route comes", refs(a), refs(a, b), true},
		{"a route goes", refs(a, b), refs(a), true},
		{"all routes go", refs(a), nil, true},
		{"all routes go by null", refs(a), values{"targetRefs": nil}, true},
		{"all routes go by an empty list", refs(a), refs(), true},
		{"an empty list goes", refs(), nil, true},
		{"an empty list comes", nil, refs(), true},
		{"null comes where there was nothing", nil, values{"targetRefs": nil}, false},
		{"another route", refs(a), refs(b), true},
		{"another order", refs(a, b), refs(b, a), true},
		{"a rule of the route", refs(a), refs(values{"name": "a", "sectionName": "b"}), true},
		{"all of the route", refs(values{"name": "a", "sectionName": "b"}), refs(a), true},
		{"the same routes", refs(a, b), refs(a, b), false},
		{"the same route, spelled out", refs(a), refs(values{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "a"}), false},
		{"everything else", refs(a), values{
			"targetRefs": []values{a}, "authorizationServers": []string{"other"}, "scopes": values{"required": []string{"a"}}, "audiences": []string{"b"},
			"allowedOrigins": []string{"https://c.example"}, "resourceName": "d", "resourceDocumentation": "https://e.example", "forwardToken": true,
			"identityHeaders": values{"x-f": "g"}, "metadataRoutes": "None",
		}, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			v := k.admit(k.object(t, "weather", over(resource, c.new)), stored(t, k, over(resource, c.old)))
			want := ""
			if c.refused {
				want = "spec"
			}
			checkRefusal(t, v, want)
		})
	}
	t.Run("no spec", func(t *testing.T) {
		object := k.object(t, "weather", over(resource, nil))
		delete(object, "spec")
		checkRefusal(t, k.admit(object, stored(t, k, over(resource, nil))), "spec")
	})
}

// An object that was stored under an older schema can still be changed where it is good, but not its URL.
func TestImmutableAfterAnUpgrade(t *testing.T) {
	k := readKinds(t)["ProtectedResource"]
	old := k.object(t, "weather", over(resource, values{"resource": "https://mcp.example.com/github/"}))
	again := runtime.DeepCopyJSON(old)
	again["spec"].(map[string]any)["resourceName"] = "GitHub"
	checkRefusal(t, k.admit(again, old), "")
	again["spec"].(map[string]any)["resource"] = "https://mcp.example.com/github"
	checkRefusal(t, k.admit(again, old), "spec")
}

// What the platform declares may change in every key.
func TestMutable(t *testing.T) {
	kinds := readKinds(t)
	for name, c := range map[string]struct{ base, with values }{
		"ClusterAuthorizationServer": {server, values{"issuer": "https://other.example", "jwksURL": "https://other.example/keys", "algorithms": []string{"ES256"}, "leeway": "1s"}},
		"ResourceGrant":              {grant, values{"namespaces": values{"selector": values{}}, "hosts": []string{"a"}, "pathPrefixes": []string{"/a"}, "forwardToken": true}},
	} {
		k := kinds[name]
		checkRefusal(t, k.admit(k.object(t, "a", over(c.base, c.with)), stored(t, k, over(c.base, nil))), "")
		checkRefusal(t, k.admit(k.object(t, "a", over(c.base, nil)), stored(t, k, over(c.base, c.with))), "")
	}
}

// stored is an object that an API server has taken.
func stored(t *testing.T, k *kind, spec string) map[string]any {
	t.Helper()
	v := k.admit(k.object(t, "weather", spec), nil)
	checkRefusal(t, v, "")
	return v.stored
}

// A key with nothing in it, as templates leave them behind, is not stored: what the process reads is its default.
func TestNull(t *testing.T) {
	for name, k := range readKinds(t) {
		base := map[string]values{"ProtectedResource": resource, "ClusterAuthorizationServer": server, "ResourceGrant": grant}[name]
		want := stored(t, k, over(base, nil))
		nothing := maps.Clone(base)
		for key := range openAPI(k.crd).Properties["spec"].Properties {
			if _, given := base[key]; !given {
				nothing[key] = nil
			}
		}
		got := stored(t, k, over(nothing, nil))
		if a, b := written(t, want), written(t, got); a != b {
			t.Errorf("%s: with null %s, without %s", name, b, a)
		}
		checkProblems(t, errorsOf(got), "")
	}
}

func written(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
