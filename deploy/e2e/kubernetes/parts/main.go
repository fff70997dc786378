// Command parts is what the pods of the test cluster run beside the real programs. It is one program, so that it is one image.
//
//	parts echo NAME                    a server that says what it was asked, and its own name
//	parts tls CERT KEY ADDRESS         ends TLS on port 8443 for a server on loopback
//	parts ask URL HOST TOKENFILE       one request as an agent in a pod makes it; prints the status and the body
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	run := map[string]struct {
		arguments int
		do        func([]string) error
	}{"echo": {1, echo}, "tls": {3, endTLS}, "ask": {3, ask}}
	if len(os.Args) < 2 || len(os.Args)-2 != run[os.Args[1]].arguments {
		log.Fatal("usage: parts echo NAME | tls CERT KEY ADDRESS | ask URL HOST TOKENFILE")
	}
	if err := run[os.Args[1]].do(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

// echo answers every request, so that a test sees which server was reached, and with what.
func echo(args []string) error {
	s := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Upstream", args[0])
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"upstream": args[0], "host": r.Host, "path": r.URL.Path, "header": r.Header})
	})}
	return s.ListenAndServe()
}

func endTLS(args []string) error {
	pair, err := tls.LoadX509KeyPair(args[0], args[1])
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", ":8443", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return err
	}
	for {
		outer, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer outer.Close()
			inner, err := net.Dial("tcp", args[2])
			if err != nil {
				return
			}
			defer inner.Close()
			go func() {
				defer inner.Close()
				_, _ = io.Copy(inner, outer)
			}()
			_, _ = io.Copy(outer, inner)
		}()
	}
}

func ask(args []string) error {
	token, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(context.Background(), "POST", args[0], strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	if err != nil {
		return err
	}
	r.Host = args[1]
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+string(token))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Printf("%d %s\n", resp.StatusCode, body)
	return err
}
