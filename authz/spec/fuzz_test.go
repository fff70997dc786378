package spec_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// FuzzLoad: whatever a file holds, Load says either what it means or what is wrong with it. What it means compiles, and every
// answer of every resource then has headers of 0x20–0x7E alone, a challenge that an independent grammar reads, and a document
// that is the resource's., C-12.
func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		for _, name := range files(f, folder) {
			f.Add(read(f, name))
		}
	}
	f.Add([]byte(declared))
	f.Fuzz(checkFile)
}

// FuzzStrings puts any strings at the places of a file that answers are made from. The property is that of FuzzLoad.
func FuzzStrings(f *testing.F) {
	f.Add("https://mcp.example.com/github/mcp", "https://idp.example.com", "mcp:use", "repo:write", "https://inspector.example.com", "x-email", "api://github", "GitHub")
	f.Add("https://*.example.com:8443/a,b", "http://localhost:9000", "a\"b", "é", "null", "x-mcp-subject", "", "\x00")
	f.Add("http://[::1]:3000", "https://idp.example.com/\r\nx: y", "offline_access", "a b", "http://localhost", "x-", "a", "https://docs")
	f.Fuzz(func(t *testing.T, resource, issuer, scope, broad, origin, header, audience, text string) {
		data, err := json.Marshal(map[string]any{
			"authorizationServers": []any{map[string]any{"name": "corp", "issuer": issuer}},
			"resources": []any{map[string]any{
				"name": "github", "resource": resource, "authorizationServers": []string{"corp"},
				"scopes":    map[string]any{"required": []string{scope}, "implies": map[string]any{broad: []string{scope}}},
				"audiences": []string{audience}, "allowedOrigins": []string{origin}, "identityHeaders": map[string]any{header: text},
				"resourceName": text, "insecureAllowHTTP": true, "insecureAnyHost": len(text)%2 == 1,
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		checkFile(t, data)
	})
}

func checkFile(t *testing.T, data []byte) {
	file, problems := spec.Load(data)
	bad := false
	for _, p := range problems {
		bad = bad || !p.Warning
		if text := p.String(); !sayable.MatchString(text) || strings.ContainsAny(text, "\r\n") {
			t.Errorf("a problem that does not say, on one line, where, what was found and what was expected: %q", text)
		}
	}
	if bad != (file == nil) {
		t.Fatalf("a file (%t) together with %v", file != nil, problems)
	}
	if file == nil {
		return
	}
	a := authorizer(t, file, &stub{claims: authz.Claims{Subject: "a", Payload: []byte(`{}`)}})
	for i := range file.Resources {
		checkResource(t, a, &file.Resources[i])
	}
}

// RFC 9110 §11.2 with the scope set of RFC 6749 §3.3, written down anew.
var (
	challengeForm = regexp.MustCompile(`^Bearer resource_metadata="(https?://[!#-+\--<>-\[\]-~]+)"(?:, scope="([^"]*)")?$`)
	scopeForm     = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*$`)
	headerName    = regexp.MustCompile(`^[a-z0-9-]+$`)
)

func checkResource(t *testing.T, a *authz.Authorizer, r *spec.ProtectedResource) {
	t.Helper()
	target := strings.Replace(r.Resource, "://*.", "://label-of-nobody.", 1)
	if r.InsecureAnyHost { // others may declare its own host
		u, err := url.Parse(r.Resource)
		if err != nil {
			t.Fatal(err)
		}
		target = u.Scheme + "://host-of-nobody" + u.Path
	}
	d := a.Authorize(t.Context(), plain("POST", target))
	checkBytes(t, d)
	parts := challengeForm.FindStringSubmatch(header(d, "www-authenticate"))
	if d.Reason != authz.NoCredential || d.Resource != r.Name || parts == nil {
		t.Fatalf("%s: %v of %q with %q", target, d.Reason, d.Resource, header(d, "www-authenticate"))
	}
	if scope := parts[2]; strings.Contains(parts[0], "scope=") && !scopeForm.MatchString(scope) || strings.Contains(" "+scope+" ", " offline_access ") {
		t.Errorf("%s: scope %q", target, scope)
	}
	d = a.Authorize(t.Context(), plain("GET", parts[1]))
	checkBytes(t, d)
	var document map[string]any
	if err := json.Unmarshal(d.Answer().Body, &document); err != nil || d.Answer().Status != http.StatusOK || document["resource"] != target {
		t.Fatalf("%s: %d %s, %v", parts[1], d.Answer().Status, d.Answer().Body, err)
	}
	for name, value := range document {
		if list, is := value.([]any); value == nil || value == "" || is && len(list) == 0 {
			t.Errorf("%s: an empty member %q: %s", parts[1], name, d.Answer().Body)
		}
	}
	for _, origin := range r.AllowedOrigins {
		checkBytes(t, a.Authorize(t.Context(), plain("OPTIONS", target, authz.Header{Name: "origin", Value: origin}, authz.Header{Name: "access-control-request-method", Value: "POST"})))
	}
	d = a.Authorize(t.Context(), plain("POST", target, bearer))
	if !d.Allowed() {
		checkBytes(t, d)
	}
	for _, h := range d.Upstream.Set {
		if !headerName.MatchString(h.Name) {
			t.Errorf("%s: header %q for the upstream", target, h.Name)
		}
	}
	for _, name := range d.Upstream.Remove {
		if !headerName.MatchString(name) {
			t.Errorf("%s: header %q to remove", target, name)
		}
	}
}

// plain is a request for a canonical URL, without a parser that could mend it.
func plain(method, target string, headers ...authz.Header) *authz.Request {
	_, rest, _ := strings.Cut(target, "://")
	host, path, _ := strings.Cut(rest, "/")
	return &authz.Request{Method: method, Host: host, Path: "/" + path, Headers: headers}
}

func checkBytes(t *testing.T, d authz.Decision) {
	t.Helper()
	for _, h := range d.Answer().Header {
		if !headerName.MatchString(h.Name) {
			t.Errorf("header name %q", h.Name)
		}
		for i := range len(h.Value) {
			if h.Value[i] < 0x20 || h.Value[i] > 0x7e {
				t.Errorf("header %s: %q", h.Name, h.Value)
			}
		}
	}
}
