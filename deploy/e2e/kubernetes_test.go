package e2e

import (
	"net/http"
	"path/filepath"
	"regexp"
	"testing"
)

// TestClusterTokens runs a real API server: the tokens of its ServiceAccounts are those of an authorization server like any
// other, with an authority of its own (D-04) and keys that want a credential.
func TestClusterTokens(t *testing.T) {
	const id = "https://mcp.example.com/mcp"
	etcd := startEtcd(t)
	api := startAPIServer(t, etcd, "https://kubernetes.default.svc.cluster.local")
	api.serviceAccount(t, "mcp-authz")
	api.serviceAccount(t, "agent")
	ours := filepath.Join(t.TempDir(), "token")
	write(t, ours, api.token(t, "mcp-authz"))
	declaration := declared(t, "kubernetes.md",
		edit{"https://kubernetes.default.svc/openid", "https://" + api.addr + "/openid"},
		edit{"/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", api.ca},
		edit{"/var/run/secrets/kubernetes.io/serviceaccount/token", ours})
	p := protect(t, declaration)
	good := api.token(t, "agent", id)

	if v := p.judge(t, good); v.reason != "allowed" || v.upstream.Get("X-Mcp-Subject") != "system:serviceaccount:default:agent" || v.upstream.Get("Authorization") != "" {
		t.Errorf("a token of a ServiceAccount for the resource: %+v", v)
	}
	for name, c := range map[string]struct{ token, reason string }{
		"for the API server itself": {api.token(t, "agent"), "token_audience"},
		"for another resource":      {api.token(t, "agent", "https://mcp.example.com/slack/mcp"), "token_audience"},
		"the administrator's":       {adminToken, "token_malformed"},
	} {
		if v := p.judge(t, c.token); v.status != http.StatusUnauthorized || v.reason != c.reason {
			t.Errorf("%s: %+v, want %s", name, v, c.reason)
		}
	}

	// Without one of the two files there are no keys, and the log names the file that is missing.
	for key, cause := range map[string]string{
		"caFile":          "a certificate of no authority that is trusted, or of another name: caFile may name the authority",
		"bearerTokenFile": "an answer 401 or 403: the URL wants a credential (bearerTokenFile), or another one",
	} {
		f := serve(t, regexp.MustCompile(`(?m)^ *`+key+`:.*\n`).ReplaceAllString(declaration, ""))
		if v := checking(t, f.grpc, "/mcp")(good); v.Status != http.StatusServiceUnavailable {
			t.Errorf("without %s: %+v", key, v)
		}
		if lines := f.out.lines("keys of an authorization server could not be refreshed"); len(lines) == 0 || lines[0]["cause"] != cause {
			t.Errorf("without %s the log says %v", key, lines)
		}
	}

	// By discovery, from an API server that is its own issuer: it refuses RFC 8414's URL and knows OpenID Connect's (D-02).
	own := startAPIServer(t, etcd, "")
	write(t, ours, own.token(t, "mcp-authz"))
	p = protect(t, "authorizationServers:\n- {name: cluster, issuer: \"https://"+own.addr+"\", caFile: "+own.ca+", bearerTokenFile: "+ours+"}\n"+
		"resources:\n- {name: tools, resource: \""+id+"\", authorizationServers: [cluster]}\n")
	if v := p.judge(t, own.token(t, "agent", id)); v.reason != "allowed" {
		t.Errorf("by discovery: %+v", v)
	}
	if v := p.judge(t, good); v.status != http.StatusUnauthorized || v.reason != "token_issuer" {
		t.Errorf("a token of the other issuer: %+v", v)
	}
}
