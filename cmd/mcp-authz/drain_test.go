package main

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"syscall"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// SIGTERM: a check in flight gets its answer, then the process ends with 0.
func TestTerminateWithACheckInFlight(t *testing.T) {
	issuer := authorizationServer(t)
	issuer.Fail(authztest.JWKS, authztest.Fault{Kind: authztest.Hang})
	p := start(t, anyPorts+"limits: { checkDeadline: 10s }\n"+corp(issuer)+github)
	if err := issuer.WaitFetches(t.Context(), authztest.JWKS, 1); err != nil {
		t.Fatal(err)
	}

	conn := p.dial(insecure.NewCredentials())
	waiting := sendCheck(t, conn, with(good(issuer))) // for the keys
	if v, err := checkOver(t.Context(), conn, anonymous()); err != nil || v.Status != 401 {
		t.Fatal(v, err) // streams are taken up in order: now the process has the one that waits
	}
	p.signal(syscall.SIGTERM)
	p.log.wait(t, "draining", 1)
	issuer.Release()

	out := new(authv3.CheckResponse)
	if err := waiting.RecvMsg(out); err != nil {
		t.Fatalf("the check in flight was cut off: %v", err)
	}
	wantAllowed(t, "in flight at SIGTERM", authztest.ReadVerdict(out))
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	p.log.wait(t, "stopped", 1)
}

// The same, with an authorization server that never answers: the check is refused, by us.
func TestTerminateWithACheckThatCannotBeDecided(t *testing.T) {
	issuer := authorizationServer(t)
	issuer.Fail(authztest.JWKS, authztest.Fault{Kind: authztest.Hang})
	p := start(t, anyPorts+"limits: { checkDeadline: 500ms }\n"+corp(issuer)+github)
	conn := p.dial(insecure.NewCredentials())
	waiting := sendCheck(t, conn, with(good(issuer)))
	if v, err := checkOver(t.Context(), conn, anonymous()); err != nil || v.Status != 401 {
		t.Fatal(v, err)
	}
	p.signal(syscall.SIGTERM)
	out := new(authv3.CheckResponse)
	if err := waiting.RecvMsg(out); err != nil {
		t.Fatalf("the check in flight was cut off: %v", err)
	}
	wantRefused(t, "A-23 in flight at SIGTERM", authztest.ReadVerdict(out), 503, "keys_unavailable")
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
}

// sendCheck sends a request without waiting for the answer.
func sendCheck(t *testing.T, conn *grpc.ClientConn, r authztest.HTTP) grpc.ClientStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{}, authv3.Authorization_Check_FullMethodName)
	if err == nil {
		err = s.SendMsg(r.CheckRequest(authztest.RawForm))
	}
	if err == nil {
		err = s.CloseSend()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// SIGINT, as from a terminal, ends it in the same way; gateways are told to go away (GOAWAY) before their connection closes.
func TestGatewaysAreToldToGoAway(t *testing.T) {
	p := start(t, anyPorts+"resources: []\n")
	conn, settings := dialHTTP2(t, p.grpc)
	if settings[3] != 1024 { // SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 §6.5.2
		t.Errorf("streams on one connection: %d, want 1024", settings[3])
	}
	if settings[6] == 0 || settings[6] > 1<<20 { // SETTINGS_MAX_HEADER_LIST_SIZE
		t.Errorf("header bytes of one call: %d, want a limit", settings[6])
	}
	p.signal(syscall.SIGINT)
	for {
		kind, payload, err := frame(conn)
		if err != nil {
			t.Fatalf("closed without GOAWAY: %v", err)
		}
		if kind == 7 { // GOAWAY, RFC 9113 §6.8
			if code := binary.BigEndian.Uint32(payload[4:8]); code != 0 {
				t.Errorf("GOAWAY with error code %d", code)
			}
			break
		}
	}
	conn.Close()
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
}

// dialHTTP2 opens a bare HTTP/2 connection and reads the server's settings.
func dialHTTP2(t *testing.T, addr string) (net.Conn, map[uint16]uint32) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	const emptySettings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+emptySettings); err != nil {
		t.Fatal(err)
	}
	kind, payload, err := frame(conn)
	if err != nil || kind != 4 {
		t.Fatalf("the first frame is of kind %d, %v; want SETTINGS", kind, err)
	}
	settings := map[uint16]uint32{}
	for ; len(payload) >= 6; payload = payload[6:] {
		settings[binary.BigEndian.Uint16(payload)] = binary.BigEndian.Uint32(payload[2:])
	}
	return conn, settings
}

// frame reads one frame (RFC 9113 §4.1).
func frame(r io.Reader) (kind byte, payload []byte, err error) {
	var head [9]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(r, payload)
	return head[3], payload, err
}
