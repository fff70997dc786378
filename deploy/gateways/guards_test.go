package gateways

import (
	"context"
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

// The guards keep an app team from taking mcp-authz off its routes with a policy of its own, and from nothing else. Each object here is
// one that the gateway would take. On a real API server: deploy/e2e/kubernetes.
func TestGuards(t *testing.T) {
	const (
		securityPolicy = "{apiVersion: gateway.envoyproxy.io/v1alpha1, kind: SecurityPolicy, metadata: {name: a, namespace: weather}, spec: %s}"
		trafficPolicy  = "{apiVersion: gateway.kgateway.dev/v1alpha1, kind: TrafficPolicy, metadata: {name: a, namespace: weather}, spec: %s}"
		httpProxy      = "{apiVersion: projectcontour.io/v1, kind: HTTPProxy, metadata: {name: a, namespace: weather}, spec: %s}"
		route          = "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: a}"
		cors           = "cors: {allowOrigins: ['https://a.example.com']}"
		contourRef     = "extensionRef: {apiVersion: projectcontour.io/v1alpha1, name: a, namespace: weather}"
	)
	for _, c := range []struct {
		guard, object, spec string
		refused             bool
	}{
		{"envoy-gateway/guard.yaml", securityPolicy, "{targetRefs: [" + route + "], " + cors + "}", true},
		{"envoy-gateway/guard.yaml", securityPolicy, "{targetRef: " + route + ", " + cors + "}", true},
		{"envoy-gateway/guard.yaml", securityPolicy, "{targetSelectors: [{kind: HTTPRoute, matchLabels: {a: b}}], " + cors + "}", true},
		{"envoy-gateway/guard.yaml", securityPolicy, "{targetRefs: [" + strings.Replace(route, "HTTPRoute", "GRPCRoute", 1) + "], " + cors + "}", true},
		{"envoy-gateway/guard.yaml", securityPolicy, "{targetRefs: [" + route + "], mergeType: StrategicMerge, " + cors + "}", false},
		{"envoy-gateway/guard.yaml", securityPolicy, "{targetRefs: [" + route + "], mergeType: StrategicMerge, extAuth: {failOpen: true, grpc: {backendRefs: [{name: a, port: 1}]}}}", true},
		{"envoy-gateway/guard.yaml", securityPolicy, "{targetRefs: [" + strings.Replace(route, "HTTPRoute", "ListenerSet", 1) + "], " + cors + "}", true},

		{"kgateway/guard.yaml", trafficPolicy, "{targetRefs: [" + route + "], extAuth: {disable: {}}}", true},
		{"kgateway/guard.yaml", trafficPolicy, "{targetRefs: [" + route + "], extAuth: {extensionRef: {name: a}}}", true},
		{"kgateway/guard.yaml", trafficPolicy, "{targetRefs: [" + route + "], cors: {allowOrigins: ['https://a.example.com']}}", false},

		{"contour/guard.yaml", httpProxy, "{routes: [{services: [{name: a, port: 80}]}, {authPolicy: {disabled: true}, services: [{name: a, port: 80}]}]}", true},
		{"contour/guard.yaml", httpProxy, "{virtualhost: {fqdn: a.example.com, authorization: {authPolicy: {disabled: true}}}}", true},
		{"contour/guard.yaml", httpProxy, "{virtualhost: {fqdn: a.example.com, tls: {secretName: a}, authorization: {" + contourRef + "}}}", true},
		{"contour/guard.yaml", httpProxy, "{virtualhost: {fqdn: a.example.com}, routes: [{authPolicy: {context: {a: b}}, services: [{name: a, port: 80}]}]}", false},
		{"contour/guard.yaml", httpProxy, "{routes: [{services: [{name: a, port: 80}]}]}", false},
		{"contour/guard.yaml", "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a, namespace: weather}, spec: %s}", "{}", true},
	} {
		object := decode(t, c.spec, fmt.Appendf(nil, c.object, c.spec))[0]
		if !isOwn(object) {
			for _, problem := range known(t, c.guard).problems(t, object) {
				t.Errorf("%s: no gateway would take %s: %s", c.guard, c.spec, problem)
			}
		}
		messages := refusals(t, c.guard, object)
		if refused := len(messages) > 0; refused != c.refused {
			t.Errorf("%s: %s: refused is %v, %q", c.guard, c.spec, refused, messages)
		}
	}
}

// refusals are the messages of the policies in a file that an object of their kind would be refused with.
func refusals(t *testing.T, guard string, object map[string]any) (messages []string) {
	t.Helper()
	looked := false
	for _, document := range decode(t, guard, recipe(t, guard)) {
		if document["kind"] != "ValidatingAdmissionPolicy" {
			continue
		}
		var policy admissionv1.ValidatingAdmissionPolicy
		data, err := yaml.Marshal(document)
		if err == nil {
			err = yaml.UnmarshalStrict(data, &policy)
		}
		if err != nil {
			t.Fatalf("%s: %v", guard, err)
		}
		if *policy.Spec.FailurePolicy != admissionv1.Fail {
			t.Errorf("%s: what cannot be judged is let in", guard)
		}
		if !isAbout(policy, object) {
			continue
		}
		looked = true
		messages = append(messages, judgedBy(t, policy, object)...)
	}
	if !looked {
		t.Errorf("%s does not look at %v", guard, object["kind"])
	}
	return messages
}

// isAbout says whether the policy looks at objects of this kind, created or updated.
func isAbout(policy admissionv1.ValidatingAdmissionPolicy, object map[string]any) bool {
	group, _, _ := strings.Cut(fmt.Sprint(object["apiVersion"]), "/")
	singular := strings.ToLower(fmt.Sprint(object["kind"]))
	for _, rule := range policy.Spec.MatchConstraints.ResourceRules {
		if rule.APIGroups[0] != group || rule.APIVersions[0] != "*" || len(rule.Operations) != 2 {
			continue
		}
		for _, resource := range rule.Resources {
			switch resource {
			case singular + "s", singular + "es", strings.TrimSuffix(singular, "y") + "ies":
				return true
			}
		}
	}
	return false
}

func judgedBy(t *testing.T, policy admissionv1.ValidatingAdmissionPolicy, object map[string]any) (messages []string) {
	t.Helper()
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		t.Fatal(err)
	}
	declared := plugincel.OptionalVariableDeclarations{}
	for _, v := range policy.Spec.Variables {
		if result := compiler.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, declared, environment.NewExpressions); result.Error != nil {
			t.Fatalf("%s: %v", v.Name, result.Error)
		}
	}
	var expressions []plugincel.ExpressionAccessor
	for _, v := range policy.Spec.Validations {
		expressions = append(expressions, &validating.ValidationCondition{Expression: v.Expression})
	}
	condition := compiler.CompileCondition(expressions, declared, environment.NewExpressions)
	if errs := condition.CompilationErrors(); len(errs) > 0 {
		t.Fatal(errs)
	}
	wrapped := &unstructured.Unstructured{Object: object}
	gvk := wrapped.GroupVersionKind()
	attributes := admission.NewAttributesRecord(wrapped, nil, gvk, wrapped.GetNamespace(), wrapped.GetName(),
		schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: "any"}, "", admission.Create, nil, false, nil)
	versioned := &admission.VersionedAttributes{Attributes: attributes, VersionedKind: gvk, VersionedObject: admission.NewLazyObject(wrapped)}
	request := plugincel.CreateAdmissionRequest(attributes, metav1.GroupVersionResource(attributes.GetResource()), metav1.GroupVersionKind(gvk))
	results, _, err := condition.ForInput(context.Background(), versioned, request, plugincel.OptionalVariableBindings{}, nil, celconfig.RuntimeCELCostBudget)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if result.Error != nil {
			t.Fatalf("%s: %v", policy.Spec.Validations[i].Expression, result.Error)
		}
		if result.EvalResult.Value() != true {
			messages = append(messages, policy.Spec.Validations[i].Message)
		}
	}
	return messages
}
