package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// interop is a world in which a client takes a journey: an authorization server, an MCP server that nobody changed, Envoy and
// mcp-authz between them, and a record of who asked whom for what.
type interop struct {
	t        testing.TB
	record   *record
	server   *interopServer
	upstream *interopUpstream
	front    *front
	origin   string // of the gateway, as clients know it
	gateway  string // past the record
	program  *program
	byHand   bool
	given    map[string]string // tokens, by resource, where they are given by hand

	name     string        // of the authorization server's declaration
	scopes   []string      // that the resources require
	lifetime time.Duration // of tokens; 0: as the server likes

	seen   int      // entries of the record that are told
	story  []string // what happened, step by step, with the requests of each
	beside map[string]bool
	lost   int // calls that failed, and went well over a new connection
	failed string
	last   string // path that it connected to
}

// Two resources of one host. The second is for journeys that need one; its server is always the same.
const (
	resourceA = "/mcp"
	resourceB = "/b/mcp"
	upstreamB = "mcp-proxy-5.12.5-stateless"
)

// maxRequests bounds the loops of a client: no journey takes more.
const maxRequests = 100

// newInterop makes it, without a client.
func newInterop(t testing.TB, server, upstream string, lifetime time.Duration) *interop {
	t.Helper()
	w := &interop{t: t, record: &record{}, name: "login", lifetime: lifetime, beside: map[string]bool{}, given: map[string]string{}}
	w.gateway = freeAddr(t)
	w.origin = w.record.before(t, "gateway", w.gateway)
	w.server = startInteropServer(t, server, w.record, []string{w.origin + resourceA, w.origin + resourceB}, lifetime)
	w.scopes = []string{w.server.scope}
	w.upstream = startInteropUpstream(t, upstream, resourceA)
	second := startInteropUpstream(t, upstreamB, resourceB)
	w.front = serve(t, w.config())
	startEnvoy(t, newest, envoyFile(t, w.front.grpc, w.upstream.addr,
		listensOn(w.gateway),
		edit{"              - match: {prefix: /}\n", "              - match: {path_separated_prefix: /b}\n                route: {cluster: second, timeout: 0s}\n" +
			"              - match: {prefix: /}\n"},
		edit{"  - name: mcp-authz\n    type: STATIC", "  - name: second\n    load_assignment:\n      cluster_name: second\n      endpoints:\n      - lb_endpoints:\n" +
			"        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " + portOf(second.addr) + "}}}\n  - name: mcp-authz\n    type: STATIC"}))
	w.record.mu.Lock()
	defer w.record.mu.Unlock()
	w.record.entries = nil // what mcp-authz itself asked of the issuer, and what readiness took
	return w
}

// config is the configuration of mcp-authz.
func (w *interop) config() string {
	_, rest, _ := strings.Cut(w.server.declare, ",")
	server := "{name: " + w.name + "," + strings.TrimSuffix(rest, "}") + ", refreshInterval: 10s, leeway: 0s}"
	text := "authorizationServers:\n- " + server + "\nresources:\n"
	for name, path := range map[string]string{"a": resourceA, "b": resourceB} {
		text += fmt.Sprintf("- {name: %s, resource: %q, authorizationServers: [%s], scopes: {required: [%s]}%s}\n",
			name, w.origin+path, w.name, quotedList(w.scopes), w.server.resource)
	}
	return text
}

func quotedList(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

// token is one that the authorization server gives to a machine.
func (w *interop) token(path string) string {
	w.t.Helper()
	return w.server.token(w.t, w.origin+path, strings.Join(w.scopes, " "))
}

// status is that of a request with this token, past the record, to a path where the upstream has nothing: it costs that little.
func (w *interop) status(token string) int {
	w.t.Helper()
	c := &plainClient{url: "http://" + w.gateway + resourceA + "/nothing", header: http.Header{
		"Host": {strings.TrimPrefix(w.origin, "http://")}, "Authorization": {"Bearer " + token},
	}}
	return readAnswer(w.t, c.send(w.t, http.MethodPost, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)).status
}

// until waits for a verdict about a token. What the upstream says to a request that was let through does not matter here.
func (w *interop) until(what, token string, holds func(status int) bool) {
	w.t.Helper()
	eventually(w.t, what, func() bool { return holds(w.status(token)) })
}

// step has the client do something, and tells it with all that was asked for meanwhile.
func (w *interop) step(name string, command map[string]any) reply {
	w.t.Helper()
	r := w.program.do(command)
	head := name + ": ok"
	switch {
	case !r.OK:
		head = name + ": " + w.plain(r.Error)
	case r.Version != "":
		head += " " + r.Version
	}
	w.story = append(w.story, head)
	w.tell()
	return r
}

// tell takes the requests since the last time into the story. What clients do beside their way is told once, at the end: streams,
// notifications, leave-taking come when they come.
func (w *interop) tell() {
	w.record.mu.Lock()
	defer w.record.mu.Unlock()
	for ; w.seen < len(w.record.entries); w.seen++ {
		e := w.record.entries[w.seen]
		if line := e.String(); !aside.MatchString(line) && !strings.HasPrefix(line, byUs) {
			w.story = append(w.story, "\t"+w.plain(line))
		}
	}
}

var aside = regexp.MustCompile(`^gateway (GET /(b/)?(mcp/?)? |DELETE |POST \S+ notifications/|POST \S+ open|POST \S+ \d)`)

// end tells the rest, and returns the whole story.
func (w *interop) end() string {
	w.t.Helper()
	w.program.end()
	w.tell()
	w.record.mu.Lock()
	defer w.record.mu.Unlock()
	for _, e := range w.record.entries {
		if line := e.String(); aside.MatchString(line) && !strings.HasSuffix(line, " open") {
			w.beside[w.plain(line)] = true
		}
	}
	if n := len(w.record.entries); n > maxRequests {
		w.t.Errorf("%d requests, want at most %d", n, maxRequests)
	}
	out := slices.Clone(w.story)
	if len(w.beside) > 0 {
		out = append(out, "beside")
		for line := range w.beside {
			out = append(out, "\t"+line)
		}
		slices.Sort(out[len(out)-len(w.beside):])
	}
	return strings.Join(out, "\n") + "\n"
}

var (
	varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{8}-\d+|[0-9a-f]{12,}|[A-Za-z0-9_-]{30,}|\b\d{5,}\b|0x[0-9a-f]+`)
	blanks  = regexp.MustCompile(`\s+`)
)

// plain is a text without what differs from run to run.
func (w *interop) plain(text string) string {
	text = strings.NewReplacer(w.origin, "GATEWAY", strings.TrimSuffix(w.server.issuer, "/"), "ISSUER").Replace(text)
	text = varying.ReplaceAllString(blanks.ReplaceAllString(text, " "), "…")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}

// logins is how often the user was asked.
func (w *interop) logins() (n int) {
	w.record.mu.Lock()
	defer w.record.mu.Unlock()
	for _, e := range w.record.entries {
		if e.String() == loggedIn {
			n++
		}
	}
	return n
}

// loggedIn is the line of the record for it.
const loggedIn = "user logs in"
