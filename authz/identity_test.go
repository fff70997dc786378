package authz_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
)

// alice is what a complete token says.
func alice() authz.Claims {
	return authz.Claims{
		Issuer: "https://idp.example", Subject: "alice", ClientID: "app", Audience: []string{github}, Scopes: []string{"b", "a"},
		Payload: []byte(`{"tenant":"acme"}`),
	}
}

func passing(c authz.Claims) func(*authz.ProtectedResource) {
	return verifier(verifying(func() (authz.Claims, error) { return c, nil }))
}

func forwarding(p *authz.ProtectedResource) { p.ForwardToken = true }

func identityHeader(name, claim string) func(*authz.ProtectedResource) {
	return func(p *authz.ProtectedResource) {
		p.IdentityHeaders = append(p.IdentityHeaders, authz.IdentityHeader{Name: name, Claim: claim})
	}
}

// upward is what goes up of an allowed request: the headers that are set, and the names that are removed. Envoy removes last,
// so that no name may be both (I-11).
func upward(t testing.TB, r *authz.Request, edits ...func(*authz.ProtectedResource)) (set map[string]string, removed []string) {
	t.Helper()
	d := judge(t, deciding(t, declare(t, github, edits...)), r)
	if !d.Allowed() {
		t.Errorf("%v", d.Reason)
	}
	set = map[string]string{}
	for _, h := range d.Upstream.Set {
		if _, twice := set[h.Name]; twice || slices.Contains(d.Upstream.Remove, h.Name) {
			t.Errorf("%s is set twice, or set and removed: %+v", h.Name, d.Upstream)
		}
		set[h.Name] = h.Value
	}
	return set, slices.Compact(slices.Sorted(slices.Values(d.Upstream.Remove)))
}

func withToken(header ...string) *authz.Request {
	return request("POST", github, append([]string{"authorization", "Bearer T"}, header...)...)
}

// What the upstream learns of who is asking, and what never reaches it.
func TestUpstream(t *testing.T) {
	overrides := []string{"x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"}
	removed := func(also ...string) []string { return slices.Sorted(slices.Values(append(also, overrides...))) }
	everything := map[string]string{"x-mcp-subject": "alice", "x-mcp-client-id": "app", "x-mcp-scopes": "b a", "x-mcp-issuer": "https://idp.example"}
	type edits = []func(*authz.ProtectedResource)
	for _, c := range []struct {
		rule    string
		edit    func(*authz.Claims)
		declare edits
		set     map[string]string
		removed []string
	}{
		{"J-01 a complete token", func(*authz.Claims) {}, nil, everything, removed("authorization")},
		{"J-01 forwarded", func(*authz.Claims) {}, edits{forwarding}, everything, removed()},
		{"forwarded, but for several audiences", func(c *authz.Claims) { c.Audience = []string{github, slack} }, edits{forwarding}, everything, removed("authorization")},
		{"forwarded, for the same audience twice", func(c *authz.Claims) { c.Audience = []string{github, github} }, edits{forwarding}, everything, removed("authorization")},
		{"several audiences", func(c *authz.Claims) { c.Audience = []string{github, slack} }, nil, everything, removed("authorization")},
		{"no audience, where that was allowed", func(c *authz.Claims) { c.Audience = nil }, edits{forwarding}, everything, removed()},
		{
			"I-11 no claims: what is not set is removed", func(c *authz.Claims) { *c = authz.Claims{} }, edits{identityHeader("x-tenant", "tenant")}, map[string]string{},
			removed("authorization", "x-mcp-client-id", "x-mcp-issuer", "x-mcp-scopes", "x-mcp-subject", "x-tenant"),
		},
		{
			"B-39 a machine", func(c *authz.Claims) { c.Subject, c.Scopes = "", nil }, nil,
			map[string]string{"x-mcp-client-id": "app", "x-mcp-issuer": "https://idp.example"}, removed("authorization", "x-mcp-scopes", "x-mcp-subject"),
		},
		{
			"a declared header", func(*authz.Claims) {}, edits{identityHeader("x-tenant", "tenant"), identityHeader("x-groups", "groups")},
			map[string]string{"x-mcp-subject": "alice", "x-mcp-client-id": "app", "x-mcp-scopes": "b a", "x-mcp-issuer": "https://idp.example", "x-tenant": "acme"},
			removed("authorization", "x-groups"),
		},
	} {
		claims := alice()
		c.edit(&claims)
		set, got := upward(t, withToken(), append(c.declare, passing(claims))...)
		if diff := cmp.Diff(c.set, set) + cmp.Diff(c.removed, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.rule, diff)
		}
	}
	// One request must not change what the next one removes: the lists of a resource are shared.
	a := deciding(t, declare(t, github, forwarding, verifier(tokens{
		"two": {claims: authz.Claims{Audience: []string{github, slack}}}, "one": {claims: authz.Claims{Audience: []string{github}, Subject: "alice"}},
	})))
	one := judge(t, a, request("POST", github, "authorization", "Bearer one"))
	before := slices.Clone(one.Upstream.Remove)
	judge(t, a, request("POST", github, "authorization", "Bearer two", "x_mcp_subject", "mallory"))
	if !slices.Equal(before, one.Upstream.Remove) {
		t.Errorf("removed %q, and now %q", before, one.Upstream.Remove)
	}
	if again := judge(t, a, request("POST", github, "authorization", "Bearer one")); !slices.Equal(before, again.Upstream.Remove) {
		t.Errorf("removes %q, then %q", before, again.Upstream.Remove)
	}
}

