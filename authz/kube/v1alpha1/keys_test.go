package v1alpha1_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"

	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// What the schema fills in is what the process assumes where nothing is said.
func TestDefaults(t *testing.T) {
	kinds := readKinds(t)
	specOf := func(kind string, base, with values, to any) {
		data := written(t, stored(t, kinds[kind], over(base, with))["spec"])
		if err := json.Unmarshal([]byte(data), to); err != nil {
			t.Fatal(err)
		}
	}
	var s v1alpha1.ClusterAuthorizationServerSpec
	specOf("ClusterAuthorizationServer", server, nil, &s)
	want := spec.NewAuthorizationServer("corp").AuthorizationServerSpec
	want.Issuer = s.Issuer
	if diff := cmp.Diff(want, s.AuthorizationServerSpec); diff != "" {
		t.Errorf("a ClusterAuthorizationServer (-process +schema):\n%s", diff)
	}
	if got := [...]string{s.Leeway.String(), s.RefreshInterval.String(), s.MaxStaleness.String(), s.AccessTokenType}; got != [...]string{"30s", "10m0s", "24h0m0s", "any"} {
		t.Errorf("a ClusterAuthorizationServer: %v", got)
	}
	var r v1alpha1.ProtectedResourceSpec
	specOf("ProtectedResource", resource, values{"targetRefs": []values{{"name": "a"}}}, &r)
	if diff := cmp.Diff(v1alpha1.ProtectedResourceSpec{
		ProtectedResourceSpec: spec.ProtectedResourceSpec{Resource: "https://mcp.example.com/github", AuthorizationServers: []string{"corp"}},
		TargetRefs:            []v1alpha1.TargetRef{{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute", Name: "a"}},
		MetadataRoutes:        v1alpha1.MetadataRoutesAuto,
	}, r); diff != "" {
		t.Errorf("a ProtectedResource (-process +schema):\n%s", diff)
	}
	var g v1alpha1.ResourceGrantSpec
	specOf("ResourceGrant", grant, nil, &g)
	if diff := cmp.Diff(v1alpha1.ResourceGrantSpec{
		Namespaces: v1alpha1.GrantedNamespaces{Names: []string{"weather"}}, Hosts: []string{"weather.mcp.example.com"}, PathPrefixes: []string{"/"},
	}, g); diff != "" {
		t.Errorf("a ResourceGrant (-process +schema):\n%s", diff)
	}
}

// Every key of the types stands in the schema under the same name, and no other: those that the file has too are the same structs.
// None loosens a check, and none names a file of the machine that the process runs on.
func TestKeys(t *testing.T) {
	kinds := readKinds(t)
	for kind, of := range map[string]any{
		"ProtectedResource": v1alpha1.ProtectedResourceSpec{}, "ClusterAuthorizationServer": v1alpha1.ClusterAuthorizationServerSpec{},
		"ResourceGrant": v1alpha1.ResourceGrantSpec{},
	} {
		checkKeys(t, kind, reflect.TypeOf(of), openAPI(kinds[kind].crd).Properties["spec"])
	}
	for _, c := range []struct {
		kind   string
		of     any
		shared []string
	}{
		{"ProtectedResource", spec.ProtectedResourceSpec{}, []string{
			"allowedOrigins", "audiences", "authorizationServers", "forwardToken", "identityHeaders", "resource", "resourceDocumentation", "resourceName", "scopes",
		}},
		{"ClusterAuthorizationServer", spec.AuthorizationServerSpec{}, []string{
			"accessTokenType", "algorithms", "issuer", "jwks", "jwksURL", "leeway", "maxStaleness", "refreshInterval", "scopeClaim",
		}},
	} {
		if diff := cmp.Diff(c.shared, keysOf(reflect.TypeOf(c.of))); diff != "" {
			t.Errorf("%s: what the file says too (-want +got):\n%s", c.kind, diff)
		}
		for _, key := range c.shared {
			if _, there := openAPI(kinds[c.kind].crd).Properties["spec"].Properties[key]; !there {
				t.Errorf("%s: the schema lacks %s", c.kind, key)
			}
		}
	}
}

func checkKeys(t *testing.T, path string, of reflect.Type, s apiextensions.JSONSchemaProps) {
	t.Helper()
	var names []string
	for name, p := range s.Properties {
		names = append(names, name)
		if p.Description == "" && !strings.Contains(path, ".selector") {
			t.Errorf("%s.%s: nothing says what it is", path, name)
		}
		if low := strings.ToLower(name); strings.HasPrefix(low, "insecure") || strings.HasSuffix(low, "file") || strings.Contains(low, "secret") {
			t.Errorf("%s.%s: no key for app teams", path, name)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(keysOf(of), names); diff != "" {
		t.Errorf("%s (-type +schema):\n%s", path, diff)
	}
	for f, key := range fields(of) {
		inner := f.Type
		p := s.Properties[key]
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice && p.Items != nil {
			if inner.Kind() == reflect.Slice {
				p = *p.Items.Schema
			}
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			checkKeys(t, path+"."+key, inner, p)
		}
	}
}

func keysOf(of reflect.Type) (keys []string) {
	for _, key := range fields(of) {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// fields are those of a struct with their keys, those of structs written into it among them.
func fields(of reflect.Type) func(func(reflect.StructField, string) bool) {
	return func(yield func(reflect.StructField, string) bool) {
		for _, f := range reflect.VisibleFields(of) {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.Anonymous && key != "-" && !yield(f, key) {
				return
			}
		}
	}
}
