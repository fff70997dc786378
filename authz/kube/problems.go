package kube

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// Problems says what is wrong with a ProtectedResource, ClusterAuthorizationServer or ResourceGrant by itself: what its status
// says, whatever the schema of its kind let pass. Nothing is said of other kinds.
func Problems(u *unstructured.Unstructured) []spec.Problem {
	switch u.GetKind() {
	case "ProtectedResource":
		return reader{}.resource(u).problems
	case "ClusterAuthorizationServer":
		return reader{}.server(u).problems
	case "ResourceGrant":
		return reader{}.grant(u).problems
	}
	return nil
}
