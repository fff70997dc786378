package extauthz_test

import (
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// blocking is an authorizer whose verifier says that it was entered and waits to be released.
func blocking(t *testing.T, entered chan<- struct{}, release <-chan struct{}) *authz.Authorizer {
	t.Helper()
	id, err := metadata.ParseIdentifier("https://mcp.example.com/github/mcp", metadata.IdentifierRules{})
	if err != nil {
		t.Fatal(err)
	}
	table, err := authz.NewTable([]authz.ProtectedResource{{Name: "github", ID: id, Verifier: verifierFunc(func() (authz.Claims, error) {
		close(entered)
		<-release
		return authz.Claims{}, authz.TokenSignature
	})}})
	if err != nil {
		t.Fatal(err)
	}
	a := &authz.Authorizer{}
	a.Use(&authz.Snapshot{Resources: table, Limits: authz.Limits{TokenBytes: 100, ConcurrentChecks: 1, CheckDeadline: time.Minute}})
	return a
}

func connectTo(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
