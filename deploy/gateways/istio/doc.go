// Package istio puts the files of deploy/istio to Istio's own discovery server, in this process, and looks at what it would send to the
// Envoy of an ingress gateway. A module of its own: it pulls in all of istiod.
package istio
