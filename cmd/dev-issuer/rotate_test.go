package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
)

// kids are the ids of the keys that are published, in their order.
func (w world) kids() (ids []string) {
	w.Helper()
	keys, _ := w.do("GET", "/jwks", "", "").body["keys"].([]any)
	for _, k := range keys {
		ids = append(ids, k.(map[string]any)["kid"].(string))
	}
	return ids
}

// kid is that of the key that signed a token.
func (w world) kid(a answer) string {
	w.Helper()
	head, _, _ := strings.Cut(a.text("access_token"), ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	var header struct{ Kid string }
	if err != nil || json.Unmarshal(raw, &header) != nil || header.Kid == "" {
		w.Fatalf("no token: %v", a)
	}
	return header.Kid
}

// D-08: one rotation leaves the key before it in place, a second one withdraws that; who has logged in stays so.
func TestRotate(t *testing.T) {
	w := newWorld(t)
	client := w.public()
	held := w.redeem(client, w.code(client, "resource", github))
	keys := w.kids()
	for n := range 2 {
		w.server.rotate()
		held = w.token(form(nil, "grant_type", grantRefresh, "client_id", client, "refresh_token", held.text("refresh_token")))
		now := w.kids()
		if len(now) != 2 || now[0] != keys[len(keys)-1] || now[1] == now[0] {
			t.Fatalf("rotation %d: the keys were %v and are %v", n+1, keys, now)
		}
		if signed := w.kid(held); signed != now[1] {
			t.Errorf("rotation %d: %s signs, of %v", n+1, signed, now)
		}
		keys = now
	}
	// Found by discovery, which is what a rotation asks of whoever judges tokens.
	fresh := newVerifier(t, w.url)
	if _, err := fresh.Verify(held.text("access_token"), authz.Expectation{Resource: github}, time.Now()); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
}

// SIGHUP rotates; where nobody can be told, the signal is that of a terminal that closed, and ends it.
func TestHangUp(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--listen", "127.0.0.1:0"}, w) }()
	out := bufio.NewReader(r)
	hangUp := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range []string{"FOR DEVELOPMENT ONLY", "a new key signs", "a new key signs"} {
		if n > 0 {
			hangUp()
		}
		if line, err := out.ReadString('\n'); err != nil || !strings.Contains(line, want) {
			t.Fatalf("it says %q, %v, want %q", line, err, want)
		}
	}
	r.Close()
	hangUp()
	if err := <-ended; err == nil {
		t.Error("it ends as if it had been told to")
	}
}
