package metadata_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// C-12: members without a value are left out; C-09: issuers stand as they are, byte for byte.
func TestRender(t *testing.T) {
	full := metadata.Document{
		Resource: "https://mcp.example.com/github/mcp", AuthorizationServers: []string{"https://idp.example/?a=<b>&c", "https://tenant.example/"},
		ScopesSupported: []string{"mcp:use"}, BearerMethodsSupported: []string{"header"}, // C-11
		ResourceName: "GitHub «tools»", ResourceDocumentation: "https://docs.example.com",
	}
	for _, c := range []struct {
		rule string
		doc  metadata.Document
		want string
	}{
		{"everything", full, `{"resource":"https://mcp.example.com/github/mcp","authorization_servers":["https://idp.example/?a=<b>&c","https://tenant.example/"],` +
			`"scopes_supported":["mcp:use"],"bearer_methods_supported":["header"],"resource_name":"GitHub «tools»","resource_documentation":"https://docs.example.com"}`},
		{"C-12 nothing but resource", metadata.Document{Resource: "https://a.example"}, `{"resource":"https://a.example"}`},
		{"C-12 empty lists", metadata.Document{Resource: "https://a.example", AuthorizationServers: []string{}, ScopesSupported: []string{}, BearerMethodsSupported: []string{}}, `{"resource":"https://a.example"}`},
	} {
		if diff := cmp.Diff(c.want, string(c.doc.Render().Body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.rule, diff)
		}
	}
	first, second := full.Render(), full.Render()
	if first.ETag != second.ETag || !regexp.MustCompile(`^"[!#-~]+"$`).MatchString(first.ETag) {
		t.Errorf("C-21: ETags %s and %s", first.ETag, second.ETag)
	}
	full.ResourceName = "another"
	if full.Render().ETag == first.ETag {
		t.Error("C-21: another document has the same ETag")
	}
}

// FuzzRender: whatever is declared, encoding/json reads it back, and no member is empty (C-12).
func FuzzRender(f *testing.F) {
	f.Add("https://a.example/mcp", "https://idp.example", "mcp:use", "Name", "https://docs.example")
	f.Add("https://a.example/mcp", "", "", "", "")
	f.Add("", "", "", "<\u2028>&\"\\", "")
	f.Fuzz(func(t *testing.T, resource, issuer, scope, name, docs string) {
		in := metadata.Document{Resource: resource, ResourceName: name, ResourceDocumentation: docs}
		if issuer != "" {
			in.AuthorizationServers = []string{issuer}
		}
		if scope != "" {
			in.ScopesSupported = []string{scope}
		}
		body := in.Render().Body
		var members map[string]any
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		for member, value := range members {
			if list, isList := value.([]any); member != "resource" && (value == "" || value == nil || isList && len(list) == 0) {
				t.Errorf("%s is empty", member)
			}
		}
		if len(members) != 1+count(issuer, scope, name, docs) {
			t.Errorf("%s has %d members", body, len(members))
		}
	})
}

func count(values ...string) (n int) {
	for _, v := range values {
		if v != "" {
			n++
		}
	}
	return n
}
