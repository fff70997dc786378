package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// journey is what clients do with us and with their authorization server, in good and in bad times.
type journey struct {
	id, title string
	lifetime  time.Duration // of the tokens; 0: as the server likes
	logins    int           // that it takes
	servers   []string      // at which it is possible; nil: all
	take      func(w *interop)
}

// short is longer than clients that refresh by the clock are early (Go: 10 s), so that none refreshes at every request.
const short = 14 * time.Second

// rotating can be told to sign with a new key.
var rotating = []string{"dev-issuer", "oidc-provider", "keycloak", "zitadel"}

var journeys = []journey{
	{id: "first-login", title: "first login", logins: 1, take: func(w *interop) {
		w.connect(resourceA)
		w.list()
		w.call()
	}},
	{id: "reconnect", title: "reconnect with a stored token", logins: 1, take: func(w *interop) {
		w.connect(resourceA)
		w.call()
		w.close()
		w.connect(resourceA)
		w.call()
	}},
	{id: "expiry", title: "the token expires", lifetime: short, logins: 1, take: func(w *interop) {
		w.connect(resourceA)
		w.call()
		w.expire()
		w.call()
	}},
	{id: "refresh-refused", title: "it expires, and is not refreshed", lifetime: short, logins: 2, take: func(w *interop) {
		w.connect(resourceA)
		w.call()
		w.breaks("no refresh token is good any more", func(who string, r *http.Request, body []byte) int {
			if who == "issuer" && strings.Contains(string(body), "grant_type=refresh_token") {
				return http.StatusBadRequest
			}
			return 0
		})
		w.expire()
		w.call()
	}},
	{id: "other-token", title: "a token of another resource", logins: 2, take: func(w *interop) {
		w.connect(resourceA)
		w.call()
		w.close()
		w.connectWith(resourceB, w.origin+resourceA)
		w.callOf(upstreamB)
	}},
	{id: "rotation", title: "the server's keys change", logins: 1, servers: rotating, take: func(w *interop) {
		w.connect(resourceA)
		w.call()
		old := w.token(resourceA)
		w.server.rotate(w.t)
		w.event("there is a new key, beside the old one")
		w.until("the new key is known", w.token(resourceA), allowed)
		w.call()
		w.server.withdraw(w.t)
		w.event("the old one is withdrawn")
		w.until("the old key is forgotten", old, func(status int) bool { return status == http.StatusUnauthorized })
		w.call()
	}},
	{id: "outage", title: "the authorization server is down", logins: 1, take: func(w *interop) {
		w.connect(resourceA)
		w.call()
		w.breaks("the authorization server is down", issuerDown)
		w.call()
		w.close()
		w.connect(resourceA)
		w.call()
	}},
	{id: "no-keys", title: "it is down, and no key is known", logins: 1, take: func(w *interop) {
		w.connect(resourceA)
		w.call()
		w.breaks("the authorization server is down", issuerDown)
		w.name = "login-again" // a new declaration has no keys yet
		w.front.change(w.t, w.config())
		w.event("and no key is known")
		w.refusedCall()
		w.breaks("all is well again", nil)
		w.until("the keys are there", w.token(resourceA), allowed)
		w.call()
	}},
	{id: "missing-scope", title: "a scope more is required", logins: 2, take: func(w *interop) {
		w.connect(resourceA)
		w.call()
		w.scopes = append(w.scopes, w.server.further)
		w.front.change(w.t, w.config())
		w.event("the resource requires one scope more")
		w.call()
	}},
	{id: "two-resources", title: "two resources of one host", logins: 2, take: func(w *interop) {
		w.connect(resourceA)
		w.call()
		w.connect(resourceB)
		w.callOf(upstreamB)
		w.connect(resourceA)
		w.call()
	}},
	{id: "slash", title: "the URL with a slash more", logins: 1, take: func(w *interop) {
		w.connect(resourceA + "/")
		w.call()
	}},
	{id: "root", title: "the host's root instead of the URL", logins: 0, take: func(w *interop) { w.connect("/") }},
	{id: "parent", title: "the parent of the URL", logins: 0, take: func(w *interop) { w.connect("/b") }},
}

