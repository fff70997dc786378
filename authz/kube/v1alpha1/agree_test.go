package v1alpha1_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz/kube"
	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// A row is a spec that an API server judges by the schema, and the process by its own rules. The two agree, but for what only the
// process can know, which becomes a reason in the status, and for smaller limits of the cluster, which the schema documents.
type row struct {
	what   string
	spec   values
	schema string // where the API server finds fault; "" nowhere
	judge  string // where the process does
	limit  string // why the API server alone does: words of the key's description, or one of the reasons below
}

// Reasons that no key needs to document.
const (
	set  = "set"  // what stands twice in a list changes nothing
	idle = "idle" // the process finds nothing of that name, ever
)

type values map[string]any

func good(what string, spec values) row               { return row{what, spec, "", "", ""} }
func bad(what, schema, judge string, spec values) row { return row{what, spec, schema, judge, ""} }
func late(what, judge string, spec values) row        { return row{what, spec, "", judge, ""} }
func less(what, schema, limit string, spec values) row {
	return row{what, spec, schema, "", limit}
}

// over is a spec with some of its keys replaced.
func over(base, with values) string {
	all := maps.Clone(base)
	maps.Copy(all, with)
	data, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func list(n int, of func(int) string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = of(i)
	}
	return all
}

func long(n int) string { return strings.Repeat("a", n) }

// checkRows feeds every row to both.
func checkRows(t *testing.T, k *kind, base values, rows []row) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.what] {
			t.Errorf("%s: twice", r.what)
		}
		seen[r.what] = true
		t.Run(r.what, func(t *testing.T) {
			object := k.object(t, "corp", over(base, r.spec))
			v, problems := k.admit(object, nil), errorsOf(object)
			if len(v.unknown) > 0 {
				t.Fatalf("unknown keys: %v", v.unknown)
			}
			checkRefusal(t, v, r.schema)
			checkProblems(t, problems, r.judge)
			if t.Failed() {
				return
			}
			if diff := cmp.Diff(problems, errorsOf(v.stored)); diff != "" {
				t.Errorf("the process judges what is stored otherwise than what was written:\n%s", diff)
			}
			if r.schema != "" && r.judge == "" {
				checkLimit(t, k, object, r)
			}
		})
	}
}

// errorsOf is what the process finds wrong, without its warnings.
func errorsOf(object map[string]any) []spec.Problem {
	return slices.DeleteFunc(kube.Problems(&unstructured.Unstructured{Object: runtime.DeepCopyJSON(object)}),
		func(p spec.Problem) bool { return p.Warning })
}

func checkRefusal(t *testing.T, v verdict, at string) {
	t.Helper()
	found := false
	for _, err := range v.refused {
		found = found || err.Field == at
	}
	if found != (at != "") || !found && len(v.refused) > 0 {
		t.Errorf("the API server: want a refusal at %q, has %v", at, v.refused)
	}
}

// checkProblems wants one at a key, and all of them to say what a person needs.
func checkProblems(t *testing.T, problems []spec.Problem, at string) {
	t.Helper()
	found := false
	for _, p := range problems {
		found = found || p.Path == at
		if p.Path != "spec" && !strings.HasPrefix(p.Path, "spec.") || p.Found == "" || p.Expected == "" || p.Line != 0 {
			t.Errorf("a problem that does not say where, what was found and what to write instead: %q", p)
		}
	}
	if found != (at != "") || !found && len(problems) > 0 {
		t.Errorf("the process: want a problem at %q, has %v", at, problems)
	}
}

