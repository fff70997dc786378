package test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The chart mcp-authz-crds, as it is packaged, has the same CRDs and the same version as the chart beside it.
func TestCRDsChart(t *testing.T) {
	folder := t.TempDir()
	if _, err := run(t, "helm", "package", chart+"-crds", "--destination", folder); err != nil {
		t.Fatal(err)
	}
	text, err := run(t, "helm", "template", "crds", glob(t, folder+"/*.tgz")[0])
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := objects(t, text), render(t)
	if len(theirs) != len(glob(t, chart+"/files/crds/*.yaml")) {
		t.Errorf("%v", theirs)
	}
	for _, o := range theirs {
		if diff := cmp.Diff(find(t, ours, o.kind(), o.name())["spec"], o["spec"]); diff != "" {
			t.Errorf("%s: %s", o, diff)
		}
		if o.at("metadata", "annotations", "helm.sh/resource-policy") != "keep" {
			t.Errorf("%s would go when the release is uninstalled", o)
		}
	}
	version := func(chart string) string {
		_, rest, _ := strings.Cut(read(t, filepath.Join(chart, "Chart.yaml")), "\nversion:")
		return rest[:strings.Index(rest, "\nkubeVersion")]
	}
	if version(chart) != version(chart+"-crds") {
		t.Errorf("versions %s and %s", version(chart), version(chart+"-crds"))
	}
	if _, err := run(t, "helm", "template", "crds", chart+"-crds", "--set", "keeep=false"); err == nil || !strings.Contains(err.Error(), "'keeep' not allowed") {
		t.Errorf("a value that does not exist: %v", err)
	}
}

// What is packaged is what a cluster needs: neither tests nor the files that they use.
func TestPackage(t *testing.T) {
	folder := t.TempDir()
	if _, err := run(t, "helm", "package", chart, "--destination", folder); err != nil {
		t.Fatal(err)
	}
	packed := glob(t, folder+"/*.tgz")[0]
	text, err := run(t, "helm", "template", "mcp-authz", packed, "--namespace", "mcp-authz")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(render(t), objects(t, text)); diff != "" {
		t.Errorf("the package renders something else: %s", diff)
	}
	for name := range tarNames(t, packed) {
		for _, odd := range []string{"/ci/", "mcp-authz/tests/", ".gotmpl"} {
			if strings.Contains(name, odd) {
				t.Errorf("the package has %s", name)
			}
		}
	}
}
