package spec_test

import (
	"bytes"
	"fmt"
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
			MessageBytes: 4194304, TokenBytes: 16384, CacheEntries: 100000, CacheBytes: 128 << 20, ConcurrentChecks: 1024, CheckDeadline: time.Second,
		},
		DrainDelay: 10 * time.Second,
		Log:        spec.Log{Level: "info", Decisions: "all"},
		Resources:  []spec.ProtectedResource{},
	}
	if diff := cmp.Diff(want, *load(t, "resources: []\n")); diff != "" {
		t.Errorf("the least file: %s", diff)
	}
	want.AuthorizationServers = []spec.AuthorizationServer{{
		Name: "corp", AuthorizationServerSpec: spec.AuthorizationServerSpec{
			Issuer: "https://idp.example.com/realms/mcp", AccessTokenType: "any",
			Leeway: spec.Duration(30 * time.Second), RefreshInterval: spec.Duration(10 * time.Minute), MaxStaleness: spec.Duration(24 * time.Hour),
		},
	}}
	want.Resources = []spec.ProtectedResource{{
		Name: "github", ProtectedResourceSpec: spec.ProtectedResourceSpec{
			Resource: "https://mcp.example.com/github/mcp", AuthorizationServers: []string{"corp"},
		},
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

// A file full of mistakes is refused after the first hundred, whatever they are: telling of all would cost more than any file
// is worth. The last problem says that there may be more.
func TestManyProblems(t *testing.T) {
	const servers = "authorizationServers: [{ name: corp, issuer: \"https://idp.example.com\" }]\nresources:\n"
	for what, text := range map[string]string{
		"resources with three mistakes each": servers + strings.Repeat("- { resource: \"https://MCP.example.com\", authorizationServers: [crop] }\n", 20000),
		"resources that are none":            "resources:\n" + strings.Repeat("- x\n", spec.MaxResources),
		"unknown keys":                       "resources: []\n" + unknownKeys(20000),
		"odd keys":                           "resources: []\n" + strings.Repeat("1: 2\n", 20000),
		"mistakes that decoding cannot see":  servers + strings.Repeat("- { name: a, resource: \"https://a\", authorizationServers: [corp] }\n", 20000),
	} {
		f, problems := spec.Load([]byte(text))
		n := len(problems)
		if f != nil || n <= spec.MaxProblems || n > spec.MaxProblems+10 {
			t.Fatalf("%s: %d problems", what, n)
		}
		if last := problems[n-1]; last.Path != "(file)" || last.Found != "100 problems or more" || last.Warning {
			t.Errorf("%s: the last one is %v", what, last)
		}
	}
}

func unknownKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

// Warnings are told up to the same number, and never in the place of a problem: one that comes after them makes the file bad.
func TestManyWarnings(t *testing.T) {
	var b strings.Builder
	b.WriteString("authorizationServers: [{ name: corp, issuer: \"https://idp.example.com\" }]\nresources:\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "- { name: r%d, resource: \"https://mcp.example.com/%d/sse\", authorizationServers: [corp] }\n", i, i)
	}
	if f, problems := spec.Load([]byte(b.String())); f == nil || len(problems) != spec.MaxProblems {
		t.Errorf("%d warnings", len(problems))
	}
	b.WriteString("- { name: last, resource: \"https://mcp.example.com/last\", authorizationServers: [crop] }\n")
	f, problems := spec.Load([]byte(b.String()))
	if n := len(problems); f != nil || n != spec.MaxProblems+1 || problems[n-1].Warning || problems[n-1].Path != "resources[5000].authorizationServers[0]" {
		t.Errorf("%d problems", n)
	}
}

// Whatever a file has too much of is refused before it is made anything of.
func TestTooMuch(t *testing.T) {
	list := func(n int) string { return "[" + strings.Repeat("a,", n-1) + "a]" }
	server := func(key, value string) string {
		return "resources: []\nauthorizationServers: [{ name: a, issuer: \"https://a\", " + key + ": " + value + " }]\n"
	}
	rawKeys := func(n int) string {
		return server("jwks", "{ keys: [{ kty: OKP, crv: Ed25519, x: \"AA\" }], x: "+list(n)+" }")
	}
	for _, c := range []struct{ path, text, found string }{
		{"", server("insecureClientIDAudience", list(spec.MaxListEntries)), ""},
		{"authorizationServers[0].insecureClientIDAudience", server("insecureClientIDAudience", list(spec.MaxListEntries+1)), "1025 entries"},
		{"resources", "resources: [" + strings.Repeat("{},", spec.MaxResources) + "{}]\n", "100001 entries"},
		{"authorizationServers", "resources: []\nauthorizationServers: [" + strings.Repeat("{},", spec.MaxServers) + "{}]\n", "1001 entries"},
		{"(file)", "resources: " + list(spec.MaxFileNodes), "1048577 values"},
		{"(file)", "resources: []\n" + strings.Repeat("#\n", spec.MaxFileNodes), "1048579 values"},
		{"(file)", strings.Repeat("- ", spec.MaxFileNodes+1), "1048577 values"},
		{"(file)", strings.Repeat("-\r", spec.MaxFileNodes/2+1), "1048578 values"},
		{"(file)", strings.Repeat("?\u0085", spec.MaxFileNodes/2+1), "1048578 values"},
		{"(file)", strings.Repeat("-\u2028", spec.MaxFileNodes/2+1), "1048578 values"},
		{"", rawKeys(190_000), ""},
		{"authorizationServers[0].jwks.x[199993]", rawKeys(200_000), "more values than all key sets together may have"},
	} {
		f, problems := spec.Load([]byte(c.text))
		if c.found == "" {
			if f == nil {
				t.Errorf("%.60s: %.300v", c.text, problems)
			}
			continue
		}
		if f != nil || len(problems) == 0 || problems[0].Path != c.path || problems[0].Found != c.found {
			t.Errorf("%.60q: %.300v", c.text, problems)
		}
	}
}
