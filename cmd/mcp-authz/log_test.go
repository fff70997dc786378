package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// Exactly one line for each check, with the documented fields and no other, and with the id that the answer names.
func TestDecisionLine(t *testing.T) {
	issuer := authorizationServer(t)
	p := start(t, anyPorts+corp(issuer)+githubWithScope)
	p.log.wait(t, "ready", 1)
	token := func(scope string) authztest.HTTP {
		return with(issuer.Mint(map[string]any{"aud": audience, "scope": scope}))
	}
	claimed := token("mcp:use")
	claimed.Header = append(claimed.Header, [2]string{"Mcp-Method", "tools/call"}, [2]string{"Mcp-Name", "get_issue"})

	always := map[string]any{fieldResource: "github", fieldMethod: "POST", fieldHost: "mcp.example.com", fieldPath: "/github/mcp"}
	who := map[string]any{fieldIssuer: issuer.URL(), fieldSubject: "user-1", fieldClientID: "client-1"}
	for n, c := range []struct {
		what    string
		request authztest.HTTP
		want    map[string]any
	}{
		{"allow", token("mcp:use"), merged(always, who, map[string]any{fieldOutcome: outcomeAllow, fieldReason: "allowed", fieldStatus: 200.0})},
		{"allow, with what the client claims of its message", claimed, merged(always, who, map[string]any{
			fieldOutcome: outcomeAllow, fieldReason: "allowed", fieldStatus: 200.0, fieldMCPMethod: "tools/call", fieldMCPName: "get_issue",
		})},
		{"no token", anonymous(), merged(always, map[string]any{fieldOutcome: outcomeDeny, fieldReason: "no_credential", fieldStatus: 401.0})},
		{"a bad token: nothing that it says is believed", with(issuer.Mint(map[string]any{"aud": "https://elsewhere.example.com"})), merged(always, map[string]any{
			fieldOutcome: outcomeDeny, fieldReason: "token_audience", fieldStatus: 401.0,
		})},
		{"a good token without the scope", token("other"), merged(always, who, map[string]any{fieldOutcome: outcomeDeny, fieldReason: "insufficient_scope", fieldStatus: 403.0})},
		{"no such resource", authztest.HTTP{Method: "GET", Path: "/x", Host: "other.example.com"}, map[string]any{
			fieldResource: "", fieldMethod: "GET", fieldHost: "other.example.com", fieldPath: "/x", fieldOutcome: outcomeDeny, fieldReason: "resource_unknown", fieldStatus: 404.0,
		}},
		{"a document", authztest.HTTP{Method: "GET", Path: "/.well-known/oauth-protected-resource/github/mcp", Host: "mcp.example.com"}, map[string]any{
			fieldResource: "", fieldMethod: "GET", fieldHost: "mcp.example.com", fieldPath: "/.well-known/oauth-protected-resource/github/mcp",
			fieldOutcome: outcomeAnswer, fieldReason: "metadata", fieldStatus: 200.0,
		}},
	} {
		v := p.check(c.request)
		line := p.log.wait(t, "decision", n+1)
		id, _ := line[fieldDecision].(string)
		if len(id) != 16 || line["level"] != "INFO" || line["time"] == "" {
			t.Errorf("%s: id %q, level %v, time %v", c.what, id, line["level"], line["time"])
		}
		if _, isNumber := line[fieldTook].(float64); !isNumber {
			t.Errorf("%s: %s is %v", c.what, fieldTook, line[fieldTook])
		}
		var answer struct {
			Error struct{ Data struct{ Decision string } }
		}
		if c.want[fieldOutcome] == outcomeDeny && c.want[fieldReason] != "no_credential" {
			if err := json.Unmarshal([]byte(v.Body), &answer); err != nil || answer.Error.Data.Decision != id {
				t.Errorf("%s: the answer names %q, the line %q (%v)", c.what, answer.Error.Data.Decision, id, err)
			}
		}
		for _, f := range []string{"time", "level", "msg", fieldDecision, fieldTook} {
			delete(line, f)
		}
		if diff := cmp.Diff(c.want, line); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
		if got := len(p.log.all("decision")); got != n+1 {
			t.Errorf("%s: %d lines for %d checks", c.what, got, n+1)
		}
	}
}

