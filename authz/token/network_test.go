package token_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// pipes is a network within a synctest bubble: net/http on both sides, joined by net.Pipe, so that time is the bubble's.
func pipes(t *testing.T, h http.Handler) *http.Transport {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(l)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		client, server := net.Pipe()
		select {
		case l.conns <- server:
			return client, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	transport := &http.Transport{DialContext: dial, DialTLSContext: dial, MaxResponseHeaderBytes: 64 << 10} // https without TLS: nobody listens
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return transport
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.IPAddr{} }

// outlet is corp as a real server, an issuer that fetches from it, and the whole check in front. It is made in a bubble.
type outlet struct {
	*authztest.Issuer
	t        *testing.T
	issuer   *token.Issuer
	verifier *token.Verifier
	server   *extauthz.Server
	logged   *buffer

	mu    sync.Mutex
	asked []ask
	began time.Time
}

// ask is a document that was asked for, and when, since the start.
type ask struct {
	at   time.Duration
	path string
}

// open starts it. Its keys are one on P-256; it does not wait for the first fetch.
func open(t *testing.T, change func(*token.Config, *authztest.Issuer)) *outlet {
	t.Helper()
	o := &outlet{Issuer: authztest.NewIssuerWithKey(corpURL, named("key-1", ecKey())), t: t, logged: &buffer{}, began: time.Now()}
	c := token.Config{
		Name: "corp", Issuer: corpURL, Leeway: leeway, RefreshInterval: 10 * time.Minute, MaxStaleness: 24 * time.Hour, CacheEntries: 100,
		Transport: pipes(t, o), Log: slog.New(slog.NewJSONHandler(o.logged, nil)),
	}
	if change != nil {
		change(&c, o.Issuer)
	}
	o.issuer = run(t, c)
	o.verifier = token.NewVerifier(o.issuer)
	o.server = newServer(t, resource(t, "github", places()["github"], o.verifier))
	return o
}

// ready is open, and waits for the first keys.
func ready(t *testing.T, change func(*token.Config, *authztest.Issuer)) *outlet {
	t.Helper()
	o := open(t, change)
	<-o.issuer.Attempted()
	if o.issuer.Status().Failing {
		t.Fatal("the first fetch failed")
	}
	return o
}

// ServeHTTP is the issuer's, and remembers what was asked for.
func (o *outlet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.asked = append(o.asked, ask{time.Since(o.began), r.URL.Path})
	o.mu.Unlock()
	o.Issuer.ServeHTTP(w, r)
}

// asks is all that was asked for.
func (o *outlet) asks() []ask {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

// fetches is when the keys were asked for, since the start.
func (o *outlet) fetches() []time.Duration {
	out := []time.Duration{}
	for _, a := range o.asks() {
		if strings.HasSuffix(a.path, authztest.JWKS) {
			out = append(out, a.at)
		}
	}
	return out
}

// good is a token that corp makes now.
func (o *outlet) good() string { return o.Mint(object{"aud": places()["github"].id}) }

// strange is one of now whose key corp never had.
func (o *outlet) strange() string {
	d := o.Token(object{"aud": places()["github"].id})
	d.Key, d.Header["kid"] = stranger(), "stranger"
	return d.Compact()
}

// check is the whole check. Whatever happens it ends within its deadline (invariant 7).
func (o *outlet) check(compact string, want authz.Reason) {
	o.t.Helper()
	start := time.Now()
	v := checkAt(o.t, o.server, places()["github"].id, compact, authztest.RawForm)
	judged(o.t, v, want)
	if took := time.Since(start); took > checkDeadline {
		o.t.Errorf("the check took %v", took)
	}
}

// pass lets the bubble's time go by.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
