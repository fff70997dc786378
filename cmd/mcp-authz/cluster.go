package main

import (
	"context"
	"log/slog"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/kube"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

func newCluster(k spec.Kubernetes, changed func(), log *slog.Logger) (*kube.Cluster, error) {
	version, _, _ := buildVersion()
	return kube.New(kube.Config{Kubernetes: k, Check: checkServer, Changed: changed, Log: log, UserAgent: "mcp-authz/" + version})
}

// configured returns when something is in force: at once without a cluster, else when all that it declares was read.
func (c *configuration) configured(ctx context.Context) {
	select {
	case <-c.first:
	case <-ctx.Done():
	}
}

// forget ends the series of resources of the cluster that are gone. Their names are tenants' to choose, and to choose again.
func (c *configuration) forget(before, after *spec.File) {
	if before == nil {
		return
	}
	there := make(map[string]bool, len(after.Resources))
	for i := range after.Resources {
		there[after.Resources[i].Name] = true
	}
	for i := range before.Resources {
		if r := &before.Resources[i]; r.Foreign && !there[r.Name] {
			for _, reason := range authz.Reasons() {
				c.observer.decisions.DeleteLabelValues(r.Name, outcomeOf(authz.Decision{Reason: reason}), reason.String())
			}
		}
	}
}
