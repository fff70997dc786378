package token

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"

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
	client  *http.Client
	ca      []byte   // what the client was made with
	bearer  string   // "" for none
	origins []string // where the bearer may go: those that the declaration writes itself
}

// prepare reads the files. What cannot be read fails the fetch, and the next one tries again.
func (f *fetcher) prepare(c *Config) error {
	if f.client == nil && c.CAFile == "" {
		f.client = newClient(c.Transport, nil)
	}
	if c.CAFile != "" {
		pem, err := readFile(c.CAFile, MaxCAFileBytes)
		if err != nil {
			return faultCA
		}
		if f.client == nil || !bytes.Equal(pem, f.ca) {
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(pem) {
				return faultCA
			}
			f.client, f.ca = newClient(c.Transport, pool), pem
		}
	}
	if c.BearerTokenFile == "" {
		return nil
	}
	data, err := readFile(c.BearerTokenFile, MaxBearerTokenBytes)
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
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

func isLoopback(u *url.URL) bool { return metadata.IsLoopback(strings.ToLower(u.Hostname())) }

func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = faultSize
	}
	return data, err
}

// newClient makes an HTTP client that follows redirects within one origin only, reads certificates strictly, and never dials
// a link-local address (cloud metadata services live there). authorities may be nil: those of the system.
func newClient(transport http.RoundTripper, authorities *x509.CertPool) *http.Client {
	if transport == nil {
		dialer := &net.Dialer{Timeout: FetchTimeout, Control: refuseLinkLocal}
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities},
			TLSHandshakeTimeout:    FetchTimeout,
			ResponseHeaderTimeout:  FetchTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
			// A connection can die without a word, and HTTP/2 would go on using it: every retry would go the same way.
			DisableKeepAlives: true,
		}
	}
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects || origin(next.URL) != origin(via[0].URL) {
				return http.ErrUseLastResponse // a 3xx, and so not a 200
			}
			return nil
		},
	}
}

func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(address); err != nil || ap.Addr().Unmap().IsLinkLocalUnicast() {
		return faultUnreachable
	}
	return nil
}
