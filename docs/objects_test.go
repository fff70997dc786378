package docs_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mcp-authz/mcp-authz/authz/kube"
)

const (
	apiVersion = "mcp-authz.dev/v1alpha1"
	values     = "# values.yaml\n" // the first line of a block with values of the chart
)

// kinds are those of the cluster, and whether their objects have a namespace.
func kinds() map[string]bool {
	return map[string]bool{"ProtectedResource": true, "ClusterAuthorizationServer": false, "ResourceGrant": false}
}

// Invariant 9, of the cluster: whoever copies objects or values of the chart from a page has some that are taken, without a complaint.
// They stand in blocks "```yml"; a whole configuration file stands in "```yaml".
func TestObjects(t *testing.T) {
	schema, found := valuesSchema(t), map[string]int{}
	for _, page := range pages(t) {
		for _, block := range ymlBlocks(read(t, page)) {
			problems, kinds := wrong(schema, block)
			for _, k := range kinds {
				found[k]++
			}
			for _, p := range problems {
				t.Errorf("%s: %s, in\n%s", page, p, block)
			}
		}
	}
	for _, want := range []string{"values", "ProtectedResource", "ClusterAuthorizationServer", "ResourceGrant", "HTTPRoute", "SecurityPolicy"} {
		if found[want] == 0 {
			t.Errorf("no page shows a %s: %v", want, found)
		}
	}
}

// ymlBlocks are the blocks of objects and values on a page, without the indentation of a list that they stand in.
func ymlBlocks(page string) (blocks []string) {
	for _, m := range regexp.MustCompile("(?ms)^([ \t]*)```yml\n(.*?)^[ \t]*```").FindAllStringSubmatch(page, -1) {
		lines := strings.SplitAfter(m[2], "\n")
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], m[1])
		}
		blocks = append(blocks, strings.Join(lines, ""))
	}
	return blocks
}

// wrong is what is wrong with a block, and what is in it.
func wrong(schema map[string]any, block string) (all, kinds []string) {
	if strings.HasPrefix(block, values) {
		return wrongValues(schema, block), []string{"values"}
	}
	for i, document := range strings.Split(block, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &u.Object); err != nil {
			all = append(all, err.Error())
			continue
		}
		kinds = append(kinds, u.GetKind())
		for _, p := range wrongObject(u) {
			all = append(all, fmt.Sprintf("document %d: %s", i, p))
		}
	}
	return all, kinds
}

func wrongObject(u *unstructured.Unstructured) (all []string) {
	if u.GetAPIVersion() == "" || u.GetKind() == "" || u.GetName() == "" {
		all = append(all, "apiVersion, kind or metadata.name is missing")
	}
	namespaced, ours := kinds()[u.GetKind()]
	if ours != (u.GetAPIVersion() == apiVersion) {
		return append(all, fmt.Sprintf("there is no %s of %s", u.GetKind(), u.GetAPIVersion()))
	}
	if !ours {
		return all
	}
	if namespaced != (u.GetNamespace() != "") {
		all = append(all, "metadata.namespace is missing, or there although the kind has none")
	}
	for key := range u.Object {
		if !slices.Contains([]string{"apiVersion", "kind", "metadata", "spec"}, key) {
			all = append(all, "an unknown key "+key)
		}
	}
	for _, p := range kube.Problems(u) { // warnings too: nobody should copy one
		all = append(all, p.String())
	}
	return all
}

// wrongValues looks for keys that the chart does not have, and reads its config as the process would.
func wrongValues(schema map[string]any, block string) (all []string) {
	var said map[string]any
	if err := yaml.UnmarshalStrict([]byte(block), &said); err != nil {
		return []string{err.Error()}
	}
	all = unknownKeys(schema, schema, "", said)
	if config, some := said["config"].(map[string]any); some {
		if _, resources := config["resources"]; !resources {
			config["resources"] = []any{} // as the chart has it
		}
		text, err := json.Marshal(config)
		if err != nil {
			return append(all, err.Error())
		}
		if p := problems(string(text)); p != "" {
			all = append(all, p)
		}
	}
	return all
}

// unknownKeys follows a JSON schema as far as it names keys.
func unknownKeys(root, schema map[string]any, path string, v any) (all []string) {
	if ref, ok := schema["$ref"].(string); ok {
		defs, _ := root["$defs"].(map[string]any)
		schema, _ = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	switch v := v.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for key, value := range v {
			property, known := properties[key].(map[string]any)
			if !known && schema["additionalProperties"] == false {
				all = append(all, "the chart has no value "+path+key)
			}
			all = append(all, unknownKeys(root, property, path+key+".", value)...)
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for _, value := range v {
			all = append(all, unknownKeys(root, items, path, value)...)
		}
	}
	return all
}

func valuesSchema(t *testing.T) (schema map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "charts/mcp-authz/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestWrong(t *testing.T) {
	const resource = "apiVersion: mcp-authz.dev/v1alpha1\nkind: ProtectedResource\nmetadata: {name: a, namespace: b}\nspec: {resource: \"https://a.example\", authorizationServers: [c]}\n"
	schema := valuesSchema(t)
	for _, c := range []struct {
		rule, block string
		good        bool
	}{
		{"one of ours", resource, true},
		{"two of them", resource + "---\n" + resource, true},
		{"a key that does not exist", strings.Replace(resource, "spec: {", "spec: {scope: a, ", 1), false},
		{"a key beside spec", resource + "specs: {}\n", false},
		{"a mistake in the second", resource + "---\n" + strings.Replace(resource, "https", "ftp", 1), false},
		{"a key twice", resource + "kind: ProtectedResource\n", false},
		{"no namespace", strings.Replace(resource, ", namespace: b", "", 1), false},
		{"a namespace that it has not", strings.Replace(strings.Replace(resource, "ProtectedResource", "ResourceGrant", 1), "resource: \"https://a.example\", authorizationServers: [c]", "namespaces: {names: [b]}, hosts: [a.example]", 1), false},
		{"another version", strings.Replace(resource, "v1alpha1", "v1", 1), false},
		{"another kind of ours", strings.Replace(resource, "ProtectedResource", "AuthorizationServer", 1), false},
		{"a warning", strings.Replace(resource, "a.example", "a.example/sse", 1), false},
		{"another kind", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", true},
		{"another kind without a name", "apiVersion: v1\nkind: Pod\nmetadata: {}\n", false},
		{"no object", "a: 1\n", false},
		{"values", values + "replicas: 3\nimage: {tag: a}\n", true},
		{"a value that does not exist", values + "replica: 3\n", false},
		{"one further down", values + "integrations: {envoyGateway: {gatway: {}}}\n", false},
		{"values of Kubernetes' own", values + "networkPolicy: {gatewayNamespaceSelector: {matchLabels: {a: b}}}\n", true},
		{"a configuration in values", values + "config: {authorizationServers: [{name: a, issuer: \"https://a\", caFile: b}]}\n", true},
		{"one with a mistake", values + "config: {authorizationServers: [{name: a, issuer: \"https://a\", cafile: b}]}\n", false},
	} {
		if all, _ := wrong(schema, c.block); (len(all) == 0) != c.good {
			t.Errorf("%s: %q", c.rule, all)
		}
	}
	if got := ymlBlocks("- x\n\n  ```yml\n  a:\n    b: 1\n  ```\n```yaml\nc: 1\n```\n```yml\nd: 1\n```\n"); !slices.Equal(got, []string{"a:\n  b: 1\n", "d: 1\n"}) {
		t.Errorf("%q", got)
	}
}
