package kube

import (
	"strings"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// claims are the URLs that are taken, by host. For ownership, scheme and port do not exist.
type claims struct {
	hosts     map[string]*hostClaims
	wildcards map[string]bool     // "*.example.com" of the file: all hosts under it are the platform's
	places    map[string]struct{} // host with port, and path: one declaration each
}

// hostClaims are paths in lower case: a resource whose path differs from another's in case alone makes the other's spelling, and
// what lies below it, one that is refused.
type hostClaims struct {
	taken map[string]string // path → namespace
	below map[string]string // path → the namespace that has paths below it
}

// platform stands for the file among the namespaces, and several for more than one of them. No namespace is called so.
const (
	platform = "/file"
	several  = "/several"
)

func newClaims(file []spec.ProtectedResource) *claims {
	c := &claims{hosts: map[string]*hostClaims{}, wildcards: map[string]bool{}, places: map[string]struct{}{}}
	for i := range file {
		if file[i].InsecureAnyHost {
			continue
		}
		id, err := file[i].Identifier()
		if err != nil {
			continue // a file with such an error is not in force
		}
		if strings.HasPrefix(id.Host, "*.") {
			c.wildcards[bareHost(id.Host)] = true
		}
		c.take(platform, id.Host, id.Path)
	}
	return c
}

func (c *claims) host(host string) *hostClaims {
	h := c.hosts[bareHost(host)]
	if h == nil {
		h = &hostClaims{taken: map[string]string{}, below: map[string]string{}}
		c.hosts[bareHost(host)] = h
	}
	return h
}

func (c *claims) take(namespace, host, path string) {
	h, folded := c.host(host), strings.ToLower(path)
	h.taken[folded] = namespace
	for outer := range above(folded) {
		if owner, some := h.below[outer]; some && owner != namespace {
			h.below[outer] = several
		} else {
			h.below[outer] = namespace
		}
	}
	c.places[host+path] = struct{}{}
}

// above are the paths that cover a path, without itself: the nearest first, the root last.
func above(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := strings.LastIndexByte(path, '/'); i >= 0; i = strings.LastIndexByte(path[:i], '/') {
			if !yield(path[:i]) {
				return
			}
		}
	}
}

// conflict says why a resource cannot have its URL although its namespace might; "" if it can. Others are not named: who they are
// is none of the namespace's business.
func (c *claims) conflict(r *resource) string {
	host := bareHost(r.id.Host)
	if _, rest, _ := strings.Cut(host, "."); c.wildcards["*."+rest] {
		return "the platform's configuration file declares a wildcard that covers the host " + host + "; ask the platform for another host"
	}
	if h := c.hosts[host]; h != nil {
		const next = "; choose another URL, or ask the platform who should have this one"
		path := strings.ToLower(r.id.Path)
		if owner, taken := h.taken[path]; taken && owner != r.Namespace {
			return "another namespace, or the platform, declared this URL before" + next
		}
		for outer := range above(path) {
			if owner, taken := h.taken[outer]; taken && owner != r.Namespace {
				return "the URL lies below one that another namespace, or the platform, declared before" + next
			}
		}
		if owner, some := h.below[path]; some && owner != r.Namespace {
			return "another namespace, or the platform, declared a URL below this one before" + next
		}
	}
	if _, taken := c.places[r.id.Host+r.id.Path]; taken {
		return "an older ProtectedResource of this namespace declares the same URL; remove one of the two"
	}
	return ""
}

// shaded says that a resource without a right to its URL would lie below one of its own namespace that has it. There it keeps its
// place: else the outer one, which may ask for less, would judge its requests.
func (c *claims) shaded(r *resource) bool {
	if _, taken := c.places[r.id.Host+r.id.Path]; taken {
		return false
	}
	h := c.hosts[bareHost(r.id.Host)]
	if h == nil {
		return false
	}
	for outer := range above(strings.ToLower(r.id.Path)) {
		if owner, taken := h.taken[outer]; taken {
			return owner == r.Namespace
		}
	}
	return false
}
