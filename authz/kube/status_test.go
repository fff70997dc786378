package kube

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

func statusOf(t *testing.T, j *Judgement, name string, now time.Time) map[string]metav1.Condition {
	t.Helper()
	for _, v := range j.resources {
		if v.Name == name {
			all := map[string]metav1.Condition{}
			for _, c := range v.wanted(now).Conditions {
				all[c.Type] = c
			}
			return all
		}
	}
	t.Fatalf("no %s", name)
	return nil
}

// A status says what became of the object, why, and what to do next, without a word on whom else it is about.
func TestStatus(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	j := judged(t, "Grant", empty, all(corp, granted("a", "mcp.example.com"), granted("victim", "mcp.example.com"), leads("a", "r", "mcp.example.com", prefixMatch("/")),
		leads("victim", "r", "mcp.example.com", prefixMatch("/good/x")),
		protected("a", "good", h+"/good", "targetRefs: [{name: r}]"), protected("victim", "older", h+"/taken"), protected("a", "taken", h+"/taken"),
		protected("a", "bad", h+"/bad", "scopes: {required: [offline_access]}"), protected("a", "unclear", h+"/unclear", "authorizationServers: [nobody]")))
	for _, c := range []struct{ name, accepted, refs, programmed, next string }{
		{"good", "Accepted", "ResolvedRefs", "Programmed", ""},
		{"taken", "Conflicted", "ResolvedRefs", "NotAccepted", "choose another URL, or ask the platform"},
		{"bad", "Invalid", "ResolvedRefs", "Unusable", "remove it"},
		{"unclear", "Accepted", "AuthorizationServerNotFound", "Unusable", "see kubectl get clusterauthorizationservers"},
	} {
		got := statusOf(t, j, c.name, now)
		for kind, want := range map[string]string{"Accepted": c.accepted, "ResolvedRefs": c.refs, "Programmed": c.programmed} {
			is, good := got[kind], want == kind
			if is.Reason != want || (is.Status == metav1.ConditionTrue) != good || is.Message == "" || !is.LastTransitionTime.Time.Equal(now.Truncate(time.Second)) {
				t.Errorf("%s: %+v, want %s", c.name, is, want)
			}
			if strings.Contains(is.Message, "victim") {
				t.Errorf("%s: %q names another namespace", c.name, is.Message)
			}
		}
		if all := got["Accepted"].Message + got["ResolvedRefs"].Message; !strings.Contains(all, c.next) {
			t.Errorf("%s: %q has not the next step %q", c.name, all, c.next)
		}
	}
	if c := statusOf(t, j, "good", now)["RouteConflict"]; c.Status != metav1.ConditionTrue || strings.Contains(c.Message, "victim") {
		t.Errorf("a route of another namespace: %+v", c)
	}
	s := j.resources[0].wanted(now)
	if s.MetadataURL != "https://mcp.example.com/.well-known/oauth-protected-resource/good" || len(s.Ancestors) != 1 || s.Ancestors[0].AncestorRef.Name != "gw" || s.Ancestors[0].AncestorRef.Namespace != "infra" {
		t.Errorf("%+v", s)
	}
	if s := j.resources[2].wanted(now); s.MetadataURL != "" {
		t.Errorf("a metadata URL for what is not in force: %s", s.MetadataURL)
	}
}

// A condition that stays keeps its time; one that changes gets a new one. What is written is then what is read: no endless writing.
func TestConditionsKeepTheirTimes(t *testing.T) {
	first, later := time.Unix(1000, 0), time.Unix(2000, 0)
	text := all(corp, granted("a", "mcp.example.com"), protected("a", "x", h+"/x"))
	w := cluster(t, text)
	k := &spec.Kubernetes{Ownership: "Grant"}
	v := w.judge(k, fileOf(t, empty)).resources[0]
	written, err := json.Marshal(v.wanted(first))
	if err != nil {
		t.Fatal(err)
	}
	v.status = v.wanted(first)
	lenient(json.RawMessage(written), &v.status)
	if diff := cmp.Diff(v.status, v.wanted(later)); diff != "" {
		t.Errorf("written again: %s", diff)
	}
	v.refs = state{reasonServerNotFound, "gone"}
	got := v.wanted(later)
	if accepted, refs := find(got.Conditions, "Accepted"), find(got.Conditions, "ResolvedRefs"); accepted.LastTransitionTime.Unix() != 1000 || refs.LastTransitionTime.Unix() != 2000 {
		t.Errorf("%v, %v", accepted.LastTransitionTime, refs.LastTransitionTime)
	}
}