// checkLimit wants the reason for a refusal by the API server alone in the schema, unless a client that reads and writes the kind
// makes of it what is taken: "" of what is absent, "0s" of "0".
func checkLimit(t *testing.T, k *kind, object map[string]any, r row) {
	t.Helper()
	if r.limit == idle {
		return
	}
	v := k.admit(rewritten(t, k, object), nil)
	if r.limit == "" {
		checkRefusal(t, v, "")
		return
	}
	checkRefusal(t, v, r.schema)
	key := openAPI(k.crd).Properties["spec"]
	for name := range strings.SplitSeq(strings.TrimPrefix(r.schema, "spec."), ".") {
		name, _, _ = strings.Cut(name, "[")
		key = key.Properties[name]
	}
	if r.limit == set && key.XListType != nil && *key.XListType == "set" {
		return
	}
	if !strings.Contains(key.Description, r.limit) {
		t.Errorf("%s: the schema says %q, and nothing of %q", r.schema, key.Description, r.limit)
	}
}

// rewritten is the object after a client with our types has read and written it.
func rewritten(t *testing.T, k *kind, object map[string]any) map[string]any {
	t.Helper()
	to := map[string]any{
		"ProtectedResource": &v1alpha1.ProtectedResource{}, "ResourceGrant": &v1alpha1.ResourceGrant{},
		"ClusterAuthorizationServer": &v1alpha1.ClusterAuthorizationServer{},
	}[k.name]
	data, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err == nil {
		data, err = json.Marshal(to)
	}
	var again map[string]any
	if err == nil {
		err = json.Unmarshal(data, &again)
	}
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// A key that there is not, such as one that only the file has, is named to whoever writes it with a strict client, such as
// kubectl, and left out of what a lax one stores. Had it been stored, by an older schema, the process would name it.
func TestUnknownKeys(t *testing.T) {
	kinds := readKinds(t)
	for kind, c := range map[string]struct {
		base values
		keys []string
	}{
		"ProtectedResource": {resource, []string{
			"insecureAllowHTTP", "insecureAnyHost", "name", "foreign", "unusable", "routes", "authorizationServer", "Resource", "rules",
		}},
		"ClusterAuthorizationServer": {server, []string{
			"caFile", "bearerTokenFile", "insecureAllowHTTP", "insecureClientIDAudience", "name", "foreign", "secretRef", "clientSecret", "audience", "JWKS",
		}},
		"ResourceGrant": {grant, []string{"namespace", "host", "allowAudit", "insecureAllowHTTP", "paths"}},
	} {
		k := kinds[kind]
		for _, key := range c.keys {
			t.Run(kind+"/"+key, func(t *testing.T) {
				object := k.object(t, "corp", over(c.base, values{key: true}))
				v := k.admit(object, nil)
				if diff := cmp.Diff([]string{"spec." + key}, v.unknown); diff != "" {
					t.Errorf("a strict client is told of (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(k.admit(k.object(t, "corp", over(c.base, nil)), nil).stored, v.stored); diff != "" {
					t.Errorf("what is stored differs (-without +with):\n%s", diff)
				}
				checkRefusal(t, v, "")
				checkProblems(t, errorsOf(object), "spec."+key)
				checkProblems(t, errorsOf(v.stored), "")
			})
		}
	}
	deep := kinds["ProtectedResource"].object(t, "weather", over(resource, values{
		"scopes": values{"require": []string{"a"}}, "targetRefs": []values{{"name": "a", "namespace": "other"}},
	}))
	v := kinds["ProtectedResource"].admit(deep, nil)
	if diff := cmp.Diff([]string{"spec.scopes.require", "spec.targetRefs[0].namespace"}, v.unknown); diff != "" {
		t.Errorf("a strict client is told of (-want +got):\n%s", diff)
	}
	checkProblems(t, errorsOf(deep), "spec.scopes.require")
	checkProblems(t, errorsOf(deep), "spec.targetRefs[0].namespace")
	keys := kinds["ClusterAuthorizationServer"].object(t, "corp", over(server, values{"jwks": values{"keys": []values{{"kty": "EC", "of-tomorrow": values{"a": nil}}}}}))
	v = kinds["ClusterAuthorizationServer"].admit(keys, nil)
	if len(v.unknown) > 0 || cmp.Diff(keys["spec"].(map[string]any)["jwks"], v.stored["spec"].(map[string]any)["jwks"]) != "" {
		t.Errorf("keys are not stored as they are written: %v, %v", v.unknown, v.stored)
	}
}
