package main

import (
	"log/slog"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/kube"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// nowhere is the access to an API server that does not exist.
const nowhere = `
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nobody, user: {token: none}}]
contexts: [{name: none, context: {cluster: none, user: nobody}}]
current-context: none
`

// noCluster is a cluster that never answers.
func noCluster(t *testing.T) *kube.Cluster {
	t.Helper()
	t.Setenv("KUBECONFIG", file(t, nowhere))
	c, err := newCluster(spec.Kubernetes{Namespace: "mcp-authz", Lease: "mcp-authz"}, func() {}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A process that cannot read what the cluster declares is not ready and allows nothing, not even what its file declares: a
// declaration of the cluster may stand between. That is a restart while the API server is away.
func TestNothingBeforeTheClusterIsKnown(t *testing.T) {
	t.Setenv("KUBECONFIG", file(t, nowhere))
	issuer := authorizationServer(t)
	p := start(t, anyPorts+"kubernetes: { namespace: mcp-authz }\n"+corp(issuer)+github)
	p.log.wait(t, "the Kubernetes API server cannot be watched; what is known stays in force", 1)
	if status, body := get(t, "http://"+p.admin+"/readyz"); status != 503 {
		t.Errorf("/readyz: %d %s", status, body)
	}
	for what, r := range map[string]authztest.Verdict{"a good token": p.check(with(good(issuer))), "no token": p.check(anonymous())} {
		if r.Status != 503 {
			t.Errorf("%s: %d", what, r.Status)
		}
	}
}
