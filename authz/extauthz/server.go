package extauthz

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/mcp-authz/mcp-authz/authz"
)

// Limits of the listener that are not settings.
const (
	MaxStreams   = 1024 // calls in flight on one connection
	maxHeaderKiB = 64   // of HTTP/2 header fields of one call

	handshakeTimeout = 5 * time.Second // for TLS and the beginning of HTTP/2
)

// Config says what a Server serves.
type Config struct {
	Authorizer     *authz.Authorizer
	MessageBytes   int                  // longest CheckRequest; stands above every body limit of a gateway
	TLS            *tls.Config          // nil: plaintext
	TracerProvider trace.TracerProvider // of one span for each Check; nil: none, and no cost
}

// Server is a gRPC server with envoy.service.auth.v3.Authorization and grpc.health.v1.Health.
type Server struct {
	authv3.UnimplementedAuthorizationServer
	authorizer *authz.Authorizer
	grpc       *grpc.Server
	health     *health.Server
	endStreams context.CancelFunc
}

// NewServer makes a server that is not serving yet.
func NewServer(c Config) *Server {
	life, end := context.WithCancel(context.Background())
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(c.MessageBytes),
		grpc.MaxConcurrentStreams(MaxStreams),
		grpc.MaxHeaderListSize(maxHeaderKiB << 10),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      5 * time.Minute, // spreads a gateway's pinned connections over replicas
			MaxConnectionAgeGrace: 30 * time.Second,
			Time:                  30 * time.Second,
			Timeout:               10 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ConnectionTimeout(handshakeTimeout),                 // Stop waits for those who are about to connect
		grpc.NumStreamWorkers(uint32(4 * runtime.GOMAXPROCS(0))), // a fresh goroutine would grow its stack in every call
		grpc.StreamInterceptor(until(life)),
	}
	if c.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(c.TLS)))
	}
	if c.TracerProvider != nil {
		options = append(options, grpc.StatsHandler(newSpans(c.TracerProvider)))
	}
	s := &Server{authorizer: c.Authorizer, grpc: grpc.NewServer(options...), health: health.NewServer(), endStreams: end}
	authv3.RegisterAuthorizationServer(s.grpc, s)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	s.SetServing(false)
	return s
}

// Check implements envoy.service.auth.v3.Authorization. The error is always nil.
func (s *Server) Check(ctx context.Context, in *authv3.CheckRequest) (out *authv3.CheckResponse, _ error) {
	defer func() {
		if recover() != nil {
			out = response(authz.Decision{Reason: authz.Panicked})
		}
	}()
	return response(s.authorizer.Authorize(ctx, request(in))), nil
}

// Serve accepts connections until Stop, or until the listener fails.
func (s *Server) Serve(l net.Listener) error { return s.grpc.Serve(l) }

// SetServing sets what the health service says.
func (s *Server) SetServing(serving bool) {
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if serving {
		status = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
	s.health.SetServingStatus(authv3.Authorization_ServiceDesc.ServiceName, status)
}

// until ends streams with life. Those of the health service end by themselves only when their client does.
func until(life context.Context) grpc.StreamServerInterceptor {
	return func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		return handle(srv, stream{s, ctx})
	}
}

// stream is one with a context of ours.
type stream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // what Context returns
}

func (s stream) Context() context.Context { return s.ctx }

// Stop tells all gateways to go away, ends streams, waits for the calls in flight until ctx ends, then closes what is left. A
// call that does not notice is not waited for.
func (s *Server) Stop(ctx context.Context) {
	s.endStreams()
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
	}
}
