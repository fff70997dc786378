package kube

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// maxSegments bounds the path of a ProtectedResource.
const maxSegments = 32

// reader makes kept objects of what the API server sends. check is asked for what only the verifier knows of a good
// authorization server.
type reader struct {
	check func(*spec.AuthorizationServer) error
}

func newObject(u *unstructured.Unstructured) object {
	return object{ObjectMeta: metav1.ObjectMeta{
		Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(),
		Generation: u.GetGeneration(), CreationTimestamp: u.GetCreationTimestamp(),
	}}
}

// decode reads the spec of an object strictly.
func (o *object) decode(u *unstructured.Unstructured, limit int, to any) bool {
	data, err := json.Marshal(u.Object["spec"])
	if err != nil {
		o.problems = []spec.Problem{{Path: "spec", Found: "no JSON", Expected: "a mapping"}}
		return false
	}
	o.problems = spec.DecodeObject("spec", data, limit, to)
	return o.good()
}

// lenient reads what others write: unknown keys are theirs, and what cannot be read is as if it were absent.
func lenient(from any, to any) {
	if data, err := json.Marshal(from); err == nil {
		_ = json.Unmarshal(data, to)
	}
}

func (reader) resource(u *unstructured.Unstructured) *resource {
	r := &resource{object: newObject(u)}
	lenient(u.Object["status"], &r.status)
	said := v1alpha1.ProtectedResourceSpec{MetadataRoutes: v1alpha1.MetadataRoutesAuto}
	if !r.decode(u, spec.MaxDeclarationBytes, &said) {
		// Its place counts as far as it can be known: what keeps it is that nobody else gets it.
		said.Resource, _, _ = unstructured.NestedString(u.Object, "spec", "resource")
	}
	r.declared = spec.ProtectedResource{Name: r.key(), ProtectedResourceSpec: said.ProtectedResourceSpec, Foreign: true}
	r.targets, r.metadataRoute = said.TargetRefs, said.MetadataRoutes != v1alpha1.MetadataRoutesNone
	var err error
	if r.id, err = r.declared.Identifier(); err == nil && len(r.declared.Resource) <= spec.MaxResourceBytes {
		r.identified = true
	}
	if r.good() {
		r.problems = append(r.problems, r.declared.Problems("spec")...)
		r.problems = append(r.problems, targetProblems(&said)...)
	}
	if n := strings.Count(r.id.Path, "/"); n > maxSegments {
		r.identified = false // what judging it costs grows with them
		r.problems = append(r.problems, spec.Problem{
			Path: "spec.resource", Found: fmt.Sprintf("%d segments in the path", n), Expected: fmt.Sprintf("at most %d", maxSegments), Next: "serve the resource at a shorter path",
		})
	}
	return r
}

func (rd reader) server(u *unstructured.Unstructured) *server {
	s := &server{object: newObject(u), declared: spec.NewAuthorizationServer(u.GetName())}
	lenient(u.Object["status"], &s.status)
	said := v1alpha1.ClusterAuthorizationServerSpec{AuthorizationServerSpec: s.declared.AuthorizationServerSpec}
	good := s.decode(u, spec.MaxObjectBytes, &said)
	s.declared.AuthorizationServerSpec = said.AuthorizationServerSpec
	if !good {
		return s
	}
	s.problems = append(s.problems, s.declared.Problems("spec")...)
	if s.good() && rd.check != nil {
		if err := rd.check(&s.declared); err != nil {
			s.problems = append(s.problems, spec.Problem{Path: "spec.jwks", Found: err.Error(), Expected: "keys that verify signatures (RFC 7517)"})
		}
	}
	return s
}

func (reader) grant(u *unstructured.Unstructured) *grant {
	g := &grant{object: newObject(u)}
	lenient(u.Object["status"], &g.status)
	g.spec.PathPrefixes = []string{"/"}
	if !g.decode(u, spec.MaxObjectBytes, &g.spec) {
		return g
	}
	g.problems = append(g.problems, grantProblems(&g.spec)...)
	if s := g.spec.Namespaces.Selector; s != nil {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			g.problems = append(g.problems, spec.Problem{
				Path: "spec.namespaces.selector", Found: "a selector that selects nothing that can be told", Expected: "a label selector",
			})
		}
		g.selector = selector
	}
	return g
}

