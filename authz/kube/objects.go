package kube

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
	"github.com/mcp-authz/mcp-authz/authz/spec"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// Objects as they are kept: read once when they come, each by itself. What is wrong with one is among its problems and holds up no
// other.

// object is what all have. Its metadata is the least that identity and age need.
type object struct {
	metav1.ObjectMeta
	problems []spec.Problem
}

// before says whose claim is older: by age, then by name (GEP-713).
func (o *object) before(other *object) int {
	if c := o.CreationTimestamp.Compare(other.CreationTimestamp.Time); c != 0 {
		return c
	}
	return strings.Compare(o.key(), other.key())
}

func (o *object) key() string {
	if o.Namespace == "" {
		return o.Name
	}
	return o.Namespace + "/" + o.Name
}

// good says that the object can be used.
func (o *object) good() bool {
	return !slices.ContainsFunc(o.problems, func(p spec.Problem) bool { return !p.Warning })
}

// resource is a ProtectedResource.
type resource struct {
	object
	declared      spec.ProtectedResource
	targets       []v1alpha1.TargetRef
	metadataRoute bool
	id            metadata.Identifier
	identified    bool // its URL can be read: it has a place
	status        v1alpha1.ProtectedResourceStatus
}

// server is a ClusterAuthorizationServer.
type server struct {
	object
	declared spec.AuthorizationServer
	status   v1alpha1.ClusterAuthorizationServerStatus
}

// grant is a ResourceGrant.
type grant struct {
	object
	spec     v1alpha1.ResourceGrantSpec
	selector labels.Selector // of namespaces; nil: none
	status   v1alpha1.ResourceGrantStatus
}

// namespace is a Namespace: its labels.
type namespace struct{ object }

// route is an HTTPRoute, as far as it says where requests go.
type route struct {
	object
	hosts   []string // empty: those of the listeners
	rules   []routeRule
	parents []parent // Gateways that accepted it
}

// accepted says that requests come by the route.
func (rt *route) accepted() bool { return len(rt.parents) > 0 }

type routeRule struct {
	name    string
	matches []routeMatch
}

type routeMatch struct {
	kind, path  string // Exact, PathPrefix or RegularExpression
	conditional bool   // on a header, a query parameter or a method
}

// parent is a Gateway of a route, with its namespace.
type parent struct {
	Group, Kind, Namespace, Name, SectionName string
}

// world is everything that is known at one moment, each list by age.
type world struct {
	resources  []*resource
	servers    []*server
	grants     []*grant
	routes     map[string]*route // by key
	namespaces map[string]*namespace
	routesOf   map[string][]*route  // by namespace
	policies   map[string][]*policy // likewise, by name within each
}
