package main

import (
	"context"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// configured is a configuration in force within this process, from a file that can be changed.
func configured(t *testing.T, text string) *configuration {
	t.Helper()
	f, problems := loadConfig([]byte(text))
	if f == nil {
		t.Fatal(problems)
	}
	life, end := context.WithCancel(context.Background())
	log := slog.New(slog.DiscardHandler)
	o := newObserver(log, prometheus.NewRegistry())
	c := &configuration{
		path: file(t, text), log: log, level: new(slog.LevelVar), authorizer: &authz.Authorizer{Observer: o}, observer: o,
		issuers: newIssuers(life, f.Limits, log), started: *f, first: make(chan struct{}), seen: sha256.Sum256([]byte(text)),
	}
	t.Cleanup(func() { end(); c.issuers.wait() })
	if err := c.apply(f); err != nil {
		t.Fatal(err)
	}
	return c
}

// inline declares an authorization server with its keys inline, so that nothing is fetched.
func inline(name string, i *authztest.Issuer) string {
	return fmt.Sprintf("authorizationServers:\n- { name: %s, issuer: %q, jwks: %s }\n", name, i.URL(), i.KeySet())
}

func request(token string) *authz.Request {
	return &authz.Request{Method: "POST", Host: "mcp.example.com", Path: "/github/mcp", Headers: []authz.Header{{Name: "authorization", Value: "Bearer " + token}}}
}

// Invariant 8. Two configurations differ in issuer, scope and audience; a third allows everybody but is not valid. While they
// replace each other, no request passes that neither of the two valid ones would let through, above all none that would need a
// bit of both.
func TestNoRequestSlipsThroughAStormOfReloads(t *testing.T) {
	one := authztest.NewIssuerWithKey("https://one.example.com", authztest.GenerateEC("k", elliptic.P256()))
	two := authztest.NewIssuerWithKey("https://two.example.com", authztest.GenerateEC("k", elliptic.P256()))
	resource := func(server, scope, audience string) string {
		return fmt.Sprintf("resources:\n- { name: github, resource: \"https://mcp.example.com/github/mcp\", authorizationServers: [%s], scopes: { required: [%s] }, audiences: [%s] }\n", server, scope, audience)
	}
	first := inline("corp", one) + resource("corp", "one", "for-one")
	second := inline("corp", two) + resource("corp", "two", "for-two")
	broken := strings.NewReplacer("scopes: { required: [two] }, ", "", "- { name: corp, issuer: \"https://two", "- { name: corp, leeway: 1h, issuer: \"https://one").Replace(second)

	mint := func(i *authztest.Issuer, scope, audience string) string {
		return i.Mint(map[string]any{"scope": scope, "aud": audience})
	}
	mine, yours := mint(one, "one", "for-one"), mint(two, "two", "for-two")
	neither := []string{"", "x"}
	for _, i := range []*authztest.Issuer{one, two} {
		for _, scope := range []string{"one", "two", ""} {
			for _, audience := range []string{"for-one", "for-two"} {
				if token := [3]string{i.URL()[8:11], scope, audience[4:]}; token[0] != token[1] || token[1] != token[2] {
					neither = append(neither, mint(i, scope, audience))
				}
			}
		}
	}

	c := configured(t, first)
	const rounds, perRound = 40, 4
	var checks sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		checks.Go(func() {
			for done := false; !done; {
				select {
				case <-stop:
					done = true
				default:
				}
				for _, token := range []string{mine, yours} { // so that there are cached verdicts, too
					c.authorizer.Authorize(t.Context(), request(token))
				}
				for n, token := range neither {
					if d := c.authorizer.Authorize(t.Context(), request(token)); d.Allowed() {
						t.Errorf("token %d passed, which neither configuration takes", n)
						return
					}
				}
			}
		})
	}
	for range rounds {
		for _, text := range [perRound]string{second, broken, first, broken} {
			if err := os.WriteFile(c.path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c.reload()
			if good := text != broken; good != (c.rejected.Load() == nil) {
				t.Fatalf("valid %v, rejected %v", good, c.rejected.Load())
			}
			// Both get their turn, whatever the scheduler does.
			isFirst := strings.HasPrefix(c.current.Load().AuthorizationServers[0].Issuer, "https://one")
			if isFirst != c.authorizer.Authorize(t.Context(), request(mine)).Allowed() || isFirst == c.authorizer.Authorize(t.Context(), request(yours)).Allowed() {
				t.Fatal("what is in force is not what the file says")
			}
		}
	}
	close(stop)
	checks.Wait()
}

// Invariant 8, too: a file that somebody is still writing may be valid and say less than both the old and the new one. It is
// read once it was left alone, with time standing still in this test.
func TestAFileIsReadOnceItWasLeftAlone(t *testing.T) {
	server := inline("corp", authztest.NewIssuerWithKey("https://one.example.com", authztest.GenerateEC("k", elliptic.P256())))
	synctest.Test(t, func(t *testing.T) {
		c := configured(t, server+githubWithScope)
		ctx, end := context.WithCancel(t.Context())
		events, lost, hup := make(chan fsnotify.Event), make(chan error), make(chan os.Signal)
		followed := make(chan error)
		go func() { followed <- c.follow(ctx, hup, events, lost) }()
		write := func(text string) {
			if err := os.WriteFile(c.path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		scopes := func() int {
			synctest.Wait()
			return len(c.current.Load().Resources[0].Scopes.Required)
		}

		pass := func(d time.Duration) { <-time.After(d); synctest.Wait() }
		inPlace := fsnotify.Event{Name: c.path, Op: fsnotify.Write}
		renamedOver := fsnotify.Event{Name: c.path, Op: fsnotify.Create}
		beside := fsnotify.Event{Name: c.path + "~", Op: fsnotify.Write}
		if err := os.WriteFile(beside.Name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		pass(inPlaceSettle) // the first look

		for range 3 { // less than was required, for a moment, again and again
			write(server + github)
			events <- inPlace
			pass(inPlaceSettle - time.Millisecond)
			if scopes() != 1 {
				t.Fatal("read in the midst of writing")
			}
			write(server + githubWithScope)
			events <- inPlace
		}
		pass(inPlaceSettle)
		if scopes() != 1 {
			t.Error("not what the file says")
		}

		write(server + github) // a file beside it makes the wait neither shorter nor longer
		events <- inPlace
		for range int(inPlaceSettle/settle) - 1 {
			pass(settle)
			events <- beside
			events <- fsnotify.Event{Name: c.path, Op: fsnotify.Chmod}
			if scopes() != 1 {
				t.Fatal("read in the midst of writing, because of a file beside it")
			}
		}
		pass(settle)
		if scopes() != 0 {
			t.Error("the file was left alone and yet not read")
		}

		for i, whole := range []fsnotify.Event{renamedOver, {Name: filepath.Join(filepath.Dir(c.path), "..data"), Op: fsnotify.Create}} {
			write(server + []string{githubWithScope, github}[i])
			events <- inPlace
			pass(inPlaceSettle / 2)
			events <- whole
			pass(settle - time.Millisecond)
			if scopes() != i {
				t.Errorf("%v: read at once, while a new file may still be filled", whole)
			}
			pass(time.Millisecond)
			if scopes() != 1-i {
				t.Errorf("%v: a file that is whole is waited for", whole)
			}
		}

		write(server + githubWithScope) // made anew, but filled only then
		events <- renamedOver
		pass(settle / 2)
		events <- inPlace
		pass(inPlaceSettle - time.Millisecond)
		if scopes() != 0 {
			t.Error("a new file was read in the midst of writing")
		}
		pass(time.Millisecond)
		if scopes() != 1 {
			t.Error("a new file was left alone and yet not read")
		}

		write(server + github) // beside files that never rest
		for range int(maxSettle/settle) * 2 {
			events <- beside
			pass(settle / 2)
		}
		if scopes() != 0 {
			t.Error("never read beside files that never rest")
		}
		pass(settle)
		write(server + githubWithScope) // itself never at rest
		for range int(maxInPlaceSettle/inPlaceSettle) * 2 {
			events <- inPlace
			pass(inPlaceSettle / 2)
		}
		if scopes() != 1 {
			t.Error("a file that never rests is never read")
		}
		pass(inPlaceSettle)

		write(server + github)
		lost <- fsnotify.ErrEventOverflow
		pass(inPlaceSettle - time.Millisecond)
		if scopes() != 1 {
			t.Error("lost events may have been of a file that is being written")
		}
		pass(time.Millisecond)
		if scopes() != 0 {
			t.Error("lost events were no reason to look")
		}

		write(server + githubWithScope)
		hup <- os.Interrupt
		if scopes() != 1 {
			t.Error("SIGHUP did not make it look at once")
		}

		end()
		if err := <-followed; err != nil {
			t.Error(err)
		}
		ended := make(chan fsnotify.Event)
		close(ended)
		if err := c.follow(t.Context(), hup, ended, lost); err == nil {
			t.Error("a watch that ended must end the process, not leave it deaf")
		}
	})
}

// Keys and cache of an authorization server survive whatever does not touch its declaration.
func TestIssuersSurviveAReload(t *testing.T) {
	one := authztest.NewIssuerWithKey("https://one.example.com", authztest.GenerateEC("k", elliptic.P256()))
	two := authztest.NewIssuerWithKey("https://two.example.com", authztest.GenerateEC("k", elliptic.P256()))
	second := strings.TrimPrefix(inline("partner", two), "authorizationServers:\n")
	c := configured(t, inline("corp", one)+github)
	reloaded := func(text string) *running {
		t.Helper()
		if err := os.WriteFile(c.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c.reload(); c.rejected.Load() != nil {
			t.Fatal("rejected")
		}
		return c.issuers.all()["corp"]
	}
	before := c.issuers.all()["corp"]
	for what, text := range map[string]string{
		"a resource changed":               inline("corp", one) + githubWithScope,
		"another server came":              inline("corp", one) + second + github,
		"another server went":              inline("corp", one) + github,
		"the size of the caches changed":   "limits: { cacheEntries: 5 }\n" + inline("corp", one) + github,
		"the order of the servers changed": "authorizationServers:\n" + second + strings.TrimPrefix(inline("corp", one), "authorizationServers:\n") + github,
	} {
		if reloaded(text) != before {
			t.Errorf("%s: keys and cache are gone", what)
		}
	}
	if reloaded(strings.Replace(inline("corp", one), "name: corp,", "name: corp, leeway: 1s,", 1)+github) == before {
		t.Error("the declaration changed, its trust did not")
	}
}
