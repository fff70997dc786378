package token_test

import (
	"context"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// TestADeadConnectionIsNotUsedAgain: D-09: a connection can die without a word, when a load balancer fails over. Over HTTP/2 a
// request that got no answer leaves its connection in the pool, so that the retries would all go the same dead way: they
// must take a new one.
func TestADeadConnectionIsNotUsedAgain(t *testing.T) {
	t.Parallel() // it waits for the schedule of retries
	issuer := authztest.NewIssuer("https://idp.example.com")
	server := httptest.NewUnstartedServer(issuer)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	var taken atomic.Int32
	go func() {
		for {
			conn, err := front.Accept()
			if err != nil {
				return
			}
			go forward(conn, server.Listener.Addr().String(), taken.Add(1) == 1)
		}
	}()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	replace(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	run(t, token.Config{
		Name: "corp", Issuer: issuer.URL(), JWKSURL: "https://" + front.Addr().String() + authztest.JWKS, CAFile: ca,
		RefreshInterval: 10 * time.Minute, MaxStaleness: time.Hour, CacheEntries: 10,
	})
	// The first fetch gets no answer; the second one, on a connection of its own, brings the keys.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := issuer.WaitFetches(ctx, authztest.JWKS, 1); err != nil {
		t.Errorf("the keys were never asked for on another connection; %d connections", taken.Load())
	}
}

// forward joins a connection to a server. A dying one lets the handshake through and then loses every byte of an answer.
func forward(conn net.Conn, to string, dying bool) {
	defer conn.Close()
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer up.Close()
	go func() {
		defer up.Close()
		copyUntil(up, conn, dying)
	}()
	copyUntil(conn, up, false)
}

// copyUntil copies; what it loses begins after the client's handshake.
func copyUntil(to, from net.Conn, dying bool) {
	buf := make([]byte, 64<<10)
	for reads := 0; ; reads++ {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if dying && reads > 0 { // the first flight is the ClientHello, the second has Finished and what follows
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
