// Command dev-issuer is an authorization server for development and tests. It signs in whoever asks, as "dev-user", and
// gives every scope that is asked for: it listens on loopback only and is no part of the product's image.
//
// It speaks OAuth 2.1 as MCP clients use it: authorization code with PKCE (S256), client credentials, refresh tokens,
// dynamic client registration (RFC 7591), resource indicators (RFC 8707), metadata (RFC 8414), the issuer in the
// authorization response (RFC 9207). Access tokens are JWTs (RFC 9068).
//
// SIGHUP rotates its keys: a new one signs from then on, the one before it stays published, older ones are withdrawn. So one signal
// is a rotation as it should be, and a second one ends the tokens from before the first. Clients and refresh tokens stay.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "dev-issuer:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out *os.File) error {
	flags := flag.NewFlagSet("dev-issuer", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:9000", "loopback `address` to listen on")
	issuer := flags.String("issuer", "", "issuer identifier (default http://<listen>)")
	lifetime := flags.Duration("token-lifetime", time.Hour, "lifetime of access tokens")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := listenLoopback(*listen)
	if err != nil {
		return err
	}
	if *issuer == "" {
		*issuer = "http://" + l.Addr().String()
	}
	handler := newServer(*issuer, *lifetime)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 64 << 10}
	rotate := make(chan os.Signal, 1)
	signal.Notify(rotate, syscall.SIGHUP)
	defer signal.Stop(rotate)
	fmt.Fprintf(out, "dev-issuer: FOR DEVELOPMENT ONLY, signs in whoever asks: issuer %s on %s\n", *issuer, l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	for {
		select {
		case <-rotate:
			handler.rotate()
			if _, err := fmt.Fprintln(out, "dev-issuer: a new key signs; of the old ones, the last stays published"); err != nil {
				_ = server.Close() // the terminal is gone: it sent the signal, and nobody would end the server
				return err
			}
		case err := <-failed:
			return err
		case <-ctx.Done():
			return server.Close()
		}
	}
}

// listenLoopback refuses every address that another machine could reach.
func listenLoopback(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--listen %q is not host:port", addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--listen %q is not a loopback address; dev-issuer signs in whoever asks, so only 127.0.0.1, [::1] or localhost will do", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--listen %s: %w; stop what uses the port or choose another", addr, err)
	}
	return l, nil
}
