package kube

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// policy is a SecurityPolicy of Envoy Gateway, as far as it takes the Gateway's own away from a route: policies replace each other
// there, unless they say mergeType, and one with an extAuth of its own replaces that in any case.
type policy struct {
	object
	replaces  bool
	routes    []string // HTTPRoutes of its namespace, by name
	selectors []labels.Selector
}

// securityPolicy is what of a SecurityPolicy (gateway.envoyproxy.io/v1alpha1) counts here.
type securityPolicy struct {
	Spec struct {
		TargetRef       *policyTarget  `json:"targetRef"`
		TargetRefs      []policyTarget `json:"targetRefs"`
		TargetSelectors []struct {
			Kind             string                            `json:"kind"`
			MatchLabels      map[string]string                 `json:"matchLabels"`
			MatchExpressions []metav1.LabelSelectorRequirement `json:"matchExpressions"`
		} `json:"targetSelectors"`
		MergeType string         `json:"mergeType"`
		ExtAuth   map[string]any `json:"extAuth"`
	} `json:"spec"`
}

type policyTarget struct{ Kind, Name string }

const kindHTTPRoute = "HTTPRoute"

func (reader) policy(u *unstructured.Unstructured) *policy {
	p := &policy{object: newObject(u)}
	var said securityPolicy
	lenient(u.Object, &said)
	p.replaces = said.Spec.MergeType == "" || said.Spec.ExtAuth != nil
	targets := said.Spec.TargetRefs
	if said.Spec.TargetRef != nil {
		targets = append(targets, *said.Spec.TargetRef)
	}
	for _, t := range targets {
		if t.Kind == kindHTTPRoute {
			p.routes = append(p.routes, t.Name)
		}
	}
	for _, s := range said.Spec.TargetSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: s.MatchLabels, MatchExpressions: s.MatchExpressions})
		if s.Kind == kindHTTPRoute && err == nil {
			p.selectors = append(p.selectors, selector)
		}
	}
	return p
}

// bypasses are the routes of a namespace that the check is taken away from, and by which policy. They are found once for a namespace:
// its tenant can make many routes, policies and resources.
type bypasses struct {
	by     map[string]string // route → policy
	routes []*route          // the first of them
}

// maxBypasses bounds what is looked through for a resource that does not name the route; what hides behind them is a tenant's own.
const maxBypasses = 64

func (w *world) bypassesIn(namespace string) (b bypasses) {
	named, selecting := map[string]string{}, []*policy{}
	for _, p := range w.policies[namespace] {
		if !p.replaces {
			continue
		}
		for _, name := range p.routes {
			if named[name] == "" {
				named[name] = p.Name
			}
		}
		if len(p.selectors) > 0 {
			selecting = append(selecting, p)
		}
	}
	if len(named) == 0 && len(selecting) == 0 {
		return b
	}
	b.by = map[string]string{}
	for _, rt := range w.routesOf[namespace] {
		by := named[rt.Name]
		if i := slices.IndexFunc(selecting, func(p *policy) bool { return p.selects(rt) }); by == "" && i >= 0 {
			by = selecting[i].Name
		}
		if by == "" {
			continue
		}
		b.by[rt.Name] = by
		if len(b.routes) < maxBypasses {
			b.routes = append(b.routes, rt)
		}
	}
	return b
}

func (p *policy) selects(rt *route) bool {
	return slices.ContainsFunc(p.selectors, func(s labels.Selector) bool { return s.Matches(labels.Set(rt.Labels)) })
}

// of names a policy that takes the check away from a route to a resource; "" if there is none.
func (b bypasses) of(r *resource) string {
	for _, t := range r.targets {
		if by := b.by[t.Name]; by != "" {
			return by
		}
	}
	for _, rt := range b.routes {
		if rt.lacking(r, "") == "" {
			return b.by[rt.Name]
		}
	}
	return ""
}
