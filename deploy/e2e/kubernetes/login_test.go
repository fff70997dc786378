//go:build kubernetes

package kubernetes

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogin: a client that nobody here wrote, from nothing but an https URL to a tool of an unmodified MCP server in an app team's
// namespace: it is refused (A-03, C-02), finds metadata and authorization server (C-08, C-09), registers, logs in with PKCE, calls.
func TestLogin(t *testing.T) {
	const host = "login.mcp.example.com"
	apply(t, "", grant("login", "team-a", host))
	apply(t, "alice", strings.ReplaceAll(route("team-a", "login", host, "/mcp"), "name: echo,", "name: mcp,")+
		protectedResource("team-a", "login", "https://"+host+"/mcp", `, targetRefs: [{name: login}], scopes: {required: ["mcp:use"]}`))
	eventually(t, "the URL is protected", func() bool { return ask("https://"+host+"/mcp", "").challenged() })
	eventually(t, "the document is there", func() bool { return get(metadata(host)).status == 200 })

	folder := typescript(t)
	ca := filepath.Join(stage.folder, "ca.crt")
	if err := os.WriteFile(ca, stage.authority.certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	reach, err := json.Marshal(map[string]string{host + ":443": stage.addresses["https"], strings.TrimPrefix(issuer, "https://") + ":443": stage.addresses["issuer"]})
	if err != nil {
		t.Fatal(err)
	}
	preload, err := filepath.Abs("testdata/reach.mjs")
	if err != nil {
		t.Fatal(err)
	}
	client := exec.Command("node", "--import", preload, folder+"/client-typescript-v1.mjs", "https://"+host+"/mcp")
	client.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca, "REACH="+string(reach))
	out, err := client.CombinedOutput()
	if want := `{"tools":["add","echo"],"add":"5","echo":"hello","registered":true,"scope":"mcp:use"}`; err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("the client says %s, %v; want %s", out, err, want)
	}
	if got := ask("https://"+host+"/mcp", tokenFor(t, "https://"+host+"/mcp")); got.status != 403 {
		t.Errorf("a token without the scope: %v", got)
	}
}

// typescript is the folder of the suite's client, with its packages installed, which the other suite shares.
func typescript(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	source, folder := "../node/typescript-sdk-v1", filepath.Join(cache, "mcp-authz", "e2e", "typescript-sdk-v1")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	copied := func(name, as string) {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, as), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copied("client-typescript-v1.mjs", "client-typescript-v1.mjs")
	copied("tools.mjs", "tools.mjs")
	copied("../login.mjs", "../login.mjs")
	wanted, _ := os.ReadFile(source + "/package.json")
	if installed, err := os.ReadFile(folder + "/installed.json"); err == nil && string(installed) == string(wanted) {
		return folder
	}
	copied("package.json", "package.json")
	if out, err := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder).CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	copied("package.json", "installed.json") // last: what was broken off is installed anew
	return folder
}
