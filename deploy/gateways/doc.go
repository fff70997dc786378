// Package gateways holds the tests of the files for gateways that run in Kubernetes: deploy/envoy-gateway, istio, gateway-api, kgateway,
// contour, agentgateway and cilium, and of their pages in docs/attach. It is a module of its own, since what judges the files is heavy.
//
// Three levels of proof: the schema says that an API server takes a file; the translation, what the gateway's own control plane makes of
// it; traffic, what a client sees. Here are the first two; traffic is in deploy/e2e.
package gateways
