package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ResourceGrant is the platform's word on which namespaces may declare which URLs. Grants add up.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=resourcegrants,scope=Cluster,shortName=mcpgrant,categories=mcp-authz
// +kubebuilder:printcolumn:name="Hosts",type=string,JSONPath=`.spec.hosts`
// +kubebuilder:printcolumn:name="Prefixes",type=string,JSONPath=`.spec.pathPrefixes`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ResourceGrant struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// what is granted
	Spec ResourceGrantSpec `json:"spec"`
	// what became of it
	// +optional
	Status ResourceGrantStatus `json:"status,omitzero"`
}

// ResourceGrantSpec says who gets what.
type ResourceGrantSpec struct {
	// who gets it
	Namespaces GrantedNamespaces `json:"namespaces"`
	// hosts, without ports: "mcp.example.com", or "*.mcp.example.com" for all of one label more; at most 64
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^(\[[0-9a-f:.]+\]|(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*)$`
	Hosts []string `json:"hosts"`
	// paths on them: each covers itself and everything below it; at most 64 of 512 characters
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=512
	// +kubebuilder:validation:items:Pattern=`^(/|(/[A-Za-z0-9._~!$&'()*+:@-]+)+)$`
	// +kubebuilder:default={"/"}
	PathPrefixes []string `json:"pathPrefixes,omitempty"`
	// authorization servers that may be named; absent: all; at most 64
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	AuthorizationServers []string `json:"authorizationServers,omitempty"`
	// audiences that may be declared beside the identifier of a resource; absent: none; at most 64 of 512 characters
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Audiences []string `json:"audiences,omitempty"`
	// whether forwardToken may be set: the upstreams get the tokens of their callers
	// +optional
	ForwardToken bool `json:"forwardToken,omitempty"`
}

// GrantedNamespaces are namespaces by name, by label, or both.
//
// +kubebuilder:validation:XValidation:rule="has(self.names) || has(self.selector)",message="give names, a selector, or both; an empty selector selects all namespaces"
type GrantedNamespaces struct {
	// their names; at most 64
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Names []string `json:"names,omitempty"`
	// their labels; who may label namespaces decides then who gets the URLs
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// ResourceGrantStatus is written by the leader of the instances.
type ResourceGrantStatus struct {
	// Accepted: the grant counts
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ResourceGrantList is a list of them.
//
// +kubebuilder:object:root=true
type ResourceGrantList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ResourceGrant `json:"items"`
}
