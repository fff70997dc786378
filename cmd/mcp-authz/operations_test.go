package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

const operations = "../../docs/operations.md"

// section is the text below a heading, up to the next one.
func section(t *testing.T, heading string) string {
	t.Helper()
	data, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(data), "\n"+heading+"\n")
	if !found {
		t.Fatalf("no %q in %s", heading, operations)
	}
	text, _, _ := strings.Cut(rest, "\n#")
	return text
}

// table is the first table of a section, without its head: cells without blanks and backquotes around.
func table(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	for line := range strings.SplitSeq(section(t, heading), "\n") {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "`", "")
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("no table below %q", heading)
	}
	return rows[2:]
}

func same(t *testing.T, what string, code, document []string) {
	t.Helper()
	slices.Sort(code)
	slices.Sort(document)
	if diff := cmp.Diff(code, document); diff != "" {
		t.Errorf("%s (-code +document):\n%s", what, diff)
	}
}

// constants are the values of the string constants of names.go whose name has a prefix.
func constants(t *testing.T, prefix string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(s.Names[0].Name, prefix) {
			value, err := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}

// collected are our metrics as they are collected: name, type and labels.
func collected(t *testing.T) (names, rows []string) {
	t.Helper()
	c := configured(t, anyPorts+corpElsewhere+github)
	registry := prometheus.NewRegistry()
	f, _ := loadConfig([]byte(withMetadataTLS(t, anyPorts) + "resources: []\n"))
	secured, err := newTransport(f.Listen, c.log)
	if err != nil {
		t.Fatal(err)
	}
	c.cluster = noCluster(t)
	c.counts.Store(&clusterCounts{})
	newAdmin(&readiness{config: c, issuers: c.issuers, tls: secured.files}, registry, c.log)
	newLineWriter(io.Discard, registry).end()
	o := newObserver(c.log, registry)
	o.Observe(t.Context(), request(""), authz.Decision{}, 0)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "mcp_authz_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		names = append(names, f.GetName())
		rows = append(rows, fmt.Sprintln(f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", ")))
	}
	return names, rows
}

func TestOperationsListsTheMetrics(t *testing.T) {
	names, rows := collected(t)
	same(t, "metrics of names.go", constants(t, "metric"), names)
	var documented []string
	for _, r := range table(t, "## Metrics") {
		documented = append(documented, fmt.Sprintln(r[0], r[1], r[2]))
	}
	same(t, "metrics, their types and labels", rows, documented)

	// Nor does the rest of the page invent any.
	data, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`mcp_authz_[a-z_]+`).FindAllString(string(data), -1) {
		if !slices.Contains(names, strings.TrimSuffix(name, "_bucket")) {
			t.Errorf("%s is no metric of ours", name)
		}
	}
}

// A running process shows the very same metrics, with these labels whatever happens.
func TestMetricsOfAProcess(t *testing.T) {
	names, _ := collected(t)
	issuer := authorizationServer(t)
	p := start(t, withMetadataTLS(t, anyPorts)+corp(issuer)+github)
	p.log.wait(t, "ready", 1)
	p.check(anonymous())
	p.check(with(good(issuer)))
	other := anonymous()
	other.Host, other.Method = "MARKER.example.com", "BREW"
	p.check(other)
	_, body := get(t, "http://"+p.admin+"/metrics")
	for _, name := range names {
		if there, beside := strings.Contains(body, "\n"+name), strings.HasPrefix(name, "mcp_authz_kubernetes_"); there == beside {
			t.Errorf("/metrics has %s: %t; without a cluster it should not have what is of one, and all else", name, there)
		}
	}
	labels := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^mcp_authz_decisions_total\{(.*)\} `).FindAllStringSubmatch(body, -1) {
		labels[m[1]] = true
	}
	want := map[string]bool{
		`outcome="deny",reason="no_credential",resource="github"`: true, `outcome="allow",reason="allowed",resource="github"`: true,
		`outcome="deny",reason="resource_unknown",resource=""`: true,
	}
	if diff := cmp.Diff(want, labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestOperationsListsTheLogFields(t *testing.T) {
	var documented []string
	for _, r := range table(t, "### The decision line") {
		documented = append(documented, r[0])
	}
	same(t, "fields of the decision line", constants(t, "field"), documented)
}

func TestOperationsListsTheReasons(t *testing.T) {
	var code, documented []string
	for _, r := range authz.Reasons() {
		code = append(code, fmt.Sprintln(r, r.Status()))
	}
	for _, r := range table(t, "### Reasons") {
		documented = append(documented, fmt.Sprintln(r[0], r[1]))
	}
	same(t, "reasons", code, documented)
}

// Invariant 9: every YAML on the page is a whole configuration that loads without a complaint.
func TestOperationsYAML(t *testing.T) {
	data, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```ya?ml\n(.*?)```").FindAllStringSubmatch(string(data), -1)
	if len(blocks) == 0 {
		t.Fatal("no YAML found")
	}
	for _, b := range blocks {
		if f, problems := spec.Load([]byte(b[1])); f == nil || len(problems) > 0 {
			t.Errorf("%v in\n%s", problems, b[1])
		}
	}
}

// The limits that the page names are those of the code.
func TestOperationsSizing(t *testing.T) {
	f, problems := spec.Load([]byte("resources: []\n"))
	if f == nil {
		t.Fatal(problems)
	}
	want := map[string]string{
		"limits.concurrentChecks": strconv.Itoa(f.Limits.ConcurrentChecks),
		"limits.checkDeadline":    fmt.Sprintf("%.0f s", f.Limits.CheckDeadline.Seconds()),
		"limits.messageBytes":     fmt.Sprintf("%d MiB", f.Limits.MessageBytes>>20),
		"limits.tokenBytes":       fmt.Sprintf("%d KiB", f.Limits.TokenBytes>>10),
		"limits.cacheEntries":     fmt.Sprintf("%d,000", f.Limits.CacheEntries/1000),
		"limits.cacheBytes":       fmt.Sprintf("%d MiB", f.Limits.CacheBytes>>20),
	}
	got := map[string]string{}
	for _, r := range table(t, "## Sizing") {
		if strings.HasPrefix(r[0], "limits.") {
			got[r[0]] = r[1]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-code +document):\n%s", diff)
	}
}

// So are the times and numbers in its text.
func TestOperationsNumbers(t *testing.T) {
	for heading, texts := range map[string][]string{
		"## Reload": {
			fmt.Sprintf("after %d ms", settle.Milliseconds()), fmt.Sprintf("for %.0f s", inPlaceSettle.Seconds()), fmt.Sprintf("after %.0f s", maxInPlaceSettle.Seconds()),
			"in place", "rename over",
		},
		"## Log":    {fmt.Sprintf("%d lines wait", queuedLines), fmt.Sprintf("have %.0f s", flushTime.Seconds())},
		"## Sizing": {fmt.Sprintf("| lines of the log | %d |", queuedLines)},
	} {
		text := strings.Join(strings.Fields(section(t, heading)), " ")
		for _, want := range texts {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", heading, want)
			}
		}
	}
}