// A long list of problems is cut to what a condition takes.
func TestALongMessage(t *testing.T) {
	c := condition("Accepted", state{"Invalid", strings.Repeat("ä", 5000)}, "", 1)
	if len(c.Message) > maxMessageBytes+3 || !strings.HasSuffix(c.Message, "ä…") {
		t.Errorf("%d bytes that end in %q", len(c.Message), c.Message[len(c.Message)-8:])
	}
}

// One route for each host, at the Gateways of its resources, to the Service of the metadata listener.
func TestMetadataRoutes(t *testing.T) {
	k := spec.Kubernetes{Namespace: "mcp-authz", Ownership: "Any", Lease: "mcp-authz", MetadataRoutes: &spec.MetadataRoutes{
		Service: "mcp-authz", Port: 8080, ParentRefs: []spec.ParentRef{{Namespace: "edge", Name: "default", SectionName: "https"}},
	}}
	w := cluster(t, all(corp, leads("a", "r", "mcp.example.com", prefixMatch("/")), strings.ReplaceAll(leads("a", "r2", "mcp.example.com", prefixMatch("/")), "name: gw", "name: second"),
		protected("a", "x", h+"/x", "targetRefs: [{name: r}]"), protected("a", "y", h+":8443/y", "targetRefs: [{name: r}, {name: r2}]"),
		protected("b", "none", "https://none.example.com", "metadataRoutes: None"), protected("b", "plain", "https://plain.example.com"),
		protected("b", "ip", "https://[2001:db8::1]"), protected("b", "v4", "https://192.0.2.1"), protected("b", "here", "http://localhost:3000"),
		protected("b", "taken", h+"/x")))
	got := map[string][]string{}
	for name, r := range metadataRoutes(&k, w.judge(&k, fileOf(t, empty))) {
		var said httpRoute
		lenient(r.Object, &said)
		var at []string
		for _, p := range said.Spec.ParentRefs {
			at = append(at, p.Namespace+"/"+p.Name+" "+p.SectionName)
		}
		got[said.Spec.Hostnames[0]] = at
		if len(said.Spec.Hostnames) != 1 || len(name) > 63 || !strings.HasPrefix(name, "mcp-authz-") || r.GetNamespace() != "mcp-authz" ||
			said.Spec.Rules[0].Matches[0].Path.Value != "/.well-known/oauth-protected-resource" || said.Spec.Rules[0].Matches[0].Path.Type != "PathPrefix" {
			t.Errorf("%s: %+v", name, r.Object)
		}
	}
	want := map[string][]string{"mcp.example.com": {"infra/gw ", "infra/second "}, "plain.example.com": {"edge/default https"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	k.MetadataRoutes = nil
	if none := metadataRoutes(&k, w.judge(&k, fileOf(t, empty))); len(none) != 0 {
		t.Errorf("%d routes although none are wanted", len(none))
	}
}

// An error of the API server is told in words of ours, never in its own.
func TestCauses(t *testing.T) {
	for _, err := range []error{errTest("MARKER"), nil} {
		if got := cause(err); strings.Contains(got, "MARKER") {
			t.Errorf("%q", got)
		}
	}
	if !slices.Contains([]string{"no answer"}, cause(errTest("MARKER"))) {
		t.Error(cause(errTest("MARKER")))
	}
}

func today() time.Time { return time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC) }

type errTest string

func (e errTest) Error() string { return string(e) }
