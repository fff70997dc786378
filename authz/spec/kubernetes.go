package spec

import (
	"fmt"
	"strconv"
)

// Kubernetes makes the process serve what a cluster declares, too. A change of it needs a restart.
type Kubernetes struct {
	// where the process runs; its Lease and the metadata HTTPRoutes are made there
	Namespace string `json:"namespace"`
	// namespaces whose ProtectedResources count; empty: all; at most 64
	WatchNamespaces []string `json:"watchNamespaces"`
	// what a namespace must show to take a URL. Grant: a ResourceGrant; Route: an HTTPRoute of its own, accepted by a
	// Gateway; Any: nothing, for clusters of one tenant
	Ownership string `json:"ownership"`
	// name of the Lease that says which instance writes status and routes
	Lease string `json:"lease"`
	// HTTPRoutes to the metadata listener, one for each host; absent: none are made
	MetadataRoutes *MetadataRoutes `json:"metadataRoutes"`
}

// MetadataRoutes says how the metadata listener is reached.
type MetadataRoutes struct {
	// the Service of the metadata listener, in namespace
	Service string `json:"service"`
	// its port
	Port int `json:"port"`
	// Gateways for the hosts of resources that name no HTTPRoute; at most 16
	ParentRefs []ParentRef `json:"parentRefs"`
}

// ParentRef names a Gateway, or one of its listeners (Gateway API, ParentReference).
type ParentRef struct {
	// its namespace
	Namespace string `json:"namespace"`
	// its name
	Name string `json:"name"`
	// one of its listeners; absent: all
	SectionName string `json:"sectionName"`
}

// How a namespace comes to own a URL.
const (
	OwnershipGrant = "Grant"
	OwnershipRoute = "Route"
	OwnershipAny   = "Any"
)

const (
	maxWatched = 64
	maxParents = 16 // HTTPRoute, spec.parentRefs has at most 32
)

func kubernetesDefaults() Kubernetes {
	return Kubernetes{Ownership: OwnershipGrant, Lease: "mcp-authz"}
}

func (k *Kubernetes) validate(p *problems) {
	const path = "kubernetes"
	dnsLabel(p, path+".namespace", k.Namespace)
	if len(k.WatchNamespaces) > maxWatched {
		p.add(path+".watchNamespaces", fmt.Sprintf("%d entries", len(k.WatchNamespaces)), fmt.Sprintf("at most %d", maxWatched), "leave it empty to watch all namespaces")
	}
	seen := map[string]string{}
	for i, n := range k.WatchNamespaces {
		at := fmt.Sprintf("%s.watchNamespaces[%d]", path, i)
		dnsLabel(p, at, n)
		unique(p, at, n, seen)
	}
	oneOf(p, path+".ownership", k.Ownership, OwnershipGrant, OwnershipRoute, OwnershipAny)
	dnsLabel(p, path+".lease", k.Lease)
	if m := k.MetadataRoutes; m != nil {
		m.validate(p, path+".metadataRoutes")
	}
}

func (m *MetadataRoutes) validate(p *problems, path string) {
	dnsLabel(p, path+".service", m.Service)
	between(p, path+".port", m.Port, 1, 65535)
	if len(m.ParentRefs) > maxParents {
		p.add(path+".parentRefs", fmt.Sprintf("%d entries", len(m.ParentRefs)), fmt.Sprintf("at most %d", maxParents), "")
	}
	for i, r := range m.ParentRefs {
		at := fmt.Sprintf("%s.parentRefs[%d]", path, i)
		dnsLabel(p, at+".namespace", r.Namespace)
		dnsLabel(p, at+".name", r.Name)
		if r.SectionName != "" {
			dnsLabel(p, at+".sectionName", r.SectionName)
		}
	}
}

// dnsLabel checks a name of a Kubernetes object as far as it can be a value of ours: a DNS label (RFC 1123).
func dnsLabel(p *problems, path, v string) {
	if !required(p, path, v, "a name") {
		return
	}
	if !isDNSLabel(v) {
		p.add(path, strconv.Quote(short(v)), "lower-case letters, digits and '-', at most 63", "")
	}
}

func isDNSLabel(v string) bool {
	if v == "" || len(v) > 63 || v[0] == '-' || v[len(v)-1] == '-' {
		return false
	}
	for _, c := range []byte(v) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
