package kube

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
	if c := statusOf(t, j, "bad", now)["RouteConflict"]; c.Type != "" {
		t.Errorf("no route of another namespace: %+v", c)
	}
	if s := j.resources[2].wanted(now); s.MetadataURL != "" {
		t.Errorf("a metadata URL for what is not in force: %s", s.MetadataURL)
	}
}

// A condition that stays keeps its time; one that changes gets a new one. What is written is then what is read: no endless writing.
func TestConditionsKeepTheirTimes(t *testing.T) {
	first, later := time.Unix(1000, 0), time.Unix(2000, 0)
	w := cluster(t, all(corp, granted("a", "mcp.example.com"), at(leads("a", "r", "mcp.example.com", prefixMatch("/")), "infra/one", "infra/two"), protected("a", "x", h+"/x", "targetRefs: [{name: r}]")))
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
	// Each has its own, those of each Gateway, too.
	v.status.Conditions[1].LastTransitionTime = metav1.NewTime(time.Unix(1100, 0))
	v.status.Ancestors[1].Conditions[0].LastTransitionTime = metav1.NewTime(time.Unix(1200, 0))
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
	just := strings.Repeat("a", maxMessageBytes)
	if c := condition("Accepted", state{"Invalid", just}, "", 1); c.Message != just {
		t.Errorf("cut although it fits: %d bytes", len(c.Message))
	}
	problems := []spec.Problem{{Path: "w", Warning: true}}
	for range 6 {
		problems = append(problems, spec.Problem{Path: "p", Found: "a", Expected: "b"})
	}
	line := "p: found a, expected b"
	if got, want := invalid(problems).message, strings.Repeat(line+"\n", 4)+line; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A message names the key, the route or the path that it is about.
func TestWhatAStatusNames(t *testing.T) {
	r := leads("a", "r", "mcp.example.com", prefixMatch("/r"))
	for _, c := range []struct{ ownership, cluster, kind, want string }{
		{"Grant", protected("a", "x", h+"/mcp"), "Accepted", "the host mcp.example.com and the path /mcp;"},
		{"Grant", protected("a", "x", h), "Accepted", "the host mcp.example.com and the path /;"},
		{"Any", protected("a", "x", h+"/mcp", "targetRefs: [{name: gone}, {name: too}]"), "Accepted", "there is no HTTPRoute gone in"},
		{"Any", protected("a", "x", h+"/mcp", "targetRefs: [{name: gone}, {name: too}]"), "ResolvedRefs", "there is no HTTPRoute gone in"},
		{"Any", all(r, protected("a", "x", h+"/mcp", "targetRefs: [{name: r}]")), "Accepted", "the HTTPRoute r has no rule"},
		{"Any", all(r, protected("a", "x", h+"/r", "targetRefs: [{name: r, sectionName: other}]")), "Accepted", "the HTTPRoute r, rule other, has no rule"},
		{"Any", all(r, leads("a", "s", "mcp.example.org", prefixMatch("/")), protected("a", "x", h+"/mcp", "targetRefs: [{name: r}, {name: s}]")), "Accepted", "the HTTPRoute r has no rule"},
	} {
		if got := statusOf(t, judged(t, c.ownership, empty, all(corp, c.cluster)), "x", today())[c.kind].Message; !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.kind, got, c.want)
		}
	}
}

// What was written is read back, of every kind, and is what would be written again: the leader has nothing to do.
func TestWhatIsWrittenIsRead(t *testing.T) {
	first, later := time.Unix(1000, 0), time.Unix(2000, 0)
	statuses := func(j *Judgement, now time.Time) (all []any) {
		for _, s := range j.servers {
			all = append(all, s.wanted(now))
		}
		for _, g := range j.grants {
			all = append(all, g.wanted(now))
		}
		for _, r := range j.resources {
			all = append(all, r.wanted(now))
		}
		return all
	}
	documents := []string{
		corp, granted("a", "mcp.example.com"), granted("b", "not a host"), protected("a", "x", h+"/x", "targetRefs: [{name: r}]"),
		leads("a", "r", "mcp.example.com", prefixMatch("/")),
	}
	want := statuses(judged(t, "Grant", empty, all(documents...)), first)
	var reasons []string
	for i, s := range want {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		documents[i] += "\nstatus: " + string(text)
		var said struct{ Conditions []metav1.Condition }
		lenient(s, &said)
		reasons = append(reasons, said.Conditions[0].Reason)
	}
	if diff := cmp.Diff([]string{"Accepted", "Accepted", "Invalid", "Accepted"}, reasons); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, statuses(judged(t, "Grant", empty, all(documents...)), later)); diff != "" {
		t.Errorf("written again (-was +would be):\n%s", diff)
	}
}

