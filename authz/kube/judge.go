package kube

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// Judgement is what becomes of the objects of a cluster beside a configuration file, at one moment. The same objects give the same
// judgement, in whatever order they came.
type Judgement struct {
	// File is the given file with everything of the cluster that counts: it compiles.
	File *spec.File

	resources []*verdict
	servers   []*serverVerdict
	grants    []*grant
	routes    routeIndex
}

// verdict is what becomes of one ProtectedResource.
type verdict struct {
	*resource
	accepted, refs state
	placed         bool // its URL is its own: it is in the table
	foreignRoute   bool
	bypass         string   // a policy of the namespace takes the check away
	parents        []parent // Gateways of its routes
	stands         []stand  // and the hosts that they are told there
}

// usable says that requests are judged by it. What is placed and not usable is answered 503.
func (v *verdict) usable() bool { return v.placed && v.accepted.good() && v.refs.good() }

// serverVerdict is what becomes of one ClusterAuthorizationServer.
type serverVerdict struct {
	*server
	accepted state
}

// state is the outcome of one question. The zero value is a good one.
type state struct{ reason, message string }

func (s state) good() bool { return s == state{} }

// judge decides which declarations count. Ownership comes in this order: grant, proof by a route, no nesting across namespaces, age.
func (w *world) judge(k *spec.Kubernetes, file *spec.File) *Judgement {
	merged := *file
	j := &Judgement{File: &merged, grants: w.grants}
	servers := j.judgeServers(w.servers, file)
	grants, routes, claims := indexGrants(w.grants), indexRoutes(w.routes, k.Namespace), newClaims(file.Resources)
	j.routes = routes
	bypassed := map[string]bypasses{}
	for _, r := range w.resources {
		v := &verdict{resource: r}
		j.resources = append(j.resources, v)
		if !r.identified {
			v.accepted = invalid(r.problems)
			continue
		}
		permits, to := grants.covering(r, w.namespaces[r.Namespace]), w.targeted(r)
		v.parents, v.stands = to.parents, to.stands
		v.own(k.Ownership, permits, to, claims)
		v.resolve(permits, to, servers, k.Ownership)
		if v.placed {
			b, known := bypassed[r.Namespace]
			if !known {
				b = w.bypassesIn(r.Namespace)
				bypassed[r.Namespace] = b
			}
			v.foreignRoute, v.bypass = routes.foreign(r), b.of(r)
		}
	}
	for _, v := range j.resources { // only now is it known what is whose
		if v.identified && !v.placed && claims.shaded(v.resource) {
			v.placed = true
			claims.take(v.Namespace, v.id.Host, v.id.Path)
		}
	}
	merged.Resources = slices.Clone(file.Resources)
	for _, v := range j.resources {
		if !v.placed {
			continue
		}
		declared := v.declared
		declared.Unusable = !v.usable()
		for _, t := range v.targets {
			declared.Routes = append(declared.Routes, authz.RouteRef{Namespace: v.Namespace, Name: t.Name, Rule: t.SectionName})
		}
		merged.Resources = append(merged.Resources, declared)
	}
	return j
}

// own decides whose URL it is.
func (v *verdict) own(ownership string, p permits, to targeted, c *claims) {
	host := bareHost(v.id.Host)
	unproven := to.lacking
	if to.missing != "" {
		unproven = "there is no HTTPRoute " + to.missing + " in this namespace; make it, or declare the resource without it in a new object"
	}
	if ownership == spec.OwnershipRoute && len(v.targets) == 0 {
		unproven = "spec.targetRefs is absent; name the HTTPRoute that leads to the resource, in a new object"
	}
	switch {
	case ownership == spec.OwnershipGrant && len(p) == 0:
		v.accepted = state{reasonNotGranted, fmt.Sprintf("no ResourceGrant gives this namespace the host %s and the path %s; ask the platform for one", host, pathOf(v.resource))}
		return
	case ownership == spec.OwnershipRoute && unproven != "":
		v.accepted = state{reasonNotProven, unproven}
		return
	}
	if why := c.conflict(v.resource); why != "" {
		v.accepted = state{reasonConflicted, why}
		return
	}
	if len(c.places) >= spec.MaxResources {
		v.accepted = state{reasonLimitExceeded, fmt.Sprintf("there are %d older declarations; remove some", spec.MaxResources)}
		return
	}
	c.take(v.Namespace, v.id.Host, v.id.Path)
	v.placed = true
	switch {
	case !v.good():
		v.accepted = invalid(v.problems)
	case unproven != "":
		v.accepted = state{reasonNotProven, unproven}
	default:
		v.accepted = v.forbidden(ownership, p)
	}
}

