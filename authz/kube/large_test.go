package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// Every instance keeps every object: of one that is too large its URL stays, and nothing else.
func TestALargeObject(t *testing.T) {
	implies := func(n int) string {
		return fmt.Sprintf("scopes: {implies: {a: [%q]}}", strings.Repeat("s", n))
	}
	const around = 150 // what else its JSON has
	large := protected("a", "x", h+"/x", implies(spec.MaxDeclarationBytes-around))
	j := judged(t, "Any", empty, all(corp, large, protected("a", "z", h+"/z", implies(spec.MaxDeclarationBytes+1))))
	expect(t, j, "a/x: Invalid, 503", "a/z: Invalid, 503")
	for i, want := range []string{"spec.scopes", "spec"} { // more scopes than there may be, and more of everything
		if got := j.resources[i].problems[0].Path; got != want {
			t.Errorf("a problem at %s, want %s", got, want)
		}
	}
	if got := j.resources[1].declared.ProtectedResourceSpec; got.Scopes.Implies != nil || got.Resource == "" {
		t.Errorf("kept of it: %+v", got)
	}
}
