package extauthz_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
)

// I-06, I-08: nothing that could be missing from a CheckRequest is an allow or an RPC error.
func TestIncompleteRequests(t *testing.T) {
	w := newWorld(t, "")
	full := goodRequest().CheckRequest(authztest.RawForm)
	full.Attributes.Request.Http.HeaderMap.Headers[4].RawValue = []byte("Bearer " + w.tokens["good"])
	if v := check(t, w, full); !v.Allowed {
		t.Fatalf("the whole request is refused: %v", v)
	}
	for name, in := range map[string]*authv3.CheckRequest{
		"nil":           nil,
		"empty":         {},
		"no request":    {Attributes: &authv3.AttributeContext{}},
		"no http":       {Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{}}},
		"no host":       without(full, func(h *authv3.AttributeContext_HttpRequest) { h.Host = "" }),
		"no path":       without(full, func(h *authv3.AttributeContext_HttpRequest) { h.Path = "" }),
		"no method":     without(full, func(h *authv3.AttributeContext_HttpRequest) { h.Method = "" }),
		"no headers":    without(full, func(h *authv3.AttributeContext_HttpRequest) { h.HeaderMap = nil }),
		"other host":    without(full, func(h *authv3.AttributeContext_HttpRequest) { h.Host = "solo.example.com" }),
		"token in body": without(full, func(h *authv3.AttributeContext_HttpRequest) { h.HeaderMap = nil; h.Body = w.tokens["good"] }),
	} {
		if v := check(t, w, in); v.Allowed || v.Status < 400 {
			t.Errorf("%s: %v", name, v)
		}
	}
}

func goodRequest() authztest.HTTP {
	return authztest.HTTP{Method: "POST", Host: "mcp.example.com", Path: "/github/mcp", Header: [][2]string{{"authorization", "Bearer"}}}
}

func without(in *authv3.CheckRequest, f func(*authv3.AttributeContext_HttpRequest)) *authv3.CheckRequest {
	out := proto.Clone(in).(*authv3.CheckRequest)
	f(out.Attributes.Request.Http)
	return out
}

func check(t testing.TB, w world, in *authv3.CheckRequest) authztest.Verdict {
	t.Helper()
	out, err := w.server.Check(context.Background(), in)
	if err != nil {
		t.Fatalf("an RPC error lets failure_mode_allow decide: %v", err)
	}
	return authztest.ReadVerdict(out)
}

// Where the list of raw headers is there, it is used instead of the map (I-06): a filter in front cannot smuggle through one.
func TestHeaderListDecides(t *testing.T) {
	w := newWorld(t, "")
	r := goodRequest()
	in := r.CheckRequest(authztest.RawForm)
	in.Attributes.Request.Http.Headers = map[string]string{"authorization": "Bearer " + w.tokens["good"]}
	if v := check(t, w, in); v.Allowed {
		t.Error("the map was believed beside the list")
	}
}

// TestLimitsOfTheListener goes over a real connection: what a gateway can send is answered, whatever its size, up to
// messageBytes (invariant 1).
func TestLimitsOfTheListener(t *testing.T) {
	w := newWorld(t, "")
	conn := connect(t, w.server.Serve, grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(16<<20)))
	client := authv3.NewAuthorizationClient(conn)
	for _, size := range []int{0, 8 << 10, 1 << 20, 3 << 20, 4<<20 - 4<<10} {
		in := goodRequest().CheckRequest(authztest.RawForm)
		in.Attributes.Request.Http.RawBody = []byte(strings.Repeat("x", size))
		out, err := client.Check(t.Context(), in)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if v := authztest.ReadVerdict(out); v.Status != 401 {
			t.Errorf("%d bytes: %v", size, v)
		}
	}
	in := goodRequest().CheckRequest(authztest.RawForm)
	in.Attributes.Request.Http.RawBody = []byte(strings.Repeat("x", 5<<20))
	if _, err := client.Check(t.Context(), in); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message over the limit: %v", err)
	}
}

func TestHealth(t *testing.T) {
	w := newWorld(t, "")
	client := healthv1.NewHealthClient(connect(t, w.server.Serve))
	want := func(status healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, service := range []string{"", "envoy.service.auth.v3.Authorization"} {
			got, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
			if err != nil || got.Status != status {
				t.Errorf("%q: %v, %v, want %v", service, got, err, status)
			}
		}
	}
	want(healthv1.HealthCheckResponse_NOT_SERVING)
	w.server.SetServing(true)
	want(healthv1.HealthCheckResponse_SERVING)
	w.server.SetServing(false)
	want(healthv1.HealthCheckResponse_NOT_SERVING)
}

// Stop lets a call in flight finish, and cuts it when the time is over.
func TestStop(t *testing.T) {
	for _, bounded := range []bool{false, true} {
		release, entered := make(chan struct{}), make(chan struct{})
		server := extauthz.NewServer(extauthz.Config{Authorizer: blocking(t, entered, release), MessageBytes: 1 << 20})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		conn := connectTo(t, l.Addr().String())
		answered := make(chan error, 1)
		go func() {
			in := goodRequest()
			in.Header[0][1] = "Bearer x"
			_, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), in.CheckRequest(authztest.RawForm))
			answered <- err
		}()
		<-entered
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if bounded {
			cancel()
		} else {
			close(release)
		}
		server.Stop(ctx)
		cancel()
		if err := <-answered; (err == nil) == bounded {
			t.Errorf("bounded %v: the call in flight ended with %v", bounded, err)
		}
		if bounded {
			close(release)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

// FuzzCheck feeds arbitrary messages: no RPC error, no allow, no byte in a header that Envoy would split, and a status.
func FuzzCheck(f *testing.F) {
	for _, r := range []authztest.HTTP{goodRequest(), {Method: "OPTIONS", Host: "solo.example.com", Path: "/mcp", Header: [][2]string{{"Origin", "x"}}, Body: "{"}} {
		for _, e := range authztest.Encodings() {
			raw, err := proto.Marshal(r.CheckRequest(e))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	var w world
	f.Fuzz(func(t *testing.T, raw []byte) {
		if w.server == nil {
			w = newWorld(t, "")
		}
		in := &authv3.CheckRequest{}
		if proto.Unmarshal(raw, in) != nil {
			return
		}
		v := check(t, w, in)
		if v.Allowed {
			t.Fatalf("allowed: %v", in)
		}
		if v.Status < 200 || v.Status > 599 {
			t.Errorf("status %d", v.Status)
		}
		wellFormed(t, v, nil)
	})
}
