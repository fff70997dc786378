//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	resource = "http://localhost:3000"
	issuer   = "http://localhost:9000"
	listTool = `{"jsonrpc":"2.0","method":"tools/list","id":1}`
)

// startAll starts the parts, each when those before it are ready.
func (d *demo) startAll(ctx context.Context) error {
	fmt.Println("Starting …")
	if err := d.component(ctx, "upstream", answers(http.MethodPost, "http://127.0.0.1:3001/mcp"), d.server.command...); err != nil {
		return err
	}
	if err := d.component(ctx, "dev-issuer", answers(http.MethodGet, issuer+"/.well-known/oauth-authorization-server"),
		d.folder+"/dev-issuer", "-listen", "127.0.0.1:9000", "-issuer", issuer); err != nil {
		return err
	}
	if err := d.component(ctx, "mcp-authz", answers(http.MethodGet, "http://127.0.0.1:9090/readyz"),
		d.folder+"/mcp-authz", "serve", "--config", "deploy/envoy/mcp-authz.yaml"); err != nil {
		return err
	}
	// Without hot restart it leaves no shared memory behind, and other Envoys on the machine are no hindrance.
	return d.component(ctx, "envoy", answers(http.MethodGet, resource+"/.well-known/oauth-protected-resource"),
		d.envoy, "-c", "deploy/envoy/envoy.yaml", "--disable-hot-restart", "--concurrency", "2", "--log-level", "warning")
}

// answers is ready when a request gets 200: a GET, or a POST of tools/list.
func answers(method, url string) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy: all is on this machine
	return func(ctx context.Context) error {
		var body io.Reader
		if method == http.MethodPost {
			body = strings.NewReader(listTool)
		}
		req, err := http.NewRequestWithContext(ctx, method, url, body)
		if err != nil {
			return err
		}
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}

// describe says what runs where, and what to try.
func (d *demo) describe(w io.Writer) {
	fmt.Fprintf(w, `
What runs where
  localhost:3000         Envoy (%s), the only way in: deploy/envoy/envoy.yaml
  127.0.0.1:9001 (gRPC)  mcp-authz, which Envoy asks about every request: deploy/envoy/mcp-authz.yaml
                         (metadata on 8080, probes and metrics on 9090)
  127.0.0.1:3001         %s
  localhost:9000         dev-issuer, an authorization server for development
  logs                   %s/*.log

What to try, in another terminal
`, d.envoy, d.server.title, d.folder)
	for i, s := range steps() {
		fmt.Fprintf(w, "\n# %d. %s\n%s\n", i+1, s.title, s.line)
	}
	fmt.Fprintln(w)
}
