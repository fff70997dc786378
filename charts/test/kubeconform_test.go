package test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// kubernetesVersion is that of deploy/e2e/control-plane/go.mod: the API server of these tests.
const kubernetesVersion = "v1.37.2"

// Everything that the chart renders is of a kind and has the keys that Kubernetes' own schemas know, and those of the projects whose
// objects it makes. Nothing is fetched from schema collections.
func TestKubeconform(t *testing.T) {
	if !strings.Contains(read(t, root+"/deploy/e2e/control-plane/go.mod"), "k8s.io/kubernetes "+kubernetesVersion+"\n") {
		t.Errorf("deploy/e2e/control-plane/go.mod has another version than %s", kubernetesVersion)
	}
	schemas := t.TempDir()
	writeBuiltIn(t, schemas)
	writeCustom(t, schemas)
	good := t.TempDir()
	for name, values := range cases(t) {
		text, err := template(t, "--values", values)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(good, name+".yaml"), text)
	}
	if said, err := conform(t, schemas, good); err != nil || !strings.Contains(said, "Invalid: 0, Errors: 0") {
		t.Errorf("%v\n%s", err, said)
	}

	// And one that is wrong is found, in a kind of Kubernetes' own and in one of others.
	bad := t.TempDir()
	write(t, bad+"/service.yaml", "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {prots: []}}")
	write(t, bad+"/policy.yaml", "{apiVersion: gateway.envoyproxy.io/v1alpha1, kind: SecurityPolicy, metadata: {name: a}, spec: {extAuth: {failureMode: allow}}}")
	said, err := conform(t, schemas, bad)
	for _, want := range []string{"'prots' not allowed", "'failureMode' not allowed", "Valid: 0, Invalid: 2, Errors: 0"} {
		if err == nil || !strings.Contains(said, want) {
			t.Errorf("%v, without %q:\n%s", err, want, said)
		}
	}
}

func conform(t *testing.T, schemas, file string) (string, error) {
	t.Helper()
	return run(t, "kubeconform", "-strict", "-summary", "-skip", "CustomResourceDefinition", // of which the API server knows more
		"-schema-location", schemas+"/{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json", file)
}

// writeBuiltIn makes a schema of each of Kubernetes' kinds, of the description that its own API server serves.
func writeBuiltIn(t *testing.T, folder string) {
	t.Helper()
	var swagger struct {
		Definitions map[string]map[string]any
	}
	text := read(t, module(t, "k8s.io/kubernetes", kubernetesVersion)+"/api/openapi-spec/swagger.json")
	if err := json.Unmarshal([]byte(text), &swagger); err != nil {
		t.Fatal(err)
	}
	swagger.Definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = map[string]any{"type": []string{"string", "integer"}}
	swagger.Definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = map[string]any{"type": []string{"string", "number"}}
	definitions := map[string]any{"definitions": swagger.Definitions}
	for _, d := range swagger.Definitions {
		strict(d)
	}
	file := filepath.Join(folder, "definitions.json")
	writeJSON(t, file, definitions)
	for name, d := range swagger.Definitions {
		kinds, _ := d["x-kubernetes-group-version-kind"].([]any)
		for _, kind := range kinds {
			kind := object(kind.(map[string]any))
			writeJSON(t, schemaFile(folder, kind.at("group"), kind.at("version"), kind.at("kind")), map[string]any{"$ref": "file://" + file + "#/definitions/" + name})
		}
	}
}

// writeCustom makes a schema of each version of each CRD.
func writeCustom(t *testing.T, folder string) {
	t.Helper()
	for _, crd := range crds(t) {
		versions, _ := crd.at("spec", "versions").([]any)
		for _, v := range versions {
			v := object(v.(map[string]any))
			schema, _ := v.at("schema", "openAPIV3Schema").(map[string]any)
			if properties, ok := schema["properties"].(map[string]any); ok { // some leave out what every object has
				for _, key := range []string{"apiVersion", "kind", "metadata"} {
					if properties[key] == nil {
						properties[key] = map[string]any{}
					}
				}
			}
			strict(schema)
			writeJSON(t, schemaFile(folder, crd.at("spec", "group"), v["name"], crd.at("spec", "names", "kind")), schema)
		}
	}
}

// strict closes an object with properties to all others, and opens what may be a string or a number.
func strict(v any) {
	switch v := v.(type) {
	case map[string]any:
		properties, closed := v["properties"].(map[string]any)
		if closed && v["additionalProperties"] == nil && v["x-kubernetes-preserve-unknown-fields"] == nil && len(properties) > 0 {
			v["additionalProperties"] = false
		}
		if v["x-kubernetes-int-or-string"] == true {
			v["type"] = []string{"string", "integer"}
		}
		for key, below := range v {
			if key != "enum" && key != "default" {
				strict(below)
			}
		}
	case []any:
		for _, below := range v {
			strict(below)
		}
	}
}

// schemaFile is named as the -schema-location above has it; to kubeconform, the group of v1 is "v1".
func schemaFile(folder string, group, version, kind any) string {
	if group == "" {
		group = version
	}
	return filepath.Join(folder, fmt.Sprint(group, "_", version, "_", strings.ToLower(fmt.Sprint(kind)), ".json"))
}

func writeJSON(t *testing.T, file string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(data))
}
