package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// fleet is a process over TLS, and gateways and clients that call it without a pause.
type fleet struct {
	*process
	*traffic
	files           folder
	server, staying *authority // of the process's certificate, and of gateways that stay
	issuer          *authztest.Issuer
}

// generation is the material of one time: a certificate of the server, and gateways' authority beside the one that stays.
type generation struct {
	pair    tls.Certificate
	clients *authority
}

func (f *fleet) generation(n int) generation {
	return generation{f.server.leaf("mcp-authz.internal", nil), newAuthority(f.t(), fmt.Sprintf("gateways %d", n))}
}

func (f *fleet) t() *testing.T { return f.traffic.t }

// contents are the files that hold a generation.
func (f *fleet) contents(g generation) map[string]string {
	cert, key := pemPair(f.t(), g.pair)
	return map[string]string{"cert.pem": cert, "key.pem": key, "ca.pem": f.staying.pem() + g.clients.pem()}
}

func newFleet(t *testing.T) (f *fleet, first generation) {
	f = &fleet{files: folder{t, t.TempDir()}, server: newAuthority(t, "server"), staying: newAuthority(t, "gateways that stay"), issuer: authorizationServer(t)}
	f.traffic = newTraffic(t)
	first = f.generation(0)
	data := filepath.Join(f.files.dir, "..data")
	must(t, os.Mkdir(data, 0o700))
	for name, text := range f.contents(first) {
		must(t, os.WriteFile(filepath.Join(data, name), []byte(text), 0o600))
		must(t, os.Symlink("..data/"+name, f.files.path(name)))
	}
	config := strings.Replace(anyPorts, "admin:", fmt.Sprintf(
		"grpcTLS: { certFile: %[1]q, keyFile: %[2]q, clientCAFile: %[3]q, allowedClientSANs: [gateway.internal] }, metadataTLS: { certFile: %[1]q, keyFile: %[2]q }, admin:",
		f.files.path("cert.pem"), f.files.path("key.pem"), f.files.path("ca.pem")), 1)
	f.process = start(t, config+corp(f.issuer)+github)
	f.log.wait(t, "ready", 1)
	return f, first
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// asking makes callers for both listeners, each over connections that it keeps and over a new one for every call.
func (f *fleet) asking() (dials *atomic.Int64, began time.Time) {
	dials, began = new(atomic.Int64), time.Now()
	creds := gateway(f.server, f.staying.leaf("gateway.internal", nil))
	request := with(good(f.issuer))
	check := func(conn *grpc.ClientConn) error {
		v, err := checkOver(f.t().Context(), conn, request)
		if err == nil && !v.Allowed {
			err = fmt.Errorf("refused: %d %s", v.Status, v.Reason)
		}
		return err
	}
	for range 2 {
		counted := grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			dials.Add(1)
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		})
		kept, err := grpc.NewClient("passthrough:///"+f.grpc, grpc.WithTransportCredentials(creds), counted)
		must(f.t(), err)
		f.t().Cleanup(func() { kept.Close() })
		f.caller("a gateway that keeps its connection", func() error { return check(kept) })
		f.caller("a gateway that connects anew", func() error {
			conn, err := grpc.NewClient(f.grpc, grpc.WithTransportCredentials(creds))
			if err != nil {
				return err
			}
			defer conn.Close()
			return check(conn)
		})
	}
	for what, anew := range map[string]bool{"a client that keeps its connection": false, "a client that connects anew": true} {
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: f.server.pool(), ServerName: "mcp-authz.internal"}, DisableKeepAlives: anew, ForceAttemptHTTP2: true,
		}}
		f.t().Cleanup(client.CloseIdleConnections)
		f.caller(what, func() error { return f.document(client) })
	}
	return dials, began
}

