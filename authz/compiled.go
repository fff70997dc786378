package authz

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// resource is a ProtectedResource with everything worked out that does not depend on a request.
type resource struct {
	*ProtectedResource
	wildcard bool
	asserted map[string]struct{} // folded names of headers that a client must not send
	remove   []string            // what never reaches the upstream
	expect   Expectation         // of a token; where wildcard, without the host

	texts atomic.Pointer[texts] // nil until the first of them is needed
}

// texts are the answers of a resource whose host is known. They are rendered when the first is needed: most of very many resources
// refuse nobody between two changes of the configuration.
type texts struct {
	plain, slashed metadata.Rendered  // the document
	challenges     [numReasons]string // but for InsufficientScope
}

func newResource(p *ProtectedResource) *resource {
	r := &resource{ProtectedResource: p, wildcard: strings.HasPrefix(p.ID.Host, "*.")}
	r.asserted, r.remove = assertedHeaders(p)
	r.expect = Expectation{Resource: p.ID.String(), Audiences: p.Audiences}
	return r
}

func (r *resource) rendered() *texts {
	if t := r.texts.Load(); t != nil {
		return t
	}
	t := &texts{plain: r.render(r.ID, false), slashed: r.render(r.ID, true)}
	for i := range t.challenges {
		t.challenges[i] = challenge(Reason(i), r.ID, r.scopes())
	}
	r.texts.Store(t) // of two that render at once, either will do
	return t
}

// leadsHere reports whether a route that the gateway matched is one of the resource's. One that is not wholly named is nobody's.
func (r *resource) leadsHere(route RouteRef) bool {
	if len(r.Routes) == 0 {
		return true
	}
	return route.Namespace != "" && route.Name != "" && slices.ContainsFunc(r.Routes, func(own RouteRef) bool {
		return own.Namespace == route.Namespace && own.Name == route.Name && (own.Rule == "" || own.Rule == route.Rule)
	})
}

// varies reports whether answers carry the request's host.
func (r *resource) varies() bool { return r.wildcard || r.InsecureAnyHost }

// scopes is what a client is told to ask for at its first login, in the challenge and in the document alike.
func (r *resource) scopes() string { return strings.Join(r.Policy.Required(), " ") }

func (r *resource) render(id metadata.Identifier, slash bool) metadata.Rendered {
	d := r.Document
	d.Resource = id.String()
	if slash {
		d.Resource += "/"
	}
	d.ScopesSupported = r.Policy.Required()
	d.BearerMethodsSupported = []string{"header"}
	return d.Render()
}

func (r *resource) document(to target, slash bool) metadata.Found {
	if r.Unusable {
		return metadata.Found{Unusable: true}
	}
	if !r.varies() {
		if slash {
			return metadata.Found{Document: &r.rendered().slashed}
		}
		return metadata.Found{Document: &r.rendered().plain}
	}
	d := r.render(r.match(to).id, slash)
	return metadata.Found{Document: &d, NoStore: r.InsecureAnyHost}
}

// match is a resource as one request reached it.
type match struct {
	*resource
	id metadata.Identifier // with the request's host, where the declaration leaves it open
}

func (r *resource) match(to target) match {
	id := r.ID
	switch {
	case r.InsecureAnyHost:
		id = id.At(to.authority())
	case r.wildcard: // "*.example.com:8443" for "a.example.com:8443"; a default port that was sent is not part of the URL
		_, port, _ := strings.Cut(strings.TrimPrefix(r.ID.Host, "*."), ":")
		id = id.At(target{name: to.name, port: port}.authority())
	}
	return match{r, id}
}

// expectation is what a token for this request must be meant for. With any host it stays the declared identifier: the
// request must not choose whose tokens are good.
func (m match) expectation() Expectation {
	expect := m.expect
	if m.wildcard {
		expect.Resource = m.id.String()
	}
	return expect
}

// challenge is the WWW-Authenticate line for a reason, "" for none. ask replaces the required scopes.
func (m match) challenge(reason Reason, ask string) string {
	if m.varies() || reason == InsufficientScope {
		if ask == "" {
			ask = m.scopes()
		}
		return challenge(reason, m.id, ask)
	}
	return m.rendered().challenges[reason]
}

// admits is the Origin rule (a MUST of MCP's transport): an Origin that is there must be the resource's own or a listed one.
// listed reports whether a page of that origin may read the answer.
func (m match) admits(origin string) (ok, listed bool) {
	if slices.Contains(m.AllowedOrigins, origin) {
		return true, true
	}
	if m.InsecureAnyHost {
		scheme, authority, _ := strings.Cut(origin, "://")
		name, _, ok := metadata.CanonicalHost(authority)
		local := ok && (scheme == "http" || scheme == "https") && metadata.IsLoopback(name)
		return local, local // a page of the developer's is at another port: to a browser, another origin
	}
	return origin == m.id.Origin(), false
}

// isPreflight recognises a CORS preflight (Fetch §4.8), which never carries credentials.
func isPreflight(r *Request, origin string) bool {
	return r.Method == http.MethodOptions && origin != "" && r.Header("access-control-request-method") != ""
}