// spellings are all ways of writing a header name that some servers take for the same one.
func spellings(name string) []string {
	all := []string{""}
	for part := range strings.SplitSeq(name, "-") {
		var next []string
		for _, head := range all {
			if head == "" {
				next = append(next, part)
				continue
			}
			next = append(next, head+"-"+part, head+"_"+part, head+"."+part)
		}
		all = next
	}
	return all
}

// Invariant 6: what a client says of itself never goes up, however it spells the name, once or twice, whether or not the token
// has something to say there; and neither does another method or URL than the judged one.
func TestClientAssertions(t *testing.T) {
	ours := []string{
		"x-mcp-subject", "x-mcp-client-id", "x-mcp-scopes", "x-mcp-issuer", "x-tenant", "x-no-claim",
		"x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url",
	}
	for _, claims := range []authz.Claims{alice(), {}} {
		for _, name := range ours {
			var header []string
			for _, s := range spellings(name) {
				header = append(header, s, "mallory", s, "mallory")
			}
			set, removed := upward(t, withToken(header...), passing(claims), identityHeader("x-tenant", "tenant"), identityHeader("x-no-claim", "none"))
			for _, s := range spellings(name) {
				value, asserted := set[s]
				if gone := slices.Contains(removed, s); gone == asserted || value == "mallory" || asserted && s != name {
					t.Errorf("%s of a client: set %v to %q, removed %v", s, asserted, value, gone)
				}
			}
		}
	}
	others := []string{
		"x-request-id", "x_request_id", "mcp-subject", "xmcp-subject", "xx-mcp-subject", "x-mcp-subject-", "x-mcp-subjects", "x--mcp-subject",
		"x-mcp_client_i", "x", "x-", "x_", "mcp-session-id", "mcp_protocol.version", "authorization-", "proxy-authorization", "x_",
	}
	var header []string
	for _, name := range others {
		header = append(header, name, "value")
	}
	_, removed := upward(t, withToken(header...), passing(alice()))
	for _, name := range others {
		if slices.Contains(removed, name) {
			t.Errorf("%q is nobody's claim, and removed", name)
		}
	}
}

