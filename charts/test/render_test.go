package test

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	root  = "../.."
	chart = "../mcp-authz"
)

// object is one of Kubernetes' objects.
type object map[string]any

func (o object) kind() string { return fmt.Sprint(o["kind"]) }
func (o object) name() string { return fmt.Sprint(o.at("metadata", "name")) }

func (o object) String() string { return o.kind() + " " + o.name() }

// at is what stands under these keys; nil if nothing does. A number is an index.
func (o object) at(path ...any) any {
	var v any = map[string]any(o)
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

// cases are the value files of charts/mcp-authz/ci, by name.
func cases(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, file := range glob(t, chart+"/ci/*.yaml") {
		out[baseName(file)] = file
	}
	return out
}

// template renders the chart as the release mcp-authz in the namespace mcp-authz.
func template(t testing.TB, args ...string) (string, error) {
	t.Helper()
	return run(t, "helm", append([]string{"template", "mcp-authz", chart, "--namespace", "mcp-authz"}, args...)...)
}

func render(t testing.TB, args ...string) []object {
	t.Helper()
	text, err := template(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, text)
}

// objects reads all documents of a text, strictly: a key that stands twice is a mistake.
func objects(t testing.TB, text string) (out []object) {
	t.Helper()
	for _, document := range documents(text) {
		var o object
		if err := yaml.UnmarshalStrict([]byte(document), &o); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(o) > 0 {
			out = append(out, o)
		}
	}
	return out
}

func documents(text string) []string {
	return strings.Split("\n"+strings.TrimPrefix(text, "---"), "\n---")
}

// find is the object of a kind and name.
func find(t testing.TB, all []object, kind, name string) object {
	t.Helper()
	for _, o := range all {
		if o.kind() == kind && o.name() == name {
			return o
		}
	}
	t.Fatalf("no %s %s among %v", kind, name, all)
	return nil
}
