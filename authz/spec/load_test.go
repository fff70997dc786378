package spec_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz/spec"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// What is not written is the careful choice: all listeners on loopback (J-06).
func TestDefaults(t *testing.T) {
	want := spec.File{
		Listen: spec.Listen{GRPC: "127.0.0.1:9001", Metadata: "127.0.0.1:8080", Admin: "127.0.0.1:9090"},
		Limits: spec.Limits{
			MessageBytes: 4194304, TokenBytes: 16384, CacheEntries: 100000, ConcurrentChecks: 1024, CheckDeadline: time.Second,
		},
		DrainDelay: 10 * time.Second,
		Log:        spec.Log{Level: "info", Decisions: "all"},
		Resources:  []spec.ProtectedResource{},
	}
	if diff := cmp.Diff(want, *load(t, "resources: []\n")); diff != "" {
		t.Errorf("the least file: %s", diff)
	}
	want.AuthorizationServers = []spec.AuthorizationServer{{
		Name: "corp", Issuer: "https://idp.example.com/realms/mcp",
		AccessTokenType: "any", Leeway: 30 * time.Second, RefreshInterval: 10 * time.Minute, MaxStaleness: 24 * time.Hour,
	}}
	want.Resources = []spec.ProtectedResource{{
		Name: "github", Resource: "https://mcp.example.com/github/mcp", AuthorizationServers: []string{"corp"},
	}}
	got := load(t, `
authorizationServers:
- name: corp
  issuer: https://idp.example.com/realms/mcp
resources:
- name: github
  resource: https://mcp.example.com/github/mcp
  authorizationServers: [corp]
`)
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("one of each: %s", diff)
	}
}

// A part of a section leaves the rest of it as it is.
func TestDefaultsBesideSettings(t *testing.T) {
	f := load(t, "listen: { grpc: \"0.0.0.0:9001\" }\nlimits: { tokenBytes: 1024 }\nlog: { decisions: none }\nresources: []\n")
	if f.Listen.Admin != "127.0.0.1:9090" || f.Limits.CacheEntries != 100000 || f.Log.Level != "info" {
		t.Errorf("%+v", f)
	}
}

// B-04, B-05: what may be declared is what is implemented, and that is asymmetric.
func TestAlgorithms(t *testing.T) {
	server := func(algorithm string) []byte {
		return []byte("authorizationServers: [{ name: a, issuer: \"https://a\", algorithms: [" + algorithm + "] }]\nresources: []\n")
	}
	for _, a := range token.Algorithms() {
		if f, problems := spec.Load(server(a)); f == nil {
			t.Errorf("%s is implemented and cannot be declared: %v", a, problems)
		}
	}
	_, problems := spec.Load(server("other"))
	if len(problems) != 1 || problems[0].Expected != strings.Join(token.Algorithms(), ", ") {
		t.Errorf("%v: want the list %v", problems, token.Algorithms())
	}
}

// A file that is too large or nested too deep is refused as such, and costs no more than its reading.
func TestFileLimits(t *testing.T) {
	least := []byte("resources: []\n#")
	fits := append(least, bytes.Repeat([]byte{'x'}, spec.MaxFileBytes-len(least))...)
	bomb := "resources: []\na0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for _, n := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		before := string(n[0] - 1)
		bomb += "a" + n + ": &a" + n + " [" + strings.Repeat("*a"+before+",", 9) + "]\n"
	}
	for _, c := range []struct {
		what, found string // "" for a good file
		data        []byte
	}{
		{"16 MiB", "", fits},
		{"one byte more", "16777217 bytes", append(fits, 'x')},
		{"lists in lists", "text that is not YAML (yaml: line 1: exceeded max depth of 10000)", bytes.Repeat([]byte{'['}, 1<<20)},
		{"mappings in mappings", "an unknown key", []byte("resources: []\na: " + strings.Repeat("{a: ", 9000) + strings.Repeat("}", 9000))},
		{"aliases of aliases", "an unknown key", []byte(bomb)},
	} {
		f, problems := spec.Load(c.data)
		if c.found == "" {
			if f == nil {
				t.Errorf("%s: %v", c.what, problems)
			}
			continue
		}
		if f != nil || len(problems) == 0 || problems[0].Found != c.found {
			t.Errorf("%s: %.200v", c.what, problems)
		}
	}
}

// A file of many resources with a mistake in each is read in one go: all of them are told.
func TestManyProblems(t *testing.T) {
	const resources = 20000
	var b strings.Builder
	b.WriteString("authorizationServers: [{ name: corp, issuer: \"https://idp.example.com\" }]\nresources:\n")
	for range resources {
		b.WriteString("- { resource: \"https://MCP.example.com\", authorizationServers: [crop] }\n")
	}
	if _, problems := spec.Load([]byte(b.String())); len(problems) != 3*resources {
		t.Errorf("%d problems, want %d", len(problems), 3*resources)
	}
}
