package extauthz_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// Invariant 3, A-03, C-06, C-07: whoever follows a challenge comes to a document whose resource is what the challenge was for,
// where a client may compare it with the URL that it dialled. C-24: the URL is https, although the gateway says plain http.
func TestChallengesLeadToTheirDocument(t *testing.T) {
	w := newWorld(t, "")
	for _, c := range []struct{ dialled, resource string }{
		{"http://localhost:3000/", "http://localhost:3000"},
		{"http://localhost:3001/mcp", "http://localhost:3001/mcp"},
		{"https://mcp.example.com/github/mcp", "https://mcp.example.com/github/mcp"},
		{"https://mcp.example.com/github/mcp/Admin", "https://mcp.example.com/github/mcp/Admin"},
		{"https://mcp.example.com/slack/mcp", "https://mcp.example.com/slack/mcp"},
		{"https://solo.example.com/mcp", "https://solo.example.com/mcp"},
		{"https://a.tenants.example.com/mcp", "https://a.tenants.example.com/mcp"},
		{"https://mcp.example.com/slack/mcp/", "https://mcp.example.com/slack/mcp"}, // the challenge names the resource, T-03
		{"https://mcp.example.com/slack/mcp/x", "https://mcp.example.com/slack/mcp"},
	} {
		challenge, err := authztest.ParseChallenge(get(t, w, c.dialled).Get("www-authenticate"))
		if err != nil {
			t.Errorf("%s: %v", c.dialled, err)
			continue
		}
		at := challenge.Get("resource_metadata")
		if scheme, _, _ := strings.Cut(c.resource, "://"); !strings.HasPrefix(at, scheme+"://") {
			t.Errorf("%s: its metadata is said to be at %s", c.dialled, at)
		}
		if got := documentAt(t, w, at); got != c.resource {
			t.Errorf("%s leads to %s and the document of %q", c.dialled, at, got)
		}
	}
	// A client that dials with a slash more, and derives the URL of the document itself, finds one that says so too.
	if got := documentAt(t, w, "https://mcp.example.com/.well-known/oauth-protected-resource/slack/mcp/"); got != "https://mcp.example.com/slack/mcp/" {
		t.Errorf("with a slash: %q", got)
	}
}

func get(t *testing.T, w world, at string) authztest.Verdict {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	return check(t, w, authztest.HTTP{Method: "GET", Host: u.Host, Path: u.RequestURI()}.CheckRequest(authztest.RawForm))
}

// documentAt is the resource of the metadata document at a URL.
func documentAt(t *testing.T, w world, at string) string {
	t.Helper()
	v := get(t, w, at)
	var document struct{ Resource string }
	if err := json.Unmarshal([]byte(v.Body), &document); err != nil || v.Status != http.StatusOK {
		t.Errorf("%s: %v, %v", at, v, err)
	}
	return document.Resource
}

// E-10, E-11: the code of every refusal. None is of those that MCP keeps for itself (-32020 to -32099, -32002, -32042) or that
// mean something else to clients (-32001 to -32005); of the range that new servers should leave alone, only -32000, for a login.
func TestErrorCodes(t *testing.T) {
	for _, reason := range authz.Reasons() {
		answer := authz.Decision{Reason: reason}.Answer()
		var body struct{ Error struct{ Code int } }
		if err := json.Unmarshal(answer.Body, &body); err != nil {
			t.Errorf("%v: %v", reason, err)
		}
		want := map[int]int{400: -32600, 401: -32000, 403: 403, 404: 404, 405: -32600, 503: 503}[answer.Status]
		if body.Error.Code != want || want == 0 {
			t.Errorf("%v: status %d with code %d, want %d", reason, answer.Status, body.Error.Code, want)
		}
	}
}

// I-05: the string form of the test kit is Envoy's: names in lower case, repeated fields merged by commas, "!" for a bad byte.
func TestStringForm(t *testing.T) {
	in := authztest.HTTP{
		Method: "POST", Host: "mcp.example.com", Path: "/github/mcp", Body: "a\xffb",
		Header: [][2]string{{"X-A", "1"}, {"x-a", "2"}, {"X-B", "caf\xe9 é"}},
	}.CheckRequest(authztest.StringForm).Attributes.Request.Http
	if in.Headers["x-a"] != "1,2" || in.Headers["x-b"] != "caf! é" || in.Body != "a!b" || len(in.HeaderMap.GetHeaders()) > 0 || len(in.RawBody) > 0 {
		t.Errorf("%v", in)
	}
	for name := range in.Headers {
		if strings.ToLower(name) != name {
			t.Errorf("%s is not in lower case", name)
		}
	}
}

