package token

import (
	"bytes"
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/mcp-authz/mcp-authz/internal/files"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// Limits on the files that a fetch reads.
const (
	MaxCAFileBytes      = 1 << 20
	MaxBearerTokenBytes = 16 << 10
)

// fetcher asks an authorization server. Certificate authorities and our credential are in files that others rotate, so they
// are read again before every fetch.
type fetcher struct {
	caFile, bearerFile files.Reader

	client  *http.Client
	ca      []byte   // what the client was made with
	bearer  string   // "" for none
	origins []string // where the bearer may go: those that the declaration writes itself
}

// prepare reads the files. What cannot be read, or not before ctx ends, fails the fetch, and the next one tries again.
func (f *fetcher) prepare(ctx context.Context, c *Config) error {
	if f.client == nil && c.CAFile == "" {
		f.client = newClient(c, nil)
	}
	if c.CAFile != "" {
		pem, _, err := f.caFile.Read(ctx)
		if err != nil {
			return faultCA
		}
		if f.client == nil || !bytes.Equal(pem, f.ca) {
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(pem) {
				return faultCA
			}
			f.client, f.ca = newClient(c, pool), pem
		}
	}
	if c.BearerTokenFile == "" {
		return nil
	}
	data, _, err := f.bearerFile.Read(ctx)
	f.bearer = string(bytes.TrimSpace(data))
	if err != nil || f.bearer == "" || strings.Trim(f.bearer, b64token) != "" {
		return faultBearer
	}
	f.origins = f.origins[:0]
	for _, declared := range []string{c.Issuer, c.JWKSURL} {
		if u, err := url.Parse(declared); err == nil && declared != "" {
			f.origins = append(f.origins, origin(u))
		}
	}
	return nil
}

// b64token are the characters of a bearer token (RFC 6750 §2.1).
const b64token = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

// do asks, and shows our credential only to an origin that the declaration itself names: never to one that metadata points
// to, and never in plain text but on loopback.
func (f *fetcher) do(req *http.Request) (*http.Response, error) {
	if f.bearer != "" && (req.URL.Scheme == "https" || isLoopback(req.URL)) {
		for _, declared := range f.origins {
			if origin(req.URL) == declared {
				req.Header.Set("Authorization", "Bearer "+f.bearer)
			}
		}
	}
	return f.client.Do(req)
}

// origin is scheme, host and port, in one spelling.
// A host that is not ASCII has none: letters that look or fold alike are another host for whoever resolves it.
func origin(u *url.URL) string {
	if !isASCII(u.Host) {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

func isLoopback(u *url.URL) bool { return metadata.IsLoopback(strings.ToLower(u.Hostname())) }

// newClient makes an HTTP client that follows redirects within one origin only, reads certificates strictly, and never dials
// a link-local address (cloud metadata services live there). authorities may be nil: those of the system.
func newClient(c *Config, authorities *x509.CertPool) *http.Client {
	transport := c.Transport
	if transport == nil {
		usual := newTransport(authorities)
		if transport = usual; c.RefuseLoopback {
			direct := newTransport(authorities)
			direct.DialContext = dialAbroad
			transport = abroad{direct: direct, proxied: usual}
		}
	}
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if from := origin(via[0].URL); len(via) > maxRedirects || from == "" || from != origin(next.URL) {
				return http.ErrUseLastResponse // a 3xx, and so not a 200
			}
			return nil
		},
	}
}
