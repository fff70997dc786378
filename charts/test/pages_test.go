package test

import (
	"path/filepath"
	"regexp"
	"testing"
)

// The values that the pages of docs/ show are taken by the chart, each block by itself and all of docs/install.md together, and the
// process takes the file that comes of them.
func TestPages(t *testing.T) {
	shown := regexp.MustCompile("(?ms)^```yml\n(# values.yaml\n.*?)^```")
	count := 0
	for _, page := range glob(t, root+"/docs/*.md") {
		var together []string
		for _, m := range shown.FindAllStringSubmatch(read(t, page), -1) {
			count++
			file := filepath.Join(t.TempDir(), "values.yaml")
			write(t, file, m[1])
			together = append(together, "--values", file)
			load(t, configuration(t, render(t, "--values", file)))
		}
		if len(together) > 0 {
			load(t, configuration(t, render(t, together...)))
		}
	}
	if count < 3 {
		t.Errorf("the pages show values %d times", count)
	}
}