func merged(all ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

// log.decisions, and log.level, choose which decisions get a line; a reload changes them. Metrics count all.
func TestWhichDecisionsGetALine(t *testing.T) {
	issuer := authorizationServer(t)
	p := start(t, anyPorts+corp(issuer)+github)
	p.log.wait(t, "ready", 1)
	p.settled()
	rounds, lines := 0, 0
	for _, c := range []struct {
		log  string
		want []string
	}{
		{"decisions: all", []string{"allowed", "metadata", "no_credential"}},
		{"decisions: denied", []string{"no_credential"}},
		{"decisions: none", nil},
		{"level: warn", nil},
		{"decisions: all, level: debug", []string{"allowed", "metadata", "no_credential"}},
	} {
		rounds++
		p.write(anyPorts + "log: { " + c.log + " }\n" + corp(issuer) + github)
		eventually(t, "the configuration to apply", func() bool { return p.metric(metricConfigGood) == "1" })
		p.check(with(good(issuer)))
		p.check(authztest.HTTP{Method: "GET", Path: "/.well-known/oauth-protected-resource/github/mcp", Host: "mcp.example.com"})
		p.check(anonymous())
		var got []string
		for _, line := range p.settled()[lines:] {
			got = append(got, line[fieldReason].(string))
		}
		lines += len(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.log, diff)
		}
	}
	series := metricDecisions + `{outcome="allow",reason="allowed",resource="github"}`
	if got := p.metric(series); got != "5" {
		t.Errorf("%s is %s, want all %d", series, got, rounds)
	}
}

