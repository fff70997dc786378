package token_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// recorded is a site that remembers what it was sent.
type recorded struct {
	site
	mu      sync.Mutex
	headers map[string]http.Header // by URL
}

func (r *recorded) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.headers[req.URL.String()] = req.Header.Clone()
	r.mu.Unlock()
	return r.site.RoundTrip(req)
}

// once fetches once from a site and reports how it went.
func once(t *testing.T, s http.RoundTripper, change func(*token.Config)) token.Status {
	t.Helper()
	c := token.Config{Name: "as", Issuer: "https://as.example", RefreshInterval: time.Hour, MaxStaleness: 2 * time.Hour, Transport: s}
	if change != nil {
		change(&c)
	}
	i := run(t, c)
	<-i.Attempted()
	return i.Status()
}

// TestWhatIsAskedFor: D-05: documents are asked for as JSON, by name, and the origins that are one in two spellings get the credential.
func TestWhatIsAskedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("c0nf1dent1al"), 0o600); err != nil {
		t.Fatal(err)
	}
	const at, keys = "https://as.example/.well-known/oauth-authorization-server", "https://AS.example:443/keys"
	asked, err := url.Parse(keys)
	if err != nil {
		t.Fatal(err)
	}
	s := &recorded{headers: map[string]http.Header{}}
	s.documents = map[string]found{at: metadataOf("https://as.example", keys), asked.String(): {body: string(keySet(ecKey().JWK(nil)))}}
	if got := once(t, s, func(c *token.Config) { c.BearerTokenFile = file }); got.Keys != 1 {
		t.Fatalf("%+v", got)
	}
	for u, h := range s.headers {
		if !strings.Contains(h.Get("Accept"), "application/json") || h.Get("User-Agent") != "mcp-authz" || h.Get("Authorization") != "Bearer c0nf1dent1al" {
			t.Errorf("%s was asked for with %v", u, h)
		}
	}
	if len(s.headers) != 2 {
		t.Errorf("%d documents", len(s.headers))
	}
}

// TestRedirects: D-12: three redirects within one origin, however its port is spelled, are followed, and no fourth.
func TestRedirects(t *testing.T) {
	for hops, ok := range map[int]bool{0: true, 1: true, 3: true, 4: false} {
		s := &site{documents: map[string]found{}}
		at := func(n int) string {
			return []string{"https://as.example/", "https://as.example:443/"}[n%2] + fmt.Sprint(n)
		}
		for n := range hops {
			s.documents[at(n)] = found{status: http.StatusFound, location: at(n + 1)}
		}
		s.documents[at(hops)] = found{body: string(keySet(ecKey().JWK(nil)))}
		if got := once(t, s, func(c *token.Config) { c.JWKSURL = at(0) }); (got.Keys == 1) != ok || len(s.asked) != min(hops, 3)+1 {
			t.Errorf("%d redirects: %+v, asked for %v", hops, got, s.asked)
		}
	}
}

// TestSizesOfDocuments: D-12: a document may be as long as its limit says, and no byte longer.
func TestSizesOfDocuments(t *testing.T) {
	const at, keys = "https://as.example/.well-known/oauth-authorization-server", "https://as.example/keys"
	padded := func(d found, bytes int) found {
		d.body += strings.Repeat(" ", bytes-len(d.body))
		return d
	}
	metadata, set := metadataOf("https://as.example", keys), found{body: string(keySet(ecKey().JWK(nil)))}
	for _, c := range []struct {
		metadata, keys int
		cause          string
	}{
		{token.MaxMetadataBytes, token.MaxKeysBytes, ""},
		{token.MaxMetadataBytes + 1, token.MaxKeysBytes, "a document over the size limit"},
		{token.MaxMetadataBytes, token.MaxKeysBytes + 1, "a document over the size limit"},
	} {
		s := &site{documents: map[string]found{at: padded(metadata, c.metadata), keys: padded(set, c.keys)}}
		if got := once(t, s, nil); got.Cause != c.cause {
			t.Errorf("%d and %d bytes: %q", c.metadata, c.keys, got.Cause)
		}
	}
}

