package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// listeners are the three places where the process can be reached.
type listeners struct{ grpc, metadata, admin net.Listener }

// listen binds all three, or none: the error names the key and the address.
func listen(l spec.Listen) (out listeners, err error) {
	for _, one := range []struct {
		key, addr string
		to        *net.Listener
	}{{"listen.grpc", l.GRPC, &out.grpc}, {"listen.metadata", l.Metadata, &out.metadata}, {"listen.admin", l.Admin, &out.admin}} {
		if *one.to, err = bind(one.addr); err != nil {
			out.close()
			return listeners{}, fmt.Errorf("%s: cannot listen on %s: %w; stop what uses the address, or set %s to another", one.key, one.addr, err, one.key)
		}
	}
	return out, nil
}

func bind(addr string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(addr, "unix:")
	if !isUnix {
		return net.Listen("tcp", addr)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return nil, errors.New("another process answers on this socket")
	}
	// Refused means that nobody listens: a process that was killed left the socket behind. Any other error, such as a full
	// queue or a lack of permission, may well come from a living one.
	if info, statErr := os.Lstat(path); errors.Is(err, syscall.ECONNREFUSED) && statErr == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return net.Listen("unix", path)
}

func (l listeners) close() {
	for _, one := range []net.Listener{l.grpc, l.metadata, l.admin} {
		if one != nil {
			one.Close()
		}
	}
}

// newHTTPServer is an HTTP server with limits on everything that a client chooses.
func newHTTPServer(h http.Handler, log *slog.Logger, tlsConfig *tls.Config) *http.Server {
	return &http.Server{
		Handler:           h,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true, // which would answer "OPTIONS *" with 200 before any handler of ours
	}
}

func serveHTTP(s *http.Server, l net.Listener) error {
	if s.TLSConfig != nil {
		return s.ServeTLS(l, "", "")
	}
	return s.Serve(l)
}