// I-07, I-16, I-17: nothing that Envoy tells beside method, host, path, headers and body is an input: not the fields that it
// leaves empty, not the scheme of the inner hop, no metadata of other filters or routes, no name of a peer.
func TestNothingElseIsRead(t *testing.T) {
	w := newWorld(t, "")
	method, err := structpb.NewStruct(map[string]any{"method": "ping", "name": "x", "authorization": "Bearer " + w.tokens["good"]})
	if err != nil {
		t.Fatal(err)
	}
	said := &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"envoy.filters.http.mcp": method, "envoy.filters.http.jwt_authn": method}}
	for name, change := range map[string]func(*authv3.AttributeContext){
		"query":    func(a *authv3.AttributeContext) { a.Request.Http.Query = "x&access_token=" + w.tokens["good"] },
		"fragment": func(a *authv3.AttributeContext) { a.Request.Http.Fragment = "/slack/mcp" },
		"size":     func(a *authv3.AttributeContext) { a.Request.Http.Size = -1 },
		"scheme":   func(a *authv3.AttributeContext) { a.Request.Http.Scheme = "https" },
		"protocol": func(a *authv3.AttributeContext) { a.Request.Http.Protocol = "HTTP/3" },
		"filters":  func(a *authv3.AttributeContext) { a.MetadataContext = said },
		"route":    func(a *authv3.AttributeContext) { a.RouteMetadataContext = said },
		"extensions": func(a *authv3.AttributeContext) {
			a.ContextExtensions = map[string]string{"resource": "https://mcp.example.com/slack/mcp"}
		},
		"principal":   func(a *authv3.AttributeContext) { a.Source.Principal, a.Source.Service = "spiffe://root", "root" },
		"certificate": func(a *authv3.AttributeContext) { a.Source.Certificate = "-----BEGIN CERTIFICATE-----" },
		"session": func(a *authv3.AttributeContext) {
			a.TlsSession = &authv3.AttributeContext_TLSSession{Sni: "solo.example.com"}
		},
		"no source":      func(a *authv3.AttributeContext) { a.Source, a.Destination = nil, nil },
		"labels of peer": func(a *authv3.AttributeContext) { a.Source.Labels = map[string]string{"authorization": "root"} },
	} {
		for _, token := range []string{"", "good", "expired"} {
			r := authztest.HTTP{Method: "POST", Host: "mcp.example.com", Path: "/github/mcp?x=1"}
			if token != "" {
				r.Header = [][2]string{{"Authorization", "Bearer " + w.tokens[token]}}
			}
			for _, encoding := range authztest.Encodings() {
				plain := check(t, w, r.CheckRequest(encoding))
				in := r.CheckRequest(encoding)
				change(in.Attributes)
				changed := check(t, w, in)
				if plain.Allowed != (token == "good") || same(plain) != same(changed) {
					t.Errorf("%s, token %q, %s form: %v became %v", name, token, encoding, plain, changed)
				}
			}
		}
	}
}

func same(v authztest.Verdict) string {
	return decisionID.ReplaceAllString(v.Reason+" "+v.String(), "")
}

// I-24: what access logs can use stands in the response, on refusals too, and nowhere else; who it was only if a token was good.
func TestDynamicMetadata(t *testing.T) {
	w := newWorld(t, "")
	always, who := []string{"decision", "reason", "resource"}, []string{"client_id", "issuer", "subject"}
	for token, want := range map[string][]string{
		"": always, "expired": always, "foreign": always, "good": append(slices.Clone(always), who...), "narrow": append(slices.Clone(always), who...),
	} {
		r := goodRequest()
		r.Header = nil
		if token != "" {
			r.Header = [][2]string{{"Authorization", "Bearer " + w.tokens[token]}}
		}
		out, err := w.server.Check(t.Context(), r.CheckRequest(authztest.RawForm))
		if err != nil {
			t.Fatal(err)
		}
		fields := out.DynamicMetadata.GetFields()
		if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("token %q: %v", token, got)
		}
		if out.GetOkResponse().GetDynamicMetadata() != nil { //nolint:staticcheck // it would take the place of the other
			t.Errorf("token %q: the deprecated field is set", token)
		}
		if raw, _ := json.Marshal(fields); token != "" && strings.Contains(string(raw), w.tokens[token]) {
			t.Errorf("token %q stands in the metadata", token)
		}
	}
}

// Invariant 10, I-05, I-06: Envoy writes "!" into the path for a byte that is not UTF-8, and routes and sends the byte. Where it
// shows us the byte, it counts; where it cannot, "!" is refused.
func TestPathBytes(t *testing.T) {
	w := newWorld(t, "")
	for path, want := range map[string]map[authztest.Encoding]int{
		"/github\xff/mcp":  {authztest.RawForm: 400, authztest.StringForm: 400},
		"/github/mcp/\xff": {authztest.RawForm: 400, authztest.StringForm: 400},
		"/github/mcp/!":    {authztest.RawForm: 200, authztest.StringForm: 400},
		"/github/mcp?x=!":  {authztest.RawForm: 200, authztest.StringForm: 200},
		"/github/mcp?x=#":  {authztest.RawForm: 400, authztest.StringForm: 400},
	} {
		r := goodRequest()
		r.Path, r.Header[0][1] = path, "Bearer "+w.tokens["good"]
		for encoding, status := range want {
			if v := check(t, w, r.CheckRequest(encoding)); v.Allowed != (status == 200) || !v.Allowed && v.Status != status {
				t.Errorf("%q, %s form: %v, want %d", path, encoding, v, status)
			}
		}
	}
	r := goodRequest()
	r.Path, r.Header[0][1] = "/github/mcp/!", "Bearer "+w.tokens["good"]
	in := r.CheckRequest(authztest.RawForm)
	list := in.Attributes.Request.Http.HeaderMap
	list.Headers = slices.DeleteFunc(list.Headers, func(h *corev3.HeaderValue) bool { return h.Key == ":path" })
	if v := check(t, w, in); v.Status != 400 {
		t.Errorf("raw form of a gateway that leaves :path away: %v", v)
	}
}