// TestAnswersOfNoUse: D-05: what is wrong with an answer is said as far as it helps, and an issuer that is no URL is asked for
// nothing and harms nobody.
func TestAnswersOfNoUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("c0nf1dent1al"), 0o600); err != nil {
		t.Fatal(err)
	}
	const at = "https://as.example/.well-known/oauth-authorization-server"
	odd := metadataOf("https://as.example", "https://as.example/keys")
	odd.mediaType = "application/json; charset"
	for _, c := range []struct {
		name   string
		change func(*token.Config)
		answer found
		cause  string
	}{
		{"401", func(c *token.Config) { c.JWKSURL = at }, found{status: 401}, "an answer 401 or 403"},
		{"403", func(c *token.Config) { c.JWKSURL = at }, found{status: 403}, "an answer 401 or 403"},
		{"404", func(c *token.Config) { c.JWKSURL = at }, found{status: 404}, "an answer other than 200"},
		{"half a media type", nil, odd, "a metadata document that is not a JSON object"},
		{"a key set without a key", func(c *token.Config) { c.JWKSURL = at }, found{body: `{"keys":[]}`}, "the key set holds no usable signature key"},
		{"a jwks_uri that is no URL", nil, metadataOf("https://as.example", "https://as.example/%zz"), "a metadata document without a usable jwks_uri"},
		{"an issuer of one letter", func(c *token.Config) { c.Issuer = "x" }, found{}, "an answer other than 200"},
		{"an issuer that is no URL", func(c *token.Config) { c.Issuer = "https://as.example\x7f" }, found{}, "no answer"},
		{"the same with a credential", func(c *token.Config) { c.Issuer, c.BearerTokenFile = "https://as.example\x7f", file }, found{}, "no answer"},
	} {
		s := &site{documents: map[string]found{at: c.answer, "https://as.example/keys": {body: string(keySet(ecKey().JWK(nil)))}}}
		if got := once(t, s, c.change); !got.Failing || !strings.HasPrefix(got.Cause, c.cause) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestRunOfAnIssuer: an issuer whose keys are inline is as ready as it will be, and its Run ends with its context like any other. A
// fetch that the end of the process cut off asks for nothing more, and is not reported as an outage.
func TestRunOfAnIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, err := token.NewIssuer(token.Config{Name: "corp", Issuer: corpURL, JWKS: keySet(ecKey().JWK(nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { i.Run(ctx); close(ended) }()
		<-i.Attempted()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("it ended by itself")
		default:
		}
		cancel()
		<-ended
	})
	synctest.Test(t, func(t *testing.T) {
		const at = "https://as.example/.well-known/oauth-authorization-server"
		s, logged := &site{documents: map[string]found{at: {hangs: true}}}, &buffer{}
		c := token.Config{Name: "as", Issuer: "https://as.example", RefreshInterval: time.Hour, MaxStaleness: time.Hour, Transport: s}
		c.Log = slog.New(slog.NewJSONHandler(logged, nil))
		i, err := token.NewIssuer(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { i.Run(ctx); close(ended) }()
		synctest.Wait()
		cancel()
		<-ended
		if logged.String() != "" || !slices.Equal(s.asked, []string{at}) {
			t.Errorf("logged: %s; asked for %v", logged, s.asked)
		}
	})
}

// TestWhatIsLogged: that keys are there is said when they come and when they come back, not at every refresh.
func TestWhatIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ready(t, direct)
		said := func() int {
			synctest.Wait()
			return strings.Count(o.logged.String(), "keys of an authorization server are there")
		}
		var got []int
		pass(time.Second)
		got = append(got, said())
		pass(time.Hour)
		got = append(got, said())
		o.FailAll(authztest.Fault{Kind: authztest.Status500})
		pass(11 * time.Minute)
		got = append(got, said())
		o.FailAll(authztest.Fault{})
		pass(time.Minute)
		got = append(got, said())
		if !slices.Equal(got, []int{1, 1, 1, 2}) {
			t.Errorf("said %v times", got)
		}
	})
}
