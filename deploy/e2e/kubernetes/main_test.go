//go:build kubernetes

package kubernetes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

const (
	// patience bounds every wait for a condition. It is not spent when things are well.
	patience = 90 * time.Second

	// root is the repository, as seen from here.
	root = "../../.."

	// issuer is the identifier of the authorization server, a Service of the cluster.
	issuer = "https://issuer.auth.svc"
)

// stage is what TestMain sets up and all tests share.
var stage struct {
	own       bool // the cluster is ours, and goes when we go
	turn      *os.File
	local     bool   // the cluster is one of the script, on this machine
	tag       string // of the images of this run
	issuer    string // of the tokens of ServiceAccounts
	authority *authority
	folder    string // of files that outlive a test
	addresses map[string]string
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if stage.folder, err = os.MkdirTemp("", "mcp-authz-kubernetes-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(stage.folder)
	stage.tag = fmt.Sprintf("e2e-%d", time.Now().Unix())
	stage.own = os.Getenv("KUBECONFIG") == "" || os.Getenv("REGISTRY") == ""
	if err := environment(); err != nil {
		return 1, err
	}
	if err := phase("other runs", wait); err != nil {
		return 1, err
	}
	if stage.own {
		defer script("cluster", "down") //nolint:errcheck // nothing is lost
		if err := phase("a cluster", func() error { return script("cluster", "up") }); err != nil {
			return 1, err
		}
	}
	for _, p := range []struct {
		name string
		do   func() error
	}{
		{"tools", func() error { return script("cluster", "build", "tools") }},
		{"Envoy Gateway", func() error { return script("envoy-gateway", "install") }},
		{"images", images},
		{"Gateway, authorization server, teams", platform},
		{"the chart", install},
	} {
		if err := phase(p.name, p.do); err != nil {
			explain()
			return 1, err
		}
	}
	began := time.Now()
	if code = m.Run(); code != 0 {
		explain()
	}
	took("the tests", began)
	return code, leaksNothing()
}

// wait lets other runs of this suite end, on this machine: cluster and Gateway are the same ones. The lock ends with the process.
func wait() error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	folder := filepath.Join(cache, "mcp-authz", "e2e")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	stage.turn, err = os.Create(filepath.Join(folder, "kubernetes.lock"))
	if err != nil {
		return err
	}
	return syscall.Flock(int(stage.turn.Fd()), syscall.LOCK_EX)
}

// phase does something and says how long it took.
func phase(name string, do func() error) error {
	began := time.Now()
	err := do()
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	took(name, began)
	return err
}

func took(what string, began time.Time) {
	fmt.Fprintf(os.Stderr, "== %s: %.1f s\n", what, time.Since(began).Seconds())
}

// environment makes that of every child what "cluster env" says; programs are ours, whoever has the cluster.
func environment() error {
	out, err := exec.Command("./cluster", "env").Output()
	if err != nil {
		return fmt.Errorf("cluster env: %w", err)
	}
	for _, pair := range strings.Fields(strings.TrimPrefix(string(out), "export ")) {
		name, value, _ := strings.Cut(pair, "=")
		if name == "KUBECONFIG" {
			stage.local = stage.own || value == os.Getenv(name)
		}
		if !stage.own && name != "PATH" {
			continue
		}
		if err := os.Setenv(name, os.ExpandEnv(value)); err != nil {
			return err
		}
	}
	return nil
}

// script runs a program of this folder.
func script(name string, args ...string) error {
	cmd := exec.Command("./"+name, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// images builds what the pods run: the product from its Dockerfile, the rest from files.
func images() error {
	if err := script("cluster", "dockerfile", "mcp-authz:"+stage.tag, root); err != nil {
		return err
	}
	for name, folder := range map[string]string{"parts": "parts", "dev-issuer": root + "/cmd/dev-issuer", "upstream": root + "/deploy/demo/upstream"} {
		file := filepath.Join(stage.folder, name)
		build := exec.Command("go", "build", "-C", folder, "-trimpath", "-ldflags", "-s -w", "-o", file, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build of %s: %w\n%s", name, err, out)
		}
		if err := script("cluster", "image", name+":"+stage.tag, file); err != nil {
			return err
		}
	}
	// For the pod of "helm test": a shell and a curl.
	files := []string{"cluster", "image", "curl:" + stage.tag}
	for _, file := range []string{"/bin/sh", "/usr/bin/curl", "/usr/bin/od", "/usr/bin/tr"} {
		files = append(files, file+"="+file)
	}
	return script(files[0], files[1:]...)
}

// leaksNothing is invariant 4: no piece of a token that a test had is in the logs or metrics of the pods that are there at the end.
func leaksNothing() error {
	for _, pod := range strings.Fields(quiet("-n", "mcp-authz", "get", "pods", "-o", "jsonpath={.items[*].metadata.name}")) {
		for _, said := range []string{quiet("-n", "mcp-authz", "logs", pod), quiet("get", "--raw", "/api/v1/namespaces/mcp-authz/pods/"+pod+":9090/proxy/metrics")} {
			if piece := authztest.Leak(said); piece != "" || said == "" {
				return fmt.Errorf("the logs or metrics of %s (%d bytes) say %q, a piece of a token", pod, len(said), piece)
			}
		}
	}
	return nil
}

func quiet(args ...string) string {
	out, _ := try(args...)
	return out
}

// decisions are the lines of a log that say nothing of the process.
var decisions = regexp.MustCompile(`(?m)^.*"msg":"decision".*\n`)

// explain says what a failed run leaves to look at.
func explain() {
	for _, args := range [][]string{
		{"get", "pods", "-A", "-o", "wide"},
		{"get", "events", "-A", "--sort-by=.lastTimestamp"},
		{"-n", "mcp-authz", "logs", "-l", "app.kubernetes.io/name=mcp-authz", "--tail=4000", "--prefix"},
		{"get", "httproutes,securitypolicies,protectedresources", "-A", "-o", "yaml"},
	} {
		out, _ := exec.Command("kubectl", args...).CombinedOutput()
		out = decisions.ReplaceAll(out, nil)
		fmt.Fprintf(os.Stderr, "== kubectl %s\n%s\n", strings.Join(args, " "), out[max(0, len(out)-20<<10):])
	}
}
