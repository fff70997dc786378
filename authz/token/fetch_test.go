package token_test

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// site is the web as a fetch sees it: documents by their URLs, 404 elsewhere, and what was asked for.
type site struct {
	mu        sync.Mutex
	documents map[string]found
	asked     []string
}

// found is what lies at a URL; the zero values mean 200, application/json and {}.
type found struct {
	status         int
	mediaType      string
	body, location string
	stream         io.Reader // instead of body
	hangs          bool      // in the middle of the body
}

// RoundTrip implements http.RoundTripper.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.String())
	d, there := s.documents[r.URL.String()]
	if !there {
		d.status = http.StatusNotFound
	}
	if d.status == 0 {
		d.status = http.StatusOK
	}
	if d.mediaType == "" {
		d.mediaType = "application/json"
	}
	if d.stream == nil {
		d.stream = strings.NewReader(d.body)
	}
	if d.hangs {
		d.stream = io.MultiReader(d.stream, until{r.Context()})
	}
	header := http.Header{"Content-Type": {d.mediaType}}
	if d.location != "" {
		header.Set("Location", d.location)
	}
	return &http.Response{StatusCode: d.status, Header: header, Body: io.NopCloser(d.stream), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// until is a body that never comes.
type until struct{ context.Context }

func (u until) Read([]byte) (int, error) {
	<-u.Done()
	return 0, u.Err()
}

// counted are blanks without end, and how many of them were read.
type counted struct{ n int }

func (c *counted) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	c.n += len(b)
	return len(b), nil
}

func metadataOf(issuer, keys string) found {
	return found{body: `{"issuer":"` + issuer + `","jwks_uri":"` + keys + `","unknown":[]}`}
}

