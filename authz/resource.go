package authz

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// ProtectedResource is a URL under protection (RFC 9728 §1.2) and everything that is declared for it. It covers its path and
// all below it.
type ProtectedResource struct {
	Name            string // in logs and metrics
	ID              metadata.Identifier
	InsecureAnyHost bool // for development: any host; URLs take the request's, the audience stays the declared one
	Audiences       []string
	AllowedOrigins  []string // of pages, beside the resource's own; serialized as RFC 6454 §6.2
	Policy          Policy
	Verifier        Verifier
	ForwardToken    bool             // keep Authorization on the way to the upstream
	IdentityHeaders []IdentityHeader // beside the default ones
	Document        metadata.Document
	Routes          []RouteRef // the only ones that lead here, where the gateway tells; a Rule "" is any; none: whichever
	Unusable        bool       // keeps its place, answers 503
}

// Table finds the resource that a request is for. The cost of a look-up does not grow with the number of resources.
type Table struct {
	hosts map[string]*host    // by declared host; a wildcard as "*.example.com"
	names map[string]struct{} // the declared hosts without their ports
	any   *host
}

// host is everything declared on one host. The first host that is declared at all decides: a path miss never falls through.
type host struct {
	paths  map[string]*resource
	folded map[string]struct{} // the paths in lower case
	depth  int                 // segments of the deepest path
	sole   *resource           // the only resource
}

// NewTable makes a table. Two resources on one host and path are an error, whatever their schemes; so is a second one that
// takes any host.
func NewTable(resources []ProtectedResource) (*Table, error) {
	t := &Table{hosts: make(map[string]*host, len(resources)), names: make(map[string]struct{}, len(resources))}
	for i := range resources {
		r := newResource(&resources[i])
		h := t.any
		if r.InsecureAnyHost {
			if h != nil {
				return nil, fmt.Errorf("%s: only one resource may take any host, and %s does", r.ID, h.sole.ID)
			}
			h = newHost()
			t.any = h
		} else if h = t.hosts[r.ID.Host]; h == nil {
			h = newHost()
			t.hosts[r.ID.Host] = h
			t.names[metadata.WithoutPort(r.ID.Host)] = struct{}{}
		}
		if other, taken := h.paths[r.ID.Path]; taken {
			return nil, fmt.Errorf("%s: the same host and path are declared by %s", r.ID, other.ID)
		}
		h.paths[r.ID.Path] = r
		h.folded[strings.ToLower(r.ID.Path)] = struct{}{}
		h.depth = max(h.depth, strings.Count(r.ID.Path, "/"))
		if h.sole = r; len(h.paths) > 1 {
			h.sole = nil
		}
	}
	return t, nil
}

func newHost() *host {
	return &host{paths: map[string]*resource{}, folded: map[string]struct{}{}}
}

// on returns the host that decides, and the scheme that its resources must have for the port that was sent ("" for either).
// A name that is declared with other ports only decides too, for a refusal: gateways route without regard to the port.
func (t *Table) on(to target) (h *host, scheme string) {
	if h, scheme, declared := t.at(to.name, to.port); declared {
		return h, scheme
	}
	if _, rest, ok := strings.Cut(to.name, "."); ok {
		if h, scheme, declared := t.at("*."+rest, to.port); declared {
			return h, scheme
		}
	}
	return t.any, ""
}

func (t *Table) at(name, port string) (h *host, scheme string, declared bool) {
	if port != "" {
		if h := t.hosts[name+":"+port]; h != nil {
			return h, "", true
		}
	}
	if h = t.hosts[name]; h != nil {
		switch port { // a scheme's own port is never part of a declared host
		case "":
			return h, "", true
		case "443":
			return h, "https", true
		case "80":
			return h, "http", true
		}
	}
	_, declared = t.names[name]
	return nil, "", declared
}

// find is step 3: the declared resource with the longest path that covers the request's. The Reason is Allowed if there is
// one. A deeper resource that matches only without regard to case, or only once escapes are decoded, is a refusal: some
// servers fold, and most decode.
func (t *Table) find(to target) (found match, reason Reason) {
	h, scheme := t.on(to)
	if h == nil {
		return match{}, ResourceUnknown
	}
	r, foldedOnly := h.longest(to.path)
	switch {
	case foldedOnly:
		return match{}, NotCanonical
	case r == nil, scheme != "" && r.ID.Scheme != scheme:
		return match{}, ResourceUnknown
	case r.Unusable:
		return r.match(to), ResourceUnusable
	}
	return r.match(to), Allowed
}

func (h *host) longest(path string) (r *resource, foldedOnly bool) {
	var own, other [16]int
	ends, folded := borders(own[:0], path, h.depth), strings.ToLower(path)
	foldedEnds := ends
	if strings.IndexByte(path, '%') >= 0 {
		folded = strings.ToLower(decoded(path))
		foldedEnds = borders(other[:0], folded, h.depth)
	}
	for i, end := range slices.Backward(ends) {
		if r, ok := h.paths[path[:end]]; ok {
			return r, false
		}
		if _, ok := h.folded[folded[:foldedEnds[i]]]; ok {
			return nil, true
		}
	}
	return h.paths[""], false
}

// borders appends where the first segments of a path end, depth+1 of them at most: what is deeper is declared by nobody.
func borders(ends []int, path string, depth int) []int {
	for i := 1; i < len(path) && len(ends) <= depth; i++ {
		if path[i] == '/' {
			ends = append(ends, i)
		}
	}
	if len(ends) <= depth {
		ends = append(ends, len(path))
	}
	return ends
}

// decoded is a canonical path without escapes. None of them hides a border, so that the segments stay the same.
func decoded(path string) string {
	plain, _ := url.PathUnescape(path) // well-formed: the path is canonical
	return plain
}

// metadata is step 2: what a discovery path is answered with. known is false for every other path.
func (t *Table) metadata(to target) (found metadata.Found, known bool) {
	place, document, known := metadata.ParsePlace(to.path)
	if !known || !document {
		return metadata.Found{}, known
	}
	h, scheme := t.on(to)
	if h == nil {
		return metadata.Found{}, true
	}
	r := h.paths[place.Path]
	if r == nil && place == (metadata.Place{Inserted: true}) {
		r = h.sole // the root belongs to the host's only resource, unless an origin resource has it
	}
	if r == nil || scheme != "" && r.ID.Scheme != scheme {
		return metadata.Found{}, true
	}
	return r.document(to, place.Slash), true
}
