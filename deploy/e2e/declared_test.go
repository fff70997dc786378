package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// declared is the declaration that a page of docs/authorization-servers shows, with the changes that this test needs: what is tested
// is what people copy.
func declared(t testing.TB, page string, edits ...edit) string {
	t.Helper()
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(read(t, filepath.Join(root, "docs/authorization-servers", page)), -1)
	if len(blocks) != 1 {
		t.Fatalf("%s shows %d whole configurations, want 1", page, len(blocks))
	}
	text := blocks[0][1]
	for _, e := range edits {
		if !strings.Contains(text, e.old) {
			t.Fatalf("the declaration of %s no longer has %q, which this test changes", page, e.old)
		}
		text = strings.ReplaceAll(text, e.old, e.new)
	}
	return text
}

// protected is a recording upstream behind Envoy and mcp-authz.
type protected struct {
	front    *front
	upstream *upstream
	gateway  *gateway
}

// protect starts all three by a declaration.
func protect(t testing.TB, declaration string) *protected {
	t.Helper()
	p := &protected{front: serve(t, declaration), upstream: newUpstream(t, "mcp")}
	p.gateway = startEnvoy(t, newest, envoyFile(t, p.front.grpc, p.upstream.addr))
	return p
}

// verdict is what became of a call.
type verdict struct {
	status    int
	reason    string      // of the log; "allowed" only if the upstream was called
	challenge string      //
	upstream  http.Header // as it got them
}

// judge calls the resource that every page declares, https://mcp.example.com/mcp, with a token.
func (p *protected) judge(t testing.TB, token string) verdict {
	t.Helper()
	authztest.Guard(token)
	p.upstream.take()
	got := p.gateway.call(t, "POST", "/mcp", "mcp.example.com", `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, "Authorization: Bearer "+token)
	v := verdict{status: got.status, challenge: got.header.Get("Www-Authenticate")}
	if calls := p.upstream.take(); len(calls) > 0 {
		v.reason, v.upstream = "allowed", calls[0].Header
		return v
	}
	var refusal struct {
		Error struct{ Data struct{ Decision string } }
	}
	if err := json.Unmarshal([]byte(got.body), &refusal); err != nil || refusal.Error.Data.Decision == "" {
		t.Fatalf("neither an answer of the upstream nor a refusal of ours: %d %s", got.status, got.body)
	}
	eventually(t, "the decision is logged", func() bool {
		for _, line := range p.front.out.lines("decision") {
			if line["decision"] == refusal.Error.Data.Decision {
				v.reason = line["reason"].(string)
			}
		}
		return v.reason != ""
	})
	return v
}

// keysFailed counts how often the keys of an authorization server could not be fetched.
func (p *protected) keysFailed() int {
	return len(p.front.out.lines("keys of an authorization server could not be refreshed"))
}
