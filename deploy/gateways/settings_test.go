package gateways

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// Invariant 1, I-13, I-18, I-20, I-21, I-22, I-26, I-27: what every file says of the check. The gate stays shut without an answer; the
// gateway waits longer than mcp-authz takes; the part of the body that is sent fits; nothing is exempt, and all headers are shown.
func TestWhatEveryFileSays(t *testing.T) {
	limits := limits(t)
	seen := map[string]int{}
	for _, name := range recipes(t) {
		for _, object := range decode(t, name, recipe(t, name)) {
			walk(object, "", func(path string, v any) {
				key := path[strings.LastIndexByte(path, '.')+1:]
				if strings.Contains(path, ".validations.") || strings.HasPrefix(path, ".metadata") {
					return
				}
				seen[key]++
				switch key {
				case "failOpen", "failClosed", "clearRouteCache", "recomputeRoute", "disabled":
					if v != false {
						t.Errorf("%s: %s is %v", name, path, v)
					}
				case "failureMode":
					if v != "FailClosed" {
						t.Errorf("%s: %s is %v", name, path, v)
					}
				case "statusOnError":
					if fmt.Sprint(v) != "503" {
						t.Errorf("%s: %s is %v", name, path, v)
					}
				case "percentageEnabled", "disable", "cache", "conditional", "hosts", "notHosts", "paths", "notPaths", "methods", "notMethods", "when",
					"headersToExtAuth", "headersToForward", "allowedHeaders", "includeRequestHeadersInCheck", "includeHeadersInCheck", "pathPrefix", "contextExtensions":
					if key != "hosts" || strings.Contains(path, "rules") { // of an AuthorizationPolicy; a VirtualService must have some
						t.Errorf("%s: %s lets requests round the check, or hides something of them", name, path)
					}
				case "maxRequestBytes", "maxSize":
					if n, ok := v.(int64); !ok || n <= 0 || 8*int(n) > limits.MessageBytes {
						t.Errorf("%s: %s is %v, beside messageBytes %d", name, path, v, limits.MessageBytes)
					}
				case "allowPartialMessage", "packAsBytes":
					if v != true {
						t.Errorf("%s: %s is %v", name, path, v)
					}
				}
				if key == "requestTimeout" || key == "responseTimeout" || path == ".spec.timeoutPolicy.response" ||
					strings.HasSuffix(path, "extAuth.timeout") || strings.HasSuffix(path, "envoyExtAuthzGrpc.timeout") {
					if d, err := time.ParseDuration(fmt.Sprint(v)); err != nil || d < limits.CheckDeadline+500*time.Millisecond || d > 5*time.Second {
						t.Errorf("%s: %s is %v, beside a checkDeadline of %v", name, path, v, limits.CheckDeadline)
					}
				}
			})
		}
	}
	for _, key := range []string{"failOpen", "failureMode", "statusOnError", "maxRequestBytes", "maxSize", "allowPartialMessage", "requestTimeout", "responseTimeout", "clearRouteCache"} {
		if seen[key] == 0 {
			t.Errorf("no file says %s, so this test looks at nothing", key)
		}
	}
}

// Where it can be set, it is: the status of no answer, the time to wait, and that no answer is a refusal.
func TestNothingIsLeftToDefaults(t *testing.T) {
	for name, wanted := range map[string][]string{
		"istio/mesh.yaml":                   {"timeout", "failOpen", "statusOnError", "includeRequestBodyInCheck"},
		"kgateway/attach.yaml":              {"requestTimeout", "failOpen", "statusOnError", "withRequestBody"},
		"agentgateway/attach.yaml":          {"failureMode", "inheritance", "requestTimeout"},
		"contour/contourconfiguration.yaml": {"responseTimeout", "failOpen", "withRequestBody"},
		"contour/httpproxy.yaml":            {"responseTimeout", "failOpen", "withRequestBody"},
		"contour/extensionservice.yaml":     {"response", "protocol"},
		"envoy-gateway/attach.yaml":         {"timeout", "failOpen", "statusOnError", "includeRouteMetadata"},
	} {
		found := map[string]bool{}
		for _, object := range decode(t, name, recipe(t, name)) {
			walk(object, "", func(path string, _ any) { found[path[strings.LastIndexByte(path, '.')+1:]] = true })
		}
		for _, key := range wanted {
			if !found[key] {
				t.Errorf("%s does not say %s", name, key)
			}
		}
	}
}

// limits are those of mcp-authz unless told otherwise.
func limits(t *testing.T) spec.Limits {
	t.Helper()
	f, problems := spec.Load([]byte("resources: []\n"))
	if f == nil {
		t.Fatal(problems)
	}
	return f.Limits
}
