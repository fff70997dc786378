package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goProgram builds a program of a module in go/, once, and returns where it is.
func goProgram(t testing.TB, module, program string) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	file := filepath.Join(bin, "go", filepath.Base(module), filepath.Base(program))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	if out, err := exec.Command("go", "build", "-C", module, "-o", file, program).CombinedOutput(); err != nil {
		t.Fatalf("go build of %s in %s: %v\n%s", program, module, err, out)
	}
	return file
}

// goVersion is the version of a library that a module in go/ requires.
func goVersion(t testing.TB, module, library string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-C", filepath.Join("go", module), "-m", "-f", "{{.Version}}", library).Output()
	if err != nil {
		t.Fatalf("go list of go/%s: %v", module, err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
}

const (
	goSDK = "github.com/modelcontextprotocol/go-sdk"
	mcpGo = "github.com/mark3labs/mcp-go"
)

func goSDKProgram(t testing.TB) []string { t.Helper(); return []string{goProgram(t, "go/go-sdk", ".")} }

func goSDKVersion(t testing.TB) string { t.Helper(); return goVersion(t, "go-sdk", goSDK) }

func mcpGoProgram(t testing.TB) []string { t.Helper(); return []string{goProgram(t, "go/mcp-go", ".")} }

func mcpGoVersion(t testing.TB) string { t.Helper(); return goVersion(t, "mcp-go", mcpGo) }

func curlProgram(t testing.TB) []string { t.Helper(); return []string{goProgram(t, "go", "./curl")} }

// curlVersion: nothing pins it.
func curlVersion(testing.TB) string { return "of the machine" }

// The Go SDK's server for the conformance suite: a path of its endpoint, which is every path, and a tool without arguments.
const (
	goSDKPath     = "/mcp"
	goSDKTool     = "test_simple_text"
	goSDKToolText = "This is a simple text response for testing."
)

// goSDKServer starts the Go SDK's server for the conformance suite, and returns its address. Stateful, it speaks the revisions of 2025
// and has sessions; stateless, that of 2026-07-28 too. It refuses any Host but a loopback one.
func goSDKServer(t testing.TB, stateless bool) (addr string) {
	t.Helper()
	addr = freeAddr(t)
	p := start(t, "everything-server", goProgram(t, "go/everything-server", goSDK+"/conformance/everything-server"), fmt.Sprintf("-stateless=%v", stateless), "-http="+addr)
	eventually(t, "everything-server is ready", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return p.running() && err == nil
	})
	return addr
}
