package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// ProtectedResource declares that a URL is protected: it and everything below it takes the access tokens of these authorization
// servers and no others.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=protectedresources,shortName=mcpres,categories=mcp-authz
// +kubebuilder:metadata:labels="gateway.networking.k8s.io/policy=Direct"
// +kubebuilder:printcolumn:name="Resource",type=string,JSONPath=`.spec.resource`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Accepted")].reason`
// +kubebuilder:printcolumn:name="Metadata URL",type=string,priority=1,JSONPath=`.status.metadataURL`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ProtectedResource struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// what is declared
	Spec ProtectedResourceSpec `json:"spec"`
	// what became of it
	// +optional
	Status ProtectedResourceStatus `json:"status,omitzero"`
}

// ProtectedResourceSpec is the resource of a configuration file, and where it stands among the routes of the cluster.
//
// +kubebuilder:validation:XValidation:rule="self.resource == oldSelf.resource",message="spec.resource is immutable: the age of this object is the age of its claim; make a new object"
// +kubebuilder:validation:XValidation:rule="has(self.targetRefs) == has(oldSelf.targetRefs) && (!has(self.targetRefs) || self.targetRefs == oldSelf.targetRefs)",message="spec.targetRefs is immutable: the age of this object is the age of its claim; make a new object"
type ProtectedResourceSpec struct {
	spec.ProtectedResourceSpec `json:",inline"`
	// HTTPRoutes of this namespace that lead to the resource. They prove that the URL is this namespace's; where the gateway tells
	// which HTTPRoute matched a request, every other one is refused; at most 16
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	TargetRefs []TargetRef `json:"targetRefs,omitempty"`
	// Auto: an HTTPRoute leads from the Gateways of targetRefs to the metadata document; None: something else does
	// +optional
	// +kubebuilder:validation:Enum=Auto;None
	// +kubebuilder:default=Auto
	MetadataRoutes string `json:"metadataRoutes,omitempty"`
}

// TargetRef names an HTTPRoute of the same namespace, or one of its rules (Gateway API, LocalPolicyTargetReferenceWithSectionName).
type TargetRef struct {
	// API group of the target
	// +optional
	// +kubebuilder:validation:Enum=gateway.networking.k8s.io
	// +kubebuilder:default=gateway.networking.k8s.io
	Group string `json:"group,omitempty"`
	// kind of the target
	// +optional
	// +kubebuilder:validation:Enum=HTTPRoute
	// +kubebuilder:default=HTTPRoute
	Kind string `json:"kind,omitempty"`
	// its name
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// one of its rules, by name; absent: all
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SectionName string `json:"sectionName,omitempty"`
}

// Values of metadataRoutes.
const (
	MetadataRoutesAuto = "Auto"
	MetadataRoutesNone = "None"
)

// ProtectedResourceStatus is written by the leader of the instances, from what it has in force. The others follow from their own
// watch of the same objects.
type ProtectedResourceStatus struct {
	// where the metadata document of the resource lies (RFC 9728 §3.1)
	// +optional
	MetadataURL string `json:"metadataURL,omitempty"`
	// Accepted: the URL is this namespace's and the declaration is good; ResolvedRefs: all it names is there; Programmed: requests
	// are judged by it; RouteConflict, if it is there: a route of somebody else leads below the URL
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// the same for each Gateway that targetRefs lead to (GEP-713)
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Ancestors []AncestorStatus `json:"ancestors,omitempty"`
}

// AncestorStatus is the state of the declaration with respect to one Gateway (Gateway API, PolicyAncestorStatus).
type AncestorStatus struct {
	// the Gateway
	AncestorRef AncestorRef `json:"ancestorRef"`
	// who says so: mcp-authz.dev/controller
	// +kubebuilder:validation:MaxLength=253
	ControllerName string `json:"controllerName"`
	// as in the status as a whole
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// AncestorRef names a Gateway or one of its listeners.
type AncestorRef struct {
	// its API group
	// +optional
	Group string `json:"group,omitempty"`
	// its kind
	// +optional
	Kind string `json:"kind,omitempty"`
	// its namespace
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// its name
	Name string `json:"name"`
	// its listener
	// +optional
	SectionName string `json:"sectionName,omitempty"`
}

// ProtectedResourceList is a list of them.
//
// +kubebuilder:object:root=true
type ProtectedResourceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ProtectedResource `json:"items"`
}
