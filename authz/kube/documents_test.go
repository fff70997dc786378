package kube

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func page(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Whoever follows docs/install.md and docs/declare.md with what stands there has a server in force, and so has the owner of each part
// of it: grants, authorization server, route and declaration fit together.
func TestThePagesFitTogether(t *testing.T) {
	objects := func(name string) string {
		var documents []string
		for _, m := range regexp.MustCompile("(?ms)^```yml\n(.*?)\n```").FindAllStringSubmatch(page(t, name), -1) {
			for document := range strings.SplitSeq(m[1], "\n---\n") {
				switch {
				case strings.Contains(document, "\nkind: HTTPRoute\n"): // a Gateway takes it
					documents = append(documents, document+"\nstatus: {parents: [{parentRef: {namespace: edge, name: edge}, conditions: [{type: Accepted, status: \"True\"}]}]}")
				case strings.HasPrefix(document, "apiVersion: mcp-authz.dev/"):
					documents = append(documents, document)
				}
			}
		}
		return strings.Join(documents, "\n---\n")
	}
	install := objects("install.md")
	expect(t, judged(t, "Grant", empty, all(install, objects("declare.md"))), "weather/weather: in force", "weather/weather-admin: in force")
	// The file of install.md may declare the same authorization server.
	j := judged(t, "Grant", "authorizationServers: [{name: corp, issuer: \"https://idp.internal.example.com/realms/mcp\", caFile: /etc/corp-ca/ca.crt}]\nresources: []\n", all(install, objects("declare.md")))
	expect(t, j, "weather/weather: in force", "weather/weather-admin: in force")
	for _, g := range cluster(t, objects("multi-tenancy.md")).grants {
		if !g.good() {
			t.Errorf("%s: %v", g.Name, g.problems)
		}
	}
}

// docs/troubleshooting.md explains each condition and each reason that a status can have, and no other.
func TestEveryReasonIsExplained(t *testing.T) {
	conditions, reasons := constants(t, "condition"), constants(t, "reason")
	for _, c := range conditions {
		if c != conditionRouteConflict { // of the others, the good reason has the name of the condition
			reasons = append(reasons, c)
		}
	}
	explained := func(heading string) (types, names []string) {
		_, section, found := strings.Cut(page(t, "troubleshooting.md"), "\n### "+heading+"\n")
		if !found {
			t.Fatalf("no section %s", heading)
		}
		section, _, _ = strings.Cut(section, "\n#")
		for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` (True|False) \\| `(\\w+)` \\| ([^|]+) \\|([^|]*)\\|$").FindAllStringSubmatch(section, -1) {
			types, names = append(types, m[1]), append(names, m[3])
			good := m[1] == m[3]
			if good != (m[2] == "True") && m[1] != conditionRouteConflict {
				t.Errorf("%s: %s is not the reason of %s %s", heading, m[3], m[1], m[2])
			}
			if !good && strings.TrimSpace(m[5]) == "" {
				t.Errorf("%s: %s has no next step", heading, m[3])
			}
		}
		if rows := strings.Count(section, "\n|") - 2; rows != len(names) {
			t.Errorf("%s: %d rows, of which %d can be read", heading, rows, len(names))
		}
		return types, names
	}
	types, names := explained("ProtectedResource")
	for what, c := range map[string]struct{ code, page []string }{"conditions": {conditions, slices.Compact(types)}, "reasons": {reasons, names}} {
		slices.Sort(c.code)
		slices.Sort(c.page)
		if diff := cmp.Diff(c.code, c.page); diff != "" {
			t.Errorf("%s (-code +page):\n%s", what, diff)
		}
	}
	for _, heading := range []string{"ClusterAuthorizationServer", "ResourceGrant"} {
		types, names := explained(heading)
		for _, name := range append(types, names...) {
			if !slices.Contains(reasons, name) {
				t.Errorf("%s: there is no reason %s", heading, name)
			}
		}
	}
}

// constants are the values of the constants of conditions.go whose name has a prefix.
func constants(t *testing.T, prefix string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok && len(s.Values) == 1 && strings.HasPrefix(s.Names[0].Name, prefix) {
			if l, ok := s.Values[0].(*ast.BasicLit); ok {
				value, err := strconv.Unquote(l.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
		}
		return true
	})
	if len(values) < 3 {
		t.Fatalf("%d constants %s…", len(values), prefix)
	}
	return values
}
