package gateways

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folders are those of deploy with files for gateways in Kubernetes, and what an API server there knows beside its own kinds.
var folders = map[string][]source{
	"envoy-gateway": {gatewayAPI, envoyGateway},
	"istio":         {istio},
	"gateway-api":   {gatewayAPI},
	"kgateway":      {gatewayAPI, kgateway},
	"contour":       {contour},
	"agentgateway":  {gatewayAPI, agentgateway},
	"cilium":        {gatewayAPI},
}

// newer are files that need more than their folder's kinds.
var newer = map[string][]source{"gateway-api/gateway.yaml": {gatewayAPINext}}

// elsewhere are files that are no objects of Kubernetes; what reads them instead is in the test named.
var elsewhere = map[string]string{"istio/mesh.yaml": "istio/translate_test.go"}

// recipe is a file of deploy, as it is shipped.
func recipe(t *testing.T, name string) []byte {
	t.Helper()
	return readFile(t, filepath.Join("..", name))
}

// recipes are all of them, as paths within deploy.
func recipes(t *testing.T) (names []string) {
	t.Helper()
	for folder := range folders {
		found, err := filepath.Glob(filepath.Join("..", folder, "*.yaml"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(found), err)
		}
		for _, path := range found {
			names = append(names, folder+"/"+filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names
}

// known are the kinds that a file may use.
func known(t *testing.T, name string) kinds {
	t.Helper()
	folder, _, _ := strings.Cut(name, "/")
	all := kinds{}
	for _, s := range folders[folder] {
		all.add(t, s)
	}
	for _, s := range newer[name] {
		all.add(t, s)
	}
	return all
}

// walk visits every value of a mapping below v, with its dotted path.
func walk(v any, path string, visit func(path string, v any)) {
	switch in := v.(type) {
	case map[string]any:
		for key, inner := range in {
			visit(path+"."+key, inner)
			walk(inner, path+"."+key, visit)
		}
	case []any:
		for i, inner := range in {
			walk(inner, fmt.Sprintf("%s.%d", path, i), visit)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
