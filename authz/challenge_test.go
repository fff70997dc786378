package authz_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// said is what a refusal says, whoever asked.
type said struct {
	status, code int
	oauth        string // "error" of the challenge
	challenge    bool
	scope        bool // whether the challenge names the required scopes
	text         string
}

// answers says for every Reason how it is answered (the table of docs/architecture.md). A Reason that is no refusal is one
// when it comes as an error.
func answers() map[authz.Reason]said {
	invalid := said{401, -32000, "invalid_token", true, true, "Unauthorized: The access token is invalid"}
	expired := invalid
	expired.text = "Unauthorized: The access token expired"
	unavailable := func(text string) said { return said{status: 503, code: 503, text: "Service Unavailable: " + text} }
	unchecked := unavailable("The request could not be checked")
	unjudged := unavailable("The access token cannot be judged at present")
	notFound := said{status: 404, code: 404, text: "Not Found: No protected resource is declared at this URL"}
	return map[authz.Reason]said{
		authz.Undecided: unchecked, authz.Allowed: unjudged, authz.Metadata: unjudged, authz.Preflight: unjudged,
		authz.NotCanonical:    {status: 400, code: -32600, text: "Bad Request: The host or path is not in canonical form"},
		authz.ResourceUnknown: notFound, authz.ResourceMismatch: notFound, authz.RouteMismatch: notFound,
		authz.ResourceUnusable:    unavailable("The protected resource cannot be used at present"),
		authz.OriginNotAllowed:    {status: 403, code: 403, text: "Forbidden: The Origin is not allowed"},
		authz.NoCredential:        {401, -32000, "", true, true, "Unauthorized: Missing Authorization header with Bearer token"},
		authz.MultipleCredentials: {400, -32600, "invalid_request", true, false, "Bad Request: More than one credential was sent"},
		authz.TokenMalformed:      invalid, authz.TokenType: invalid, authz.TokenAlgorithm: invalid, authz.TokenCritical: invalid,
		authz.TokenIssuer: invalid, authz.TokenExpired: expired, authz.TokenNotYetValid: invalid, authz.TokenAudience: invalid,
		authz.TokenKeyUnknown: invalid, authz.TokenSignature: invalid, authz.TokenKind: invalid, authz.TokenBound: invalid,
		authz.TokenClaims: invalid, authz.KeysUnavailable: unjudged, authz.VerifierFailed: unjudged,
		authz.UpgradeRefused:    {status: 400, code: -32600, text: "Bad Request: A protected resource cannot be upgraded to another protocol"},
		authz.MethodNotAllowed:  {status: 405, code: -32600, text: "Method Not Allowed: A protected resource takes GET HEAD POST DELETE and OPTIONS"},
		authz.InsufficientScope: {403, 403, "insufficient_scope", true, true, "Forbidden: The access token lacks a scope that this request needs"},
		authz.Overloaded:        unavailable("Too many requests are being checked"),
		authz.Canceled:          unavailable("The request could not be checked in time"),
		authz.Panicked:          unchecked,
		authz.NotConfigured:     unavailable("No configuration is in force"),
	}
}

// failing is a verifier that always comes to the same reason.
func failing(reason authz.Reason) authz.Verifier {
	return verifying(func() (authz.Claims, error) { return authz.Claims{}, reason })
}

