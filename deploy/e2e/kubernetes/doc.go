// Package kubernetes is the suite on a real cluster: the chart, the image, Envoy Gateway, two app teams, and a client that logs in. Its
// tests have the build tag "kubernetes"; "make e2e-kubernetes" runs them. With KUBECONFIG and REGISTRY set it uses that cluster,
// otherwise it makes one of this machine (see the script "cluster") and takes it down at the end.
package kubernetes
