package test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// What the chart renders for each file of charts/mcp-authz/ci, to the byte. The CRDs are left out: TestCRDs sees to them.
func TestGolden(t *testing.T) {
	all := cases(t)
	for name, file := range all {
		t.Run(name, func(t *testing.T) {
			text, err := template(t, "--values", file)
			if err != nil {
				t.Fatal(err)
			}
			var kept []string
			for _, document := range documents(text) {
				if document = strings.TrimSpace(document); document != "" && !strings.Contains(document, "templates/crds.yaml") {
					kept = append(kept, document)
				}
			}
			got, golden := strings.Join(kept, "\n---\n")+"\n", "testdata/golden/"+name+".yaml"
			if *update {
				write(t, golden, got)
			}
			if diff := cmp.Diff(strings.Split(read(t, golden), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("not what %s has; if it is meant, run with -update:\n%s", golden, diff)
			}
			if _, err := run(t, "helm", "lint", "--strict", chart, "--values", file); err != nil {
				t.Error(err)
			}
		})
	}
	files, err := os.ReadDir("testdata/golden")
	if err != nil || len(files) != len(all) {
		t.Errorf("%d golden files for %d of values, %v", len(files), len(all), err)
	}
}

// The CRDs are those that the types of authz/kube generate, whole, and stay when the release goes unless crds.keep is false.
func TestCRDs(t *testing.T) {
	for _, keep := range []string{"true", "false"} {
		rendered := render(t, "--set", "crds.keep="+keep)
		for _, file := range glob(t, chart+"/files/crds/*.yaml") {
			want := objects(t, read(t, file))[0]
			got := find(t, rendered, "CustomResourceDefinition", want.name())
			if diff := cmp.Diff(want["spec"], got["spec"]); diff != "" {
				t.Errorf("crds.keep=%s, %s: %s", keep, file, diff)
			}
			policy := got.at("metadata", "annotations", "helm.sh/resource-policy")
			if kept := policy == "keep"; kept != (keep == "true") {
				t.Errorf("crds.keep=%s, %s: resource-policy %v", keep, file, policy)
			}
			for _, of := range []string{"labels", "annotations"} { // the generator's are still there
				marks, _ := want.at("metadata", of).(map[string]any)
				for key, value := range marks {
					if got.at("metadata", of, key) != value {
						t.Errorf("%s: lost %s %s", file, of, key)
					}
				}
			}
		}
	}
	for _, off := range []string{"crds.enabled=false", "kubernetes.enabled=false"} {
		for _, o := range render(t, "--set", off) {
			if o.kind() == "CustomResourceDefinition" {
				t.Errorf("%s renders %s", off, o)
			}
		}
	}
}
