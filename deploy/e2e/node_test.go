package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// cache is where parts from registries are kept between runs.
func cache(t testing.TB) string {
	t.Helper()
	folder, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, "mcp-authz", "e2e")
}

var installing sync.Mutex

// nodeFolder is a folder of node/ with its packages installed. The programs are always those of the repository.
func nodeFolder(t testing.TB, name string) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	source, folder := filepath.Join("node", name), filepath.Join(cache(t), name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	programs, err := filepath.Glob(source + "/*.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range programs {
		write(t, filepath.Join(folder, filepath.Base(file)), read(t, file))
	}
	wanted, marker := read(t, source+"/package.json"), filepath.Join(folder, "installed.json")
	if installed, err := os.ReadFile(marker); err == nil && string(installed) == wanted {
		return folder
	}
	write(t, filepath.Join(folder, "package.json"), wanted)
	if out, err := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder).CombinedOutput(); err != nil {
		t.Fatalf("npm install of %s: %v\n%s", name, err, out)
	}
	write(t, marker, wanted) // last: what was broken off is installed anew
	return folder
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// mcpProxy starts an unmodified mcp-proxy in front of the demo's server, and returns its address.
func mcpProxy(t testing.TB, version string, options ...string) string {
	t.Helper()
	folder := nodeFolder(t, "mcp-proxy-"+version)
	program := folder + "/node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs"
	if _, err := os.Stat(program); err != nil {
		program = strings.TrimSuffix(program, "mjs") + "js"
	}
	addr := freeAddr(t)
	command := append([]string{"node", program, "--host", "127.0.0.1", "--port", portOf(addr), "--gracefulShutdownTimeout", "100"}, options...)
	p := start(t, "mcp-proxy "+version, append(command, "node", filepath.Join(root, "deploy/demo/server.mjs"))...)
	eventually(t, "mcp-proxy is ready", func() bool { return p.running() && answers("http://"+addr+"/ping", http.StatusOK) })
	return addr
}

// stateless and withSSE are options of mcp-proxy.
var (
	stateless = []string{"--server", "stream", "--stateless"}
	withSSE   = []string{"--server", "sse"}
)

// nodeUpstream starts one of our servers on somebody else's library, and returns its address.
func nodeUpstream(t testing.TB, folder, program string) string {
	t.Helper()
	addr := freeAddr(t)
	p := start(t, program, "node", nodeFolder(t, folder)+"/"+program, portOf(addr))
	eventually(t, program+" is ready", func() bool { return p.running() && strings.Contains("\n"+string(p.out.bytes()), "\nready\n") })
	return addr
}
