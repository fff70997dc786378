package gateways

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// source is where definitions of custom kinds come from: files of a Go module, or of this folder where a project publishes none.
type source struct {
	module, version string
	glob            string
}

// The versions stand in docs/attach/README.md too, and a test compares.
var (
	gatewayAPI     = source{"sigs.k8s.io/gateway-api", "v1.6.3", "config/crd/experimental/gateway*.yaml"}
	gatewayAPINext = source{glob: "schemas/gateway-api-1.7.yaml"}
	envoyGateway   = source{"github.com/envoyproxy/gateway", "v1.9.1", "charts/gateway-helm/charts/crds/crds/generated/*.yaml"}
	istio          = source{"istio.io/istio", "v0.0.0-20260827124520-eed52ebb66ad", "manifests/charts/base/files/crd-all.gen.yaml"} // 1.31
	contour        = source{"github.com/projectcontour/contour", "v1.33.8", "examples/contour/01-crds.yaml"}
	kgateway       = source{glob: "schemas/kgateway.yaml"}
	agentgateway   = source{glob: "schemas/agentgateway.yaml"}
)

func (s source) String() string { return fmt.Sprint(s.module, "@", s.version, " ", s.glob) }

// files are the files of the source, fetched if they are not here yet.
func (s source) files(t *testing.T) []string {
	t.Helper()
	folder := "."
	if s.module != "" {
		folder = moduleFolder(t, s.module, s.version)
	}
	names, err := filepath.Glob(filepath.Join(folder, s.glob))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", s, err)
	}
	return names
}

// moduleFolder is where the Go command keeps a module, whose checksum it has verified. No code of it is built.
func moduleFolder(t *testing.T, module, version string) string {
	t.Helper()
	download := exec.Command("go", "mod", "download", "-json", module+"@"+version)
	download.Dir = os.TempDir() // outside of any module
	out, err := download.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &answer); err != nil || jsonErr != nil || answer.Dir == "" {
		t.Fatalf("go mod download %s@%s: %v %v %s", module, version, err, jsonErr, answer.Error)
	}
	return answer.Dir
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
