package kube

import (
	"slices"
	"strings"
)

// routeIndex are the accepted routes by the hostnames that they list, wildcards as they are written; "" for those without. What it
// costs to ask does not grow with the number of routes: a tenant can make many.
type routeIndex map[string]*hostRoutes

type hostRoutes struct {
	patterns string              // the namespace with paths that nobody here can read; "" for none
	prefixes map[string]string   // a path that a rule takes with all below it → the namespace
	plain    map[routePath]bool  // those of them without a condition on headers, query or method
	paths    []routePath         // of every match, each with a slash at its end; sorted
	next     []int               // for each of paths, the next one of another namespace
	at       map[parent][]string // Gateways of the routes, with the listeners; "" for all
}

type routePath struct{ path, namespace string }

// indexRoutes leaves those of our own namespace out: they lead to us.
func indexRoutes(routes map[string]*route, ours string) routeIndex {
	index := routeIndex{}
	for _, rt := range routes {
		if !rt.accepted() || rt.Namespace == ours {
			continue
		}
		if len(rt.hosts) == 0 {
			index.add("", rt)
		}
		for _, h := range rt.hosts {
			index.add(h, rt)
		}
	}
	for _, h := range index {
		h.sort()
	}
	return index
}

func (index routeIndex) add(hostname string, rt *route) {
	h := index[hostname]
	if h == nil {
		h = &hostRoutes{prefixes: map[string]string{}, plain: map[routePath]bool{}, at: map[parent][]string{}}
		index[hostname] = h
	}
	for _, p := range rt.parents {
		if gateway := p.whole(); !slices.Contains(h.at[gateway], p.SectionName) {
			h.at[gateway] = append(h.at[gateway], p.SectionName)
		}
	}
	for _, rule := range rt.rules {
		for _, m := range rule.matches {
			path := routePath{strings.TrimSuffix(m.path, "/"), rt.Namespace}
			switch m.kind {
			case pathPrefix:
				h.prefixes[path.path] = together(h.prefixes[path.path], rt.Namespace)
				h.plain[path] = h.plain[path] || !m.conditional
			case exact:
			default:
				h.patterns = together(h.patterns, rt.Namespace)
				continue
			}
			h.paths = append(h.paths, routePath{path.path + "/", rt.Namespace})
		}
	}
}

// together is the owner of what had one, or none, and has got another.
func together(owner, another string) string {
	if owner == "" || owner == another {
		return another
	}
	return several
}

func (h *hostRoutes) sort() {
	slices.SortFunc(h.paths, func(a, b routePath) int { return strings.Compare(a.path, b.path) })
	h.next = make([]int, len(h.paths))
	for i := len(h.paths) - 1; i >= 0; i-- {
		h.next[i] = i + 1
		if i+1 < len(h.paths) && h.paths[i].namespace == h.paths[i+1].namespace {
			h.next[i] = h.next[i+1]
		}
	}
}

// foreign finds a route of another namespace that may take requests for a resource away from its owner's: by a path at or below the
// resource's, by a pattern that nobody here can read, or by a path above it that goes before those of the owner's routes.
func (index routeIndex) foreign(r *resource) bool {
	before := false // a gateway looks at one of others first
	covering := index.covering(bareHost(r.id.Host))
	for _, h := range covering {
		if h.patterns != "" && h.patterns != r.Namespace || h.below(r) {
			return true
		}
	}
	for _, h := range covering {
		own := false
		look := func(path string) bool {
			if owner, some := h.prefixes[path]; some && owner != r.Namespace {
				before = true
			}
			own = h.plain[routePath{path, r.Namespace}]
			return !own
		}
		if look(r.id.Path) {
			above(r.id.Path)(look)
		}
		if own {
			return before
		}
	}
	return false // its owner has no such route: requests come in another way
}

// below finds a match of another namespace at or below the path of a resource.
func (h *hostRoutes) below(r *resource) bool {
	under := r.id.Path + "/"
	i, _ := slices.BinarySearchFunc(h.paths, under, func(p routePath, to string) int { return strings.Compare(p.path, to) })
	if i < len(h.paths) && h.paths[i].namespace == r.Namespace {
		i = h.next[i]
	}
	return i < len(h.paths) && strings.HasPrefix(h.paths[i].path, under)
}

// covering are the routes for a host, in the order in which a gateway looks: the host itself, wildcards, those for all hosts.
func (index routeIndex) covering(host string) (all []*hostRoutes) {
	add := func(hostname string) {
		if h := index[hostname]; h != nil {
			all = append(all, h)
		}
	}
	add(host)
	for rest, more := host, true; more; {
		if _, rest, more = strings.Cut(rest, "."); more {
			add("*." + rest)
		}
	}
	add("")
	return all
}

// shadows says that a route for the very host, at a Gateway, would take requests from others: those that lead there by a wildcard, or
// without a hostname. A gateway looks for the most exact one, and in no other.
func (index routeIndex) shadows(host string, at parent) bool {
	for _, h := range index.covering(host) {
		sections := h.at[at.whole()]
		if h == index[host] && (slices.Contains(sections, "") || slices.Contains(sections, at.SectionName)) {
			return false
		}
		if h != index[host] && len(sections) > 0 && (at.SectionName == "" || slices.Contains(sections, "") || slices.Contains(sections, at.SectionName)) {
			return true
		}
	}
	return false
}
