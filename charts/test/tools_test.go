package test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// tool is a program that the tests run, built once into the user's cache.
type tool struct {
	name, module, version, pkg string
	folder                     string // of a module of ours that pins it; "" where "go install" takes it
}

func tools() map[string]tool {
	all := map[string]tool{}
	for _, t := range []tool{
		{name: "helm", module: "helm.sh/helm/v4", version: "v4.3.1", pkg: "/cmd/helm"},
		{name: "helm-docs", module: "github.com/norwoodj/helm-docs", version: "v1.14.2", pkg: "/cmd/helm-docs"},
		{name: "kubeconform", module: "github.com/yannh/kubeconform", version: "v0.8.0", pkg: "/cmd/kubeconform"},
		{name: "helm-unittest", module: "github.com/helm-unittest/helm-unittest", version: "v1.1.2", pkg: "/cmd/helm-unittest", folder: "helm-unittest"},
	} {
		all[t.name] = t
	}
	return all
}

var building sync.Mutex

// program is the path of a tool. With nothing cached, building Helm takes minutes.
func program(t testing.TB, name string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	one := tools()[name]
	bin := filepath.Join(cache(t), "bin")
	path := filepath.Join(bin, name)
	// A binary says what it was built from, so that a new version is built anew.
	if out, err := exec.Command("go", "version", "-m", path).Output(); err == nil && bytes.Contains(out, []byte("\t"+one.module+"\t"+one.version+"\t")) {
		return path
	}
	build := exec.Command("go", "install", "-trimpath", "-ldflags", "-s -w", one.module+one.pkg+"@"+one.version)
	build.Dir = os.TempDir() // outside of any module
	if one.folder != "" {
		build.Args = []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin + "/", one.module + one.pkg}
		build.Dir = one.folder
	}
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+bin)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	return path
}

func cache(t testing.TB) string {
	t.Helper()
	folder, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, "mcp-authz", "e2e")
}

// run runs a tool. Its error holds what the tool wrote to standard error.
func run(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program(t, name), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Nothing of whoever runs the tests: no plugins, no repositories, no cluster.
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir(), "KUBECONFIG=/dev/null")
	if err := cmd.Run(); err != nil {
		return stdout.String(), errors.New(err.Error() + ": " + stderr.String())
	}
	return stdout.String(), nil
}

// module is the folder of a Go module, whose checksum the go command has verified. No code of it is built.
func module(t testing.TB, name, version string) string {
	t.Helper()
	download := exec.Command("go", "mod", "download", "-json", name+"@"+version)
	download.Dir = os.TempDir()
	out, err := download.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &answer); err != nil || jsonErr != nil || answer.Dir == "" {
		t.Fatalf("go mod download %s@%s: %v %v %s", name, version, err, jsonErr, answer.Error)
	}
	return answer.Dir
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("nothing is %s: %v", pattern, err)
	}
	return names
}

func baseName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".yaml") }

// tarNames are the files in a .tgz.
func tarNames(t testing.TB, path string) map[string]bool {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for reader := tar.NewReader(unzipped); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names[header.Name] = true
	}
}
