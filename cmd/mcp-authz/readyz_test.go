package main

import (
	"crypto/elliptic"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// The page lists the members of /readyz, in the order in which they come, and no other.
func TestOperationsListsReadyz(t *testing.T) {
	types := map[reflect.Type]string{
		reflect.TypeFor[bool](): "true or false", reflect.TypeFor[int](): "number", reflect.TypeFor[string](): "time (RFC 3339, UTC)",
		reflect.TypeFor[[]string](): "list of strings", reflect.TypeFor[[]failingServer](): "list of objects",
	}
	var code, documented []string
	of := reflect.TypeFor[detail]()
	for i := range of.NumField() {
		code = append(code, of.Field(i).Tag.Get("json")+" | "+types[of.Field(i).Type])
	}
	for _, r := range table(t, "### The body of /readyz") {
		documented = append(documented, r[0]+" | "+r[1])
	}
	if diff := cmp.Diff(code, documented); diff != "" {
		t.Errorf("members of /readyz (-code +document):\n%s", diff)
	}
	text := section(t, "### The body of /readyz")
	each := reflect.TypeFor[failingServer]()
	for i := range each.NumField() {
		if name := each.Field(i).Tag.Get("json"); !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the page does not say what %s of an authorization server is", name)
		}
	}
	if want := fmt.Sprintf("the first %d,", maxRejectionKeys); !strings.Contains(text, want) {
		t.Errorf("the page does not say %q", want)
	}
}

// The body of /readyz in every state, byte by byte and the same when asked again.
func TestReadyzInEveryState(t *testing.T) {
	inlined := authztest.NewIssuerWithKey("https://idp.example.com", authztest.GenerateEC("k", elliptic.P256()))
	config := inline("corp", inlined)
	for _, name := range []string{"zulu", "alpha", "mike"} {
		down := authorizationServer(t)
		down.FailAll(authztest.Fault{Kind: authztest.Refuse})
		if name == "mike" {
			down.FailAll(authztest.Fault{Kind: authztest.Status500})
		}
		config += fmt.Sprintf("- { name: %s, issuer: %q }\n", name, down.URL())
	}
	c := configured(t, config+github)
	c.changed.Store(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC).Unix())
	r := &readiness{config: c, issuers: c.issuers}
	admin := newAdmin(r, prometheus.NewRegistry(), c.log)
	for _, running := range c.issuers.all() {
		<-running.Attempted()
	}

	const failing = `[{"name":"alpha","keys":0,"cause":"no answer, or not in time"},{"name":"mike","keys":0,"cause":"an answer other than 200"},{"name":"zulu","keys":0,"cause":"no answer, or not in time"}]`
	// want writes a body: parts in the order of the table, then what was rejected.
	want := func(ready, listening, attempted, draining, rejected bool, problems int, keys string) string {
		return fmt.Sprintf(`{"ready":%v,"listening":%v,"configured":true,"keysAttempted":%v,"draining":%v,"configurationApplied":"2026-05-04T03:02:01Z",`+
			`"lastConfigurationRejected":%v,"configurationProblems":%d,"configurationProblemKeys":[%s],"failingAuthorizationServers":%s,"rejectedTLS":[]}`+"\n",
			ready, listening, attempted, draining, rejected, problems, keys, failing)
	}
	write := func(text string) func() {
		return func() { must(t, os.WriteFile(c.path, []byte(text), 0o600)); c.reload() }
	}
	const secret = "MARKER-secret"
	for _, s := range []struct {
		what   string
		change func()
		status int
		body   string
	}{
		{"before it listens", func() {}, 503, want(false, false, false, false, false, 0, "")},
		{"starting", func() { r.serving.Store(true) }, 503, want(false, true, false, false, false, 0, "")},
		{"ready", func() { r.attempted.Store(true) }, 200, want(true, true, true, false, false, 0, "")},
		{"a file with mistakes", write(threeMistakes), 200, want(true, true, true, false, true, 3, `"drainDelay","authorizationServers[0].issuer","resources[0].resource"`)},
		{"no YAML, with a secret in it", write("{ " + secret), 200, want(true, true, true, false, true, 1, `"(file)"`)},
		{
			"more problems than fit, with secrets in values", write("limits: { tokenBytes: " + secret + " }\nlog: { level: " + secret + ", decisions: " + secret + " }\ndrainDelay: " + secret + "\n" +
				"authorizationServers: " + secret + "\nresources: " + secret + "\n"),
			200, want(true, true, true, false, true, 6, `"limits.tokenBytes","log.level","log.decisions","drainDelay","authorizationServers"`),
		},
		{"an empty file", write(""), 200, want(true, true, true, false, true, 1, `"(file)"`)},
		{"no file", func() { must(t, os.Remove(c.path)); c.reload() }, 200, want(true, true, true, false, true, 1, `"(file)"`)},
		{"the good file again", func() { write(config + github)(); c.changed.Store(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC).Unix()) }, 200, want(true, true, true, false, false, 0, "")},
		{"draining", func() { r.draining.Store(true) }, 503, want(false, true, true, true, false, 0, "")},
	} {
		s.change()
		for range 10 { // maps have no order
			w := httptest.NewRecorder()
			admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			if diff := cmp.Diff(s.body, w.Body.String()); w.Code != s.status || diff != "" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d %s, want %d (-want +got):\n%s", s.what, w.Code, w.Header().Get("Content-Type"), s.status, diff)
				break
			}
		}
	}
}
