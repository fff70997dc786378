package test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// metrics are the names of metrics that the process has, by its source.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), root+"/cmd/mcp-authz/names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if name, err := strconv.Unquote(lit.Value); err == nil && strings.HasPrefix(name, "mcp_authz_") {
				names[name] = true
			}
		}
		return true
	})
	if len(names) < 10 {
		t.Fatalf("metrics found: %v", names)
	}
	return names
}

// Alerts and dashboard ask for metrics and reasons that there are: one that is misspelt would be silent for ever.
func TestMetrics(t *testing.T) {
	known := metrics(t)
	reasons := read(t, root+"/authz/reason.go")
	asked := map[string]bool{}
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		text := read(t, chart+"/files/"+file)
		for _, name := range regexp.MustCompile(`mcp_authz_[a-z_]+`).FindAllString(text, -1) {
			base := strings.TrimSuffix(name, "_bucket")
			if asked[base] = true; !known[base] {
				t.Errorf("%s asks for %s, which does not exist", file, name)
			}
		}
		for _, list := range regexp.MustCompile(`reason=~\\?"([a-z_|]+)`).FindAllStringSubmatch(text, -1) {
			for reason := range strings.SplitSeq(list[1], "|") {
				if !strings.Contains(reasons, strconv.Quote(reason)) {
					t.Errorf("%s asks for the reason %s, which does not exist", file, reason)
				}
			}
		}
	}
	for name := range known {
		if !asked[name] && !strings.Contains(name, "_last_applied_") {
			t.Logf("nobody asks for %s", name)
		}
	}
}

// The alerts are those of docs/operations.md, with its expressions; route_mismatch stands beside resource_mismatch.
func TestAlertsOfTheDocs(t *testing.T) {
	var alerts []struct {
		Alert, Expr string
		Annotations map[string]string
		Labels      map[string]string
	}
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(read(t, chart+"/files/alerts.yaml"), "\n  for:", "\n  #")), &alerts); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(read(t, root+"/docs/operations.md"), "## Alerts worth having")
	table = strings.ReplaceAll(table, `\|`, "|")
	ours := map[string]bool{}
	metric := regexp.MustCompile(`mcp_authz_[a-z_]+`)
	for _, a := range alerts {
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || !slices.Contains([]string{"warning", "critical"}, a.Labels["severity"]) {
			t.Errorf("%s: %v %v", a.Alert, a.Labels, a.Annotations)
		}
		for _, name := range metric.FindAllString(a.Expr, -1) {
			ours[name] = true
		}
	}
	docs := map[string]bool{}
	for _, name := range metric.FindAllString(table, -1) {
		docs[name] = true
	}
	if !maps.Equal(ours, docs) || len(alerts) != strings.Count(table, "\n| ")-1 {
		t.Errorf("%d alerts of %v; the page has %d of %v", len(alerts), slices.Sorted(maps.Keys(ours)), strings.Count(table, "\n| ")-1, slices.Sorted(maps.Keys(docs)))
	}
}

// Panels have titles, units and queries, places that do not overlap, and ids of their own.
func TestDashboard(t *testing.T) {
	var d struct {
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, chart+"/files/dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && (len(p.Targets) == 0 || p.Targets[0].Expr == "") {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, there := taken[[2]int{x, y}]; there || x >= 24 {
					t.Fatalf("%q lies upon %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