// TestDiscovery says for what an authorization server publishes whether its keys are found, and what was asked for on the way.
func TestDiscovery(t *testing.T) {
	const (
		as       = "https://as.example"
		tenant   = as + "/t1"
		keys     = as + "/keys"
		oauth    = as + "/.well-known/oauth-authorization-server"
		openid   = as + "/.well-known/openid-configuration"
		appended = tenant + "/.well-known/openid-configuration"
	)
	good := found{body: string(keySet(ecKey().JWK(nil)))}
	all := []string{oauth + "/t1", openid + "/t1", appended}
	at := func(documents ...any) map[string]found { // URL, document, …
		m := map[string]found{keys: good}
		for i := 0; i < len(documents); i += 2 {
			m[documents[i].(string)] = documents[i+1].(found)
		}
		return m
	}
	plain := func(d found, change func(*found)) found { change(&d); return d }
	hanging := plain(metadataOf(tenant, keys), func(d *found) { d.hangs = true })
	for _, c := range []struct {
		rule, issuer string
		documents    map[string]found
		asked        []string
		cause        string // "" if keys are found
	}{
		{"D-01 the path of the issuer is inserted", tenant, at(oauth+"/t1", metadataOf(tenant, keys)), []string{oauth + "/t1", keys}, ""},
		{"D-01 an origin", as, at(oauth, metadataOf(as, keys)), []string{oauth, keys}, ""},
		{"D-01 a final slash is removed, and stays in the name, C-09", tenant + "/", at(oauth+"/t1", metadataOf(tenant+"/", keys)), []string{oauth + "/t1", keys}, ""},
		{"D-01 the slash of an origin", as + "/", at(oauth, metadataOf(as+"/", keys)), []string{oauth, keys}, ""},
		{"D-02 OpenID Connect, inserted", tenant, at(openid+"/t1", metadataOf(tenant, keys)), []string{oauth + "/t1", openid + "/t1", keys}, ""},
		{"D-02 OpenID Connect, appended", tenant, at(appended, metadataOf(tenant, keys)), append(slices.Clone(all), keys), ""},
		{"D-02 appended, the final slash is not doubled", tenant + "/", at(appended, metadataOf(tenant+"/", keys)), append(slices.Clone(all), keys), ""},
		{"D-02 nothing anywhere", tenant, at(), all, "an answer other than 200"},
		{"D-02 nothing anywhere, an origin", as, at(), []string{oauth, openid}, "an answer other than 200"},

		{"D-03 another issuer", tenant, at(oauth+"/t1", metadataOf(as+"/t2", keys)), all, "a metadata document of another issuer"},
		{"D-03 a slash more", tenant, at(oauth+"/t1", metadataOf(tenant+"/", keys)), all, "a metadata document of another issuer"},
		{"D-03 a slash less", tenant + "/", at(oauth+"/t1", metadataOf(tenant, keys)), all, "a metadata document of another issuer"},
		{"D-03 another case of the host", tenant, at(oauth+"/t1", metadataOf("https://AS.example/t1", keys)), all, "a metadata document of another issuer"},
		{"D-03 the default port", tenant, at(oauth+"/t1", metadataOf("https://as.example:443/t1", keys)), all, "a metadata document of another issuer"},
		{"D-03 an escape", tenant, at(oauth+"/t1", metadataOf(as+"/%741", keys)), all, "a metadata document of another issuer"},
		{"D-03 no issuer", tenant, at(oauth+"/t1", found{body: `{"jwks_uri":"` + keys + `"}`}), all, "a metadata document of another issuer"},
		{"D-03 two issuers", tenant, at(oauth+"/t1", found{body: `{"issuer":"` + as + `","issuer":"` + tenant + `","jwks_uri":"` + keys + `"}`}), all, "a metadata document that is not a JSON object"},
		{"D-03 a right document after a wrong one", tenant, at(oauth+"/t1", metadataOf(as+"/t2", as+"/other"), openid+"/t1", metadataOf(tenant, keys)), []string{oauth + "/t1", openid + "/t1", keys}, ""},

		{"D-04 keys over plain http, D-06", tenant, at(oauth+"/t1", metadataOf(tenant, "http://as.example/keys"), "http://as.example/keys", good), all, "a metadata document without a usable jwks_uri"},
		{"D-04 keys with user information", tenant, at(oauth+"/t1", metadataOf(tenant, "https://u@as.example/keys")), all, "a metadata document without a usable jwks_uri"},
		{"D-04 keys at no URL", tenant, at(oauth+"/t1", metadataOf(tenant, "/keys")), all, "a metadata document without a usable jwks_uri"},
		{"D-05 HTML", tenant, at(oauth+"/t1", found{mediaType: "text/html", body: "<html></html>"}), all, "a metadata document that is not a JSON object"},
		{"D-05 JSON under the name of HTML", tenant, at(oauth+"/t1", plain(metadataOf(tenant, keys), func(d *found) { d.mediaType = "text/html" })), all, "a metadata document that is not a JSON object"},
		{"D-05 a charset is tolerated", tenant, at(oauth+"/t1", plain(metadataOf(tenant, keys), func(d *found) { d.mediaType = "application/json; charset=utf-8" })), []string{oauth + "/t1", keys}, ""},
		{"D-05 a list", tenant, at(oauth+"/t1", found{body: `[]`}), all, "a metadata document that is not a JSON object"},
		{"D-05 204", tenant, at(oauth+"/t1", plain(metadataOf(tenant, keys), func(d *found) { d.status = 204 })), all, "an answer other than 200"},
		{"D-05 404 with a document", tenant, at(oauth+"/t1", plain(metadataOf(tenant, keys), func(d *found) { d.status = 404 })), all, "an answer other than 200"},
		{"D-05 500 with a document", tenant, at(oauth+"/t1", plain(metadataOf(tenant, keys), func(d *found) { d.status = 500 })), all, "an answer other than 200"},

		{"D-12 a redirect within the origin", tenant, at(oauth+"/t1", found{status: 302, location: as + "/moved"}, as+"/moved", metadataOf(tenant, keys)), []string{oauth + "/t1", as + "/moved", keys}, ""},
		{"D-12 a redirect to another origin", tenant, at(oauth+"/t1", found{status: 302, location: "https://evil.example/x"}, "https://evil.example/x", metadataOf(tenant, keys)), all, "an answer other than 200"},
		{"D-12 a redirect to loopback", tenant, at(oauth+"/t1", found{status: 307, location: "https://127.0.0.1/x"}), all, "an answer other than 200"},
		{"D-12 a redirect to plain http", tenant, at(oauth+"/t1", found{status: 308, location: "http://as.example/x"}, "http://as.example/x", metadataOf(tenant, keys)), all, "an answer other than 200"},
		{"D-12 a redirect of the keys", tenant, at(oauth+"/t1", metadataOf(tenant, as+"/moving"), as+"/moving", found{status: 302, location: "https://evil.example/keys"}, "https://evil.example/keys", good), []string{oauth + "/t1", as + "/moving"}, "an answer other than 200"},
		{"D-12 metadata without end", tenant, at(oauth+"/t1", found{stream: &counted{}}), all, "a document over the size limit"},
		{"D-12 a body that never comes", tenant, at(oauth+"/t1", hanging), all, "no answer, or not in time"},
		{"D-12 all bodies never come", tenant, at(oauth+"/t1", hanging, openid+"/t1", hanging, appended, hanging), all, "no answer, or not in time"},
		{"D-02 D-12 the second, after one that never comes", tenant, at(oauth+"/t1", hanging, openid+"/t1", metadataOf(tenant, keys)), []string{oauth + "/t1", openid + "/t1", keys}, ""},
		{"D-02 D-12 the third, after two that never come", tenant, at(oauth+"/t1", hanging, openid+"/t1", hanging, appended, metadataOf(tenant, keys)), append(slices.Clone(all), keys), ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, logged, start := &site{documents: c.documents}, &buffer{}, time.Now()
				i := run(t, token.Config{
					Name: "as", Issuer: c.issuer, Leeway: leeway, RefreshInterval: time.Hour, MaxStaleness: time.Hour, CacheEntries: 10,
					Transport: s, Log: slog.New(slog.NewJSONHandler(logged, nil)),
				})
				<-i.Attempted()
				if took := time.Since(start); took > token.FetchTimeout {
					t.Errorf("the fetch took %v", took)
				}
				s.mu.Lock()
				asked := s.asked
				s.mu.Unlock()
				if diff := cmp.Diff(c.asked, asked); diff != "" {
					t.Errorf("asked for (-want +got):\n%s", diff)
				}
				status := i.Status()
				if found := status.Keys == 1 && !status.Failing; found != (c.cause == "") {
					t.Errorf("%+v", status)
				}
				if c.cause != "" && !strings.Contains(logged.String(), `"cause":"`+c.cause+`"`) {
					t.Errorf("the log does not say why: %s", logged)
				}
				// Where nothing is found nobody knows (503); where something is, a token of it passes.
				want := authz.Allowed
				if c.cause != "" {
					want = authz.KeysUnavailable
				}
				p := place{id: places()["github"].id}
				server := newServer(t, resource(t, "github", p, token.NewVerifier(i)))
				made := authztest.NewIssuerWithKey(c.issuer, ecKey()).Mint(object{"aud": p.id})
				judged(t, checkAt(t, server, p.id, made, authztest.RawForm), want)
			})
		})
	}
}

