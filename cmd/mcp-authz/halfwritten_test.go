package main

import (
	"context"
	"crypto/elliptic"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// Two files in the block style that people write: the old one, and a new one with more resources and another scope. The keys
// are inline, so that nothing is fetched.
func oldAndNew(i *authztest.Issuer) (before, after string) {
	head := "limits:\n  checkDeadline: 1s\n" + inline("corp", i) + "resources:\n"
	resource := func(name, scope string) string {
		return fmt.Sprintf("- name: %s\n  resource: https://mcp.example.com/%s/mcp\n  authorizationServers:\n  - corp\n  scopes:\n    required:\n    - \"%s:use\"\n    - \"%s:read\"\n", name, name, scope, scope)
	}
	return head + resource("github", "old"), head + resource("github", "new") + resource("slack", "new")
}

// probes are the requests by which the tests of this file tell configurations apart: tokens with every scope, for every place.
func probes(i *authztest.Issuer) (requests []*authz.Request) {
	for _, name := range []string{"github", "slack"} {
		for _, scope := range []string{"", "old:use", "old:use old:read", "new:use", "new:use new:read", "new:read"} {
			r := request(i.Mint(map[string]any{"aud": "https://mcp.example.com/" + name + "/mcp", "scope": scope}))
			r.Path = "/" + name + "/mcp"
			requests = append(requests, r)
		}
	}
	return requests
}

// allowed tells which requests pass, by the letters of an alphabet.
func allowed(a *authz.Authorizer, requests []*authz.Request) string {
	var out strings.Builder
	for n, r := range requests {
		if a.Authorize(context.Background(), r).Allowed() {
			out.WriteByte(byte('a' + n))
		}
	}
	return out.String()
}

// Invariant 8: a file that is cut off, after whatever byte, is either not good, and then everything is as before, or good by
// itself, and then it says what it says. "mcp-authz check" and serve are of one mind about each.
func TestAFileCutOffAfterEveryByte(t *testing.T) {
	issuer := authztest.NewIssuerWithKey("https://idp.example.com", authztest.GenerateEC("k", elliptic.P256()))
	before, after := oldAndNew(issuer)
	requests := probes(issuer)
	c := configured(t, before)
	want := allowed(c.authorizer, requests)
	final := allowed(configured(t, after).authorizer, requests)
	if want == "" || final == "" || strings.ContainsAny(want, final) {
		t.Fatalf("the files allow %q and %q; they must differ", want, final)
	}
	good, looser := 0, 0
	for n := range len(after) + 1 {
		part := after[:n]
		must(t, os.WriteFile(c.path, []byte(part), 0o600))
		c.reload()
		_, _, err := command(t, "check", c.path)
		if inForce := c.rejected.Load() == nil; inForce != (err == nil) {
			t.Fatalf("after %d bytes serve takes the file: %v, check says %v", n, inForce, err)
		}
		if err != nil {
			if got := allowed(c.authorizer, requests); got != want {
				t.Fatalf("after %d bytes, not good: %q pass, want those of before: %q", n, got, want)
			}
			continue
		}
		good++
		want = allowed(configured(t, part).authorizer, requests)
		if got := allowed(c.authorizer, requests); got != want {
			t.Fatalf("after %d bytes, good by itself: %q pass, want %q", n, got, want)
		}
		if strings.Trim(want, final) != "" {
			looser++
		}
	}
	if want != final {
		t.Errorf("in the end %q pass, want %q", want, final)
	}
	if looser == 0 {
		t.Error("no part of the file is looser than the whole: then waiting until the file rests is shown by nothing")
	}
	t.Logf("%d of %d beginnings are good by themselves, %d of them looser than the old file and the new one", good, len(after), looser)
}

// The advice of docs/operations.md for those who must write in place: no beginning of a file in JSON is good.
func TestNoBeginningOfJSONIsGood(t *testing.T) {
	issuer := authztest.NewIssuerWithKey("https://idp.example.com", authztest.GenerateEC("k", elliptic.P256()))
	text := fmt.Sprintf(`{"authorizationServers": [{"name": "corp", "issuer": "https://idp.example.com", "jwks": %s}], "resources": [
  {"name": "github", "resource": "https://mcp.example.com/github/mcp", "authorizationServers": ["corp"], "scopes": {"required": ["mcp:use"]}}
]}`, issuer.KeySet())
	for n := range len(text) {
		if f, _ := loadConfig([]byte(text[:n])); f != nil {
			t.Errorf("good after %d bytes of %d", n, len(text))
		}
	}
	if f, problems := loadConfig([]byte(text)); f == nil {
		t.Error(problems)
	}
}

// A file that is written in place line by line, with pauses, is read when it is whole: none of its beginnings counts, although
// some are good by themselves. Time stands still in this test.
func TestAFileWrittenLineByLine(t *testing.T) {
	issuer := authztest.NewIssuerWithKey("https://idp.example.com", authztest.GenerateEC("k", elliptic.P256()))
	before, after := oldAndNew(issuer)
	synctest.Test(t, func(t *testing.T) {
		requests := probes(issuer)
		c := configured(t, before)
		want := allowed(c.authorizer, requests)
		ctx, end := context.WithCancel(t.Context())
		events, followed := make(chan fsnotify.Event), make(chan error)
		go func() { followed <- c.follow(ctx, nil, events, nil) }()
		<-time.After(inPlaceSettle)
		synctest.Wait()

		lines := strings.SplitAfter(after, "\n")
		pause := min(inPlaceSettle, maxInPlaceSettle/time.Duration(len(lines)+1)) - time.Millisecond
		for n := range lines {
			must(t, os.WriteFile(c.path, []byte(strings.Join(lines[:n], "")), 0o600)) // emptied at first
			events <- fsnotify.Event{Name: c.path, Op: fsnotify.Write}
			<-time.After(pause)
			synctest.Wait()
			if got := allowed(c.authorizer, requests); got != want || c.rejected.Load() != nil {
				t.Fatalf("after %d lines: %q pass, want %q; rejected %v", n, got, want, c.rejected.Load())
			}
		}
		must(t, os.WriteFile(c.path, []byte(after), 0o600))
		events <- fsnotify.Event{Name: c.path, Op: fsnotify.Write}
		<-time.After(inPlaceSettle)
		synctest.Wait()
		if diff := cmp.Diff(allowed(configured(t, after).authorizer, requests), allowed(c.authorizer, requests)); diff != "" {
			t.Errorf("in the end (-want +got):\n%s", diff)
		}
		end()
		if err := <-followed; err != nil {
			t.Error(err)
		}
	})
}
