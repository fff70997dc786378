package gateways

import (
	"encoding/json"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/yaml"
)

// own are kinds of Kubernetes itself that the files use.
var own = map[string]func() any{
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy":        func() any { return &admissionv1.ValidatingAdmissionPolicy{} },
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding": func() any { return &admissionv1.ValidatingAdmissionPolicyBinding{} },
	"v1 Namespace":                      func() any { return &corev1.Namespace{} },
	"v1 Service":                        func() any { return &corev1.Service{} },
	"v1 Secret":                         func() any { return &corev1.Secret{} },
	"discovery.k8s.io/v1 EndpointSlice": func() any { return &discoveryv1.EndpointSlice{} },
}

func isOwn(object map[string]any) bool {
	version := fmt.Sprint(object["apiVersion"])
	return !strings.Contains(version, ".") || strings.Contains(version, ".k8s.io/") && !strings.HasPrefix(version, "gateway.")
}

// ownProblems are unknown fields and values of a wrong type.
func ownProblems(object map[string]any) []string {
	fresh := own[fmt.Sprint(object["apiVersion"], " ", object["kind"])]
	if fresh == nil {
		return []string{fmt.Sprint("nobody here knows ", object["apiVersion"], " ", object["kind"])}
	}
	data, err := json.Marshal(object)
	if err == nil {
		err = yaml.UnmarshalStrict(data, fresh())
	}
	if err != nil {
		return []string{err.Error()}
	}
	return nil
}