// TestKeysWithoutEnd: D-12: of a document over its limit no more is read than shows that it is.
func TestKeysWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blanks := &counted{}
		s := &site{documents: map[string]found{"https://as.example/keys": {stream: blanks}}}
		i := run(t, token.Config{
			Name: "as", Issuer: "https://as.example", JWKSURL: "https://as.example/keys", RefreshInterval: time.Hour, MaxStaleness: time.Hour,
			CacheEntries: 10, Transport: s,
		})
		<-i.Attempted()
		if blanks.n > token.MaxKeysBytes+64<<10 || !i.Status().Failing {
			t.Errorf("%d bytes read of a document that may have %d: %+v", blanks.n, token.MaxKeysBytes, i.Status())
		}
	})
}

// TestCertificates: D-04: an authorization server that cannot prove its name has no keys, as if it were down.
func TestCertificates(t *testing.T) {
	corp := authztest.NewIssuerWithKey("", ecKey())
	server := httptest.NewUnstartedServer(corp)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it will complain of us
	server.StartTLS()
	t.Cleanup(server.Close)
	i := run(t, token.Config{
		Name: "as", Issuer: server.URL, JWKSURL: server.URL + authztest.JWKS, RefreshInterval: time.Hour, MaxStaleness: time.Hour, CacheEntries: 10,
	})
	<-i.Attempted()
	if s := i.Status(); !s.Failing || s.Keys != 0 || corp.Fetches(authztest.JWKS) != 0 {
		t.Errorf("%+v, %d fetches", s, corp.Fetches(authztest.JWKS))
	}
}

// TestPinnedKeys: D-13: where the key URL is declared nothing is discovered, so nothing but that URL need work.
func TestPinnedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, func(c *token.Config, i *authztest.Issuer) {
			direct(c, i)
			i.Fail(authztest.OAuthMetadata, authztest.Fault{Kind: authztest.Refuse})
			i.Fail(authztest.OpenIDMetadata, authztest.Fault{Kind: authztest.Refuse})
		})
		o.check(o.good(), authz.Allowed)
		if n := o.Fetches(authztest.OAuthMetadata) + o.Fetches(authztest.OpenIDMetadata); n != 0 {
			t.Errorf("%d metadata documents asked for", n)
		}
	})
}

// TestNobodyChoosesAFetch: D-11: what a token says of keys and issuers is never asked for.
func TestNobodyChoosesAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{documents: map[string]found{"https://as.example/keys": {body: string(keySet(ecKey().JWK(nil)))}}}
		i := run(t, token.Config{
			Name: "as", Issuer: corpURL, JWKSURL: "https://as.example/keys", RefreshInterval: time.Hour, MaxStaleness: time.Hour,
			CacheEntries: 10, Transport: s,
		})
		<-i.Attempted()
		p := places()["github"]
		server := newServer(t, resource(t, "github", p, token.NewVerifier(i)))
		const evil = "http://169.254.169.254/latest"
		for name, edits := range map[string][]edit{
			"iss":                 {claim("iss", evil)},
			"jku":                 {by(stranger()), kid("ec"), header("jku", evil)},
			"x5u":                 {by(stranger()), kid("ec"), header("x5u", evil)},
			"a kid that is a URL": {by(ecKey()), kid(evil)},
		} {
			_, compact := newDraft(edits...).mint()
			if v := checkAt(t, server, p.id, compact, authztest.RawForm); v.Allowed {
				t.Errorf("%s: allowed", name)
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, u := range s.asked {
			if u != "https://as.example/keys" {
				t.Errorf("a token made us ask for %s", u)
			}
		}
	})
}
