package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/token"
)

// login is a world in which a client can log in by itself: an MCP server behind Envoy and mcp-authz, and the development
// authorization server. Whatever the client asks of either is on record.
type login struct {
	origin, issuer string // as the client knows them
	gateway        string // Envoy's own address, past the record
	record         *record
	front          *front // mcp-authz
}

// newLogin makes it. path is that of the resource, more is what else its declaration says.
func newLogin(t testing.TB, version, mcpServer, path, more string) *login {
	t.Helper()
	l := &login{record: &record{}}
	issuerAddr := freeAddr(t)
	l.issuer = l.record.before(t, "issuer", issuerAddr)
	issuer := start(t, "dev-issuer", bin+"/dev-issuer", "--listen", issuerAddr, "--issuer", l.issuer)
	eventually(t, "dev-issuer is ready", func() bool {
		return issuer.running() && answers("http://"+issuerAddr+"/.well-known/oauth-authorization-server", http.StatusOK)
	})
	gatewayAddr := freeAddr(t)
	l.gateway, l.origin = gatewayAddr, l.record.before(t, "gateway", gatewayAddr)
	l.front = serve(t, l.config(path, more))
	startEnvoy(t, version, envoyFile(t, l.front.grpc, mcpServer, listensOn(gatewayAddr)))
	return l
}

// config is the configuration of mcp-authz. path is that of the resource, more is what else its declaration says.
func (l *login) config(path, more string) string {
	return fmt.Sprintf("authorizationServers:\n- {name: dev, issuer: %q}\nresources:\n- {name: mcp, resource: %q, authorizationServers: [dev]%s}\n",
		l.issuer, l.origin+path, more)
}

// token asks the authorization server for one, as a machine would.
func (l *login) token(t testing.TB, resource, scope string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {resource}, "client_id": {"demo"}, "client_secret": {"demo"}}
	if scope != "" {
		form.Set("scope", scope)
	}
	resp, err := http.PostForm(l.issuer+"/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.AccessToken == "" {
		t.Fatalf("the token endpoint answers %s, %v", resp.Status, err)
	}
	return got.AccessToken
}

// record is who was asked for what, in the order of arrival.
type record struct {
	mu      sync.Mutex
	entries []*entry
	fault   func(who string, r *http.Request, body []byte) int // the status of those that are refused instead of passed on; 0: pass
}

type entry struct{ who, what, status string }

func (e *entry) String() string {
	if e.what == "" {
		return e.who
	}
	return e.who + " " + e.what + " " + e.status
}

// lines are the requests so far.
func (r *record) lines() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		out = append(out, e.String())
	}
	return out
}

// note puts a line between the requests.
func (r *record) note(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, &entry{who: line})
}

// breaks refuses requests from now on. nil: all is well again.
func (r *record) breaks(fault func(who string, r *http.Request, body []byte) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = fault
}

// ofBrowser marks what a user's browser asks for at the authorization server: the record has one line for a login, not its pages.
const ofBrowser = "X-Browser"

// byUs is before what mcp-authz asks for.
const byUs = "mcp-authz at "

// before records what goes to an address. It returns the URL that clients use instead.
func (r *record) before(t testing.TB, who, addr string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1, // event streams
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", addr, p.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, in *http.Request, _ error) {
			if in.Context().Err() == nil { // else the client went away, and this is no answer of anybody
				w.WriteHeader(http.StatusBadGateway)
			}
		},
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		if in.Header.Get(ofBrowser) != "" {
			proxy.ServeHTTP(w, in)
			return
		}
		from := who
		if in.UserAgent() == token.UserAgent { // it fetches when it wants to, which is not a client's doing
			from = byUs + who
		}
		e := &entry{who: from, what: in.Method + " " + in.URL.Path, status: "open"}
		body, _ := io.ReadAll(in.Body)
		in.Body = io.NopCloser(bytes.NewReader(body))
		var message struct{ Method string }
		if json.Unmarshal(body, &message) == nil && message.Method != "" {
			e.what += " " + message.Method
		}
		r.mu.Lock()
		r.entries = append(r.entries, e)
		fault := r.fault
		r.mu.Unlock()
		out := &statusWriter{w, func(status int) {
			r.mu.Lock()
			defer r.mu.Unlock()
			e.status = fmt.Sprint(status)
		}}
		if fault != nil {
			if status := fault(who, in, body); status != 0 {
				out.Header().Set("Content-Type", "application/json")
				out.WriteHeader(status)
				io.WriteString(out, `{"error":"invalid_grant"}`)
				return
			}
		}
		proxy.ServeHTTP(out, in)
	})}
	go server.Serve(listener) //nolint:errcheck // ends with the test
	t.Cleanup(func() { server.Close() })
	return "http://localhost:" + portOf(listener.Addr().String())
}

type statusWriter struct {
	http.ResponseWriter
	tell func(int)
}

func (w *statusWriter) WriteHeader(status int) {
	w.tell(status)
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets event streams be flushed.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// client runs a program of node/typescript-sdk-v1 and returns the line that it prints.
func client(t testing.TB, program string, args ...string) (line string, err error) {
	t.Helper()
	cmd := exec.Command("node", append([]string{nodeFolder(t, "typescript-sdk-v1") + "/" + program}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}
