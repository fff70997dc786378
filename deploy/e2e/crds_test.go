package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	group   = "/apis/mcp-authz.dev/v1alpha1"
	weather = group + "/namespaces/weather/protectedresources"
)

// The definitions of our kinds on a real API server, with the clients' strictest checks: what it takes, what it refuses and in which
// words, and who may do what with the roles of the chart.
func TestDefinitions(t *testing.T) {
	api := startAPIServer(t, startEtcd(t), "")
	definitions, err := filepath.Glob("../../charts/mcp-authz/files/crds/*.yaml")
	if err != nil || len(definitions) != 3 {
		t.Fatalf("definitions: %v, %v", definitions, err)
	}
	for _, name := range definitions {
		api.do(t, adminToken, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?fieldValidation=Strict", read(t, name), http.StatusCreated)
	}
	for _, plural := range []string{"protectedresources", "clusterauthorizationservers", "resourcegrants"} {
		eventually(t, plural+" are served", func() bool {
			status, _ := api.send(t, adminToken, "GET", group+"/"+plural, "", "")
			return status == http.StatusOK
		})
	}
	for _, name := range []string{"weather", "news"} {
		api.do(t, adminToken, "POST", "/api/v1/namespaces", "metadata: {name: "+name+"}", http.StatusCreated)
	}
	t.Run("names", api.names)
	t.Run("words", api.words)
	t.Run("claims stay", api.claimsStay)
	t.Run("roles", api.roles)
}

// names are those that people type.
func (s *apiServer) names(t *testing.T) {
	var served struct {
		Resources []struct {
			Name       string
			ShortNames []string
			Categories []string
			Namespaced bool
			Verbs      []string
		}
	}
	if err := json.Unmarshal(s.do(t, adminToken, "GET", group, "", http.StatusOK), &served); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range served.Resources {
		if sub := strings.Contains(r.Name, "/"); sub {
			slices.Sort(r.Verbs)
			got[r.Name] = strings.Join(r.Verbs, " ")
		} else if got[r.Name] = strings.Join(append(r.ShortNames, r.Categories...), " "); r.Namespaced {
			got[r.Name] += " of a namespace"
		}
	}
	if diff := cmp.Diff(map[string]string{
		"protectedresources": "mcpres mcp-authz of a namespace", "protectedresources/status": "get patch update",
		"clusterauthorizationservers": "mcpas mcp-authz", "clusterauthorizationservers/status": "get patch update",
		"resourcegrants": "mcpgrant mcp-authz", "resourcegrants/status": "get patch update",
	}, got); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
}

const (
	goodResource = "spec: {resource: https://mcp.example.com/weather, authorizationServers: [corp], targetRefs: [{name: weather}]}"
	goodServer   = "spec: {issuer: https://idp.example.com}"
	goodGrant    = "spec: {namespaces: {names: [weather]}, hosts: [mcp.example.com]}"
)

// words: a dry run, by create and by server-side apply, takes what is good, and tells what is not by its key.
func (s *apiServer) words(t *testing.T) {
	resource := func(spec string) declaration {
		return declaration{"ProtectedResource", weather, "spec: {" + spec + "}"}
	}
	server := func(spec string) declaration {
		return declaration{"ClusterAuthorizationServer", group + "/clusterauthorizationservers", "spec: {" + spec + "}"}
	}
	grant := func(spec string) declaration {
		return declaration{"ResourceGrant", group + "/resourcegrants", "spec: {" + spec + "}"}
	}
	const auth = ", authorizationServers: [corp]"
	for what, c := range map[string]struct {
		declaration
		want string // in the answer; "" is success
	}{
		"a resource":                  {declaration{"ProtectedResource", weather, goodResource}, ""},
		"a server":                    {declaration{"ClusterAuthorizationServer", group + "/clusterauthorizationservers", goodServer}, ""},
		"a grant":                     {declaration{"ResourceGrant", group + "/resourcegrants", goodGrant}, ""},
		"an insecure setting":         {resource("resource: https://a.example, insecureAllowHTTP: true" + auth), `spec.insecureAllowHTTP`},
		"a file":                      {server("issuer: https://a.example, caFile: /etc/passwd"), `spec.caFile`},
		"a token of the process":      {server("issuer: https://a.example, bearerTokenFile: /var/run/secrets/t"), `spec.bearerTokenFile`},
		"a key of scopes":             {resource("resource: https://a.example, scopes: {require: [a]}" + auth), `spec.scopes.require`},
		"a route's namespace":         {resource("resource: https://a.example, targetRefs: [{name: a, namespace: b}]" + auth), `namespace`},
		"a wildcard":                  {resource(`resource: "https://*.example.com"` + auth), "no wildcard: declare each host"},
		"upper case":                  {resource("resource: https://A.example" + auth), "the host in lower case"},
		"a slash at the end":          {resource("resource: https://a.example/" + auth), "no slash at the end"},
		"a query":                     {resource(`resource: "https://a.example/?b"` + auth), "no query, fragment or percent escape"},
		"the default port":            {resource("resource: https://a.example:443/b" + auth), "leave out the default port"},
		"dot segments":                {resource("resource: https://a.example/b/../c" + auth), "no dot segments"},
		"well-known":                  {resource("resource: https://a.example/.well-known/b" + auth), "no .well-known segment"},
		"plain http":                  {resource("resource: http://a.example" + auth), "spec.resource"},
		"a server twice":              {resource("resource: https://a.example, authorizationServers: [a, a]"), "name each authorization server once"},
		"no server":                   {resource("resource: https://a.example"), "spec.authorizationServers: Required value"},
		"a kind of route":             {resource("resource: https://a.example, targetRefs: [{kind: GRPCRoute, name: a}]" + auth), `supported values: "HTTPRoute"`},
		"a plain issuer":              {server("issuer: http://a.example"), "spec.issuer is an https URL without query and fragment"},
		"an issuer with a query":      {server(`issuer: "https://a.example/?b"`), "spec.issuer is an https URL without query and fragment"},
		"keys twice":                  {server("issuer: https://a.example, jwksURL: https://a.example/k, jwks: {keys: []}"), "spec.jwks or spec.jwksURL, not both"},
		"a symmetric algorithm":       {server("issuer: https://a.example, algorithms: [HS256]"), "spec.algorithms[0]: Unsupported value"},
		"a long leeway":               {server("issuer: https://a.example, leeway: 3m"), "spec.leeway is at most 2m"},
		"a short staleness":           {server("issuer: https://a.example, maxStaleness: 10m"), "spec.maxStaleness is spec.refreshInterval and 1m more, to 168h"},
		"a grant to nobody":           {grant("namespaces: {}, hosts: [a.example]"), "give names, a selector, or both"},
		"a grant of all hosts":        {grant(`namespaces: {names: [a]}, hosts: ["*"]`), "spec.hosts[0]"},
		"a grant of a host with port": {grant(`namespaces: {names: [a]}, hosts: ["a.example:8443"]`), "spec.hosts[0]"},
	} {
		t.Run(what, func(t *testing.T) {
			named := c.named("new")
			const strictly = "?dryRun=All&fieldValidation=Strict"
			for how, answer := range map[string]func() (int, []byte){
				"create": func() (int, []byte) { return s.send(t, adminToken, "POST", c.path+strictly, yaml, named) },
				"apply": func() (int, []byte) {
					return s.send(t, adminToken, "PATCH", c.path+"/new"+strictly+"&fieldManager=test", "application/apply-patch+yaml", named)
				},
			} {
				status, body := answer()
				var said struct{ Message string }
				_ = json.Unmarshal(body, &said)
				last := c.want[strings.LastIndexByte(c.want, '.')+1:] // apply has another spelling for the key
				switch {
				case c.want == "" && status == http.StatusCreated:
				case c.want != "" && status >= 400 && (strings.Contains(said.Message, c.want) || strings.Contains(said.Message, last+": field not declared in schema")):
				default:
					t.Errorf("%s: %d %s, want %q", how, status, body, c.want)
				}
			}
		})
	}
}

// claimsStay: neither the URL nor the routes of an object change, whichever way one goes about it. Its age is its claim's.
func (s *apiServer) claimsStay(t *testing.T) {
	made := declaration{"ProtectedResource", weather, goodResource}
	s.do(t, adminToken, "POST", weather, made.named("weather"), http.StatusCreated)
	const merge, patch = "application/merge-patch+json", "application/json-patch+json"
	for what, c := range map[string]struct{ kind, body, want string }{
		"the URL":                      {merge, `{"spec":{"resource":"https://mcp.example.com/news"}}`, "spec.resource is immutable"},
		"another rule":                 {merge, `{"spec":{"targetRefs":[{"name":"weather","sectionName":"a"}]}}`, "spec.targetRefs is immutable"},
		"no route":                     {merge, `{"spec":{"targetRefs":null}}`, "spec.targetRefs is immutable"},
		"an empty list":                {merge, `{"spec":{"targetRefs":[]}}`, "spec.targetRefs is immutable"},
		"no route, by JSON patch":      {patch, `[{"op":"remove","path":"/spec/targetRefs"}]`, "spec.targetRefs is immutable"},
		"no spec":                      {patch, `[{"op":"remove","path":"/spec"}]`, "spec: Required value"},
		"another spec, by JSON patch":  {patch, `[{"op":"replace","path":"/spec","value":{"resource":"https://b","authorizationServers":["a"]}}]`, "spec.resource is immutable"},
		"the age":                      {merge, `{"metadata":{"creationTimestamp":"2001-01-01T00:00:00Z"},"spec":{"resourceName":"a"}}`, ""},
		"the status, beside something": {merge, `{"status":{"metadataURL":"https://a"},"spec":{"resourceName":"b"}}`, ""},
		"the same, spelled out":        {merge, `{"spec":{"targetRefs":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute","name":"weather"}]}}`, ""},
	} {
		t.Run(what, func(t *testing.T) {
			before := s.stored(t, weather+"/weather")
			status, body := s.send(t, adminToken, "PATCH", weather+"/weather", c.kind, c.body)
			if c.want == "" && status != http.StatusOK || c.want != "" && (status != http.StatusUnprocessableEntity || !strings.Contains(string(body), c.want)) {
				t.Errorf("%d %s, want %q", status, body, c.want)
			}
			after := s.stored(t, weather+"/weather")
			if before.Metadata != after.Metadata || string(before.Spec.TargetRefs) != string(after.Spec.TargetRefs) || before.Spec.Resource != after.Spec.Resource || after.Status.MetadataURL != "" {
				t.Errorf("%+v has become %+v", before, after)
			}
		})
	}
	if got := s.stored(t, weather+"/weather"); string(got.Spec.TargetRefs) != `[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute","name":"weather"}]` || got.Spec.MetadataRoutes != "Auto" {
		t.Errorf("without defaults: %+v", got)
	}
}

// roles: whoever may edit a namespace may declare what is protected in it, and nothing else; the process may write what became of
// all, and declare nothing.
func (s *apiServer) roles(t *testing.T) {
	chart := read(t, "../../charts/mcp-authz/templates/rbac.yaml")
	const roles, here = "/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/rbac.authorization.k8s.io/v1/namespaces/weather/rolebindings"
	for _, name := range []string{"edit", "view", "namespaced"} {
		parts := regexp.MustCompile(`(?s)\n  name: [^\n]*-` + name + "\n.*?\n(rules:\n.*?\n)(---|\\{\\{- \\$|\\{\\{- end \\}\\}\n$)").FindStringSubmatch(chart)
		if parts == nil {
			t.Fatalf("the chart has no role %q", name)
		}
		rules := regexp.MustCompile(`(?m)^\{\{.*\n`).ReplaceAllString(parts[1], "")
		s.do(t, adminToken, "POST", roles, "kind: ClusterRole\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: test-"+name+"}\n"+rules, http.StatusCreated)
	}
	token := map[string]string{}
	for who, may := range map[string][]string{
		"team":   {"test-edit", "test-view", "system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view"}, // what a controller makes "admin" of
		"reader": {"test-view"}, "process": {"test-namespaced"},
	} {
		s.serviceAccount(t, who)
		token[who] = s.token(t, who)
		for _, role := range may {
			s.do(t, adminToken, "POST", here, "metadata: {generateName: a}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: \""+role+
				"\"}\nsubjects: [{kind: ServiceAccount, name: "+who+", namespace: default}]", http.StatusCreated)
		}
	}
	const merge = "application/merge-patch+json"
	status := `{"status":{"metadataURL":"https://mcp.example.com/.well-known/oauth-protected-resource/weather"}}`
	spec := `{"spec":{"resourceName":"Weather"}}`
	elsewhere := strings.Replace(weather, "/weather/", "/news/", 1)
	named := declaration{"ProtectedResource", "", "spec: {resource: https://mcp.example.com/of-the-team, authorizationServers: [corp]}"}.named("of-the-team")
	eventually(t, "the roles are known", func() bool {
		code, _ := s.send(t, token["process"], "GET", weather, "", "")
		return code == http.StatusOK
	})
	for _, c := range []struct {
		who, method, path, kind, body string
		want                          int
	}{
		{"team", "POST", weather, yaml, named, 201},
		{"team", "PATCH", weather + "/of-the-team", merge, spec, 200},
		{"team", "PATCH", weather + "/of-the-team", merge, status, 200}, // says nothing: TestDefinitions/claims_stay
		{"team", "GET", weather + "/of-the-team", "", "", 200},
		{"team", "PATCH", weather + "/of-the-team/status", merge, status, 403},
		{"team", "PUT", weather + "/of-the-team/status", yaml, named, 403},
		{"team", "POST", elsewhere, yaml, named, 403},
		{"team", "GET", elsewhere, "", "", 403},
		{"team", "POST", group + "/resourcegrants", yaml, declaration{"ResourceGrant", "", goodGrant}.named("mine"), 403},
		{"team", "GET", group + "/resourcegrants", "", "", 403},
		{"team", "POST", group + "/clusterauthorizationservers", yaml, declaration{"ClusterAuthorizationServer", "", goodServer}.named("mine"), 403},
		{"reader", "GET", weather + "/of-the-team", "", "", 200},
		{"reader", "PATCH", weather + "/of-the-team", merge, spec, 403},
		{"process", "GET", weather, "", "", 200},
		{"process", "PATCH", weather + "/of-the-team/status", merge, status, 200},
		{"process", "PATCH", weather + "/of-the-team", merge, spec, 403},
		{"process", "DELETE", weather + "/of-the-team", "", "", 403},
		{"process", "POST", weather, yaml, named, 403},
		{"team", "DELETE", weather + "/of-the-team", "", "", 200},
	} {
		if got, body := s.send(t, token[c.who], c.method, c.path, c.kind, c.body); got != c.want {
			t.Errorf("%s: %s %s %s: %d %s, want %d", c.who, c.method, c.path, c.body, got, body, c.want)
		}
		if c.who == "team" && c.method == "PATCH" {
			if got := s.stored(t, weather+"/of-the-team").Status.MetadataURL; got != "" {
				t.Errorf("%s %s: the team has written the status %q", c.method, c.path, got)
			}
		}
	}
}

// declaration is one of our kinds, where it belongs and what it says.
type declaration struct{ kind, path, spec string }

func (o declaration) named(name string) string {
	return "apiVersion: mcp-authz.dev/v1alpha1\nkind: " + o.kind + "\nmetadata: {name: " + name + "}\n" + o.spec + "\n"
}

// kept is what of a stored ProtectedResource is compared.
type kept struct {
	Metadata struct{ CreationTimestamp string }
	Spec     struct {
		Resource, MetadataRoutes string
		TargetRefs               json.RawMessage
	}
	Status struct{ MetadataURL string }
}

func (s *apiServer) stored(t *testing.T, path string) (o kept) {
	t.Helper()
	if err := json.Unmarshal(s.do(t, adminToken, "GET", path, "", http.StatusOK), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

const yaml = "application/yaml"

// do is a call with YAML, if with anything, that must be answered so.
func (s *apiServer) do(t *testing.T, token, method, path, body string, want int) []byte {
	t.Helper()
	status, answer := s.send(t, token, method, path, yaml, body)
	if status != want {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// send is a call with whatever a client of the API sends.
func (s *apiServer) send(t *testing.T, token, method, path, kind, body string) (status int, answer []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+s.addr+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	if kind != "" && body != "" {
		r.Header.Set("Content-Type", kind)
	}
	resp, err := s.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}
