package token

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"
)

// TestMain gives the process a proxy, which net/http reads once. Whatever is tested here is on loopback or within the test, or is
// asked for without the proxy.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"HTTP_PROXY": "http://proxy.example:3128", "HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "direct.test,0.0.0.0,::",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestLoopbackHasNoProxy: D-04: plain http is taken on loopback since nobody is on the way; a proxy would be.
func TestLoopbackHasNoProxy(t *testing.T) {
	transport := newClient(&Config{}, nil).Transport.(*http.Transport)
	for raw, want := range map[string]bool{
		"http://localhost/x": false, "http://LocalHost:9/x": false, "http://idp.localhost/x": false, "http://127.0.0.1:9/x": false,
		"http://[::1]/x": false, "https://idp.localhost/x": false, "http://idp.example.com/x": true, "https://idp.example.com/x": true,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := transport.Proxy(&http.Request{URL: u})
		if err != nil || (proxy != nil) != want {
			t.Errorf("%s: by way of %v (%v), want one: %t", raw, proxy, err, want)
		}
	}
}

// TestNamesOfLoopback: D-04: a name that counts as loopback leads to loopback or nowhere, whatever a resolver says.
func TestNamesOfLoopback(t *testing.T) {
	names := serveNames(t)
	for _, address := range []string{"192.0.2.1", "10.0.0.1", "169.254.169.254", "2001:db8::1", "::ffff:192.0.2.1"} {
		names.set("idp.localhost.", address)
		names.set("idp.localhost", address)
		refusedToDial(t, "http://idp.localhost:1/keys")
	}
	for address, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "192.0.2.1:1": false, "": false} {
		if got := refuseAllButLoopback("tcp", address, nil) == nil; got != want {
			t.Errorf("%s: dialled %v", address, got)
		}
	}
}

// TestOtherHostsAreDialled: whatever is neither loopback nor link-local is left to the network, which may have no way there.
func TestOtherHostsAreDialled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	conn, err := dial(ctx, "tcp", "192.0.2.1:9")
	if err == nil {
		conn.Close()
	}
	var refused fault
	if errors.As(err, &refused) {
		t.Error("we refuse to dial it")
	}
}

// TestOriginsAreASCII: D-11, D-12: a host with other letters is no origin of anybody: a resolver may take it for another host
// than whoever compares it.
func TestOriginsAreASCII(t *testing.T) {
	i := &Issuer{Config: Config{Issuer: "https://idp.example"}}
	for raw, want := range map[string]string{
		"https://idp.example/keys": "https://idp.example:443", "https://IDP.example:443": "https://idp.example:443",
		"https://\u0130dp.example/keys": "", "https://idp.ex\u0430mple/keys": "", "https://\u212aeys.example": "",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := origin(u); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
		if got := i.mayFetch(raw); got != (want != "") {
			t.Errorf("%s: may be fetched: %v", raw, got)
		}
	}
	// A redirect from such a host to itself is none within an origin.
	u, err := url.Parse("https://\u0130dp.example/keys")
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{URL: u}
	if newClient(&Config{}, nil).CheckRedirect(r, []*http.Request{r}) == nil {
		t.Error("a redirect is followed")
	}
}
