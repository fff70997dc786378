package docs_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
)

const troubleshooting = "docs/troubleshooting.md"

// What a client sees is looked up by the very words: each text of ours that the page quotes is one, with its status and reason, and
// each refusal that is not about a token stands there.
func TestWhatAClientSees(t *testing.T) {
	_, section, _ := strings.Cut(read(t, troubleshooting), "\n## What a client sees\n")
	section, _, _ = strings.Cut(section, "\n## ")
	ours := read(t, "authz/reason.go")
	text := regexp.MustCompile("`([A-Z][A-Za-z ]+: [^`]+)`")
	known, told := map[string]string{}, map[string]bool{}
	for _, r := range authz.Reasons() {
		known[r.String()] = strconv.Itoa(r.Status())
	}
	rows := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 4 || strings.TrimSpace(cells[1]) == "reason" {
			continue
		}
		rows++
		for _, m := range text.FindAllStringSubmatch(cells[0], -1) {
			if !said(ours, m[1]) {
				t.Errorf("no answer says %q", m[1])
			}
		}
		status := regexp.MustCompile(`\b[1-5]\d\d\b`).FindString(cells[0])
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
			told[m[1]] = true
			switch want := known[m[1]]; {
			case want == "":
				t.Errorf("there is no reason %s", m[1])
			case status != "" && status != want && m[1] != "allowed":
				t.Errorf("%s is %s, not %s", m[1], want, status)
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d rows", rows)
	}
	defects := []string{"verifier_failed", "panicked", "undecided"} // docs/operations.md: please report it
	for _, r := range authz.Reasons() {
		if name := r.String(); r.Status() >= 400 && !strings.HasPrefix(name, "token_") && !slices.Contains(defects, name) && !told[name] {
			t.Errorf("the page does not say what to do about %s", name)
		}
	}
}

// said finds a public text among the sources of the reasons, where what stands before the colon may be written once for several.
func said(source, text string) bool {
	before, after, _ := strings.Cut(text, ": ")
	return strings.Contains(source, `"`+text+`"`) || strings.Contains(source, `"`+before+`: " + text`) && strings.Contains(source, `"`+after+`"`)
}

// Every metric that a page names is one of docs/operations.md, which a test compares with the code.
func TestMetricNames(t *testing.T) {
	metric := regexp.MustCompile(`mcp_authz_[a-z_]+`)
	operations := metric.FindAllString(read(t, "docs/operations.md"), -1)
	for _, page := range pages(t) {
		for _, name := range metric.FindAllString(read(t, page), -1) {
			if !slices.Contains(operations, name) {
				t.Errorf("%s: there is no metric %s", page, name)
			}
		}
	}
}
