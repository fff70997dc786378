package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConformanceSuite: the scenarios for servers of MCP's own conformance suite, all of them, have the same outcome, check by check,
// whether the suite talks to a server or to Envoy and mcp-authz in front of it: sessions, event streams, what the server asks of the
// client, Mcp-* header fields and bodies come through in both eras (E-27, E-28, E-30). The suite knows of no token: a hop shows one
// for it. Without, hardly anything succeeds, and nothing is allowed: it is the gate that the rest went through.
func TestConformanceSuite(t *testing.T) {
	for _, c := range []struct {
		name, suite string
		options     []string
		stateless   bool
		passed      int // by the server alone, with the versions that are pinned
	}{
		{"2025-11-25, the released suite", "@modelcontextprotocol/conformance", nil, false, 44},
		{"2025-11-25", "conformance-of-2026", []string{"--spec-version", "2025-11-25"}, false, 82},
		{"2026-07-28", "conformance-of-2026", []string{"--spec-version", "2026-07-28"}, true, 153},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := goSDKServer(t, c.stateless)
			direct := conformance(t, c.suite, "http://"+server+goSDKPath, c.options)
			if direct.with("SUCCESS") != c.passed || direct.with("FAILURE") != 0 {
				t.Fatalf("the server alone passes %d checks, want %d, and fails %d:\n%s", direct.with("SUCCESS"), c.passed, direct.with("FAILURE"), strings.Join(direct, "\n"))
			}
			for _, version := range []string{oldest, newest} {
				h := newHop(t)
				g := newGate(t, version, server, h.host)
				h.leads(t, g)

				refused := conformance(t, c.suite, "http://"+h.host+"/mcp", c.options)
				if g.allowed(t) != 0 || refused.with("FAILURE") < 30 {
					t.Errorf("Envoy %s, no token: %d requests are allowed:\n%s", version, g.allowed(t), strings.Join(refused, "\n"))
				}
				h.shows.Store(true)
				through := conformance(t, c.suite, "http://"+h.host+"/mcp", c.options)
				if diff := cmp.Diff(direct, through); diff != "" {
					t.Errorf("Envoy %s changes (-direct +through):\n%s", version, diff)
				}
				t.Logf("Envoy %s: passed/failed %d/%d direct, %d/%d through, %d/%d without a token; %d requests were allowed", version,
					direct.with("SUCCESS"), direct.with("FAILURE"), through.with("SUCCESS"), through.with("FAILURE"),
					refused.with("SUCCESS"), refused.with("FAILURE"), g.allowed(t))
			}
		})
	}
}

// checks are what the suite found, each "scenario: check outcome message", sorted.
type checks []string

func (all checks) with(outcome string) (n int) {
	for _, c := range all {
		if strings.Contains(c, " "+outcome+" ") {
			n++
		}
	}
	return n
}

// conformance runs all scenarios of a suite for servers. Its exit status says no more than its report.
func conformance(t testing.TB, suite, url string, options []string) (found checks) {
	t.Helper()
	folder, report := nodeFolder(t, "conformance"), t.TempDir()
	out, err := exec.Command(node22(t, "conformance"), append([]string{filepath.Join(folder, "node_modules", suite, "dist/index.js"),
		"server", "--suite", "all", "--url", url, "-o", report}, options...)...).CombinedOutput()
	files, _ := filepath.Glob(report + "/*/checks.json")
	if len(files) == 0 {
		t.Fatalf("the suite reports nothing: %v\n%s", err, out)
	}
	scenario := regexp.MustCompile(`/server-([^/]*)-\d{4}-\d\d-\d\dT[^/]*/checks\.json$`)
	for _, file := range files {
		var all []struct{ ID, Status, ErrorMessage string }
		if err := json.Unmarshal([]byte(read(t, file)), &all); err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			found = append(found, scenario.FindStringSubmatch(file)[1]+": "+c.ID+" "+c.Status+" "+c.ErrorMessage)
		}
	}
	slices.Sort(found)
	return found
}
