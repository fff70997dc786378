package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// secured is a process whose gRPC listener asks gateways for a certificate with one of two names.
func secured(t *testing.T) (p *process, ca *authority, files folder) {
	t.Helper()
	ca = newAuthority(t, "first")
	files = folder{t, t.TempDir()}
	files.putLeaf(ca.leaf("mcp-authz.internal", nil))
	files.put("ca.pem", ca.pem())
	config := strings.Replace(anyPorts, "admin:", fmt.Sprintf(
		"grpcTLS: { certFile: %q, keyFile: %q, clientCAFile: %q, allowedClientSANs: [gateway.internal, \"spiffe://cluster/ns/envoy\"] }, admin:",
		files.path("cert.pem"), files.path("key.pem"), files.path("ca.pem")), 1)
	return start(t, config+"resources: []\n"), ca, files
}

// callWith makes one check over a connection of its own.
func callWith(t *testing.T, p *process, creds credentials.TransportCredentials) error {
	t.Helper()
	conn := p.dial(creds)
	defer conn.Close()
	v, err := checkOver(t.Context(), conn, anonymous())
	if err == nil {
		wantRefused(t, "a call that got through", v, 404, "resource_unknown")
	}
	return err
}

func gateway(server *authority, certs ...tls.Certificate) credentials.TransportCredentials {
	return credentials.NewTLS(&tls.Config{RootCAs: server.pool(), ServerName: "mcp-authz.internal", Certificates: certs})
}

// J-07: only a gateway that proves to be one may ask.
func TestMutualTLS(t *testing.T) {
	p, ca, _ := secured(t)
	other := newAuthority(t, "first") // of the same name
	dns := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = names }
	}
	for _, c := range []struct {
		what  string
		creds credentials.TransportCredentials
		allow bool
	}{
		{"an allowed DNS name", gateway(ca, ca.leaf("gateway.internal", nil)), true},
		{"an allowed URI", gateway(ca, ca.leaf("spiffe://cluster/ns/envoy", nil)), true},
		{"an allowed name beside another", gateway(ca, ca.leaf("", dns("x.internal", "gateway.internal"))), true},
		{"no certificate", gateway(ca), false},
		{"another name", gateway(ca, ca.leaf("app.internal", nil)), false},
		{"a name below", gateway(ca, ca.leaf("x.gateway.internal", nil)), false},
		{"a wildcard", gateway(ca, ca.leaf("*.internal", nil)), false},
		{"a URI below", gateway(ca, ca.leaf("spiffe://cluster/ns/envoy/x", nil)), false},
		{"the name as common name only", gateway(ca, ca.leaf("", func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "gateway.internal", nil })), false},
		{"another authority", gateway(ca, other.leaf("gateway.internal", nil)), false},
		{"expired", gateway(ca, ca.leaf("gateway.internal", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(1) })), false},
		{"a certificate for servers", gateway(ca, ca.leaf("gateway.internal", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })), false},
		{"TLS 1.1", credentials.NewTLS(&tls.Config{
			RootCAs: ca.pool(), ServerName: "mcp-authz.internal", Certificates: []tls.Certificate{ca.leaf("gateway.internal", nil)},
			MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		}), false},
		{"J-07 plaintext", insecure.NewCredentials(), false},
	} {
		switch err := callWith(t, p, c.creds); {
		case c.allow && err != nil:
			t.Errorf("%s: %v, want it taken", c.what, err)
		case !c.allow && status.Code(err) != codes.Unavailable:
			t.Errorf("%s: %v, want it refused", c.what, err)
		}
	}
	if got := len(p.log.all("decision")); got != 3 {
		t.Errorf("%d checks were decided, want only those of the three good certificates", got)
	}
}