// Routes stand at any number of Gateways: one each is told of, and of so many that the API takes them.
func TestManyGateways(t *testing.T) {
	gateways := func(from, to int) (names []string) {
		for i := from; i < to; i++ {
			names = append(names, fmt.Sprintf("infra/gw%02d", i))
		}
		return names
	}
	route := func(name string, gateways []string) string {
		return at(leads("a", name, "mcp.example.com", prefixMatch("/")), gateways...)
	}
	x := protected("a", "x", h+"/mcp", "targetRefs: [{name: r}, {name: s}, {name: u}]")
	for _, c := range []struct {
		name, text          string
		ancestors, gateways int
	}{
		{"the same", all(route("r", gateways(0, 20)), route("s", gateways(0, 20)), route("u", gateways(20, 21))), 16, 21},
		{"as many as there may be", all(route("r", gateways(0, 20)), route("s", gateways(20, 31)), route("u", gateways(31, 32))), 16, 32},
		{"more", all(route("r", gateways(0, 20)), route("s", gateways(20, 31)), route("u", gateways(31, 34))), 16, 32},
		{"fewer", all(route("r", gateways(0, 1)), route("s", gateways(0, 2)), route("u", gateways(1, 2))), 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := cluster(t, all(corp, c.text, x))
			to := w.targeted(w.resources[0])
			if len(to.parents) != c.gateways || len(to.stands) != c.gateways {
				t.Errorf("%d Gateways, %d hostnames at them", len(to.parents), len(to.stands))
			}
			j := w.judge(&spec.Kubernetes{Ownership: "Any"}, fileOf(t, empty))
			if got := len(j.resources[0].wanted(today()).Ancestors); got != c.ancestors {
				t.Errorf("%d ancestors, want %d", got, c.ancestors)
			}
			if got := len(routesOf(j)["mcp.example.com"]); got != c.gateways {
				t.Errorf("the metadata route stands at %d Gateways, want %d", got, c.gateways)
			}
		})
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
	got, whole := map[string][]string{}, map[string]*unstructured.Unstructured{}
	for name, r := range metadataRoutes(&k, w.judge(&k, fileOf(t, empty))) {
		var said httpRoute
		lenient(r.Object, &said)
		var at []string
		for _, p := range said.Spec.ParentRefs {
			at = append(at, p.Namespace+"/"+p.Name+" "+p.SectionName)
		}
		got[said.Spec.Hostnames[0]] = at
		whole[said.Spec.Hostnames[0]] = r
		if len(said.Spec.Hostnames) != 1 || len(name) > 63 || !strings.HasPrefix(name, "mcp-authz-") || r.GetNamespace() != "mcp-authz" ||
			said.Spec.Rules[0].Matches[0].Path.Value != "/.well-known/oauth-protected-resource" || said.Spec.Rules[0].Matches[0].Path.Type != "PathPrefix" {
			t.Errorf("%s: %+v", name, r.Object)
		}
	}
	want := map[string][]string{"mcp.example.com": {"infra/gw ", "infra/second "}, "plain.example.com": {"edge/default https"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// As the API takes them: no empty listener, and what tells the next leader, and a gateway, that they are ours.
	for host, section := range map[string]string{"mcp.example.com": "", "plain.example.com": "https"} {
		if diff := cmp.Diff(map[string]string{"app.kubernetes.io/managed-by": "mcp-authz", "app.kubernetes.io/component": "metadata-route", "mcp-authz.dev/lease": "mcp-authz"}, whole[host].GetLabels()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
		spec := whole[host].Object["spec"].(map[string]any)
		first := spec["parentRefs"].([]any)[0].(map[string]any)
		if got, said := first["sectionName"]; said != (section != "") || said && got != section {
			t.Errorf("%s: %v", host, first)
		}
		backends := spec["rules"].([]any)[0].(map[string]any)["backendRefs"]
		if diff := cmp.Diff([]any{map[string]any{"group": "", "kind": "Service", "name": "mcp-authz", "port": int64(8080), "weight": int64(1)}}, backends); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
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
