// Package kube lets a Kubernetes cluster declare what is protected. Every instance watches ProtectedResources,
// ClusterAuthorizationServers, ResourceGrants, HTTPRoutes and Namespaces and judges by itself, from its own copy, which declarations
// count; nothing of a decision waits for the API server. One of them, the leader, writes what became of the objects into their
// status, and makes the HTTPRoutes of the metadata documents.
package kube
