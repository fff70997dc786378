package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README is what helm-docs makes of the values and their comments, and each value has a comment.
func TestReadme(t *testing.T) {
	folder := t.TempDir()
	for _, file := range []string{"Chart.yaml", "values.yaml", "README.md.gotmpl"} {
		write(t, filepath.Join(folder, file), read(t, filepath.Join(chart, file)))
	}
	if _, err := run(t, "helm-docs", "--chart-search-root", folder, "--sort-values-order", "file", "--log-level", "warning"); err != nil {
		t.Error(err)
	}
	made := read(t, filepath.Join(folder, "README.md"))
	if *update {
		write(t, chart+"/README.md", made)
	}
	if read(t, chart+"/README.md") != made {
		t.Error("README.md is not what helm-docs makes of README.md.gotmpl and values.yaml; run with -update")
	}
	for line := range strings.Lines(made) {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(strings.TrimSpace(line), "|  |") {
			t.Errorf("no comment: %s", line)
		}
	}
}

// The values that the README shows are good ones; the files that it names are there.
func TestReadmeIsTrue(t *testing.T) {
	text := read(t, chart+"/README.md")
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(examples) < 2 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, example := range examples {
		file := filepath.Join(t.TempDir(), "values.yaml")
		write(t, file, example[1])
		load(t, configuration(t, render(t, "--values", file)))
	}
	for _, link := range regexp.MustCompile(`\]\((\.\./[^)#]*)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(chart, link[1])); err != nil {
			t.Error(err)
		}
	}
}
