package authz

import (
	"net/http"
	"slices"
	"strings"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// resource is a ProtectedResource with everything worked out that does not depend on a request.
type resource struct {
	*ProtectedResource
	wildcard   bool
	plain      metadata.Rendered // the document, where the host is known
	slashed    metadata.Rendered
	challenges [numReasons]string  // but for InsufficientScope
	asserted   map[string]struct{} // folded names of headers that a client must not send
	remove     []string            // what never reaches the upstream
	expect     Expectation         // of a token; where wildcard, without the host
}

func newResource(p *ProtectedResource) *resource {
	r := &resource{ProtectedResource: p, wildcard: strings.HasPrefix(p.ID.Host, "*.")}
	r.asserted, r.remove = assertedHeaders(p)
	r.expect = Expectation{Resource: p.ID.String(), Audiences: p.Audiences}
	if !r.varies() {
		r.plain, r.slashed = r.render(p.ID, false), r.render(p.ID, true)
		for i := range r.challenges {
			r.challenges[i] = challenge(Reason(i), p.ID, r.scopes())
		}
	}
	return r
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
			return metadata.Found{Document: &r.slashed}
		}
		return metadata.Found{Document: &r.plain}
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
	return m.challenges[reason]
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
		return ok && (scheme == "http" || scheme == "https") && metadata.IsLoopback(name), false
	}
	return origin == m.id.Origin(), false
}

// isPreflight recognises a CORS preflight (Fetch §4.8), which never carries credentials.
func isPreflight(r *Request, origin string) bool {
	return r.Method == http.MethodOptions && origin != "" && r.Header("access-control-request-method") != ""
}
