package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// ClusterAuthorizationServer declares who issues tokens, for the ProtectedResources of all namespaces. A server with files, or with
// one of the insecure settings, is declared in the configuration file instead.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=clusterauthorizationservers,scope=Cluster,shortName=mcpas,categories=mcp-authz
// +kubebuilder:printcolumn:name="Issuer",type=string,JSONPath=`.spec.issuer`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && !self.metadata.name.contains('/')",message="metadata.name is a label in metrics: at most 63 characters"
type ClusterAuthorizationServer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// what is declared
	Spec ClusterAuthorizationServerSpec `json:"spec"`
	// what became of it
	// +optional
	Status ClusterAuthorizationServerStatus `json:"status,omitzero"`
}

// ClusterAuthorizationServerSpec is the authorization server of a configuration file, without files and insecure settings.
//
// +kubebuilder:validation:XValidation:rule="self.issuer.matches('^(?i:https)://[^?#]+$')",message="spec.issuer is an https URL without query and fragment"
// +kubebuilder:validation:XValidation:rule="!has(self.jwksURL) || self.jwksURL.matches('^(?i:https)://[^#]+$')",message="spec.jwksURL is an https URL without fragment"
// +kubebuilder:validation:XValidation:rule="!(has(self.jwks) && has(self.jwksURL))",message="spec.jwks or spec.jwksURL, not both"
// +kubebuilder:validation:XValidation:rule="duration(self.leeway) <= duration('2m')",message="spec.leeway is at most 2m"
// +kubebuilder:validation:XValidation:rule="duration(self.refreshInterval) >= duration('10s') && duration(self.refreshInterval) <= duration('24h')",message="spec.refreshInterval is 10s to 24h"
// +kubebuilder:validation:XValidation:rule="duration(self.maxStaleness) >= duration(self.refreshInterval) + duration('1m') && duration(self.maxStaleness) <= duration('168h')",message="spec.maxStaleness is spec.refreshInterval and 1m more, to 168h"
type ClusterAuthorizationServerSpec struct {
	spec.AuthorizationServerSpec `json:",inline"`
}

// ClusterAuthorizationServerStatus is written by the leader of the instances.
type ClusterAuthorizationServerStatus struct {
	// Accepted: ProtectedResources may name it
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ClusterAuthorizationServerList is a list of them.
//
// +kubebuilder:object:root=true
type ClusterAuthorizationServerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ClusterAuthorizationServer `json:"items"`
}
