// Command zitadel is the example server of github.com/zitadel/oidc as it comes, with two clients more, whose access tokens are JWTs as
// the library makes them; those of "web" are opaque. "jwt" is as the example's own otherwise. "mcp" is what somebody makes who builds on
// the library for MCP: a public client with any loopback port, whose tokens have the scopes mcp:use and mcp:admin. A module of its own:
// nothing else here depends on that library.
//
//	zitadel [--issuer URL] [--lifetime DURATION] PORT
//
// SIGHUP is a new key, which signs from then on; the one before it stays published.
package main

import (
	"flag"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

func main() {
	issuer := flag.String("issuer", "", "the issuer, where clients ask through something else")
	lifetime := flag.Duration("lifetime", 0, "of access tokens; 0: the example's")
	flag.Parse()
	port := flag.Arg(0)
	if port == "" || flag.NArg() != 1 {
		log.Fatal("usage: zitadel [--issuer URL] [--lifetime DURATION] PORT")
	}
	if *issuer == "" {
		*issuer = "http://localhost:" + port + "/" // the slash is the example's
	}
	const callback = "http://localhost/callback"
	storage.RegisterClients(storage.WebClient("web", "secret", callback), storage.WebClient("jwt", "secret", callback),
		storage.NativeClient("mcp", callback, "http://localhost/oauth/callback")) // stand for all loopback hosts and ports
	users := storage.NewUserStore(*issuer)
	s := &store{Storage: storage.NewStorage(users), users: users, lifetime: *lifetime}
	s.rotate()
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	go func() {
		for range hangUp {
			s.rotate()
		}
	}()
	server := &http.Server{
		Addr:              "127.0.0.1:" + port,
		Handler:           exampleop.SetupServer(*issuer, s, slog.Default(), false),
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
