package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// certificates are TLS material from files, read again when one of them changes. Material that is not good is reported once
// and changes nothing.
type certificates struct {
	certFile, keyFile, caFile string
	log                       *slog.Logger

	mu       sync.Mutex
	stamp    []fileStamp
	pair     *tls.Certificate
	clientCA *x509.CertPool
}

type fileStamp struct {
	size     int64
	modified time.Time
}

func newCertificates(certFile, keyFile, caFile string, log *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, caFile: caFile, log: log}
	c.stamp = c.stamps()
	return c, c.load()
}

func (c *certificates) stamps() []fileStamp {
	var out []fileStamp
	for _, name := range []string{c.certFile, c.keyFile, c.caFile} {
		var s fileStamp
		if info, err := os.Stat(name); err == nil {
			s = fileStamp{info.Size(), info.ModTime()}
		}
		out = append(out, s)
	}
	return out
}

func (c *certificates) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certFile %s and keyFile %s are not a certificate and its key: %w", c.certFile, c.keyFile, err)
	}
	var pool *x509.CertPool
	if c.caFile != "" {
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return fmt.Errorf("clientCAFile: %w", err)
		}
		if pool = x509.NewCertPool(); !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("clientCAFile %s holds no certificate in PEM", c.caFile)
		}
	}
	c.pair, c.clientCA = &pair, pool
	return nil
}

// current is the material to use for a new connection.
func (c *certificates) current() (*tls.Certificate, *x509.CertPool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.stamps(); !slices.Equal(now, c.stamp) {
		c.stamp = now
		if err := c.load(); err != nil {
			c.log.Error("TLS files changed and are not good; the last good ones stay in force", "cert_file", c.certFile)
		} else {
			c.log.Info("TLS files read again", "cert_file", c.certFile)
		}
	}
	return c.pair, c.clientCA
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

func grpcTLS(t *spec.GRPCTLS, log *slog.Logger) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c, err := newCertificates(t.CertFile, t.KeyFile, t.ClientCAFile, log)
	if err != nil {
		return nil, fmt.Errorf("listen.grpcTLS: %w", err)
	}
	return c.config(t.AllowedClientSANs, "h2"), nil
}

func metadataTLS(t *spec.MetadataTLS, log *slog.Logger) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c, err := newCertificates(t.CertFile, t.KeyFile, "", log)
	if err != nil {
		return nil, fmt.Errorf("listen.metadataTLS: %w", err)
	}
	return c.config(nil, "h2", "http/1.1"), nil
}
