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
	case !rt.accepted():
		return "is not accepted by any Gateway yet; see its status"
	case !slices.ContainsFunc(rt.hosts, func(h string) bool { return serves(h, bareHost(r.id.Host)) }):
		return "does not list the host " + bareHost(r.id.Host) + "; add it to spec.hostnames"
	}
	for _, rule := range rt.rules {
		if section != "" && rule.name != section {
			continue
		}
		for _, m := range rule.matches {
			if !m.conditional && (m.kind == pathPrefix && coversPath(m.path, r.id.Path) || m.kind == exact && m.path == pathOf(r)) {
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

// nameFor is the hostname of a route that a gateway finds a host by: the host itself before any wildcard; "" if there is none.
func (rt *route) nameFor(host string) (name string) {
	for _, h := range rt.hosts {
		if serves(h, host) && (name != host && len(h) > len(name) || h == host) {
			name = h
		}
	}
	return name
}

// stand is a hostname at a Gateway.
type stand struct {
	hostname string
	parent
}

// targeted are the routes that a resource names, and what is wrong with one of them.
type targeted struct {
	missing string // the first that does not exist
	lacking string // what the first without proof lacks
	parents []parent
	stands  []stand
}

func (w *world) targeted(r *resource) (t targeted) {
	host := bareHost(r.id.Host)
	for _, ref := range r.targets {
		rt := w.routes[r.Namespace+"/"+ref.Name]
		if rt == nil {
			if t.missing == "" {
				t.missing = ref.Name
			}
			continue
		}
		name := rt.nameFor(host)
		for _, p := range rt.parents {
			if len(t.parents) < maxParents && !slices.Contains(t.parents, p) {
				t.parents = append(t.parents, p)
			}
			if s := (stand{name, p}); name != "" && len(t.stands) < maxParents && !slices.Contains(t.stands, s) {
				t.stands = append(t.stands, s)
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
