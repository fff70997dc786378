package main

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// The series of a resource end with it: previews that come and go, or a tenant who makes names up, must not fill the memory. Those of
// the file stay, as they always did.
func TestSeriesEndWithTheirResource(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := &configuration{observer: newObserver(slog.New(slog.NewJSONHandler(io.Discard, nil)), registry)}
	series := func() map[string]int {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{}
		for _, f := range families {
			if f.GetName() != metricDecisions {
				continue
			}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "resource" {
						n[l.GetValue()]++
					}
				}
			}
		}
		return n
	}
	file := func(names ...string) *spec.File {
		f := &spec.File{Resources: []spec.ProtectedResource{{Name: "file"}}}
		for _, name := range names {
			f.Resources = append(f.Resources, spec.ProtectedResource{Name: name, Foreign: true})
		}
		return f
	}
	for _, name := range []string{"file", "a/stays", "a/gone"} {
		for _, reason := range authz.Reasons() {
			c.observer.Observe(context.Background(), &authz.Request{}, authz.Decision{Reason: reason, Resource: name}, 0)
		}
	}
	all := len(authz.Reasons())
	c.forget(nil, file("a/stays", "a/gone"))
	c.forget(file("a/stays", "a/gone"), file("a/stays", "a/gone", "a/new"))
	if got := series(); got["a/gone"] != all || got["a/stays"] != all || got["file"] != all {
		t.Fatalf("before: %v, want %d of each", got, all)
	}
	c.forget(file("a/stays", "a/gone"), &spec.File{Resources: file("a/stays").Resources[1:]})
	if got := series(); got["a/gone"] != 0 || got["a/stays"] != all || got["file"] != all {
		t.Errorf("after: %v", got)
	}
}
