package test

import (
	"regexp"
	"strings"
	"testing"
)

// The suites of charts/mcp-authz/tests, by helm-unittest: what each value switches.
func TestSuites(t *testing.T) {
	out, err := run(t, "helm-unittest", "--strict", chart)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	counted := regexp.MustCompile(`Tests: +(\d+) passed, (\d+) total`).FindStringSubmatch(out)
	if counted == nil || counted[1] != counted[2] || strings.Contains(out, "skipped") {
		t.Fatalf("not all passed:\n%s", out)
	}
	t.Logf("%s tests", counted[1])
}
