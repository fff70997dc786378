package extauthz_test

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// notOurs is what a request to github on a route that is not its own is answered with.
const notOurs = 404

// routedBy is a good request to github, on a route with that metadata under the key; in JSON, "" for a struct that is not there.
func routedBy(t testing.TB, w world, key, about string) *authv3.CheckRequest {
	t.Helper()
	var s *structpb.Struct
	if about != "" {
		s = &structpb.Struct{}
		if err := protojson.Unmarshal([]byte(about), s); err != nil {
			t.Fatal(err)
		}
	}
	in := goodTo(w, "/github/mcp", "good")
	in.Attributes.RouteMetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{key: s}}
	return in
}

func goodTo(w world, path, token string) *authv3.CheckRequest {
	r := goodRequest()
	r.Path, r.Header[0][1] = path, "Bearer "+w.tokens[token]
	return r.CheckRequest(authztest.RawForm)
}

// TestMatchedRoute: I-15: what Envoy Gateway tells of the route that matched. Whatever cannot be read is a route of nobody's: it shuts
// the resources that name their routes and changes nothing for those that name none.
func TestMatchedRoute(t *testing.T) {
	w := newWorld(t, "")
	const own = `{"kind":"HTTPRoute","namespace":"team","name":"github"}`
	list := func(of ...string) string { return `{"resources":[` + strings.Join(of, ",") + `]}` }
	for _, c := range []struct {
		rule, key, about string
		ok               bool
	}{
		{"as the gateway writes it", "envoy-gateway", list(own), true},
		{"with a rule", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team","name":"github","sectionName":"a"}`), true},
		{"with annotations and policies", "envoy-gateway", `{"resources":[{"kind":"HTTPRoute","namespace":"team","name":"github","annotations":{"a":"b"}}],"policies":[{"kind":"SecurityPolicy"}]}`, true},
		{"the named rule", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team","name":"shared","sectionName":"github"}`), true},
		{"another rule", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team","name":"shared","sectionName":"b"}`), false},
		{"no rule", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team","name":"shared"}`), false},
		{"the first one counts", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"evil","name":"x"}`, own), false},
		{"another name", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team","name":"x"}`), false},
		{"another namespace", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"evil","name":"github"}`), false},
		{"another kind", "envoy-gateway", list(`{"kind":"GRPCRoute","namespace":"team","name":"github"}`), false},
		{"the kind in another case", "envoy-gateway", list(`{"kind":"httproute","namespace":"team","name":"github"}`), false},
		{"no kind", "envoy-gateway", list(`{"namespace":"team","name":"github"}`), false},
		{"no namespace", "envoy-gateway", list(`{"kind":"HTTPRoute","name":"github"}`), false},
		{"no name", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team"}`), false},
		{"a kind that is no text", "envoy-gateway", list(`{"kind":["HTTPRoute"],"namespace":"team","name":"github"}`), false},
		{"a name that is no text", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team","name":{"github":"github"}}`), false},
		{"a namespace that is no text", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":true,"name":"github"}`), false},
		{"a rule that is no text", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team","name":"github","sectionName":1}`), false},
		{"a rule that is null", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team","name":"github","sectionName":null}`), false},
		{"a resource that is no struct", "envoy-gateway", list(`"team/github"`), false},
		{"a list in the list", "envoy-gateway", list("[" + own + "]"), false},
		{"a null before it", "envoy-gateway", list("null", own), false},
		{"no resources", "envoy-gateway", list(), false},
		{"resources that are no list", "envoy-gateway", `{"resources":` + own + `}`, false},
		{"resources of another name", "envoy-gateway", `{"Resources":[` + own + `]}`, false},
		{"an empty struct", "envoy-gateway", `{}`, false},
		{"no struct", "envoy-gateway", "", false},
		{"deep", "envoy-gateway", `{"resources":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, false},
		{"long", "envoy-gateway", list(`{"kind":"HTTPRoute","namespace":"team","name":"` + strings.Repeat("github", 1<<17) + `"}`), false},
		{"another key", "mcp-authz.dev", list(`{"kind":"HTTPRoute","namespace":"evil","name":"x"}`), true},
		{"the key in another case", "Envoy-Gateway", list(`{"kind":"HTTPRoute","namespace":"evil","name":"x"}`), true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			in := routedBy(t, w, c.key, c.about)
			if v := check(t, w, in); v.Allowed != c.ok || !c.ok && v.Status != notOurs {
				t.Errorf("%v", v)
			}
			free := goodTo(w, "/github/mcp/Admin", "inner") // declares no routes
			free.Attributes.RouteMetadataContext = in.Attributes.RouteMetadataContext
			if v := check(t, w, free); !v.Allowed {
				t.Errorf("a resource that names no routes: %v", v)
			}
		})
	}
}

// TestRouteIsTheGatewaysWord: I-15: nothing that a client can write, and nothing that belongs to another filter, says which route
// matched: neither that it is the right one nor, for a resource that a client wants shut, that it is a wrong one.
func TestRouteIsTheGatewaysWord(t *testing.T) {
	w := newWorld(t, "")
	about := func(namespace string) *structpb.Struct {
		s := &structpb.Struct{}
		if err := protojson.Unmarshal([]byte(`{"resources":[{"kind":"HTTPRoute","namespace":"`+namespace+`","name":"github"}]}`), s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, from := range []string{"team", "evil"} {
		text, err := protojson.Marshal(about(from))
		if err != nil {
			t.Fatal(err)
		}
		packed, err := anypb.New(about(from))
		if err != nil {
			t.Fatal(err)
		}
		for rule, say := range map[string]func(*authv3.CheckRequest){
			"headers": func(in *authv3.CheckRequest) {
				list := &in.Attributes.Request.Http.HeaderMap.Headers
				for _, name := range []string{"envoy-gateway", "x-envoy-gateway", "route_metadata_context", "x-route-metadata"} {
					*list = append(*list, &corev3.HeaderValue{Key: name, RawValue: text})
				}
			},
			"body": func(in *authv3.CheckRequest) { in.Attributes.Request.Http.RawBody = text },
			"metadata of the request": func(in *authv3.CheckRequest) {
				in.Attributes.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"envoy-gateway": about(from)}}
			},
			"typed metadata": func(in *authv3.CheckRequest) {
				if in.Attributes.RouteMetadataContext == nil {
					in.Attributes.RouteMetadataContext = &corev3.Metadata{}
				}
				in.Attributes.RouteMetadataContext.TypedFilterMetadata = map[string]*anypb.Any{"envoy-gateway": packed}
			},
			"context extensions": func(in *authv3.CheckRequest) {
				in.Attributes.ContextExtensions = map[string]string{"envoy-gateway": string(text), "resources": string(text)}
			},
		} {
			untold := goodTo(w, "/github/mcp", "good")
			say(untold)
			if v := check(t, w, untold); !v.Allowed {
				t.Errorf("%s of %s shut a resource: %v", rule, from, v)
			}
			foreign := routedBy(t, w, "envoy-gateway", `{"resources":[{"kind":"HTTPRoute","namespace":"evil","name":"x"}]}`)
			say(foreign)
			if v := check(t, w, foreign); v.Allowed || v.Status != notOurs {
				t.Errorf("%s of %s opened one: %v", rule, from, v)
			}
		}
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("envoy-gateway", string(text))) // of the call itself
		out, err := w.server.Check(ctx, goodTo(w, "/github/mcp", "good"))
		if err != nil || !authztest.ReadVerdict(out).Allowed {
			t.Errorf("metadata of the call: %v, %v", out, err)
		}
	}
}

// FuzzMatchedRoute feeds arbitrary route metadata: a resource that names its routes is open only where, read another way, the first
// resource is one of them.
func FuzzMatchedRoute(f *testing.F) {
	for _, about := range []string{
		`{"resources":[{"kind":"HTTPRoute","namespace":"team","name":"github"}]}`, `{"resources":[{"kind":"HTTPRoute","namespace":"team","name":"shared","sectionName":"github"}]}`,
		`{"resources":[{"kind":"HTTPRoute","namespace":"team","name":"github","sectionName":7}]}`, `{"resources":[[]]}`, `{"resources":[null]}`, `{}`,
	} {
		s := &structpb.Struct{}
		if err := protojson.Unmarshal([]byte(about), s); err != nil {
			f.Fatal(err)
		}
		raw, err := proto.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("\n\x0b\n\tresources"))                 // a value that is not there
	f.Add([]byte("\n\x0f\n\tresources\x12\x02\x32\x00")) // an empty list
	var w world
	f.Fuzz(func(t *testing.T, raw []byte) {
		if w.server == nil {
			w = newWorld(t, "")
		}
		about := &structpb.Struct{}
		if proto.Unmarshal(raw, about) != nil {
			return
		}
		in := goodTo(w, "/github/mcp", "good")
		in.Attributes.RouteMetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"envoy-gateway": about}}
		v := check(t, w, in)
		if v.Allowed != githubs(about) || !v.Allowed && v.Status != notOurs {
			t.Errorf("%v for %v", v, about)
		}
		wellFormed(t, v, w.tokens)
	})
}

// githubs reads route metadata another way.
func githubs(about *structpb.Struct) bool {
	list, _ := about.AsMap()["resources"].([]any)
	if len(list) == 0 {
		return false
	}
	first, _ := list[0].(map[string]any)
	section, named := first["sectionName"]
	rule, isText := section.(string)
	if named && !isText || first["kind"] != "HTTPRoute" || first["namespace"] != "team" {
		return false
	}
	return first["name"] == "github" || first["name"] == "shared" && rule == "github"
}
