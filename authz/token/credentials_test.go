package token_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// secured is an issuer behind TLS with a certificate that no system trusts, and what was shown to it.
type secured struct {
	*httptest.Server
	*authztest.Issuer
	ca string // a file with its certificate

	mu    sync.Mutex
	wants string // the bearer token, if any
	shown map[string][]string
}

func secure(t *testing.T) *secured {
	t.Helper()
	s := &secured{shown: map[string][]string{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	s.Issuer = authztest.NewIssuerWithKey(s.Server.URL, ecKey())
	s.ca = filepath.Join(t.TempDir(), "ca.crt")
	replace(t, s.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return s
}

func (s *secured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.shown[r.URL.Path] = append(s.shown[r.URL.Path], r.Header.Get("Authorization"))
	refused := s.wants != "" && r.Header.Get("Authorization") != "Bearer "+s.wants
	s.mu.Unlock()
	if refused {
		http.Error(w, "the audit log says: key-1", http.StatusForbidden)
		return
	}
	s.Issuer.ServeHTTP(w, r)
}

// seen is everything that was shown to a server, without repetition.
func (s *secured) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Concat(slices.Collect(maps.Values(s.shown))...)
	slices.Sort(all)
	return slices.Compact(all)
}

// replace writes a file as whoever rotates it does: whole, at once.
func replace(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// fetched lets an issuer fetch once, and returns how that went: "" if well.
func fetched(t *testing.T, c token.Config) string {
	t.Helper()
	c.Name, c.RefreshInterval, c.MaxStaleness = "corp", time.Hour, 2*time.Hour
	logged := &buffer{}
	c.Log = slog.New(slog.NewJSONHandler(logged, nil))
	i := run(t, c)
	<-i.Attempted()
	cause := i.Status().Cause
	if said := strings.Contains(logged.String(), `"`+cause+`"`); cause != "" && !said {
		t.Errorf("the log does not say %q:\n%s", cause, logged)
	}
	return cause
}

const (
	causeCertificate = "a certificate of no authority that is trusted, or of another name: caFile may name the authority"
	causeDenied      = "an answer 401 or 403: the URL wants a credential (bearerTokenFile), or another one"
	causeCA          = "caFile cannot be read, or holds no certificate in PEM"
	causeBearer      = "bearerTokenFile cannot be read, or holds no token"
)

// TestCAFile: D-04: the certificate is checked against the authorities of caFile, and against no other.
func TestCAFile(t *testing.T) {
	s, other := secure(t), filepath.Join(t.TempDir(), "other.crt")
	// Another certificate: that of a server of today's standard library would be the same.
	replace(t, other, read(t, "testdata/authority.pem"))
	empty, text := filepath.Join(t.TempDir(), "empty"), filepath.Join(t.TempDir(), "text")
	replace(t, empty, "")
	replace(t, text, "no certificate")
	long := filepath.Join(t.TempDir(), "long")
	replace(t, long, read(t, s.ca)+strings.Repeat("\n", token.MaxCAFileBytes))
	pipe := filepath.Join(t.TempDir(), "pipe") // that nobody writes would hold a fetch for ever
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		pipe: causeCA,
		s.ca: "", other: causeCertificate, "": causeCertificate, empty: causeCA, text: causeCA, long: causeCA, "/no/such/file": causeCA,
	} {
		if got := fetched(t, token.Config{Issuer: s.Server.URL, CAFile: file}); got != want {
			t.Errorf("%s: %q, want %q", filepath.Base(file), got, want)
		}
	}
}

// TestCAFileRotates: the file is read at every fetch; one that is broken costs that fetch and nothing else.
func TestCAFileRotates(t *testing.T) {
	t.Parallel() // it waits for the schedule of retries
	s, file := secure(t), filepath.Join(t.TempDir(), "ca.crt")
	replace(t, file, read(t, "testdata/authority.pem"))
	i := run(t, token.Config{Name: "corp", Issuer: s.Server.URL, CAFile: file, RefreshInterval: time.Hour, MaxStaleness: 2 * time.Hour})
	<-i.Attempted()
	if got := i.Status().Cause; got != causeCertificate {
		t.Errorf("%q", got)
	}
	replace(t, file, "half a cert")
	eventually(t, func() bool { return i.Status().Cause == causeCA })
	replace(t, file, read(t, s.ca))
	eventually(t, func() bool { return i.Status().Keys == 1 && !i.Status().Failing })
}

// TestBearerTokenFile: metadata and keys are asked for with the token of the file, as it is at that moment.
func TestBearerTokenFile(t *testing.T) {
	t.Parallel()
	s, file := secure(t), filepath.Join(t.TempDir(), "token")
	s.wants = "to.ken=="
	long := strings.Repeat("a", token.MaxBearerTokenBytes)
	for text, want := range map[string]string{
		"to.ken==": "", " to.ken==\n": "", "another": causeDenied, "": causeBearer, "\n": causeBearer, "to ken": causeBearer,
		"to.ken==\r\nX-Other: 1": causeBearer, "t\u00f6ken": causeBearer, long: causeDenied, long + "a": causeBearer,
	} {
		replace(t, file, text)
		if got := fetched(t, token.Config{Issuer: s.Server.URL, CAFile: s.ca, BearerTokenFile: file}); got != want {
			t.Errorf("%.20q: %q, want %q", text, got, want)
		}
	}
	if got := fetched(t, token.Config{Issuer: s.Server.URL, CAFile: s.ca, BearerTokenFile: "/no/such/file"}); got != causeBearer {
		t.Errorf("%q", got)
	}
	replace(t, file, "stale")
	i := run(t, token.Config{Name: "corp", Issuer: s.Server.URL, CAFile: s.ca, BearerTokenFile: file, RefreshInterval: time.Hour, MaxStaleness: 2 * time.Hour})
	<-i.Attempted()
	if got := i.Status().Cause; got != causeDenied {
		t.Errorf("%q", got)
	}
	replace(t, file, s.wants)
	eventually(t, func() bool { return i.Status().Keys == 1 })
}

// TestBearerTokenGoesNowhereElse: D-11, D-12: the token is shown to the origins that the declaration writes, never to one that
// metadata or a redirect names.
func TestBearerTokenGoesNowhereElse(t *testing.T) {
	const ours = "Bearer ours"
	file := filepath.Join(t.TempDir(), "token")
	replace(t, file, "ours")
	both := func(a, b *secured) string {
		ca := filepath.Join(t.TempDir(), "both.crt")
		replace(t, ca, read(t, a.ca)+read(t, b.ca))
		return ca
	}
	type sight struct{ Issuer, Other []string }
	for name, c := range map[string]struct {
		change func(c *token.Config, issuer, other *secured)
		want   sight
	}{
		"jwks_uri elsewhere": {
			func(_ *token.Config, issuer, other *secured) {
				issuer.SetMetadata(object{"jwks_uri": other.Server.URL + authztest.JWKS})
			}, sight{[]string{ours}, []string{""}},
		},
		"jwksURL elsewhere": {
			func(c *token.Config, _, other *secured) { c.JWKSURL = other.Server.URL + authztest.JWKS },
			sight{nil, []string{ours}},
		},
		"a redirect of the metadata": {
			func(_ *token.Config, issuer, other *secured) {
				issuer.Fail(authztest.OAuthMetadata, authztest.Fault{Kind: authztest.Redirect, Location: other.Server.URL + authztest.OAuthMetadata})
			}, sight{[]string{ours}, nil},
		},
		"a redirect of the keys": {
			func(_ *token.Config, issuer, other *secured) {
				issuer.Fail(authztest.JWKS, authztest.Fault{Kind: authztest.Redirect, Location: other.Server.URL + authztest.JWKS})
			}, sight{[]string{ours}, nil},
		},
		"another port": {
			func(_ *token.Config, issuer, other *secured) { // the same host: an origin has a port
				issuer.SetMetadata(object{"jwks_uri": strings.ToUpper(other.Server.URL[:8]) + other.Server.URL[8:] + authztest.JWKS})
			}, sight{[]string{ours}, []string{""}},
		},
		"the same origin, spelled in another way": {
			func(_ *token.Config, issuer, _ *secured) {
				issuer.SetMetadata(object{"jwks_uri": "HTTPS://" + issuer.Server.URL[8:] + authztest.JWKS})
			}, sight{[]string{ours}, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, other := secure(t), secure(t)
			config := token.Config{Issuer: issuer.Server.URL, BearerTokenFile: file, CAFile: both(issuer, other)}
			c.change(&config, issuer, other)
			_ = fetched(t, config)
			if diff := cmp.Diff(c.want, sight{issuer.seen(), other.seen()}); diff != "" {
				t.Errorf("shown (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBearerTokenNotInPlainText: D-04: even where plain http is declared, the token stays here; loopback is not a network.
func TestBearerTokenNotInPlainText(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	replace(t, file, "ours")
	for issuer, want := range map[string]string{
		"http://idp.example.com": "", "http://127.0.0.1:1": "Bearer ours", "http://localhost": "Bearer ours", "https://idp.example.com": "Bearer ours",
	} {
		var shown []string
		transport := asked(func(r *http.Request) { shown = append(shown, r.Header.Get("Authorization")) })
		_ = fetched(t, token.Config{Issuer: issuer, BearerTokenFile: file, InsecureAllowHTTP: true, Transport: transport})
		if len(shown) == 0 || shown[0] != want {
			t.Errorf("%s was shown %q", issuer, shown)
		}
	}
}

// asked is a network where nothing is found.
type asked func(*http.Request)

func (f asked) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: r}, nil
}

// TestOldTLS: versions before 1.2 are not spoken (D-04).
func TestOldTLS(t *testing.T) {
	s := &secured{shown: map[string][]string{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	replace(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	if got := fetched(t, token.Config{Issuer: s.Server.URL, CAFile: ca}); got != "no answer, or not in time" || s.seen() != nil {
		t.Errorf("%q, shown %q", got, s.seen())
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// eventually waits for a condition.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	for tick := time.NewTicker(10 * time.Millisecond); !holds(); {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("the condition did not come within a minute")
		}
	}
}
