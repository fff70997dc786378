package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// interopClient is a client of the matrix: a program on a library as it comes, that takes commands line by line.
type interopClient struct {
	id, name string
	program  func(testing.TB) []string
	version  func(testing.TB) string
	// byHand: it cannot log in, an application gives it a token, a new one with every connection.
	byHand bool
	// cannot says which journeys are not possible with it, and why.
	cannot map[string]string
	// hasty are upstreams at which it fails, and asks for more or less until it ends: only the outcome is asserted.
	hasty []string
}

var interopClients = []interopClient{
	{id: "ts-v1", name: "TypeScript SDK v1", program: tsV1Program, version: tsV1Version},
	{id: "ts-v2", name: "TypeScript SDK v2", program: tsV2Program, version: tsV2Version},
	{id: "ts-v2-auto", name: "TypeScript SDK v2, both eras", program: tsV2AutoProgram, version: tsV2Version},
	{id: "go-sdk", name: "Go SDK", program: goSDKProgram, version: goSDKVersion},
	{id: "mcp-go", name: "mcp-go", program: mcpGoProgram, version: mcpGoVersion},
	{id: "mcp-remote", name: "mcp-remote", program: mcpRemoteProgram, version: mcpRemoteVersion, cannot: ownStores},
	{id: "inspector", name: "MCP Inspector, CLI", program: inspectorProgram, version: inspectorVersion, cannot: ownStores},
	{id: "python-1", name: "Python SDK 1.x", program: python1Program, version: python1Version},
	{id: "python-2", name: "Python SDK 2.x, both eras", program: python2Program, version: python2Version},
	{id: "python-2-legacy", name: "Python SDK 2.x, handshake era", program: python2LegacyProgram, version: python2Version},
	{id: "fastmcp-python", name: "FastMCP (Python)", program: fastMCPPythonProgram, version: fastMCPPythonVersion, cannot: ownStores},
	{id: "rmcp", name: "Rust SDK (rmcp)", program: rmcpProgram, version: rmcpVersion},
	{id: "rmcp-auto", name: "Rust SDK (rmcp), both eras", program: rmcpAutoProgram, version: rmcpVersion},
	{id: "java", name: "Java SDK, token by hand", program: javaProgram, version: javaVersion, byHand: true, cannot: noLogin, hasty: []string{"mcp-proxy-5.9.0"}},
	{id: "curl", name: "curl, token by hand", program: curlProgram, version: curlVersion, byHand: true, cannot: noLogin},
}

var (
	ownStores = map[string]string{"other-token": "it keeps tokens by URL, and cannot be made to send one to another"}
	noLogin   = map[string]string{"refresh-refused": "it refreshes nothing"}
)

// program is a running client.
type program struct {
	t       testing.TB
	process *process
	in      io.WriteCloser
	out     chan string // its answers
}

// reply is what it says to a command.
type reply struct {
	OK      bool
	Version string
	Tools   []string
	Text    string
	Error   string
}

// runProgram starts a client. It has a home of its own; browser is where its user's browser listens.
func runProgram(t testing.TB, id string, command []string, browser string) *program {
	t.Helper()
	home := t.TempDir()
	env := []string{"BROWSER=" + browser, "CALLBACK_PORT=" + portOf(freeAddr(t)), "HOME=" + home, "XDG_CACHE_HOME=" + home, "XDG_CONFIG_HOME=" + home}
	p := &program{t: t, process: prepare(t, id, "", env, command...), out: make(chan string, 16)}
	in, err := p.process.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, written, err := os.Pipe() // not one of the command's: its end must not cut off what was said
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.process.cmd.Stdout = in, written
	p.process.run()
	written.Close()
	go func() {
		defer out.Close()
		defer close(p.out)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.out <- lines.Text()
		}
	}()
	return p
}

// do gives a command and waits for the answer. Programs bound their commands themselves; patience is for those that fail to.
func (p *program) do(command map[string]any) (r reply) {
	p.t.Helper()
	line, err := json.Marshal(command)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(p.in, "%s\n", line); err != nil {
		return reply{Error: "the program ended"}
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case text, open := <-p.out:
		if !open {
			return reply{Error: "the program ended"}
		}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			p.t.Fatalf("%s says %q to %s: %v", p.process.name, text, line, err)
		}
		if piece := authztest.Leak(text); piece != "" {
			p.t.Errorf("%s says %q, a piece of a token", p.process.name, piece)
		}
	case <-deadline.C:
		p.t.Fatalf("%s does not answer %s within %v", p.process.name, slices.Sorted(maps.Keys(command)), patience)
	}
	return r
}

// end closes the program, so that it can take leave of the server.
func (p *program) end() {
	p.in.Close()
	select {
	case <-p.process.done:
	case <-time.After(patience):
		p.t.Errorf("%s does not end", p.process.name)
	}
}
