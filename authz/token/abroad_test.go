package token

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// counting counts who got in.
type counting struct {
	net.Listener
	accepted atomic.Int32
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return c, err
}

// here is a key server on every address of this machine, loopback of both families included.
func here(t *testing.T) (port string, accepted *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	listener := &counting{Listener: l}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.NotFoundHandler()}}
	server.Start()
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, &listener.accepted
}

// TestRefuseLoopback: D-12: who declares an authorization server of the cluster does not thereby reach what listens on loopback of
// this machine, for key URL and issuer alike, however the address is written and whatever name it has when it is dialled.
func TestRefuseLoopback(t *testing.T) {
	names, proxyless := serveNames(t), "idp.direct.test"
	port, accepted := here(t)
	for _, c := range []struct{ host, address string }{
		{"127.0.0.1", ""}, {"127.255.255.254", ""}, {"localhost", ""}, {"LocalHost", ""}, {"idp.localhost", ""}, {"[::1]", ""}, {"[::ffff:127.0.0.1]", ""},
		{"[::ffff:7f00:1]", ""}, {"[0:0:0:0:0:0:0:1]", ""}, {"0.0.0.0", ""}, {"[::]", ""}, {"[::ffff:0.0.0.0]", ""},
		{"idp.localhost", "192.0.2.1"}, {proxyless, "127.0.0.1"}, {proxyless, "127.1.2.3"}, {proxyless, "::1"}, {proxyless, "::ffff:127.0.0.1"},
		{proxyless, "0.0.0.0"}, {proxyless, "::"}, {proxyless, "64:ff9b::7f00:1"},
	} {
		if c.address != "" {
			names.set(c.host+".", c.address)
		}
		for _, scheme := range []string{"http://", "https://"} {
			u := scheme + c.host + ":" + port
			for _, declared := range []Config{{Issuer: u}, {Issuer: "https://idp.example", JWKSURL: u + "/keys"}} {
				declared.RefuseLoopback, declared.InsecureAllowHTTP = true, true
				if got := failure(t, declared); got != faultLoopback.text {
					t.Errorf("%s (%s): %q", u, c.address, got)
				}
			}
		}
	}
	if n := accepted.Load(); n != 0 {
		t.Errorf("%d connections to loopback", n)
	}

	// Who runs this machine may declare what is on it.
	names.set(proxyless+".", "127.0.0.1")
	for _, host := range []string{"127.0.0.1", "localhost", proxyless, "0.0.0.0"} {
		before := accepted.Load()
		if got := failure(t, Config{Issuer: "https://idp.example", JWKSURL: "http://" + host + ":" + port + "/keys"}); got != faultStatus.text || accepted.Load() == before {
			t.Errorf("%s: %q, and it should have been asked", host, got)
		}
	}
}

// failure is what the log says of a fetch.
func failure(t *testing.T, c Config) string {
	t.Helper()
	_, err := (&Issuer{Config: c}).fetch(t.Context())
	if err == nil {
		t.Fatal("keys from nowhere")
	}
	return cause(err)
}

// TestRefuseHere: D-12: at the dial itself; link-local addresses stay refused, and the rest of the world stays open.
func TestRefuseHere(t *testing.T) {
	for address, want := range map[string]error{
		"127.0.0.1:80": faultLoopback, "127.255.255.255:1": faultLoopback, "[::1]:80": faultLoopback, "[::1%lo]:80": faultLoopback, "[::ffff:127.0.0.1]:80": faultLoopback,
		"0.0.0.0:80": faultLoopback, "[::]:80": faultLoopback, "[::ffff:0.0.0.0]:80": faultLoopback, "[64:ff9b::7f00:1]:80": faultLoopback, "[64:ff9b::]:80": faultLoopback,
		"169.254.169.254:80": faultUnreachable, "[fe80::1%eth0]:80": faultUnreachable, "[fd00:ec2::254]:80": faultUnreachable, "[64:ff9b::a9fe:a9fe]:80": faultUnreachable,
		"": faultUnreachable, "localhost:80": faultUnreachable, ":80": faultUnreachable,
		"126.255.255.255:80": nil, "128.0.0.1:80": nil, "10.0.0.1:443": nil, "[::2]:80": nil, "[fd00::1]:443": nil, "[64:ff9b::c000:201]:80": nil, "[::ffff:192.0.2.1]:80": nil,
	} {
		if got := refuseHere("tcp", address, nil); got != want { //nolint:errorlint // exactly these
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}

// TestRefuseLoopbackByAnyTransport: D-12: a URL of loopback is not asked for whatever would dial it, no document leads there, and
// whatever is elsewhere is asked for as ever.
func TestRefuseLoopbackByAnyTransport(t *testing.T) {
	const as = "https://as.example"
	for _, c := range []struct {
		issuer, keys string
		asked        int // of what is asked without the rule, how many are not on loopback and come first
	}{
		{as, as + "/keys", 2}, {as, "https://keys.example", 2}, {as, "https://127.example", 2},
		{as, "https://localhost/keys", 1}, {as, "https://127.0.0.1:8443/keys", 1}, {as, "https://[::1]/keys", 1}, {as, "https://keys.LOCALHOST", 1},
		{"http://localhost:9000", "http://localhost:9000/keys", 0}, {"https://localhost", as + "/keys", 0},
	} {
		for refuse, want := range map[bool]int{true: c.asked, false: 2} {
			asked := 0
			got := failure(t, Config{Issuer: c.issuer, RefuseLoopback: refuse, Transport: transport(func(*http.Request) (*http.Response, error) {
				asked++
				w := httptest.NewRecorder()
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.WriteString(`{"issuer":"` + c.issuer + `","jwks_uri":"` + c.keys + `"}`) // no keys, wherever
				return w.Result(), nil
			})})
			if asked != want || (got == faultLoopback.text) != (want < 2) {
				t.Errorf("%+v, refused %v: %q after %d were asked", c, refuse, got, asked)
			}
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestProxyOnLoopback: D-12: a proxy of the environment may be on loopback; no declaration names it.
func TestProxyOnLoopback(t *testing.T) {
	names := serveNames(t)
	names.set("proxy.example.", "127.0.0.1")
	names.set("idp.direct.test.", "127.0.0.1")
	client := newClient(&Config{RefuseLoopback: true}, nil)
	for u, want := range map[string]bool{"http://idp.example.com:9/": true, "http://idp.direct.test:9/": false} { // 9: discard
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		cancel()
		if err == nil { // whatever listens there
			resp.Body.Close()
		}
		var refused fault
		if dialled := !errors.As(err, &refused); dialled != want {
			t.Errorf("%s: dialled %v (%v)", u, dialled, err)
		}
	}
}
