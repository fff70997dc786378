package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// certificates are the TLS material of one listener. The files are read for every new connection, and whenever somebody asks
// how they are: no time stamp tells of every change (copies keep them, and two writes may share one). The pair of certificate
// and key stands alone, and so do the authorities of clients: bad ones must not keep the certificate from being renewed.
type certificates struct {
	listener string // grpc or metadata
	log      *slog.Logger

	mu      sync.Mutex
	pair    *material[*tls.Certificate]
	clients *material[*x509.CertPool] // nil: no certificate is asked for
}

func newCertificates(listener, certFile, keyFile, clientCAFile string, log *slog.Logger) (c *certificates, err error) {
	c = &certificates{listener: listener, log: log}
	c.pair, err = newMaterial(parsePair, newPEMFile("certFile", certFile), newPEMFile("keyFile", keyFile))
	if err == nil && clientCAFile != "" {
		c.clients, err = newMaterial(parseAuthorities, newPEMFile("clientCAFile", clientCAFile))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.key(), err)
	}
	return c, nil
}

// key is what the configuration calls it.
func (c *certificates) key() string { return "listen." + c.listener + "TLS" }

// look reads the files again and puts in force what is good. One that takes too long counts as bad, unless the look was but a
// short one.
func (c *certificates) look(wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	pair, clients := c.pair.look(ctx), look{}
	if c.clients != nil {
		clients = c.clients.look(ctx)
	}
	c.mu.Lock() // not before: a file that hangs must hold up nobody else
	defer c.mu.Unlock()
	if wait >= pemHandshake || !pair.slow {
		c.pair.take(pair, c.key(), c.log)
	}
	if c.clients != nil && (wait >= pemHandshake || !clients.slow) {
		c.clients.take(clients, c.key(), c.log)
	}
}

// current is the material to use for a new connection.
func (c *certificates) current() (*tls.Certificate, *x509.CertPool) {
	c.look(pemHandshake)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clients == nil {
		return c.pair.good, nil
	}
	return c.pair.good, c.clients.good
}

// status says whether what the files hold now is in force, and when the certificate in force ends.
func (c *certificates) status() (good bool, ends time.Time) {
	c.look(pemStatus)
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.pair.bad && (c.clients == nil || !c.clients.bad), c.pair.good.Leaf.NotAfter
}

// config is a TLS configuration that follows the files. With authorities for clients it demands a certificate, and with
// names, one that has one of them exactly.
func (c *certificates) config(allowedSANs []string, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			pair, pool := c.current()
			one := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, Certificates: []tls.Certificate{*pair}}
			if pool != nil {
				one.ClientAuth, one.ClientCAs = tls.RequireAndVerifyClientCert, pool
				one.VerifyConnection = func(s tls.ConnectionState) error { return allowedClient(s, allowedSANs) }
			}
			return one, nil
		},
	}
}

var errClientName = errors.New("the client's certificate has none of the names of listen.grpcTLS.allowedClientSANs")

func allowedClient(s tls.ConnectionState, allowed []string) error {
	if len(allowed) == 0 {
		return nil
	}
	if len(s.PeerCertificates) > 0 {
		leaf := s.PeerCertificates[0]
		for _, name := range leaf.DNSNames {
			if slices.Contains(allowed, name) {
				return nil
			}
		}
		for _, uri := range leaf.URIs {
			if slices.Contains(allowed, uri.String()) {
				return nil
			}
		}
	}
	return errClientName
}

// transport is the TLS of the listeners that have it.
type transport struct {
	grpc, metadata *tls.Config // nil: plaintext
	files          []*certificates
}

func newTransport(l spec.Listen, log *slog.Logger) (t transport, err error) {
	if s := l.GRPCTLS; s != nil {
		c, err := newCertificates("grpc", s.CertFile, s.KeyFile, s.ClientCAFile, log)
		if err != nil {
			return t, err
		}
		t.grpc, t.files = c.config(s.AllowedClientSANs, "h2"), append(t.files, c)
	}
	if s := l.MetadataTLS; s != nil {
		c, err := newCertificates("metadata", s.CertFile, s.KeyFile, "", log)
		if err != nil {
			return t, err
		}
		t.metadata, t.files = c.config(nil, "h2", "http/1.1"), append(t.files, c)
	}
	return t, nil
}
