// Command zitadel is the example server of github.com/zitadel/oidc as it comes, with one client more, "jwt", whose access tokens are JWTs
// as the library makes them; those of "web" are opaque. A module of its own: nothing else here depends on that library.
//
//	zitadel PORT
package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// users is the example's storage. It has no setting for the type of a client's access tokens, so this is it.
type users struct{ *storage.Storage }

func (u users) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := u.Storage.GetClientByClientID(ctx, id)
	if err == nil && id == "jwt" {
		c = typed{c}
	}
	return c, err
}

type typed struct{ op.Client }

func (typed) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: zitadel PORT")
	}
	issuer := "http://localhost:" + os.Args[1] + "/" // the slash is the example's
	const callback = "http://localhost/callback"
	storage.RegisterClients(storage.WebClient("web", "secret", callback), storage.WebClient("jwt", "secret", callback))
	server := &http.Server{
		Addr:              "127.0.0.1:" + os.Args[1],
		Handler:           exampleop.SetupServer(issuer, users{storage.NewStorage(storage.NewUserStore(issuer))}, slog.Default(), false),
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
