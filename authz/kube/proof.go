package kube

import (
	"slices"
	"strings"

	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
)

// Kinds of a path match of an HTTPRoute.
const (
	exact      = "Exact"
	pathPrefix = "PathPrefix"
)

// lacking says what an HTTPRoute lacks to prove that a resource is its namespace's; "" if nothing. A match with a condition proves
// nothing: the look-up knows host and path alone, and would set the policy for requests that do not meet it.
func (rt *route) lacking(r *resource, section string) string {
	switch {
	case !rt.accepted:
		return "is not accepted by any Gateway yet; see its status"
	case !slices.ContainsFunc(rt.hosts, func(h string) bool { return serves(h, bareHost(r.id.Host)) }):
		return "does not list the host " + bareHost(r.id.Host) + "; add it to spec.hostnames"
	}
	for _, rule := range rt.rules {
		if section != "" && rule.name != section {
			continue
		}
		for _, m := range rule.matches {
			if !m.conditional && (m.kind == pathPrefix && coversPath(m.path, r.id.Path) || m.kind == exact && m.path == r.id.Path) {
				return ""
			}
		}
	}
	return "has no rule for the path of the resource without a header, query or method match; add one"
}

// serves reads a hostname of a route as the Gateway API does: "*" stands for one label or more.
func serves(hostname, host string) bool {
	if suffix, wildcard := strings.CutPrefix(hostname, "*"); wildcard {
		return strings.HasSuffix(host, suffix) && len(host) > len(suffix)
	}
	return hostname == host
}

// reaches says whether a route may take requests for a resource away from its owner's: by a path at or below the resource's, or by
// a pattern that nobody here can read.
func (rt *route) reaches(r *resource) bool {
	if !rt.accepted {
		return false
	}
	for _, rule := range rt.rules {
		for _, m := range rule.matches {
			if m.kind != exact && m.kind != pathPrefix || coversPath(r.id.Path, m.path) && m.path != "/" || m.path == "/" && r.id.Path == "" {
				return true
			}
		}
	}
	return false
}

// routeIndex finds accepted routes by the hosts that they name.
type routeIndex struct {
	byHost map[string][]*route // by hostname, wildcards as they are written
	all    []*route            // without hostnames
}

// indexRoutes leaves those of our own namespace out: they lead to us.
func indexRoutes(routes map[string]*route, ours string) routeIndex {
	index := routeIndex{byHost: map[string][]*route{}}
	for _, rt := range routes {
		if !rt.accepted || rt.Namespace == ours {
			continue
		}
		if len(rt.hosts) == 0 {
			index.all = append(index.all, rt)
		}
		for _, h := range rt.hosts {
			index.byHost[h] = append(index.byHost[h], rt)
		}
	}
	return index
}

// foreign finds a route of another namespace that may take requests for a resource away.
func (index routeIndex) foreign(r *resource) bool {
	host := bareHost(r.id.Host)
	takes := func(rt *route) bool { return rt.Namespace != r.Namespace && rt.reaches(r) }
	if slices.ContainsFunc(index.byHost[host], takes) || slices.ContainsFunc(index.all, takes) {
		return true
	}
	for rest := host; ; {
		_, after, more := strings.Cut(rest, ".")
		if !more {
			return false
		}
		if slices.ContainsFunc(index.byHost["*."+after], takes) {
			return true
		}
		rest = after
	}
}

// targeted are the routes that a resource names, and what is wrong with one of them.
type targeted struct {
	missing string // the first that does not exist
	lacking string // what the first without proof lacks
	parents []parent
}

func (w *world) targeted(r *resource) (t targeted) {
	for _, ref := range r.targets {
		rt := w.routes[r.Namespace+"/"+ref.Name]
		if rt == nil {
			if t.missing == "" {
				t.missing = ref.Name
			}
			continue
		}
		for _, p := range rt.parents {
			if !slices.Contains(t.parents, p) {
				t.parents = append(t.parents, p)
			}
		}
		if why := rt.lacking(r, ref.SectionName); why != "" && t.lacking == "" {
			t.lacking = "the HTTPRoute " + describeTarget(ref) + " " + why
		}
	}
	return t
}

func describeTarget(ref v1alpha1.TargetRef) string {
	if ref.SectionName == "" {
		return ref.Name
	}
	return ref.Name + ", rule " + ref.SectionName + ","
}
