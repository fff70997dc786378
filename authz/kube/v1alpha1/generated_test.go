package v1alpha1_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

// What is generated from the types is what they say now: "make generate" changes nothing. The program is the one that the
// Makefile names.
func TestGenerated(t *testing.T) {
	makefile, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile(`sigs\.k8s\.io/controller-tools/cmd/controller-gen@v[0-9.]+`).FindString(string(makefile))
	if program == "" {
		t.Fatal("the Makefile names no controller-gen")
	}
	generate := func(arguments ...string) string {
		t.Helper()
		folder := t.TempDir()
		run := exec.CommandContext(t.Context(), "go", append([]string{"run", program}, append(arguments, "output:dir="+folder)...)...)
		run.Dir = root
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", run.Args, err, out)
		}
		return folder
	}
	compare(t, "charts/mcp-authz/files/crds", generate("crd", "paths=./authz/kube/v1alpha1"), "*.yaml", 3)
	for _, folder := range []string{"authz/spec", "authz/kube/v1alpha1"} {
		compare(t, folder, generate("object", "paths=./"+folder), "zz_generated.*.go", 1)
	}
}

// compare wants the same files in a folder of the repository and in a fresh one.
func compare(t *testing.T, folder, fresh, pattern string, files int) {
	t.Helper()
	made, want := readAll(t, filepath.Join(root, folder, pattern)), readAll(t, filepath.Join(fresh, "*"))
	if len(want) != files {
		t.Errorf("%s: %d files are generated", folder, len(want))
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("%s: run make generate (-types +files):\n%s", folder, diff)
	}
}

func readAll(t *testing.T, pattern string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(data)
	}
	return all
}
