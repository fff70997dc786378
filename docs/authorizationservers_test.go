package docs_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
)

const authorizationServers = "docs/authorization-servers/"

// The index of authorization servers leads to every page beside it, and every reason that one of them explains exists.
func TestAuthorizationServers(t *testing.T) {
	known := map[string]bool{}
	for _, r := range authz.Reasons() {
		known[r.String()] = true
	}
	listed := linksOf(read(t, authorizationServers+"README.md"))
	reason := regexp.MustCompile("`(allowed|(?:token|keys)_[a-z_]+|insufficient_scope|no_credential)`")
	explained := 0
	for _, page := range pages(t) {
		name, here := strings.CutPrefix(page, authorizationServers)
		if !here {
			continue
		}
		if name != "README.md" && !slices.Contains(listed, path.Base(name)) {
			t.Errorf("the index does not list %s", name)
		}
		for _, m := range reason.FindAllStringSubmatch(read(t, page), -1) {
			if explained++; !known[m[1]] {
				t.Errorf("%s: there is no reason %s", page, m[1])
			}
		}
	}
	if explained < 40 {
		t.Errorf("only %d reasons are explained", explained)
	}
}