// TestIdentityHeaders says for every kind of claim how it stands in its header: a string as it is, lists and objects as JSON,
// every byte that a header cannot hold percent-encoded (I-12). A claim that is not there leaves the header away.
func TestIdentityHeaders(t *testing.T) {
	type row struct{ rule, payload, want string }
	const absent = "absent"
	claim := func(rule, value, want string) row { return row{rule, `{"a":1,"c":` + value + `,"z":{}}`, want} }
	for _, c := range []row{
		claim("a string", `"acme"`, "acme"),
		claim("inner blanks, commas and marks", `"Acme, Inc. (\"x\") \\ ~"`, `Acme, Inc. ("x") \ ~`),
		claim("outer blanks", `"  acme corp "`, "%20%20acme corp%20"),
		claim("blanks alone", `"  "`, "%20%20"),
		claim("CR LF and a header", `"a\r\nx-mcp-subject: root"`, "a%0D%0Ax-mcp-subject: root"),
		claim("NUL, TAB and DEL", `"\u0000\t\u007f"`, "%00%09%7F"),
		claim("UTF-8", `"Zoë 😀"`, "Zo%C3%AB %F0%9F%98%80"),
		claim("escaped letters", `"\u00eb\ud83d\ude00"`, "%C3%AB%F0%9F%98%80"),
		claim("a percent sign", `"100%41"`, "100%2541"),
		claim("an empty string", `""`, absent),
		claim("a list", `[ "a", "b c" ,1 ]`, `["a","b c",1]`),
		claim("a list with odd bytes", `["é\n","%"]`, `["%C3%A9\n","%25"]`),
		claim("an empty list", `[ ]`, "[]"),
		claim("an object", "{ \"k\" :\n{ } }", `{"k":{}}`),
		claim("a number", `42`, "42"),
		claim("a number that no float64 holds", `-9007199254740993.50e+400`, "-9007199254740993.50e+400"),
		claim("true", `true`, "true"),
		claim("false", `false`, "false"),
		claim("null", `null`, absent),
		{"missing", `{"a":1}`, absent},
		{"only further down", `{"a":{"c":"x"},"b":[{"c":"x"}]}`, absent},
		{"its name in another case", `{"C":"x"}`, absent},
		{"its name escaped", `{"\u0063":"x"}`, "x"},
		{"no payload", ``, absent},
		{"not an object", `["c","x"]`, absent},
		{"broken before it", `{"a":tru,"c":"x"}`, absent},
		{"broken in it", `{"c":["x"`, absent},
		{"half a surrogate pair", `{"c":"\ud83d"}`, absent},
	} {
		claims := alice()
		claims.Payload = []byte(c.payload)
		set, removed := upward(t, withToken(), passing(claims), identityHeader("x-claim", "c"))
		got, is := set["x-claim"]
		if !is {
			got = absent
		}
		if got != c.want || is == slices.Contains(removed, "x-claim") || string(claims.Payload) != c.payload {
			t.Errorf("%s: %q, want %q", c.rule, got, c.want)
		}
	}
	// The default headers hold the same way; in the list of scopes a blank separates.
	odd := authz.Claims{Subject: " a\r\nb ", ClientID: "é", Issuer: "a b", Scopes: []string{"b c", "a", "%"}}
	set, _ := upward(t, withToken(), passing(odd), identityHeader("x-url", "https://claims.example/role"))
	want := map[string]string{"x-mcp-subject": "%20a%0D%0Ab%20", "x-mcp-client-id": "%C3%A9", "x-mcp-issuer": "a b", "x-mcp-scopes": "b%20c a %25"}
	if diff := cmp.Diff(want, set); diff != "" {
		t.Errorf("default headers (-want +got):\n%s", diff)
	}
	if set, _ := upward(t, withToken(), passing(authz.Claims{Scopes: []string{"b c"}})); set["x-mcp-scopes"] != "b%20c" {
		t.Errorf("one scope with a blank: %q", set["x-mcp-scopes"])
	}
}
