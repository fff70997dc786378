package main

import (
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// A CheckRequest just below limits.messageBytes is answered like any other: an RPC error would let the gateway decide.
func TestLargeCheckRequests(t *testing.T) {
	issuer := authorizationServer(t)
	p := start(t, anyPorts+corp(issuer)+github)
	p.log.wait(t, "ready", 1)
	conn := p.dial(insecure.NewCredentials())
	send := func(bytes int, r authztest.HTTP) (authztest.Verdict, error) {
		in := r.CheckRequest(authztest.RawForm)
		in.Attributes.Request.Http.RawBody = make([]byte, bytes)
		out, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), in)
		if err != nil {
			return authztest.Verdict{}, err
		}
		return authztest.ReadVerdict(out), nil
	}
	const large = 39 << 20 / 10
	v, err := send(large, anonymous())
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "J-11 3.9 MiB without a token", v, 401, "no_credential")
	if v, err = send(large, with(good(issuer))); err != nil {
		t.Fatal(err)
	}
	wantAllowed(t, "3.9 MiB with a token", v)
	if _, err = send(5<<20, anonymous()); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("5 MiB: %v, want the limit to hold", err)
	}
	wantAllowed(t, "after one that was too large", p.check(with(good(issuer))))
}

// Invariant 7, A-23, D-09, I-21: an authorization server that hangs costs nobody his verdict. Without keys every check is answered
// 503 by us, within its own deadline and however many wait; with known keys they are allowed.
func TestHangingAuthorizationServer(t *testing.T) {
	hanging, known := authorizationServer(t), authorizationServer(t)
	p := start(t, anyPorts+"limits: { checkDeadline: 200ms }\n"+corp(known)+github)
	p.log.wait(t, "ready", 1)
	for _, i := range []*authztest.Issuer{hanging, known} {
		i.FailAll(authztest.Fault{Kind: authztest.Hang})
	}
	p.write(anyPorts + "limits: { checkDeadline: 200ms }\n" + corp(known) + "- { name: partner, issuer: \"" + hanging.URL() + "\" }\n" + github +
		"- { name: partner, resource: \"https://mcp.example.com/partner\", authorizationServers: [partner] }\n")
	p.log.wait(t, applied, 1)
	if err := hanging.WaitFetches(t.Context(), authztest.OAuthMetadata, 1); err != nil {
		t.Fatal(err)
	}

	conn := p.dial(insecure.NewCredentials())
	waits := with(hanging.Mint(map[string]any{"aud": "https://mcp.example.com/partner"}))
	waits.Path = "/partner"
	passes := with(good(known))
	const each = 100 // more than may wait for one authorization server
	var all sync.WaitGroup
	for range each {
		all.Go(func() {
			if v, err := checkOver(t.Context(), conn, waits); err != nil {
				t.Errorf("an RPC error lets the gateway decide: %v", err)
			} else {
				wantRefused(t, "A-23 without keys", v, 503, "keys_unavailable")
			}
		})
		all.Go(func() {
			if v, err := checkOver(t.Context(), conn, passes); err != nil {
				t.Errorf("an RPC error lets the gateway decide: %v", err)
			} else {
				wantAllowed(t, "D-09 with known keys", v)
			}
		})
	}
	all.Wait()
	if v := p.check(waits); v.Get("retry-after") == "" || v.Get("www-authenticate") != "" {
		t.Errorf("A-23 the 503 must say when to come again, and must not start a login: %v", v)
	}
}