func (f *fleet) document(client *http.Client) error {
	req, err := http.NewRequestWithContext(f.t().Context(), http.MethodGet, "https://"+f.metadata+"/.well-known/oauth-protected-resource/github/mcp", nil)
	if err != nil {
		return err
	}
	req.Host = "mcp.example.com"
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// wantServed looks at both listeners from new connections: whose certificate they show, and which gateways they let in.
func (f *fleet) wantServed(when string, pair, clients generation, gone ...generation) {
	t := f.t()
	t.Helper()
	for what, addr := range map[string]string{"grpc": f.grpc, "metadata": f.metadata} {
		var shown *x509.Certificate
		config := &tls.Config{
			RootCAs: f.server.pool(), ServerName: "mcp-authz.internal", NextProtos: []string{"h2"}, Certificates: []tls.Certificate{f.staying.leaf("gateway.internal", nil)},
			VerifyConnection: func(s tls.ConnectionState) error { shown = s.PeerCertificates[0]; return nil },
		}
		conn, err := tls.Dial("tcp", addr, config)
		if err != nil {
			t.Errorf("%s, %s: %v", when, what, err)
			continue
		}
		conn.Close()
		if !shown.Equal(pair.pair.Leaf) {
			t.Errorf("%s: %s shows another certificate than it should", when, what)
		}
	}
	call := func(g generation) error {
		conn := f.dial(gateway(f.server, g.clients.leaf("gateway.internal", nil)))
		defer conn.Close()
		_, err := checkOver(t.Context(), conn, with(good(f.issuer)))
		return err
	}
	if err := call(clients); err != nil {
		t.Errorf("%s: a gateway of the authority in force: %v", when, err)
	}
	for _, g := range gone {
		if call(g) == nil {
			t.Errorf("%s: a gateway of an authority that is not in force got through", when)
		}
	}
}

// Certificate, key and authorities of gateways are replaced in every order, by every means and with broken files in between,
// while calls go on over connections old and new: none fails, and each file counts as soon as it can.
func TestRotationDropsNoCall(t *testing.T) {
	f, now := newFleet(t)
	defer f.end()
	dials, began := f.asking()
	f.pass("the start")
	f.wantServed("at the start", now, now)

	put := func(name, text string) { f.files.put(name, text) }
	inPlace := func(name, text string) { must(t, os.WriteFile(f.files.path(name), []byte(text), 0o600)) }
	for means, write := range map[string]func(name, text string){"renamed over": put, "written in place": inPlace} {
		n := 0
		for _, order := range []string{"cert key ca", "cert ca key", "key cert ca", "key ca cert", "ca cert key", "ca key cert"} {
			n++
			next := f.generation(n)
			text := f.contents(next)
			pair, clients := now, now
			done := ""
			for _, name := range strings.Fields(order) {
				write(name+".pem", text[name+".pem"])
				done += name + " "
				if name == "ca" {
					clients = next
				}
				if strings.Contains(done, "cert") && strings.Contains(done, "key") {
					pair = next
				}
				gone := next
				if clients.clients == next.clients {
					gone = now
				}
				when := fmt.Sprintf("%s: %sof %s", means, done, order)
				f.wantServed(when, pair, clients, gone)
			}
			f.pass(means + ": " + order)
			now = next
		}
	}

	// Broken material, then good one.
	half := func(s string) string { return s[:len(s)/2] }
	for i, broken := range []struct {
		what, name string
		text       func(good string) string
	}{
		{"half a certificate", "cert.pem", half},
		{"no certificate", "cert.pem", func(string) string { return "no certificate" }},
		{"an empty key", "key.pem", func(string) string { return "" }},
		{"half a key", "key.pem", half},
		{"authorities cut off", "ca.pem", func(s string) string { return s[:len(s)-40] }},
		{"no authorities", "ca.pem", func(string) string { return "" }},
		{"too much", "ca.pem", func(s string) string { return s + strings.Repeat("#\n", maxPEMBytes/2) }},
	} {
		next := f.generation(i)
		text := f.contents(next)
		put(broken.name, broken.text(text[broken.name]))
		f.wantServed(broken.what, now, now, next)
		for name, good := range text {
			put(name, good)
		}
		f.wantServed("after "+broken.what, next, next, now)
		f.pass("after " + broken.what)
		now = next
	}
	for _, name := range []string{"cert.pem", "key.pem", "ca.pem"} {
		f.files.remove(name)
		f.wantServed("without "+name, now, now)
		must(t, os.Mkdir(f.files.path(name), 0o700))
		f.wantServed(name+" a folder", now, now)
		f.pass(name + " a folder")
		must(t, os.Remove(f.files.path(name)))
		put(name, f.contents(now)[name])
		f.wantServed("with "+name+" again", now, now)
	}
	if len(f.log.all("TLS files changed and are not good; the last good ones stay in force")) < 20 {
		t.Error("broken material was not told")
	}
	f.end()
	for _, rounds := range f.rounds {
		t.Logf("%d calls", rounds.Load())
	}
	if limit := 2 * (1 + int64(time.Since(began)/(4*time.Minute))); dials.Load() > limit { // they live for 5 minutes
		t.Errorf("2 gateways that keep their connection have made %d", dials.Load())
	}
}

// The way of Kubernetes: all files at once, by a link that is renamed over.
func TestRotationByKubernetes(t *testing.T) {
	f, now := newFleet(t)
	defer f.end()
	f.asking()
	f.pass("the start")
	for n := range 10 {
		next := f.generation(n)
		dir := filepath.Join(f.files.dir, fmt.Sprintf("..%d", n))
		must(t, os.Mkdir(dir, 0o700))
		for name, text := range f.contents(next) {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		link := filepath.Join(f.files.dir, "..data_tmp")
		must(t, os.Symlink(filepath.Base(dir), link))
		if n == 0 { // the first one is no link
			must(t, os.Rename(f.files.path("..data"), f.files.path("..first")))
		}
		must(t, os.Rename(link, f.files.path("..data")))
		f.wantServed("after the swap", next, next, now)
		f.pass("the swap")
		now = next
	}
}
