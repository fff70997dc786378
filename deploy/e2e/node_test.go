package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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
	for _, pattern := range []string{"node/*.mjs", source + "/*.mjs"} { // what the programs of several folders share is beside these
		programs, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range programs {
			copyOver(t, file, filepath.Join(cache(t), strings.TrimPrefix(file, "node/")))
		}
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

// copyOver makes a copy of a file, unless it is there: a program that is starting may be reading it, and sees the old or the new one.
func copyOver(t testing.TB, file, to string) {
	t.Helper()
	text := read(t, file)
	if there, err := os.ReadFile(to); err == nil && string(there) == text {
		return
	}
	write(t, to+".new", text)
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

// nodeVersion is the version of a package that a folder of node/ pins.
func nodeVersion(t testing.TB, folder, name string) string {
	t.Helper()
	var pins struct{ Dependencies map[string]string }
	if err := json.Unmarshal([]byte(read(t, filepath.Join("node", folder, "package.json"))), &pins); err != nil || pins.Dependencies[name] == "" {
		t.Fatalf("node/%s pins no %s: %v", folder, name, err)
	}
	return pins.Dependencies[name]
}

// node22 is a newer Node.js than the machine's may be, for packages that want one: a folder gets it as one of its own packages.
func node22(t testing.TB, folder string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(nodeFolder(t, folder), "node_modules/node-linux-*/bin/node"))
	if err != nil || len(found) != 1 {
		t.Fatalf("node/%s has %d programs node: %v", folder, len(found), err)
	}
	return found[0]
}

// freeAddr is a loopback address that nobody listens on. Its port is below those that the system gives out by itself, and never given
// twice: cases run at the same time.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range lastPort - firstPort {
		port := firstPort + int(given.Add(1)+int64(os.Getpid()))%(lastPort-firstPort)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

const firstPort, lastPort = 15000, 32000

var given atomic.Int64

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

// stateless, stateful and withSSE are options of mcp-proxy.
var (
	stateless = []string{"--server", "stream", "--stateless"}
	stateful  = []string{"--server", "stream"}
	withSSE   = []string{"--server", "sse"}
)

// nodeUpstream starts one of our servers on somebody else's library, and returns its address.
func nodeUpstream(t testing.TB, folder, program string, args ...string) string {
	t.Helper()
	addr := freeAddr(t)
	p := start(t, program, append([]string{"node", nodeFolder(t, folder) + "/" + program, portOf(addr)}, args...)...)
	eventually(t, program+" is ready", func() bool { return p.running() && strings.Contains("\n"+string(p.out.bytes()), "\nready\n") })
	return addr
}
