//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// mcpProxy is the version that has the fault we exist for: its 401 tells nobody where to log in.
const mcpProxy = "5.12.5"

// ports are those of deploy/envoy/envoy.yaml and deploy/envoy/mcp-authz.yaml.
var ports = []struct {
	port   int
	of     string
	byName bool // used as localhost, which may be ::1
}{
	{3000, "Envoy", true}, {3001, "the MCP server", false}, {9000, "the authorization server", true},
	{9001, "mcp-authz: gRPC", false}, {8080, "mcp-authz: metadata", false}, {9090, "mcp-authz: admin", false}, {9901, "Envoy: admin", false},
}

// upstream is the MCP server.
type upstream struct {
	title   string
	command []string
}

// prepare looks at what is needed before anything is made, then gets and builds the parts.
func (d *demo) prepare(ctx context.Context) error {
	if _, err := os.Stat("deploy/demo/server.mjs"); err != nil {
		return errors.New("this is not the root of the repository; go there and run make demo")
	}
	if err := errors.Join(portsFree(), toolsThere()); err != nil {
		return err
	}
	var err error
	if d.folder, err = os.MkdirTemp("", "mcp-authz-demo-"); err != nil {
		return err
	}
	if d.envoy, err = getEnvoy(ctx); err != nil {
		return err
	}
	if err := d.getUpstream(ctx); err != nil {
		return err
	}
	fmt.Println("Building mcp-authz and dev-issuer …")
	return d.tool(ctx, "go-build", "go", "build", "-o", d.folder+"/", "./cmd/mcp-authz", "./cmd/dev-issuer")
}

func portsFree() error {
	var all []error
	for _, p := range ports {
		hosts := []string{"127.0.0.1"}
		if p.byName {
			hosts = append(hosts, "::1")
		}
		for _, host := range hosts {
			l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p.port)))
			if err == nil {
				l.Close()
				continue
			}
			if errors.Is(err, syscall.EADDRINUSE) {
				all = append(all, fmt.Errorf("port %d (%s) is in use; stop what uses it (ss -ltnp 'sport = :%d' or lsof -i :%d tells), then try again", p.port, p.of, p.port, p.port))
				break
			}
			if host != "::1" { // a machine may have no IPv6
				all = append(all, fmt.Errorf("port %d (%s): %w", p.port, p.of, err))
			}
		}
	}
	return errors.Join(all...)
}

func toolsThere() error {
	var all []error
	for _, t := range []struct{ name, why string }{
		{"go", "builds the programs: https://go.dev/dl"},
		{"bash", "runs deploy/envoy/get-envoy"},
		{"curl", "is what the lines to try use"},
	} {
		if _, err := exec.LookPath(t.name); err != nil {
			all = append(all, fmt.Errorf("%s is missing, which %s; install it, then try again", t.name, t.why))
		}
	}
	return errors.Join(all...)
}

// getEnvoy is the path that deploy/envoy/get-envoy prints. Its own messages go to the terminal.
func getEnvoy(ctx context.Context) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "deploy/envoy/get-envoy")
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, os.Stderr, attributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("deploy/envoy/get-envoy failed (%w); what it said stands above", err)
	}
	return filepath.Abs(strings.TrimSpace(out.String()))
}

// getUpstream installs mcp-proxy, or builds the server that stands in for it where there is no Node.js.
func (d *demo) getUpstream(ctx context.Context) error {
	missing := missingNode(ctx)
	if missing == "" {
		proxy, err := d.installProxy(ctx)
		d.server = upstream{
			title: "mcp-proxy " + mcpProxy + " from npm, unmodified, in front of deploy/demo/server.mjs",
			command: []string{"node", proxy, "--host", "127.0.0.1", "--port", "3001", "--server", "stream", "--stateless",
				"node", "deploy/demo/server.mjs"},
		}
		return err
	}
	fmt.Printf("%s: instead of mcp-proxy, a small server on the Go SDK stands in. Building it …\n", missing)
	d.server = upstream{
		title:   "a server on the Go SDK, in place of mcp-proxy, since " + missing,
		command: []string{d.folder + "/upstream"},
	}
	return d.tool(ctx, "go-build-upstream", "go", "build", "-C", "deploy/demo/upstream", "-o", d.folder+"/", ".")
}

// missingNode says why mcp-proxy cannot run here, "" if it can.
func missingNode(ctx context.Context) string {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			return name + " is missing"
		}
	}
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	version := regexp.MustCompile(`^v(\d+)\.`).FindSubmatch(out)
	if err != nil || version == nil {
		return "node --version does not work"
	}
	if major, _ := strconv.Atoi(string(version[1])); major < 20 {
		return "Node.js " + string(bytes.TrimSpace(out)) + " is too old (20 is needed)"
	}
	return ""
}

// installProxy is the path of mcp-proxy's program, in the user's cache.
func (d *demo) installProxy(ctx context.Context) (string, error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(home, ".cache")
	}
	prefix := filepath.Join(cache, "mcp-authz", "mcp-proxy-"+mcpProxy)
	program := filepath.Join(prefix, "node_modules", "mcp-proxy", "dist", "bin", "mcp-proxy.mjs")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Printf("Installing mcp-proxy %s …\n", mcpProxy)
	if err := os.MkdirAll(filepath.Dir(prefix), 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(prefix), "mcp-proxy-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh) //nolint:errcheck // nothing is there after the rename
	if err := d.tool(ctx, "npm", "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", fresh, "mcp-proxy@"+mcpProxy); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, prefix); err != nil { // whole or not at all; another demo may have been faster
		if _, there := os.Stat(program); there != nil {
			return "", err
		}
	}
	return program, nil
}
