package test

import (
	"path/filepath"
	"testing"
)

// source is where CRDs of others come from: files of a Go module, or of this repository where a project publishes none.
type source struct{ module, version, glob string }

// sources are the kinds of others that the chart renders.
func sources() []source {
	return []source{
		{"sigs.k8s.io/gateway-api", "v1.6.3", "config/crd/experimental/gateway*.yaml"},
		{"github.com/envoyproxy/gateway", "v1.9.1", "charts/gateway-helm/charts/crds/crds/generated/*.yaml"},
		{"istio.io/istio", "v0.0.0-20260827124520-eed52ebb66ad", "manifests/charts/base/files/crd-all.gen.yaml"}, // 1.31
		{"github.com/projectcontour/contour", "v1.33.8", "examples/contour/01-crds.yaml"},
		{"", "", root + "/deploy/gateways/schemas/kgateway.yaml"},
		{"github.com/cert-manager/cert-manager", "v1.21.2", "deploy/crds/*.yaml"},
		{"github.com/prometheus-operator/prometheus-operator", "v0.85.0", "example/prometheus-operator-crd/*.yaml"},
	}
}

// crds are all definitions that there are: those of others, and our own.
func crds(t testing.TB) (out []object) {
	t.Helper()
	files := glob(t, chart+"/files/crds/*.yaml")
	for _, s := range sources() {
		pattern := s.glob
		if s.module != "" {
			pattern = filepath.Join(module(t, s.module, s.version), s.glob)
		}
		files = append(files, glob(t, pattern)...)
	}
	for _, file := range files {
		for _, o := range objects(t, read(t, file)) {
			if o.kind() == "CustomResourceDefinition" {
				out = append(out, o)
			}
		}
	}
	return out
}
