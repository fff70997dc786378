package token

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// TestLinkLocalIsNotDialled: D-12: services with credentials of the machine live at link-local addresses; none is dialled, however
// it is written.
func TestLinkLocalIsNotDialled(t *testing.T) {
	for address, want := range map[string]bool{
		"169.254.169.254:80": false, "[::ffff:169.254.169.254]:80": false, "[fe80::1]:443": false, "[fe80::1%eth0]:443": false, "": false,
		"169.254.0.0:1": false, "169.254.255.255:65535": false, "[febf::1]:443": false, "[::ffff:a9fe:a9fe]:80": false, "metadata:80": false,
		"127.0.0.1:80": true, "10.0.0.1:443": true, "[::1]:80": true, "[fd00::1]:443": true, "192.0.2.1:443": true,
		"[64:ff9b::a9fe:a9fe]:80": false, "[64:ff9b::c000:201]:80": true, "[fd00:ec2::254]:80": false, "[fd00:ec2::253]:80": true,
		"169.253.255.255:80": true, "169.255.0.0:80": true, "[fec0::1]:443": true, "[::ffff:192.0.2.1]:443": true,
	} {
		if got := refuseLinkLocal("tcp", address, nil) == nil; got != want {
			t.Errorf("%s: dialled %v", address, got)
		}
	}
	for _, u := range []string{
		"http://169.254.169.254/latest/meta-data", "https://169.254.169.254/", "http://169.254.170.2/v2/credentials",
		"http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]/", "http://[fe80::a9fe:a9fe%251]/", "http://[fe80::1%25lo]:8080/",
	} {
		refusedToDial(t, u)
	}
}

// refusedToDial asks for a URL as a fetch does, and wants our own refusal, not a failure of the network.
func refusedToDial(t *testing.T, u string) {
	t.Helper()
	client := newClient(&Config{}, nil)
	client.Transport.(*http.Transport).Proxy = nil // a proxy would be what is dialled
	t.Cleanup(client.CloseIdleConnections)
	resp, err := client.Get(u)
	if err == nil {
		resp.Body.Close()
	}
	var refused fault
	if !errors.As(err, &refused) {
		t.Errorf("%s: %v, want the refusal to dial", u, err)
	}
}

// TestNamesOfLinkLocalAddresses: D-12: what counts is the address that a name has when it is dialled, at each dial.
func TestNamesOfLinkLocalAddresses(t *testing.T) {
	names := serveNames(t)
	for _, address := range []string{"169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "169.254.170.2"} {
		names.set("metadata.test.", address)
		refusedToDial(t, "http://metadata.test.:1/latest")
	}

	// A name that was ours a moment ago: within its origin a redirect is followed, and dialled anew.
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		w.Header().Set("Connection", "close")
		names.set("rebind.test.", "169.254.169.254")
		http.Redirect(w, r, "/latest/meta-data", http.StatusFound)
	}))
	t.Cleanup(server.Close)
	names.set("rebind.test.", "127.0.0.1")
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	refusedToDial(t, "http://rebind.test.:"+port+"/jwks")
	if len(asked) != 1 || asked[0] != "/jwks" {
		t.Errorf("the server was asked for %q", asked)
	}
}

// TestRedirectToLinkLocal: D-12: a redirect to another origin is an answer, and a bad one; nobody goes there.
func TestRedirectToLinkLocal(t *testing.T) {
	for _, to := range []string{
		"http://169.254.169.254/latest/meta-data", "//169.254.169.254/", "http://[fe80::1%25lo]/", "http://[::ffff:169.254.169.254]/", "https://metadata.test/",
	} {
		server := httptest.NewServer(http.RedirectHandler(to, http.StatusTemporaryRedirect))
		client := newClient(&Config{}, nil)
		resp, err := client.Get(server.URL)
		if err != nil || resp.StatusCode != http.StatusTemporaryRedirect {
			t.Errorf("%s: %v (%v)", to, resp, err)
		}
		if err == nil {
			resp.Body.Close()
		}
		client.CloseIdleConnections()
		server.Close()
	}
}

// names is a name server for the resolver of this process.
type names struct {
	mu        sync.Mutex
	addresses map[string]netip.Addr
}

func (n *names) set(name, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses[name] = netip.MustParseAddr(address)
}

func serveNames(t *testing.T) *names {
	n, system := &names{addresses: map[string]netip.Addr{}}, net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = system })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go n.answer(server)
		return client, nil
	}}
	return n
}

// answer answers questions for an address (RFC 1035 §4), each after its length, as over TCP.
func (n *names) answer(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		m := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, m); err != nil {
			return
		}
		end, labels := 12, []string{}
		for m[end] != 0 {
			labels = append(labels, string(m[end+1:end+1+int(m[end])]))
			end += 1 + int(m[end])
		}
		kind := m[end+2] // 1: A, 28: AAAA
		m = m[:end+5]    // the question alone
		m[2], m[3], m[7], m[11] = 0x81, 0x80, 0, 0
		n.mu.Lock()
		address, known := n.addresses[strings.Join(labels, ".")+"."]
		n.mu.Unlock()
		if bytes := address.AsSlice(); known && (kind == 1) == (len(bytes) == 4) {
			m[7] = 1
			m = append(m, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, byte(len(bytes)))
			m = append(m, bytes...)
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)); err != nil {
			return
		}
	}
}