// Every Reason has an answer, and answer and challenge agree: the whole line is
// compared, so that its order is fixed and no parameter stands in it that should not.
func TestChallenge(t *testing.T) {
	const (
		wild, tenant = "https://*.tenants.example.com/mcp", "https://a.tenants.example.com/mcp"
		dev, there   = "http://localhost:3000", "http://192.168.1.7:8080"
		address      = "https://[2001:db8::a]:8443/mcp"
	)
	table := answers()
	if len(table) != len(authz.Reasons()) {
		t.Errorf("%d reasons, answers to %d", len(authz.Reasons()), len(table))
	}
	for _, reason := range authz.Reasons() {
		want := table[reason]
		t.Run(reason.String(), func(t *testing.T) {
			for _, at := range []struct {
				url, metadata, scope string
				resource             authz.ProtectedResource
			}{
				{github, "https://mcp.example.com/.well-known/oauth-protected-resource/github/mcp", "mcp:use", declare(t, github, scopes("mcp:use"))},
				{github, "https://mcp.example.com/.well-known/oauth-protected-resource/github/mcp", "", declare(t, github)},
				{solo + "/x", "https://solo.example.com/.well-known/oauth-protected-resource", "a b c", declare(t, solo, scopes("c", "a", "b", "a"))},
				{address, "https://[2001:db8::a]:8443/.well-known/oauth-protected-resource/mcp", "mcp:use", declare(t, address, scopes("mcp:use"))},
				{tenant, "https://a.tenants.example.com/.well-known/oauth-protected-resource/mcp", "a b", declare(t, wild, scopes("b", "a"))},
				{tenant, "https://a.tenants.example.com/.well-known/oauth-protected-resource/mcp", "", declare(t, wild)},
				{there + "/", "http://192.168.1.7:8080/.well-known/oauth-protected-resource", "mcp:use", declare(t, dev, anyHost, scopes("mcp:use"))},
			} {
				at.resource.Verifier = failing(reason)
				a := deciding(t, at.resource)
				d := judge(t, a, request("POST", at.url, "authorization", "Bearer T"))
				expectSaid(t, d, want)
				line := field(d.Answer(), "www-authenticate")
				if want := expectedLine(want, at.metadata, at.scope); line != want {
					t.Errorf("%s\n got %s\nwant %s", at.url, line, want)
				}
				again := judge(t, a, request("GET", at.url, "authorization", "Bearer other"))
				if field(again.Answer(), "www-authenticate") != line {
					t.Errorf("the challenge is not the same for the same situation: %s", again.Answer().Header)
				}
			}
		})
	}
}

func expectedLine(want said, url, scope string) string {
	if !want.challenge {
		return ""
	}
	line := `Bearer resource_metadata="` + url + `"`
	if want.oauth != "" {
		line += `, error="` + want.oauth + `"`
	}
	if want.scope && scope != "" {
		line += `, scope="` + scope + `"`
	}
	if want.oauth != "" {
		_, description, _ := strings.Cut(want.text, ": ")
		line += `, error_description="` + description + `"`
	}
	return line
}

// expectSaid compares everything of a refusal but its challenge.
func expectSaid(t *testing.T, d authz.Decision, want said) {
	t.Helper()
	body := readRefusal(t, d.Answer())
	if got := d.Answer().Status; d.Allowed() || got != want.status || body.Error.Code != want.code || body.Error.Message != want.text {
		t.Errorf("%v: %d %s; want %+v", d.Reason, got, d.Answer().Body, want)
	}
	header := map[string]string{"content-type": "application/json", "cache-control": "no-store"} // E-33, A-26
	switch want.status {
	case 503:
		header["retry-after"] = "5"
	case 405:
		header["allow"] = "GET, HEAD, POST, DELETE, OPTIONS"
	}
	got := map[string]string{}
	for _, f := range d.Answer().Header {
		if _, twice := got[f.Name]; twice {
			t.Errorf("%s stands twice in %v", f.Name, d.Answer().Header)
		}
		got[f.Name] = f.Value
	}
	delete(got, "www-authenticate")
	if diff := cmp.Diff(header, got); diff != "" {
		t.Errorf("%v: header (-want +got):\n%s", d.Reason, diff)
	}
	if hasData := body.Error.Data != nil; hasData != (d.Reason != authz.NoCredential) || hasData && body.Error.Data.Decision != d.ID {
		t.Errorf("%v: decision %s in %s", d.Reason, d.ID, d.Answer().Body)
	}
	if len(d.Upstream.Set)+len(d.Upstream.Remove)+len(d.ResponseHeader) > 0 {
		t.Errorf("%v: a refusal says what goes up: %+v", d.Reason, d)
	}
}

