package kube

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
	"github.com/mcp-authz/mcp-authz/authz/spec"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// grantProblems validates what the schema of a ResourceGrant says, and the little that it cannot.
func grantProblems(g *v1alpha1.ResourceGrantSpec) (problems []spec.Problem) {
	add := func(path, found, expected, next string) {
		problems = append(problems, spec.Problem{Path: path, Found: found, Expected: expected, Next: next})
	}
	if g.Namespaces.Names == nil && g.Namespaces.Selector == nil {
		add("spec.namespaces", "neither names nor selector", "one of the two", "an empty selector selects all namespaces")
	}
	if len(g.Hosts) == 0 {
		add("spec.hosts", "nothing", "at least one host", "")
	}
	for i, h := range g.Hosts {
		at := fmt.Sprintf("spec.hosts[%d]", i)
		id, err := metadata.ParseIdentifier("https://"+h, metadata.IdentifierRules{AllowWildcard: true})
		if err != nil || id.Host != h || bareHost(h) != h {
			add(at, strconv.Quote(h), "a lower-case host without port, or *. and at least two labels", "a grant is for all ports of its hosts")
		}
	}
	for i, prefix := range g.PathPrefixes {
		if prefix == "/" {
			continue
		}
		if prefix == "" {
			add(fmt.Sprintf("spec.pathPrefixes[%d]", i), "nothing", "/ or a canonical path without a slash at its end", "")
			continue
		}
		id, err := metadata.ParseIdentifier("https://host.example"+prefix, metadata.IdentifierRules{})
		if err != nil || id.Path != prefix {
			add(fmt.Sprintf("spec.pathPrefixes[%d]", i), strconv.Quote(prefix), "/ or a canonical path without a slash at its end", "")
		}
	}
	return problems
}

// bareHost is a host without its port: for ownership, ports do not exist.
func bareHost(host string) string { return metadata.WithoutPort(host) }

// coversPath reports whether path is prefix or lies below it, on a segment border. "" and "/" are the root.
func coversPath(prefix, path string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	rest, below := strings.CutPrefix(path, prefix)
	return below && (rest == "" || rest[0] == '/')
}

// permits are the grants that cover one resource, added up.
type permits []*grant

// grantIndex finds good grants by the hosts that they name.
type grantIndex map[string][]*grant

func indexGrants(grants []*grant) grantIndex {
	index := grantIndex{}
	for _, g := range grants {
		if !g.good() {
			continue
		}
		for _, h := range g.spec.Hosts {
			index[h] = append(index[h], g)
		}
	}
	return index
}

// covering are the grants for the namespace, host and path of a resource. A "*" covers one label, as in resources.
func (index grantIndex) covering(r *resource, n *namespace) (all permits) {
	host := bareHost(r.id.Host)
	_, rest, _ := strings.Cut(host, ".")
	for _, named := range [][]*grant{index[host], index["*."+rest]} {
		for _, g := range named {
			if g.selects(r.Namespace, n) && slices.ContainsFunc(g.spec.PathPrefixes, func(p string) bool { return coversPath(p, r.id.Path) }) {
				all = append(all, g)
			}
		}
	}
	return all
}

// selects says whether a grant is for a namespace. n is nil where its labels are not known.
func (g *grant) selects(name string, n *namespace) bool {
	return slices.Contains(g.spec.Namespaces.Names, name) ||
		g.selector != nil && n != nil && g.selector.Matches(labels.Set(n.Labels))
}

func (p permits) server(name string) bool {
	return slices.ContainsFunc(p, func(g *grant) bool {
		return len(g.spec.AuthorizationServers) == 0 || slices.Contains(g.spec.AuthorizationServers, name)
	})
}

func (p permits) audience(a string) bool {
	return slices.ContainsFunc(p, func(g *grant) bool { return slices.Contains(g.spec.Audiences, a) })
}

func (p permits) forwardToken() bool {
	return slices.ContainsFunc(p, func(g *grant) bool { return g.spec.ForwardToken })
}