func (reader) namespace(u *unstructured.Unstructured) *namespace {
	n := &namespace{object: newObject(u)}
	n.Labels = u.GetLabels()
	return n
}

// httpRoute is what of an HTTPRoute (gateway.networking.k8s.io/v1) counts here.
type httpRoute struct {
	Spec struct {
		ParentRefs []parentRef `json:"parentRefs"`
		Hostnames  []string    `json:"hostnames"`
		Rules      []struct {
			Name    string `json:"name"`
			Matches []struct {
				Path *struct {
					Type  string `json:"type"`
					Value string `json:"value"`
				} `json:"path"`
				Headers     []any  `json:"headers"`
				QueryParams []any  `json:"queryParams"`
				Method      string `json:"method"`
			} `json:"matches"`
		} `json:"rules"`
	} `json:"spec"`
	Status struct {
		Parents []struct {
			ParentRef  parentRef          `json:"parentRef"`
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"parents"`
	} `json:"status"`
}

type parentRef struct {
	Group       *string `json:"group"`
	Kind        *string `json:"kind"`
	Namespace   string  `json:"namespace"`
	Name        string  `json:"name"`
	SectionName string  `json:"sectionName"`
}

// of is what a route of a namespace names.
func (p parentRef) of(namespace string) parent {
	to := parent{Group: httpRoutes().Group, Kind: "Gateway", Namespace: p.Namespace, Name: p.Name, SectionName: p.SectionName}
	if p.Group != nil {
		to.Group = *p.Group
	}
	if p.Kind != nil {
		to.Kind = *p.Kind
	}
	if to.Namespace == "" {
		to.Namespace = namespace
	}
	return to
}

// listens says that requests from outside come by a parent. A mesh accepts every route for a Service of the route's own namespace,
// whatever host it names: that proves nothing.
func (p parent) listens() bool {
	switch p.Kind {
	case "Gateway", "ListenerSet":
		return p.Group == httpRoutes().Group
	case "XListenerSet":
		return p.Group == "gateway.networking.x-k8s.io"
	}
	return false
}

func (reader) route(u *unstructured.Unstructured) *route {
	r := &route{object: newObject(u)}
	r.Labels = u.GetLabels()
	var said httpRoute
	lenient(u.Object, &said)
	for _, h := range said.Spec.Hostnames {
		r.hosts = append(r.hosts, strings.ToLower(h))
	}
	accepted := map[parent]bool{}
	for _, p := range said.Status.Parents {
		for _, c := range p.Conditions {
			if c.Type == "Accepted" && c.Status == metav1.ConditionTrue {
				accepted[p.ParentRef.of(r.Namespace)] = true
			}
		}
	}
	for _, p := range said.Spec.ParentRefs { // anybody can name a Gateway of others
		if to := p.of(r.Namespace); to.listens() && accepted[to] && !slices.Contains(r.parents, to) {
			r.parents = append(r.parents, to)
		}
	}
	for _, rule := range said.Spec.Rules {
		to := routeRule{name: rule.Name}
		if len(rule.Matches) == 0 {
			to.matches = []routeMatch{{kind: pathPrefix, path: "/"}}
		}
		for _, m := range rule.Matches {
			match := routeMatch{kind: pathPrefix, path: "/", conditional: len(m.Headers) > 0 || len(m.QueryParams) > 0 || m.Method != ""}
			if m.Path != nil {
				if m.Path.Type != "" {
					match.kind = m.Path.Type
				}
				if m.Path.Value != "" {
					match.path = m.Path.Value
				}
			}
			to.matches = append(to.matches, match)
		}
		r.rules = append(r.rules, to)
	}
	return r
}
