package kube

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
)

// Conditions of a status (GEP-713) and their reasons. docs/troubleshooting.md lists them; a test compares.
const (
	conditionAccepted      = "Accepted"
	conditionResolvedRefs  = "ResolvedRefs"
	conditionProgrammed    = "Programmed"
	conditionRouteConflict = "RouteConflict"

	reasonNotGranted         = "NotGranted"
	reasonConflicted         = "Conflicted"
	reasonNotProven          = "NotProven"
	reasonInvalid            = "Invalid"
	reasonLimitExceeded      = "LimitExceeded"
	reasonServerNotFound     = "AuthorizationServerNotFound"
	reasonServerNotPermitted = "AuthorizationServerNotPermitted"
	reasonServerInvalid      = "AuthorizationServerInvalid"
	reasonTargetNotFound     = "TargetNotFound"
	reasonUnusable           = "Unusable"
	reasonBypassed           = "Bypassed"
	reasonNotAccepted        = "NotAccepted"
	reasonForeignRoute       = "ForeignRoute"

	controllerName  = "mcp-authz.dev/controller"
	maxMessageBytes = 4096 // of a condition; the API takes 32,768
	maxAncestors    = 16
)

func condition(kind string, s state, good string, generation int64) metav1.Condition {
	c := metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: kind, Message: good, ObservedGeneration: generation}
	if !s.good() {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, s.reason, s.message
	}
	if len(c.Message) > maxMessageBytes {
		c.Message = strings.ToValidUTF8(c.Message[:maxMessageBytes], "") + "…"
	}
	return c
}

// programmed says whether requests are judged by a resource. It speaks of the leader; the others watch the same objects.
func (v *verdict) programmed() state {
	switch {
	case !v.placed:
		return state{reasonNotAccepted, "requests to the URL are not judged by this object; see Accepted"}
	case !v.usable():
		return state{reasonUnusable, "the URL is kept and every request to it is answered 503 until Accepted and ResolvedRefs are True"}
	}
	if v.bypass != "" {
		return state{reasonBypassed, "the SecurityPolicy " + v.bypass + " of this namespace takes mcp-authz off a route to the URL: requests may pass unchecked; remove its extAuth, and set its mergeType to StrategicMerge"}
	}
	return state{}
}

// wanted is the status that an object should have. Of the one that it has, the times of conditions that stay are kept.
func (v *verdict) wanted(now time.Time) v1alpha1.ProtectedResourceStatus {
	accepted := condition(conditionAccepted, v.accepted, "the URL is this namespace's", v.Generation)
	var s v1alpha1.ProtectedResourceStatus
	s.Conditions = []metav1.Condition{
		accepted,
		condition(conditionResolvedRefs, v.refs, "all that the object names is there", v.Generation),
		condition(conditionProgrammed, v.programmed(), "in force on the leader; the other instances watch the same objects", v.Generation),
	}
	if v.foreignRoute {
		s.Conditions = append(s.Conditions, metav1.Condition{
			Type: conditionRouteConflict, Status: metav1.ConditionTrue, Reason: reasonForeignRoute, ObservedGeneration: v.Generation,
			Message: "an HTTPRoute of another namespace takes requests to this URL, or below it: its backend may get requests that this object allows; ask the platform to remove it",
		})
	}
	if v.usable() {
		s.MetadataURL = v.id.URL()
	}
	for _, p := range v.parents {
		if len(s.Ancestors) == maxAncestors {
			break
		}
		s.Ancestors = append(s.Ancestors, v1alpha1.AncestorStatus{
			AncestorRef:    v1alpha1.AncestorRef(p),
			ControllerName: controllerName, Conditions: keepTimes([]metav1.Condition{accepted}, conditionsOf(v.status, p), now),
		})
	}
	s.Conditions = keepTimes(s.Conditions, v.status.Conditions, now)
	return s
}

func conditionsOf(s v1alpha1.ProtectedResourceStatus, p parent) []metav1.Condition {
	for _, a := range s.Ancestors {
		if a.AncestorRef == v1alpha1.AncestorRef(p) {
			return a.Conditions
		}
	}
	return nil
}

func (v *serverVerdict) wanted(now time.Time) v1alpha1.ClusterAuthorizationServerStatus {
	c := condition(conditionAccepted, v.accepted, "ProtectedResources may name it", v.Generation)
	return v1alpha1.ClusterAuthorizationServerStatus{Conditions: keepTimes([]metav1.Condition{c}, v.status.Conditions, now)}
}

func (g *grant) wanted(now time.Time) v1alpha1.ResourceGrantStatus {
	var s state
	if !g.good() {
		s = invalid(g.problems)
	}
	c := condition(conditionAccepted, s, "the grant counts", g.Generation)
	return v1alpha1.ResourceGrantStatus{Conditions: keepTimes([]metav1.Condition{c}, g.status.Conditions, now)}
}

// keepTimes gives a condition the time of its last change: now, unless it was the same before.
func keepTimes(wanted, had []metav1.Condition, now time.Time) []metav1.Condition {
	for i := range wanted {
		wanted[i].LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
		for _, c := range had {
			if c.Type == wanted[i].Type && c.Status == wanted[i].Status {
				wanted[i].LastTransitionTime = c.LastTransitionTime
			}
		}
	}
	return wanted
}
