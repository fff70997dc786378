//go:build kubernetes

package kubernetes

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// protectedResource declares a URL in a namespace. more is what else its spec says.
func protectedResource(namespace, name, url, more string) string {
	return fmt.Sprintf(`
---
apiVersion: mcp-authz.dev/v1alpha1
kind: ProtectedResource
metadata: {name: %s, namespace: %s}
spec: {resource: %q, authorizationServers: [corp]%s}
`, name, namespace, url, more)
}

// grant gives a namespace every path of a host.
func grant(name, namespace, host string) string {
	return fmt.Sprintf(`
---
apiVersion: mcp-authz.dev/v1alpha1
kind: ResourceGrant
metadata: {name: %s}
spec: {namespaces: {names: [%s]}, hosts: [%q]}
`, name, namespace, host)
}

// condition is what the status of a ProtectedResource says of one condition: its status, reason and message.
func condition(t testing.TB, namespace, name, kind string) string {
	t.Helper()
	var object struct {
		Status struct {
			Conditions []struct{ Type, Status, Reason, Message string }
		}
	}
	if err := json.Unmarshal([]byte(kubectl(t, "-n", namespace, "get", "protectedresource", name, "-o", "json")), &object); err != nil {
		t.Fatal(err)
	}
	for _, c := range object.Status.Conditions {
		if c.Type == kind {
			return c.Status + " " + c.Reason + ": " + c.Message
		}
	}
	return ""
}

// becomes waits until a condition begins with "STATUS REASON", and returns the whole.
func becomes(t testing.TB, namespace, name, kind, wanted string) (all string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s of %s/%s is %s", kind, namespace, name, wanted), func() bool {
		all = condition(t, namespace, name, kind)
		return strings.HasPrefix(all, wanted+":")
	})
	return all
}

// metadata is where the document of a resource with the path /mcp lies.
func metadata(host string) string {
	return "https://" + host + "/.well-known/oauth-protected-resource/mcp"
}

// owner is what a team gets for its URL, and what no other team may change.
type owner struct {
	t                     testing.TB
	namespace, host, good string
	document              string
}

// owned lets the team of a namespace declare https://HOST/mcp for its own route, and waits until it is in force.
func owned(t testing.TB, namespace, host string) *owner {
	t.Helper()
	name := strings.ReplaceAll(host, ".", "-")
	o := &owner{t: t, namespace: namespace, host: host, good: tokenFor(t, "https://"+host+"/mcp")}
	apply(t, "", grant(name, namespace, host))
	apply(t, teams[namespace], route(namespace, name, host, "/mcp")+protectedResource(namespace, name, o.url(), ", targetRefs: [{name: "+name+"}]"))
	eventually(t, "the owner's URL is in force", func() bool {
		o.document = get(metadata(host)).body
		return o.holds() == ""
	})
	return o
}

func (o *owner) url() string { return "https://" + o.host + "/mcp" }

// holds says what is wrong with the owner's answers, "" if nothing is.
func (o *owner) holds() string {
	document := get(metadata(o.host))
	var members struct{ Resource string }
	switch without, with := ask(o.url(), ""), ask(o.url(), o.good); {
	case !without.challenged() || !strings.Contains(without.header.Get("Www-Authenticate"), metadata(o.host)):
		return "without a token: " + without.String()
	case !with.allowed(o.namespace):
		return "with a token: " + with.String()
	case json.Unmarshal([]byte(document.body), &members) != nil || members.Resource != o.url() || document.body != o.document:
		return "the document: " + document.String()
	}
	return ""
}

// unharmed is that the owner's answers are what they were.
func (o *owner) unharmed() {
	o.t.Helper()
	if wrong := o.holds(); wrong != "" {
		o.t.Errorf("the owner of %s is harmed: %s", o.url(), wrong)
	}
}