// forbidden says what the resource declares that takes a grant, and has none.
func (v *verdict) forbidden(ownership string, p permits) state {
	if ownership == spec.OwnershipAny {
		return state{}
	}
	for i, a := range v.declared.Audiences {
		if !p.audience(a) {
			return state{reasonNotGranted, fmt.Sprintf("spec.audiences[%d] is in no ResourceGrant: tokens for others would be taken here; remove it, or ask the platform", i)}
		}
	}
	if v.declared.ForwardToken && !p.forwardToken() {
		return state{reasonNotGranted, "spec.forwardToken is in no ResourceGrant: the upstream would get the tokens of its callers; remove it, or ask the platform"}
	}
	return state{}
}

// resolve looks for what the resource names.
func (v *verdict) resolve(p permits, to targeted, servers map[string]state, ownership string) {
	for i, name := range v.declared.AuthorizationServers {
		s, declared := servers[name]
		switch at := fmt.Sprintf("spec.authorizationServers[%d]", i); {
		case ownership != spec.OwnershipAny && len(p) > 0 && !p.server(name):
			v.refs = state{reasonServerNotPermitted, at + " is not in the ResourceGrant of this URL; ask the platform"}
		case !declared:
			v.refs = state{reasonServerNotFound, fmt.Sprintf("%s: there is no ClusterAuthorizationServer %q; see kubectl get clusterauthorizationservers", at, name)}
		case !s.good():
			v.refs = state{reasonServerInvalid, fmt.Sprintf("%s: the ClusterAuthorizationServer %q is not accepted; see its status", at, name)}
		default:
			continue
		}
		return
	}
	if to.missing != "" {
		v.refs = state{reasonTargetNotFound, "spec.targetRefs: there is no HTTPRoute " + to.missing + " in this namespace"}
	}
}

// judgeServers adds the authorization servers that count to the file, and returns the state of every name.
func (j *Judgement) judgeServers(servers []*server, file *spec.File) map[string]state {
	states, issuers := map[string]state{}, map[string]bool{}
	for i := range file.AuthorizationServers {
		states[file.AuthorizationServers[i].Name] = state{}
		issuers[file.AuthorizationServers[i].Issuer] = true
	}
	merged := slices.Clone(file.AuthorizationServers)
	for _, s := range servers {
		v := &serverVerdict{server: s}
		j.servers = append(j.servers, v)
		if _, taken := states[s.Name]; taken {
			v.accepted = state{reasonConflicted, "the configuration file declares an authorization server of this name, which counts; choose another name"}
			continue
		}
		switch {
		case !s.good():
			v.accepted = invalid(s.problems)
		case issuers[s.declared.Issuer]:
			v.accepted = state{reasonConflicted, "an older declaration, or the configuration file, has this issuer; remove one of the two"}
		case len(merged) >= spec.MaxServers:
			v.accepted = state{reasonLimitExceeded, fmt.Sprintf("there are %d older declarations; remove some", spec.MaxServers)}
		default:
			issuers[s.declared.Issuer] = true
			merged = append(merged, s.declared)
		}
		states[s.Name] = v.accepted
	}
	j.File.AuthorizationServers = merged
	return states
}

// invalid tells of the first problems.
func invalid(problems []spec.Problem) state {
	const most = 5
	var said []string
	for _, p := range problems {
		if !p.Warning && len(said) < most {
			said = append(said, p.String())
		}
	}
	return state{reasonInvalid, strings.Join(said, "\n")}
}

func pathOf(r *resource) string {
	if r.id.Path == "" {
		return "/"
	}
	return r.id.Path
}