func allowed(status int) bool {
	return status != http.StatusUnauthorized && status != http.StatusServiceUnavailable
}

func issuerDown(who string, _ *http.Request, _ []byte) int {
	if who == "issuer" {
		return http.StatusServiceUnavailable
	}
	return 0
}

// event tells what happens beside the client.
func (w *interop) event(what string) { w.story = append(w.story, "("+what+")") }

func (w *interop) breaks(what string, fault func(string, *http.Request, []byte) int) {
	w.record.breaks(fault)
	w.event(what)
}

// fails ends the journey in a failure: later steps are not taken.
func (w *interop) fails(what string) {
	if w.failed == "" {
		w.failed = w.plain(what)
	}
}

func (w *interop) connect(path string) { w.connectWith(path, "") }

// connectWith connects with the credentials of a store.
func (w *interop) connectWith(path, store string) {
	w.t.Helper()
	if w.failed != "" {
		return
	}
	if r := w.step("connect "+path, w.connecting(path, store, false)); !r.OK {
		w.fails(r.Error)
	}
	w.last = path
}

// connecting is the command to connect. A token that is given by hand is a new one if the client comes again.
func (w *interop) connecting(path, store string, again bool) map[string]any {
	w.t.Helper()
	command := map[string]any{"do": "connect", "url": w.origin + path, "scopes": w.scopes} // mcp-go's application names them
	if store != "" {
		command["store"] = store
	}
	if w.server.client != nil {
		command["client"] = map[string]string{"client_id": w.server.client.ID, "client_secret": w.server.client.Secret}
	}
	if w.byHand {
		resource := resourceA // also where a URL is wrong
		if strings.HasPrefix(path, "/b") && store == "" {
			resource = resourceB
		}
		if w.given[resource] == "" || again {
			w.given[resource] = w.token(resource)
		}
		command["token"] = w.given[resource]
	}
	return command
}

func (w *interop) close() {
	w.t.Helper()
	if w.failed == "" {
		w.step("close", map[string]any{"do": "close"})
	}
}

func (w *interop) list() {
	w.t.Helper()
	if w.failed != "" {
		return
	}
	if r := w.step("list", map[string]any{"do": "list"}); !r.OK {
		w.fails(r.Error)
	}
}

// call uses a tool. If that fails the client connects anew, as a user would have it do, and tries once more.
func (w *interop) call() { w.t.Helper(); w.callOf("") }

func (w *interop) callOf(upstream string) {
	w.t.Helper()
	if w.failed != "" {
		return
	}
	tool := w.upstream
	if upstream != "" {
		tool = startInteropUpstream(w.t, upstream, resourceB)
	}
	if w.calls(tool).OK {
		return
	}
	w.lost++
	if r := w.step("connect "+w.last+" again", w.connecting(w.last, "", true)); !r.OK {
		w.fails(r.Error)
		return
	}
	if r := w.calls(tool); !r.OK {
		w.fails(r.Error)
	}
}

func (w *interop) calls(tool *interopUpstream) reply {
	w.t.Helper()
	command := map[string]any{"do": "call", "tool": tool.tool, "arguments": json.RawMessage(tool.argument)}
	r := w.step("call", command)
	if r.OK && r.Text != tool.want {
		w.t.Errorf("the tool answers %q, want %q", r.Text, tool.want)
	}
	return r
}

// refusedCall is one that cannot succeed: the token cannot be judged. Nobody may be sent to log in for it.
func (w *interop) refusedCall() {
	w.t.Helper()
	if w.failed != "" {
		return
	}
	before := w.logins()
	if w.calls(w.upstream).OK {
		w.t.Error("a call without a known key went through")
	}
	if w.logins() != before {
		w.fails("an outage made the client log in")
	}
}

// expire waits until the tokens of now are no longer good.
func (w *interop) expire() {
	w.t.Helper()
	if w.failed != "" {
		return
	}
	// A token ends with a whole second, so up to one before its lifetime is over by a client's clock.
	token, over := w.token(resourceA), time.Now().Add(w.lifetime)
	eventually(w.t, "the tokens expire", func() bool { return time.Now().After(over) && w.status(token) == http.StatusUnauthorized })
	w.event("the token expires")
}
