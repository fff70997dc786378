package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// send writes bytes to the gateway as they are, and reads what comes back. A connection that is closed without an answer is
// status 0: that, too, is a refusal.
func (g *gateway) send(t testing.TB, raw string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		_, _ = io.WriteString(conn, raw) // the gateway may answer, and close, before it has read all
	}()
	method, _, _ := strings.Cut(raw, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return answer{}
	}
	got := readAnswer(t, resp).leaksNothing(t)
	conn.Close()
	<-wrote
	return got
}

// readAnswer reads a response to its end.
func readAnswer(t testing.TB, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("the body of an answer: %v", err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// leaksNothing is invariant 4 for what a client gets: no piece of a token or key id.
func (a answer) leaksNothing(t testing.TB) answer {
	t.Helper()
	if piece := authztest.Leak(fmt.Sprint(a)); piece != "" {
		t.Errorf("the answer says %q, a piece of a token or key id: %v", piece, a)
	}
	return a
}

// message writes a request of HTTP/1.1, with header lines as they are.
func message(method, path, host, body string, header ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("Connection: close\r\n\r\n" + body)
	return b.String()
}

// call sends a message.
func (g *gateway) call(t testing.TB, method, path, host, body string, header ...string) answer {
	t.Helper()
	return g.send(t, message(method, path, host, body, header...))
}

// http2 sends a request over HTTP/2 with prior knowledge.
func (g *gateway) http2(t testing.TB, r *http.Request) answer {
	t.Helper()
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	r.URL.Scheme, r.URL.Host = "http", g.addr
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.ProtoMajor != 2 {
		t.Errorf("the answer is %s", resp.Proto)
	}
	return readAnswer(t, resp).leaksNothing(t)
}
