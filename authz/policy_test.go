package authz_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
)

// TestPolicy says of every grant whether it suffices. A refusal names all scopes that the request needs, at once (F-01), and
// of those granted the ones that this resource knows, since clients replace what they have by what they are told (T-09).
func TestPolicy(t *testing.T) {
	type row struct {
		granted, ask string
		ok           bool
	}
	allow := func(granted string) row { return row{granted, "", true} }
	deny := func(granted, ask string) row { return row{granted, ask, false} }
	type implies = map[string][]string
	for _, p := range []struct {
		rule     string
		required string
		implies  implies
		rows     []row
	}{
		{"nothing required", "", nil, []row{allow(""), allow("x")}},
		{"nothing required, whatever implies says", "", implies{"admin": {"read"}}, []row{allow(""), allow("admin")}},
		{"one scope", "repo:read", nil, []row{
			allow("repo:read"),
			allow("b repo:read a"), // B-22: in any order
			allow("repo:read repo:read"),
			deny("", "repo:read"),              // B-23
			deny("repo:readonly", "repo:read"), // B-22: whole words
			deny("xrepo:read", "repo:read"),
			deny("repo:rea", "repo:read"),
			deny("Repo:read", "repo:read"), // B-22: in this case
			deny("repo:write other", "repo:read"),
			deny("*", "repo:read"), // F-04: nothing stands for everything
		}},
		{"several scopes, in whatever order they are declared", "c a b a", nil, []row{
			allow("a b c"), allow("c x b a"),
			deny("", "a b c"), deny("a", "a b c"), deny("c b", "a b c"), deny("x a y", "a b c"),
		}},
		{"a scope with a blank inside is one scope, and not the two", "a b", nil, []row{deny("a%b", "a b"), allow("b a")}},
		{"F-03 a broader scope", "read", implies{"admin": {"read", "write"}, "write": {"delete"}}, []row{
			allow("read"), allow("admin"), allow("x admin"),
			deny("write", "read write"), // granted, known, and not enough
			deny("delete", "delete read"),
			deny("x", "read"),
			deny("adm", "read"),
		}},
		{"F-03 never the other way round", "admin", implies{"admin": {"read"}}, []row{allow("admin"), deny("read", "admin read")}},
		{"F-03 from step to step", "d", implies{"a": {"b"}, "b": {"c"}, "c": {"d"}}, []row{
			allow("a"), allow("b"), allow("c"), allow("d"), deny("e", "d"),
		}},
		{"F-03 in a circle", "a", implies{"a": {"b"}, "b": {"c"}, "c": {"a"}}, []row{allow("a"), allow("b"), allow("c"), deny("d", "a")}},
		{"F-03 a scope that implies itself", "b", implies{"a": {"a", "b"}, "c": {"c"}}, []row{allow("a"), deny("c", "b c")}},
		{"one broad scope for several needs", "read use write", implies{"admin": {"read", "write"}}, []row{
			allow("admin use"), allow("read write use"),
			deny("admin", "admin read use write"), // what is granted stays in the list
			deny("use", "read use write"),
		}},
	} {
		t.Run(p.rule, func(t *testing.T) {
			policy := authz.NewPolicy(strings.Fields(p.required), p.implies)
			sorted := slices.Compact(slices.Sorted(slices.Values(strings.Fields(p.required))))
			if got := policy.Required(); !slices.Equal(got, sorted) {
				t.Errorf("requires %q, want %q", got, sorted)
			}
			for _, r := range p.rows {
				var granted []string
				for _, s := range strings.Fields(r.granted) {
					granted = append(granted, strings.ReplaceAll(s, "%", " "))
				}
				before := slices.Clone(granted)
				ok, ask := policy.Permit(authz.Claims{Scopes: granted})
				if ok != r.ok || ask != r.ask || !slices.Equal(granted, before) {
					t.Errorf("granted %q: %v, ask for %q; want %v, %q", r.granted, ok, ask, r.ok, r.ask)
				}
				ok, again := authz.NewPolicy(strings.Fields(p.required), p.implies).Permit(authz.Claims{Scopes: granted})
				if ok != r.ok || again != ask {
					t.Errorf("granted %q: asks for %q, then for %q", r.granted, ask, again)
				}
			}
		})
	}
	if ok, ask := (authz.Policy{}).Permit(authz.Claims{}); !ok || ask != "" {
		t.Errorf("the zero value: %v, %q", ok, ask)
	}
}

// The list goes to the client: 403 insufficient_scope with all of it, also where the challenge is made anew for each host. A
// client that asks for exactly that list passes with what it gets (F-01, A-09).
func TestInsufficientScope(t *testing.T) {
	policy := func(p *authz.ProtectedResource) {
		p.Policy = authz.NewPolicy([]string{"read", "use"}, map[string][]string{"admin": {"read"}})
	}
	for _, c := range []struct{ granted, ask string }{
		{"", "read use"}, {"admin", "admin read use"}, {"use foreign", "read use"}, {"read", "read use"},
	} {
		for url, resource := range map[string]string{
			github: github, "https://a.tenants.example.com/mcp": "https://*.tenants.example.com/mcp",
		} {
			attempt := func(granted string) authz.Decision {
				claims := alice()
				claims.Scopes = strings.Fields(granted)
				return judge(t, deciding(t, declare(t, resource, policy, passing(claims))), request("POST", url, "authorization", "Bearer T"))
			}
			d := attempt(c.granted)
			if d.Reason != authz.InsufficientScope || d.Answer().Status != 403 || param(t, d, "error") != "insufficient_scope" || param(t, d, "scope") != c.ask {
				t.Errorf("%s, granted %q: %v, %v", url, c.granted, d.Reason, d.Answer().Header)
			}
			if d.Claims.Subject != "alice" { // F-13: the log says who asked
				t.Errorf("%s: refused without a word of whom: %+v", url, d.Claims)
			}
			if again := attempt(param(t, d, "scope")); !again.Allowed() {
				t.Errorf("%s: refused %q, which was asked for: %v", url, param(t, d, "scope"), again.Reason)
			}
		}
	}
}
