package gateways

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const pages = "../../docs/attach/"

// Invariant 9: an API server takes what the pages show, and the guards refuse what the pages say they refuse.
func TestWhatThePagesShow(t *testing.T) {
	blocks := regexp.MustCompile("(?ms)^```ya?ml\n(.*?)^```")
	found, err := filepath.Glob(pages + "*.md")
	if err != nil || len(found) < 9 {
		t.Fatalf("%d pages, %v", len(found), err)
	}
	shown := map[string][]map[string]any{}
	for _, page := range found {
		gateway := strings.TrimSuffix(filepath.Base(page), ".md")
		for _, block := range blocks.FindAllSubmatch(readFile(t, page), -1) {
			if bytes.HasPrefix(block[1], []byte("# envoy.yaml")) {
				continue // Envoy's own, which deploy/e2e runs
			}
			for _, object := range decode(t, page, block[1]) {
				for _, problem := range judge(t, known(t, gateway+"/guard.yaml"), object) {
					t.Errorf("%s: %s", page, problem)
				}
				shown[gateway] = append(shown[gateway], object)
			}
		}
	}
	for gateway, refused := range map[string][]bool{"envoy-gateway": {true, false}, "kgateway": {true}, "contour": {true}} {
		if len(shown[gateway]) != len(refused) {
			t.Fatalf("%s shows %d objects", gateway, len(shown[gateway]))
		}
		for i, object := range shown[gateway] {
			if got := len(refusals(t, gateway+"/guard.yaml", object)) > 0; got != refused[i] {
				t.Errorf("%s: the guard refuses object %d: %v", gateway, i+1, got)
			}
		}
	}
}

// suites are where files of deploy are read, and what that proves: the deeper first.
var suites = []struct{ folder, files, level string }{
	{"../e2e", "*_test.go", "traffic"},
	{"../e2e/kubernetes", "*_test.go", "traffic"},
	{"istio", "*_test.go", "translation"},
	{".", "envoygateway_test.go", "translation"},
}

// The table of levels on the page says what the tests do: a file has the deepest level of the suites that read it. Comments do not count.
func TestLevels(t *testing.T) {
	want := map[string]string{"envoy/envoy.yaml": "schema"}
	for _, name := range recipes(t) {
		want[name] = "schema"
	}
	for _, suite := range slices.Backward(suites) {
		for name := range want {
			if reads(t, filepath.Join(suite.folder, suite.files), name) {
				want[name] = suite.level
			}
		}
	}
	// What the suite on a real cluster installs is the chart, and a test of the chart says which files it is the same as.
	values := decode(t, "values.yaml", readFile(t, "../e2e/kubernetes/testdata/values.yaml"))[0]
	for name := range want {
		if strings.HasPrefix(name, "envoy-gateway/") && at(values, "integrations.envoyGateway.enabled") == true && reads(t, "../../charts/test/deploy_test.go", name) {
			want[name] = "traffic"
		}
	}
	said := map[string]string{}
	page := string(readFile(t, pages+"README.md"))
	for _, row := range regexp.MustCompile("(?m)^\\| \\[`([^`]+)`\\]\\(([^)]+)\\) \\| (\\S+) \\| (.+) \\|$").FindAllStringSubmatch(page, -1) {
		if row[2] != "../../deploy/"+row[1] {
			t.Errorf("%s leads to %s", row[1], row[2])
		}
		said[row[1]] = row[3]
	}
	if !maps.Equal(said, want) {
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if said[name] != want[name] {
				t.Errorf("%s: the page says %q, the tests do %q", name, said[name], want[name])
			}
		}
		for name := range said {
			if want[name] == "" {
				t.Errorf("the page has %s, and deploy has not", name)
			}
		}
	}
	for _, version := range []string{"Envoy Gateway " + envoyGateway.version, "Gateway API " + gatewayAPI.version, "Contour " + contour.version} {
		if !strings.Contains(page, "| "+version+" |") {
			t.Errorf("the page does not name %s", version)
		}
	}
}

// reads says whether a program among the files holds the name of a file as a text of its own.
func reads(t *testing.T, files, name string) bool {
	t.Helper()
	programs, err := filepath.Glob(files)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, program := range programs {
		tree, err := parser.ParseFile(token.NewFileSet(), program, readFile(t, program), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				found = found || err == nil && (text == name || strings.HasSuffix(text, "/"+name))
			}
			return !found
		})
	}
	return found
}

// Every file of a gateway stands on its page, and every page in the index.
func TestEveryFileHasAPage(t *testing.T) {
	index := string(readFile(t, pages+"README.md"))
	for _, name := range recipes(t) {
		gateway, _, _ := strings.Cut(name, "/")
		if !strings.Contains(string(readFile(t, pages+gateway+".md")), "(../../deploy/"+name+")") {
			t.Errorf("%s.md does not lead to %s", gateway, name)
		}
		if !strings.Contains(index, "]("+gateway+".md)") {
			t.Errorf("the index does not lead to %s.md", gateway)
		}
	}
}
