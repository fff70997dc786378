package extauthz_test

import (
	"context"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
)

// Who watches the health service does not hold Stop up, while a check in flight still gets its answer. Stop has no deadline
// here: it returns once nothing is left.
func TestStopEndsStreams(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	release, entered := make(chan struct{}), make(chan struct{})
	server := extauthz.NewServer(extauthz.Config{Authorizer: blocking(t, entered, release), MessageBytes: 1 << 20})
	conn := connect(t, server.Serve)
	watch, err := healthv1.NewHealthClient(conn).Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		in := goodRequest()
		in.Header[0][1] = "Bearer x"
		_, err := authv3.NewAuthorizationClient(conn).Check(ctx, in.CheckRequest(authztest.RawForm))
		answered <- err
	}()
	<-entered

	stopped := make(chan struct{})
	go func() {
		server.Stop(context.Background())
		close(stopped)
	}()
	for err == nil { // a change of status may come first
		_, err = watch.Recv()
	}
	if ctx.Err() != nil {
		t.Error("the stream outlived Stop")
	}
	select {
	case <-stopped:
		t.Error("Stop did not wait for the check in flight")
	default:
	}
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("the check in flight was cut off: %v", err)
	}
	select {
	case <-stopped:
	case <-ctx.Done():
		t.Error("Stop waits for a stream that nobody ends")
	}
}
