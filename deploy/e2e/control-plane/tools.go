//go:build tools

// Package controlplane pins the programs of a Kubernetes control plane that the suite runs: an API server and its etcd.
package controlplane

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