// What two texts of a challenge tell apart, nobody may learn more from, and no home-made parser stumbles over.
func TestPublicTexts(t *testing.T) {
	descriptions := map[string][]string{}
	for reason, want := range answers() {
		d := judge(t, deciding(t, declare(t, github, verifier(failing(reason)))), request("POST", github, "authorization", "Bearer T"))
		text := param(t, d, "error_description")
		if strings.ContainsAny(text, `",=\`) || !strings.HasSuffix(want.text, text) {
			t.Errorf("%v: description %q", reason, text)
		}
		if want.oauth == "invalid_token" && !slices.Contains(descriptions[want.oauth], text) {
			descriptions[want.oauth] = append(descriptions[want.oauth], text)
		}
	}
	if len(descriptions["invalid_token"]) != 2 { // that it expired, and all else
		t.Errorf("a stranger can tell what is wrong with a token: %q", descriptions)
	}
}

// plainScope is scope-token of RFC 6749 §3.3 without what configurations refuse for the sake of home-made parsers.
var plainScope = regexp.MustCompile(`^[\x21\x23-\x2b\x2d-\x3c\x3e-\x5b\x5d-\x7e]+$`)

// FuzzChallenge: whatever is declared and whatever host is asked for, the line is visible ASCII and blanks, and a parser by
// the letter of RFC 9110 reads the same values from it.
func FuzzChallenge(f *testing.F) {
	for i, resource := range []string{github, solo, "https://*.tenants.example.com/mcp", "http://localhost:3000/a", "https://[::1]:8443/!$&'()*+:@~"} {
		f.Add(resource, "a.tenants.example.com", "mcp:use b a a", uint8(i))
		f.Add(resource, "[2001:db8::a]:80", "", uint8(9+i))
		f.Add(resource, "A.TENANTS.example.com:3000", "~ !#", uint8(28))
	}
	f.Fuzz(func(t *testing.T, resource, host, words string, number uint8) {
		id, err := metadata.ParseIdentifier(resource, metadata.IdentifierRules{InsecureAllowHTTP: true, AllowWildcard: true})
		required := strings.Fields(words)
		if err != nil || strings.ContainsAny(id.Path, `",=`) || slices.ContainsFunc(required, func(s string) bool { return !plainScope.MatchString(s) }) {
			return // no configuration declares it
		}
		reason := authz.Reason(number)
		for _, edits := range [][]func(*authz.ProtectedResource){{}, {anyHost}} {
			p := declare(t, resource, append(edits, scopes(required...), verifier(failing(reason)))...)
			sent := id.Host
			if p.InsecureAnyHost || strings.HasPrefix(sent, "*.") {
				sent = host
			}
			d := judge(t, deciding(t, p), &authz.Request{Method: "POST", Host: sent, Path: id.Path + "/", Headers: []authz.Header{{Name: "authorization", Value: "Bearer T"}}})
			line := field(d.Answer(), "www-authenticate")
			if i := strings.IndexFunc(line, func(r rune) bool { return r < 0x20 || r > 0x7e }); i >= 0 {
				t.Errorf("byte %d of %q", i, line)
			}
			want, judged := answers()[reason]
			if d.Resource == "" || !judged || !want.challenge {
				if line != "" {
					t.Errorf("%v has a challenge: %q", d.Reason, line)
				}
				continue
			}
			at := strings.ToLower(sent)
			if !p.InsecureAnyHost { // a default port that was sent is not part of the URL
				at = strings.TrimSuffix(at, ":"+metadata.DefaultPort(id.Scheme))
			}
			at = strings.Replace(id.URL(), "://"+id.Host, "://"+at, 1)
			scheme, params, err := parseChallenge(line)
			list := strings.Join(slices.Compact(slices.Sorted(slices.Values(required))), " ")
			if wantScheme, wantParams, _ := parseChallenge(expectedLine(want, at, list)); err != nil || scheme != wantScheme || !slices.Equal(params, wantParams) {
				t.Errorf("%q: %v, %v; want %v", line, params, err, wantParams)
			}
		}
	})
}