// Certificates are read again when their files change; what is not good is told and changes nothing.
func TestCertificatesRotate(t *testing.T) {
	p, first, files := secured(t)
	old := first.leaf("gateway.internal", nil)
	resuming := &tls.Config{
		RootCAs: first.pool(), ServerName: "mcp-authz.internal", Certificates: []tls.Certificate{old}, NextProtos: []string{"h2"},
		ClientSessionCache: tls.NewLRUClientSessionCache(8),
	}
	handshake := func() (resumed bool, err error) {
		conn, err := tls.Dial("tcp", p.grpc, resuming)
		if err != nil {
			return false, err
		}
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1)) // of the server's settings; a refusal comes here
		return conn.ConnectionState().DidResume, err
	}
	for _, want := range []bool{false, true} {
		if resumed, err := handshake(); err != nil || resumed != want {
			t.Fatalf("resumed %v, %v, want %v: the last step needs a session that can be resumed", resumed, err, want)
		}
	}
	// One open connection lives on through all that follows.
	standing := p.dial(gateway(first, old))
	stands := func(what string) {
		t.Helper()
		if _, err := checkOver(t.Context(), standing, anonymous()); err != nil {
			t.Errorf("%s: the open connection broke: %v", what, err)
		}
	}
	stands("at the start")

	files.put("cert.pem", "no certificate")
	if err := callWith(t, p, gateway(first, old)); err != nil {
		t.Errorf("with a bad file: %v, want the last good one", err)
	}
	p.log.wait(t, "TLS files changed and are not good; the last good ones stay in force", 1)
	files.remove("ca.pem")
	if err := callWith(t, p, gateway(first, old)); err != nil {
		t.Errorf("without the authorities' file: %v, want the last good one", err)
	}
	if err := callWith(t, p, gateway(first)); status.Code(err) != codes.Unavailable {
		t.Errorf("without the authorities' file, no certificate: %v, want it refused", err)
	}

	second := newAuthority(t, "second")
	files.put("ca.pem", second.pem())
	files.putLeaf(second.leaf("mcp-authz.internal", nil))
	if err := callWith(t, p, gateway(second, second.leaf("gateway.internal", nil))); err != nil {
		t.Errorf("after rotation: %v", err)
	}
	p.log.wait(t, "TLS files read again", 1)
	if err := callWith(t, p, gateway(first, second.leaf("gateway.internal", nil))); err == nil {
		t.Error("the old server certificate is still shown")
	}
	if err := callWith(t, p, gateway(second, old)); status.Code(err) != codes.Unavailable {
		t.Errorf("a certificate of the old authority: %v, want it refused", err)
	}
	resuming.RootCAs.AddCert(second.cert)
	if resumed, err := handshake(); err == nil { // with a session of the time when it was good
		t.Errorf("a certificate of the old authority got through, resumed %v", resumed)
	}
	stands("after rotation")
}

// TLS without authorities for clients: encrypted, and open to whoever reaches it.
func TestTLSWithoutClientCertificates(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := folder{t, t.TempDir()}
	files.putLeaf(ca.leaf("mcp-authz.internal", nil))
	config := strings.Replace(anyPorts, "admin:", fmt.Sprintf("grpcTLS: { certFile: %[1]q, keyFile: %[2]q }, metadataTLS: { certFile: %[1]q, keyFile: %[2]q }, admin:", files.path("cert.pem"), files.path("key.pem")), 1)
	p := start(t, config+corpElsewhere+github)
	conn := p.dial(gateway(ca))
	if v, err := checkOver(t.Context(), conn, anonymous()); err != nil {
		t.Error(err)
	} else {
		wantRefused(t, "over TLS", v, 401, "no_credential")
	}
	if _, err := checkOver(t.Context(), p.dial(insecure.NewCredentials()), anonymous()); status.Code(err) != codes.Unavailable {
		t.Errorf("J-07 plaintext: %v, want it refused", err)
	}

	// The metadata listener.
	fetch := func() (string, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool(), ServerName: "mcp-authz.internal"}}}
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+p.metadata+"/.well-known/oauth-protected-resource/github/mcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "mcp.example.com"
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.String(), nil
	}
	before, err := fetch()
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, "http://"+p.metadata+"/.well-known/oauth-protected-resource/github/mcp"); status != 400 {
		t.Errorf("plaintext to the metadata listener: %d, want the refusal of net/http", status)
	}
	files.putLeaf(ca.leaf("mcp-authz.internal", nil))
	if after, err := fetch(); err != nil || after == before {
		t.Errorf("after rotation: certificate %s again, or %v", after, err)
	}
}
