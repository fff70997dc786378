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

// on says whether a policy is for a route.
func (p *policy) on(rt *route) bool {
	return p.Namespace == rt.Namespace && (slices.Contains(p.routes, rt.Name) ||
		slices.ContainsFunc(p.selectors, func(s labels.Selector) bool { return s.Matches(labels.Set(rt.Labels)) }))
}

// bypass names a policy of the resource's namespace that takes the check away from a route to it; "" if there is none.
func (w *world) bypass(r *resource) string {
	for _, p := range w.policies[r.Namespace] {
		if !p.replaces {
			continue
		}
		for _, rt := range w.routesOf[r.Namespace] {
			if p.on(rt) && (r.names(rt) || rt.lacking(r, "") == "") {
				return p.Name
			}
		}
	}
	return ""
}

// names says whether a resource names a route as its own.
func (r *resource) names(rt *route) bool {
	for _, t := range r.targets {
		if t.Name == rt.Name {
			return true
		}
	}
	return false
}
