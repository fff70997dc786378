package main

import (
	"context"
	"log/slog"

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
