package token

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"github.com/mcp-authz/mcp-authz/metadata"
)

func newTransport(authorities *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  proxyOf,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities},
		TLSHandshakeTimeout:    FetchTimeout,
		ResponseHeaderTimeout:  FetchTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		// A connection can die without a word, and HTTP/2 would go on using it: every retry would go the same way.
		DisableKeepAlives: true,
	}
}

// abroad asks nothing of this machine. A proxy of the environment may be on it, since no declaration names that.
type abroad struct{ direct, proxied http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a abroad) RoundTrip(r *http.Request) (*http.Response, error) {
	if proxy, _ := proxyOf(r); proxy != nil { // an error is that of direct, too
		return a.proxied.RoundTrip(r)
	}
	return a.direct.RoundTrip(r)
}

// proxyOf is the proxy of the environment, but for loopback: what is here stays here, whatever its name is.
func proxyOf(r *http.Request) (*url.URL, error) {
	if isLoopback(r.URL) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(r)
}

// dial never reaches a link-local address, and by a name of loopback nothing but loopback, whatever a resolver says.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: FetchTimeout, Control: refuseLinkLocal}
	if host, _, err := net.SplitHostPort(address); err == nil && metadata.IsLoopback(strings.ToLower(host)) {
		dialer.Control = refuseAllButLoopback
	}
	return dialer.DialContext(ctx, network, address)
}

// dialAbroad reaches neither link-local addresses nor this machine, whatever a resolver says.
func dialAbroad(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: FetchTimeout, Control: refuseHere}
	return dialer.DialContext(ctx, network, address)
}

// refuseHere refuses the unspecified address, too: what is sent there arrives at loopback.
func refuseHere(network, address string, c syscall.RawConn) error {
	ap, _ := netip.ParseAddrPort(address) // what is none is refused below
	if a := behind(ap.Addr()); a.IsLoopback() || a.IsUnspecified() {
		return faultLoopback
	}
	return refuseLinkLocal(network, address, c)
}

func refuseAllButLoopback(_, address string, _ syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(address); err != nil || !ap.Addr().Unmap().IsLoopback() {
		return faultUnreachable
	}
	return nil
}

func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(address); err != nil || metadataService(behind(ap.Addr())) {
		return faultUnreachable
	}
	return nil
}

// behind is the address that packets for another one end at: IPv4 is written as IPv6 in two ways (RFC 4291 §2.5.5.2, and NAT64,
// RFC 6052), and a zone is no part of it.
func behind(a netip.Addr) netip.Addr {
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a.Unmap().WithZone("")
}

// metadataService reports whether cloud metadata services live at an address: link-local ones, and the one of AWS over IPv6.
func metadataService(a netip.Addr) bool {
	return a.IsLinkLocalUnicast() || a == netip.MustParseAddr("fd00:ec2::254")
}
