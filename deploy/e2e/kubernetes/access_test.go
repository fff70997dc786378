//go:build kubernetes

package kubernetes

import (
	"strings"
	"testing"
	"time"
)

// TestFirstProtectedAnswer: an app team with nothing but its own namespace applies a route and a declaration; how long until a request
// is answered as it should be, and the status says so.
func TestFirstProtectedAnswer(t *testing.T) {
	const host = "first.mcp.example.com"
	apply(t, "", grant("first", "team-a", host))
	good := tokenFor(t, "https://"+host+"/mcp")
	began := time.Now()
	apply(t, "alice", route("team-a", "first", host, "/mcp")+protectedResource("team-a", "first", "https://"+host+"/mcp", ", targetRefs: [{name: first}]"))
	applied := seconds(began)
	eventually(t, "the first answer", func() bool { return ask("https://"+host+"/mcp", "").challenged() })
	t.Logf("from apply to the first protected answer: %s (of which kubectl %s)", seconds(began), applied)
	eventually(t, "the first call", func() bool { return ask("https://"+host+"/mcp", good).allowed("team-a") })
	t.Logf("to the first call that is let in: %s", seconds(began))
	eventually(t, "the document", func() bool { return strings.Contains(get(metadata(host)).body, `"resource":"https://`+host+`/mcp"`) })
	t.Logf("to the metadata: %s", seconds(began))
	for _, kind := range []string{"Accepted", "ResolvedRefs", "Programmed"} {
		becomes(t, "team-a", "first", kind, "True "+kind)
	}
	t.Logf("to the whole status: %s", seconds(began))
	if got := kubectl(t, "-n", "team-a", "get", "mcpres", "first", "-o", "jsonpath={.status.metadataURL} {.status.ancestors[*].ancestorRef.name}"); got != metadata(host)+" edge" {
		t.Errorf("the status says %q", got)
	}
}

// TestRights: app teams write ProtectedResources of their own namespace and nothing else of ours.
func TestRights(t *testing.T) {
	for _, c := range []struct {
		user, verb, what, namespace, want string
	}{
		{"alice", "create", "protectedresources.mcp-authz.dev", "team-a", "yes"},
		{"alice", "delete", "protectedresources.mcp-authz.dev", "team-a", "yes"},
		{"alice", "create", "protectedresources.mcp-authz.dev", "team-b", "no"},
		{"alice", "get", "protectedresources.mcp-authz.dev", "team-b", "no"},
		{"alice", "update", "protectedresources.mcp-authz.dev/status", "team-a", "no"},
		{"alice", "create", "resourcegrants.mcp-authz.dev", "", "no"},
		{"alice", "create", "clusterauthorizationservers.mcp-authz.dev", "", "no"},
		{"system:serviceaccount:mcp-authz:mcp-authz", "update", "protectedresources.mcp-authz.dev/status", "team-a", "yes"},
		{"system:serviceaccount:mcp-authz:mcp-authz", "update", "protectedresources.mcp-authz.dev", "team-a", "no"},
		{"system:serviceaccount:mcp-authz:mcp-authz", "create", "httproutes.gateway.networking.k8s.io", "mcp-authz", "yes"},
		{"system:serviceaccount:mcp-authz:mcp-authz", "create", "httproutes.gateway.networking.k8s.io", "team-a", "no"},
		{"system:serviceaccount:mcp-authz:mcp-authz", "get", "secrets", "team-a", "no"},
		{"system:serviceaccount:mcp-authz:mcp-authz", "get", "secrets", "mcp-authz", "no"},
	} {
		what, part, _ := strings.Cut(c.what, "/")
		args := []string{"auth", "can-i", c.verb, what, "--subresource", part, "--as", c.user, "--as-group", "system:authenticated"}
		if c.namespace != "" {
			args = append(args, "-n", c.namespace)
		}
		out, _ := command("", "kubectl", args...) // "no" is exit code 1
		if answers := strings.Fields(out); len(answers) == 0 || answers[0] != c.want {
			t.Errorf("%v: %s, want %s", args, out, c.want)
		}
	}
}

// TestHelmTest: "helm test", as the notes of the chart tell people to run it.
func TestHelmTest(t *testing.T) {
	out, err := command("", "helm", "test", "mcp-authz", "-n", "mcp-authz", "--logs", "--timeout", "1m")
	for _, want := range []string{"Phase:          Succeeded", "SERVING", `"resource":"` + steadyURL + `"`} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("it does not say %q, %v: %s", want, err, out)
		}
	}
}
