//go:build kubernetes

package kubernetes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestUpgrade: the release of the newest commit with another chart than this one, as its own suite installs it, becomes this one, under
// steady requests and with an app team's declaration in force all the while. Nobody notices.
func TestUpgrade(t *testing.T) {
	chart, values, image := earlier(t)
	uninstall(t)
	t.Cleanup(func() {
		if err := install(); err != nil {
			t.Error(err)
		}
	})
	if err := helmWith(values, image, "install", "mcp-authz", chart); err != nil {
		t.Fatal(err)
	}
	o := owned(t, "team-a", "upgrade.mcp.example.com")
	f := steady(t, o.url(), o.good, "team-a")
	f.goesOn(t, 200)
	began := time.Now()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	f.goesOn(t, 200)
	t.Logf("helm upgrade: %s, %d requests", seconds(began), f.good.Load())
	f.noneFailed(t)
	o.unharmed()
	becomes(t, "team-a", "upgrade-mcp-example-com", "Programmed", "True Programmed")
}

// earlier packages the newest chart of the repository's history that is not this one, and builds the image of its commit. Where there
// is none yet, it is this chart and image with another version.
func earlier(t testing.TB) (chart, values, image string) {
	t.Helper()
	folder := t.TempDir()
	must := func(name string, args ...string) string {
		t.Helper()
		out, err := command("", name, args...)
		if err != nil {
			t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
		return out
	}
	for _, commit := range strings.Fields(must("git", "-C", root, "rev-list", "HEAD", "--", "charts/mcp-authz")) {
		if exec.Command("git", "-C", root, "diff", "--quiet", commit, "--", "charts/mcp-authz").Run() == nil || exec.Command("git", "-C", root, "cat-file", "-e", commit+":charts/mcp-authz/Chart.yaml").Run() != nil {
			continue
		}
		t.Logf("from the chart of commit %.12s", commit)
		must("sh", "-c", `git -C "$0" archive "$1" | tar -x -C "$2"`, root, commit, folder)
		build := exec.Command("go", "build", "-C", folder, "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(folder, "mcp-authz"), "./cmd/mcp-authz")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build of commit %s: %v\n%s", commit, err, out)
		}
		image = "earlier-" + stage.tag
		if err := script("cluster", "image", "mcp-authz:"+image, filepath.Join(folder, "mcp-authz")); err != nil {
			t.Fatal(err)
		}
		must("helm", "package", filepath.Join(folder, "charts/mcp-authz"), "--destination", folder)
		if values = filepath.Join(folder, "deploy/e2e/kubernetes/testdata/values.yaml"); !exists(values) {
			values = "testdata/values.yaml" // before this suite was there
		}
		return packaged(t, folder), values, image
	}
	t.Log("there is no earlier commit with another chart: from this chart with another version")
	must("helm", "package", filepath.Join(root, "charts/mcp-authz"), "--version", "0.0.0-earlier", "--destination", folder)
	return packaged(t, folder), "testdata/values.yaml", stage.tag
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func packaged(t testing.TB, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "mcp-authz-*.tgz"))
	if err != nil || len(files) != 1 {
		t.Fatalf("helm package made %v, %v", files, err)
	}
	return files[0]
}

// uninstall uninstalls the release and returns what Helm says.
func uninstall(t testing.TB) string {
	t.Helper()
	out, err := command("", "helm", "uninstall", "mcp-authz", "-n", "mcp-authz", "--wait", "--timeout", "2m")
	if err != nil {
		t.Fatalf("helm uninstall: %v: %s", err, out)
	}
	return out
}

// TestUninstall: what app teams declared is still there when the release is gone, and Helm says so; what was made for the release is
// gone. Installed again, everything is in force as before.
func TestUninstall(t *testing.T) {
	o := owned(t, "team-a", "uninstall.mcp.example.com")
	routes := func() string {
		return kubectl(t, "-n", "mcp-authz", "get", "httproutes", "-l", "app.kubernetes.io/managed-by=mcp-authz", "-o", "name")
	}
	if routes() == "" {
		t.Error("there are no routes for metadata")
	}
	t.Cleanup(func() {
		if err := install(); err != nil {
			t.Error(err)
		}
	})
	said := uninstall(t)
	for _, kind := range []string{"protectedresources", "clusterauthorizationservers", "resourcegrants"} {
		if !strings.Contains(said, kind+".mcp-authz.dev") {
			t.Errorf("helm uninstall does not say that %s are left: %s", kind, said)
		}
	}
	if got := kubectl(t, "-n", "team-a", "get", "protectedresource", "uninstall-mcp-example-com", "-o", "jsonpath={.spec.resource}"); got != o.url() {
		t.Errorf("the declaration is now %q", got)
	}
	eventually(t, "the routes for metadata are gone", func() bool { return routes() == "" })
	if left := kubectl(t, "-n", "mcp-authz", "get", "deployments,services,configmaps,serviceaccounts,leases", "-l", "app.kubernetes.io/instance=mcp-authz", "-o", "name"); left != "" {
		t.Errorf("of the release there is left: %s", left)
	}
	// The attachment went with the release, too: who uninstalls it must know.
	eventually(t, "the servers are as open as before", func() bool { return ask(o.url(), "").allowed("team-a") })
	if err := install(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the URL is in force again", func() bool { return o.holds() == "" })
}

// helmWith runs Helm on the release with a file of values, as the suite writes them, and an image.
func helmWith(values, image string, args ...string) error {
	text, err := os.ReadFile(values)
	if err != nil {
		return err
	}
	file := filepath.Join(stage.folder, fmt.Sprintf("values-%s.yaml", image))
	if err := os.WriteFile(file, []byte(expand(string(text), "RUN", image)), 0o600); err != nil {
		return err
	}
	args = append(args, "-n", "mcp-authz", "-f", file, "--wait", "--timeout", "2m")
	if out, err := command("", "helm", args...); err != nil {
		return fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
