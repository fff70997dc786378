package token_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// authority signs certificates.
type authority struct {
	key  *authztest.Key
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: authztest.GenerateEd25519("")}
	a.cert = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}, a.key).Leaf
	return a
}

func (a *authority) sign(t *testing.T, template *x509.Certificate, key *authztest.Key) *tls.Certificate {
	t.Helper()
	parent := a.cert
	if parent == nil {
		parent = template
	}
	template.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(nil, template, parent, key.Private.Public(), a.key.Private)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key.Private, Leaf: leaf}
}

// server is the certificate of a name that begins and ends so long from now.
func (a *authority) server(t *testing.T, name string, from, until time.Duration) *tls.Certificate {
	t.Helper()
	return a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until),
	}, authztest.GenerateEd25519(""))
}

// TestCertificateGoesBad: D-04, A-23: an authorization server shows a certificate that proves nothing, from the start or while
// traffic flows. That is an outage like any other: known keys serve, without keys it is 503; with a good certificate all is
// well within 12 s.
func TestCertificateGoesBad(t *testing.T) {
	const name = "idp.example.com"
	for what, make := range map[string]func(t *testing.T, trusted *authority) *tls.Certificate{
		"of an unknown authority": func(t *testing.T, _ *authority) *tls.Certificate {
			return newAuthority(t).server(t, name, -time.Hour, time.Hour)
		},
		"of another name": func(t *testing.T, a *authority) *tls.Certificate {
			return a.server(t, "evil.example.com", -time.Hour, time.Hour)
		},
		"expired":       func(t *testing.T, a *authority) *tls.Certificate { return a.server(t, name, -time.Hour, -time.Second) },
		"not yet valid": func(t *testing.T, a *authority) *tls.Certificate { return a.server(t, name, time.Hour, 2*time.Hour) },
	} {
		for _, cold := range []bool{false, true} {
			t.Run(what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					trusted := newAuthority(t)
					good, bad := trusted.server(t, name, -time.Hour, time.Hour), make(t, trusted)
					var shown atomic.Pointer[tls.Certificate]
					shown.Store(good)
					if cold {
						shown.Store(bad)
					}
					var transport *http.Transport
					o := open(t, func(c *token.Config, i *authztest.Issuer) {
						brief(c, i)
						transport = overTLS(t, i, trusted, &shown)
						c.Transport = transport
					})
					<-o.issuer.Attempted()
					flow := newTraffic(o)
					if !cold {
						flow.run(6 * time.Second)
						shown.Store(bad)
						transport.CloseIdleConnections()
					}
					flow.rotate()
					flow.run(36 * time.Second)
					if s := o.issuer.Status(); !s.Failing || s.Cause != causeCertificate {
						t.Errorf("%+v", s)
					}
					shown.Store(good)
					took := flow.recovered(o.good())
					if took > within {
						t.Errorf("a good token was let in %v after the certificate was good", took)
					}
					flow.run(6 * time.Second)
				})
			})
		}
	}
}

// overTLS is pipes with TLS: the certificate that is shown may change.
func overTLS(t *testing.T, h http.Handler, trusted *authority, shown *atomic.Pointer[tls.Certificate]) *http.Transport {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(tls.NewListener(l, &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil },
	}))
	pool := x509.NewCertPool()
	pool.AddCert(trusted.cert)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			client, server := net.Pipe()
			select {
			case l.conns <- server:
				return client, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return transport
}
