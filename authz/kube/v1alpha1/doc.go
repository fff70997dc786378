// Package v1alpha1 is the API of mcp-authz in a Kubernetes cluster: what app teams and platform declare as objects. The words are
// those of the configuration file, package spec.
//
// +kubebuilder:object:generate=true
// +groupName=mcp-authz.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group.
const Group = "mcp-authz.dev"

// Version is the group and version of the kinds of this package.
func Version() schema.GroupVersion { return schema.GroupVersion{Group: Group, Version: "v1alpha1"} }

// AddToScheme makes the kinds known to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(Version(),
		&ProtectedResource{}, &ProtectedResourceList{},
		&ClusterAuthorizationServer{}, &ClusterAuthorizationServerList{},
		&ResourceGrant{}, &ResourceGrantList{},
	)
	metav1.AddToGroupVersion(s, Version())
	return nil
}
