// Package docs_test compares the pages for people with the code and with each other.
package docs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

const root = ".."

// pages are README.md and everything below docs, as paths within the repository.
func pages(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), "docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			names = append(names, path)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("%d pages, %v", len(names), err)
	}
	if exists("README.md") {
		names = append(names, "README.md")
	}
	return names
}

func exists(path string) bool {
	_, err := os.Stat(filepath.Join(root, path))
	return err == nil
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Invariant 9: whoever copies a configuration from a page has one that loads without a complaint. A block that shows a part says so
// with "```yaml fragment", and loads once the rest is added; every other YAML is at least YAML.
func TestYAML(t *testing.T) {
	blocks := regexp.MustCompile("(?ms)^[ \t]*```ya?ml([^\n]*)\n(.*?)^[ \t]*```")
	for _, page := range pages(t) {
		for _, b := range blocks.FindAllStringSubmatch(read(t, page), -1) {
			if problem := complaint(strings.TrimSpace(b[1]), b[2]); problem != "" {
				t.Errorf("%s: %s in\n%s", page, problem, b[2])
			}
		}
	}
}

// complaint is what is wrong with a block of YAML, given what stands behind the word yaml.
func complaint(marker, block string) string {
	top, err := topLevel(block)
	isConfiguration := slices.ContainsFunc([]string{"resources", "authorizationServers", "listen"}, func(key string) bool { return top[key] })
	switch {
	case err != nil:
		return err.Error()
	case marker != "" && marker != "fragment":
		return fmt.Sprintf("unknown marker %q", marker)
	case !isConfiguration && marker != "":
		return "no configuration of mcp-authz, and so no fragment of one"
	case !isConfiguration:
		return ""
	case marker == "":
		return problems(block)
	case problems(block) == "":
		return "a whole configuration that is called a fragment"
	}
	return problems(completed(block, top))
}

func problems(configuration string) string {
	_, found := spec.Load([]byte(configuration))
	var all []string
	for _, p := range found { // warnings too: nobody should copy one
		all = append(all, p.String())
	}
	return strings.Join(all, "; ")
}

// topLevel parses all documents of a block and lists the keys at their top.
func topLevel(block string) (map[string]bool, error) {
	keys := map[string]bool{}
	for decoder := yaml.NewDecoder(strings.NewReader(block)); ; {
		var document any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return keys, nil
		} else if err != nil {
			return keys, err
		}
		mapping, _ := document.(map[string]any)
		for key := range mapping {
			keys[key] = true
		}
	}
}

// completed adds what a fragment may leave out: the authorization servers that its resources name, and the resources.
func completed(block string, top map[string]bool) string {
	if !top["resources"] {
		block += "\nresources: []\n"
	}
	if !top["authorizationServers"] {
		block += "\nauthorizationServers:\n"
		seen := map[string]bool{}
		for _, names := range regexp.MustCompile(`authorizationServers: \[(.*?)\]`).FindAllStringSubmatch(block, -1) {
			for name := range strings.SplitSeq(names[1], ",") {
				if name = strings.Trim(name, ` "`); !seen[name] {
					block += fmt.Sprintf("- { name: %q, issuer: %q }\n", name, "https://"+name+".example.com")
				}
				seen[name] = true
			}
		}
		if len(seen) == 0 {
			block = strings.TrimSuffix(block, "\nauthorizationServers:\n")
		}
	}
	return block
}

func TestComplaint(t *testing.T) {
	const server = "authorizationServers: [{ name: a, issuer: \"https://a\" }]\n"
	const resource = "resources: [{ name: r, resource: \"https://r\", authorizationServers: [a] }]\n"
	for _, c := range []struct {
		rule, marker, block string
		good                bool
	}{
		{"a whole one", "", server + resource, true},
		{"a key that does not exist", "", server + resource + "x: 1\n", false},
		{"a warning", "", server + strings.ReplaceAll(resource, "https://r", "https://r/sse"), false},
		{"resources alone", "", resource, false},
		{"resources as a fragment", "fragment", resource, true},
		{"servers alone", "", server, false},
		{"servers as a fragment", "fragment", server, true},
		{"listen as a fragment", "fragment", "listen: { grpc: \":1\" }\n", true},
		{"a fragment with a mistake", "fragment", strings.ReplaceAll(resource, "https", "ftp"), false},
		{"a whole one as a fragment", "fragment", server + resource, false},
		{"another marker", "part", server + resource, false},
		{"another YAML", "", "kind: A\n---\nkind: B\n", true},
		{"another YAML as a fragment", "fragment", "kind: A\n", false},
		{"no YAML", "", "a: [\n", false},
	} {
		if got := complaint(c.marker, c.block); (got == "") != c.good {
			t.Errorf("%s: %q", c.rule, got)
		}
	}
}

var (
	fences   = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	code     = regexp.MustCompile("`[^`\n]*`")
	links    = regexp.MustCompile(`\]\(([^()\s]+)(?:\s+"[^"]*")?\)`)
	headings = regexp.MustCompile(`(?m)^#{1,6} +(.*?) *#* *$`)
	anchors  = regexp.MustCompile(`<a (?:id|name)="([^"]+)">`)
)

// Every link within the repository leads somewhere, and so does its anchor.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, link := range linksOf(read(t, page)) {
			target, anchor, _ := strings.Cut(link, "#")
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			switch {
			case strings.HasPrefix(target, "/"), strings.HasPrefix(path, ".."):
				t.Errorf("%s: %s leads out of the repository", page, link)
			case !exists(path):
				t.Errorf("%s: %s leads nowhere", page, link)
			case anchor != "" && strings.HasSuffix(path, ".md") && !anchorsOf(read(t, path))[anchor]:
				t.Errorf("%s: %s has no such heading", page, link)
			}
		}
	}
}

// linksOf are the targets of the links of a page but for those with a scheme; code is no link.
func linksOf(page string) (targets []string) {
	page = code.ReplaceAllString(fences.ReplaceAllString(page, ""), "")
	for _, m := range links.FindAllStringSubmatch(page, -1) {
		if !regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`).MatchString(m[1]) {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// anchorsOf are the anchors that GitHub makes of the headings of a page, and those that it has by itself.
func anchorsOf(page string) map[string]bool {
	page = fences.ReplaceAllString(page, "")
	all := map[string]bool{}
	for _, m := range anchors.FindAllStringSubmatch(page, -1) {
		all[m[1]] = true
	}
	for _, m := range headings.FindAllStringSubmatch(page, -1) {
		slug := strings.ToLower(regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(m[1], "$1"))
		slug = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(slug, "")
		slug = strings.ReplaceAll(slug, " ", "-")
		name := slug
		for n := 1; all[name]; n++ {
			name = fmt.Sprintf("%s-%d", slug, n)
		}
		all[name] = true
	}
	return all
}

func TestAnchorsAndLinks(t *testing.T) {
	page := "# A `b`: c, d's\n## A\n## A\n<a id=\"x\"></a>\n```sh\n# no heading\n[no](link)\n```\n[y](z.md#q) `[n](o)` [w](https://a/b) [v](#a-1 \"title\")\n"
	for _, want := range []string{"a-b-c-ds", "a", "a-1", "x"} {
		if !anchorsOf(page)[want] {
			t.Errorf("no anchor %s in %v", want, anchorsOf(page))
		}
	}
	if n := len(anchorsOf(page)); n != 4 {
		t.Errorf("%d anchors: %v", n, anchorsOf(page))
	}
	if got := linksOf(page); !slices.Equal(got, []string{"z.md#q", "#a-1"}) {
		t.Errorf("links %q", got)
	}
}