// Invariant 4, B-38, A-27, B-25: whatever is secret, or chosen by somebody to look so, stands in no log line, metric or
// answer, not even at the level debug. The markers are in tokens good and bad, in all their parts, in key ids, in queries,
// in credentials of other kinds, in bodies, and in what the key server says.
func TestSecretsStayWithin(t *testing.T) {
	issuer, broken, hostile := authorizationServer(t), authorizationServer(t), authorizationServer(t)
	key := authztest.GenerateEd25519("MARKER-kid-of-the-key")
	issuer.AddKey(key)
	broken.Fail(authztest.JWKS, authztest.Fault{Kind: authztest.Status500}) // "the key is kept elsewhere"
	hostile.SetJWKS([]byte(`{"keys": "MARKER-key-server-text"}`))
	config := anyPorts + "log: { level: debug }\nlimits: { checkDeadline: 50ms }\n" + corp(issuer) +
		"- { name: broken, issuer: \"" + broken.URL() + "\" }\n- { name: hostile, issuer: \"" + hostile.URL() + "\", jwksURL: \"" + hostile.JWKSURL() + "?MARKER-url\" }\n" +
		strings.Replace(github, "[corp]", "[corp, broken, hostile]", 1)
	p := start(t, config)
	p.log.wait(t, "ready", 1)

	var tokens []string
	mint := func(tok authztest.Token) authztest.HTTP {
		c := tok.Compact()
		tokens = append(tokens, c)
		return with(c)
	}
	token := func(claims map[string]any) authztest.Token {
		return issuer.Token(merged(map[string]any{"aud": audience, "jti": "MARKER-jti"}, claims))
	}
	changed := func(change func(*authztest.Token)) authztest.HTTP {
		tok := token(nil)
		change(&tok)
		return mint(tok)
	}
	header := func(fields ...[2]string) authztest.HTTP {
		r := anonymous()
		r.Header = fields
		return r
	}
	path := func(p string) authztest.HTTP {
		r := mint(token(nil))
		r.Path = p
		return r
	}
	requests := map[string]struct {
		authztest.HTTP
		reason string
	}{
		"good token":             {mint(token(nil)), "allowed"},
		"bad signature":          {changed(func(t *authztest.Token) { t.Sign = authztest.HMAC([]byte("x")) }), ""},
		"unknown key":            {changed(func(t *authztest.Token) { t.Header["kid"] = "MARKER-unknown-kid" }), ""},
		"claims of a bad token":  {mint(token(map[string]any{"aud": "MARKER-aud", "sub": "MARKER-sub", "client_id": "MARKER-client"})), "token_audience"},
		"foreign issuer":         {mint(token(map[string]any{"iss": "https://MARKER-iss.example.com"})), "token_issuer"},
		"expired":                {mint(token(map[string]any{"exp": 1, "sub": "MARKER-sub"})), "token_expired"},
		"odd type":               {changed(func(t *authztest.Token) { t.Header["typ"] = "MARKER-typ" }), "token_type"},
		"odd algorithm":          {changed(func(t *authztest.Token) { t.Header["alg"], t.Sign = "MARKER-alg", authztest.HMAC([]byte("x")) }), "token_algorithm"},
		"keys cannot be had":     {mint(broken.Token(map[string]any{"aud": audience, "jti": "MARKER-jti"})), "keys_unavailable"},
		"key server talks":       {mint(hostile.Token(map[string]any{"aud": audience, "jti": "MARKER-jti"})), "keys_unavailable"},
		"no token at all":        {with("MARKER-opaque"), "token_malformed"},
		"two tokens":             {header([2]string{"Authorization", "Bearer MARKER-1"}, [2]string{"Authorization", "Bearer MARKER-2"}), "multiple_credentials"},
		"another scheme":         {header([2]string{"Authorization", "Basic MARKER-basic"}), "no_credential"},
		"other credentials":      {header([2]string{"Cookie", "session=MARKER-cookie"}, [2]string{"X-Api-Key", "MARKER-api-key"}, [2]string{"Mcp-Session-Id", "MARKER-session"}), "no_credential"},
		"token in the query":     {path("/github/mcp?access_token=MARKER-query"), "allowed"},
		"query of a wrong path":  {path("/elsewhere?access_token=MARKER-query"), "resource_unknown"},
		"query that is not read": {path("/github//mcp?access_token=MARKER-query"), "not_canonical"},
		"a fragment":             {path("/github/mcp#access_token=MARKER-fragment"), "not_canonical"},
		"an encoded query":       {path("/github/mcp%3faccess_token=MARKER-query"), "not_canonical"},
		"wholly encoded":         {path("/github/mcp%3Faccess_token%3DMARKER-query"), "not_canonical"},
		"encoded twice":          {path("/github/mcp%253Faccess_token%253DMARKER-query"), "not_canonical"},
		"an encoded fragment":    {path("/github/mcp%23access_token%3dMARKER-fragment"), "not_canonical"},
		"a parameter":            {path("/github/mcp;access_token=MARKER-query"), "not_canonical"},
		"an encoded parameter":   {path("/github/mcp%3baccess_token=MARKER-query"), "not_canonical"},
		"a misplaced query":      {path("/github/mcp/&access_token=MARKER-query"), "allowed"},
		"misplaced and encoded":  {path("/github/mcp/%26access_token=MARKER-query"), "allowed"},
		"a lone value":           {path("/github/mcp/t=MARKER-query"), "allowed"},
		"a lone encoded value":   {path("/github/mcp/t%3DMARKER-query"), "allowed"},
		"the body":               {authztest.HTTP{Method: "POST", Path: "/github/mcp", Host: "mcp.example.com", Body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"MARKER-tool"}}`}, "no_credential"},
	}
	var said strings.Builder
	for what, r := range requests {
		v := p.check(r.HTTP)
		if r.reason != "" && v.Reason != r.reason {
			t.Errorf("%s: %s, want %s", what, v.Reason, r.reason)
		}
		v.RemoveQuery = nil // the name alone
		said.WriteString(v.String())
	}
	for _, url := range []string{"http://" + p.metadata + "/.well-known/oauth-protected-resource?access_token=MARKER-query", "http://" + p.metadata + "/MARKER-path?x=MARKER-query", "http://" + p.admin + "/readyz", "http://" + p.admin + "/metrics"} {
		_, body := get(t, url)
		said.WriteString(body)
	}
	if n := len(p.settled()); n != len(requests) {
		t.Errorf("%d lines for %d checks", n, len(requests))
	}
	said.WriteString(p.log.text())

	secrets := []string{"MARKER", "access_token", "key is kept elsewhere", "key-1"}
	for _, token := range tokens {
		secrets = append(secrets, strings.Split(token, ".")...)
	}
	for _, secret := range secrets {
		if at := strings.Index(said.String(), secret); at >= 0 {
			from := max(0, at-200)
			t.Errorf("%.20q… stands where everybody can read it: …%s…", secret, said.String()[from:at+20])
		}
	}
}

// The logged path ends where a query begins, however it is spelled, and nowhere else.
func TestPathWithoutQuery(t *testing.T) {
	for path, want := range map[string]string{
		"": "", "/": "/", "/github/mcp": "/github/mcp", "/a%20b/~c@d:e,f%2": "/a%20b/~c@d:e,f%2", "/50%": "/50%", "/%3": "/%3",
		"/a?b": "/a", "/a#b": "/a", "/a;b": "/a", "/a&b": "/a", "/a=b": "/a", "?b": "", "/a/?b#c": "/a/",
		"/a%3fb": "/a", "/a%3Fb": "/a", "/a%3F": "/a", "/a%23b": "/a", "/a%3bb": "/a", "/a%3Bb": "/a", "/a%26b": "/a",
		"/a%3db": "/a", "/a%3Db": "/a", "/a%253fb": "/a", "/%%3fb": "/%", "/a%20%3fb?c": "/a%20",
	} {
		if got := withoutQuery(path); got != want {
			t.Errorf("%q is logged as %q, want %q", path, got, want)
		}
	}
}

// What a client can write into the log is bounded, and stays on its line.
func TestFieldsAreCut(t *testing.T) {
	issuer := authorizationServer(t)
	p := start(t, anyPorts+corp(issuer)+github)
	p.log.wait(t, "ready", 1)
	long := strings.Repeat("ü", 1000)
	r := with(issuer.Mint(map[string]any{"aud": audience, "sub": long, "client_id": long + "\n{\"msg\":\"decision\"}"}))
	r.Header = append(r.Header, [2]string{"Mcp-Method", long}, [2]string{"Mcp-Name", long})
	wantAllowed(t, "long claims", p.check(r))
	wantRefused(t, "long host and path", p.check(authztest.HTTP{Method: long, Host: long, Path: "/" + long}), 400, "not_canonical")
	lines := p.settled()
	if len(lines) != 2 {
		t.Fatalf("%d lines, want 2", len(lines))
	}
	for _, line := range lines {
		for name, value := range line {
			if s, _ := value.(string); len(s) > maxFieldBytes+len("…") || strings.ContainsRune(s, '\uFFFD') {
				t.Errorf("%s has %d bytes: %q", name, len(s), s)
			}
		}
	}
	for n, fields := range [][]string{{fieldSubject, fieldClientID, fieldMCPMethod, fieldMCPName}, {fieldMethod, fieldHost, fieldPath}} {
		for _, f := range fields {
			if s, _ := lines[n][f].(string); !strings.HasSuffix(s, "…") {
				t.Errorf("%s does not say that it was cut: %q", f, s)
			}
		}
	}
}

// settled are the decision lines, once all there are have arrived here. A file that is not good is always complained of, and
// lines stay in order.
func (p *process) settled() []map[string]any {
	p.t.Helper()
	before := len(p.log.all(rejected))
	p.write("")
	p.log.wait(p.t, rejected, before+1)
	return p.log.all("decision")
}
