package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

func TestServeRefusesABadFile(t *testing.T) {
	_, errs, code := run(t, "serve", "--config", file(t, threeMistakes))
	lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
	if code != 1 || len(lines) != 4 {
		t.Fatalf("exit %d, want 1 and all 3 problems:\n%s", code, errs)
	}
	for i, begin := range []string{"drainDelay ", "authorizationServers[0].issuer ", "resources[0].resource ", "mcp-authz: "} {
		if !strings.HasPrefix(lines[i], begin) {
			t.Errorf("line %q, want it to begin with %q", lines[i], begin)
		}
	}
}

func TestServeWithoutAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none.yaml")
	if _, errs, code := run(t, "serve", "--config", name); code != 1 || !strings.Contains(errs, name) {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestServeWithoutItsCertificate(t *testing.T) {
	config := strings.Replace(anyPorts, "admin:", "grpcTLS: { certFile: /no/cert.pem, keyFile: /no/key.pem }, admin:", 1) + corpElsewhere + github
	if _, errs, code := run(t, "serve", "--config", file(t, config)); code != 1 || !strings.HasPrefix(errs, "mcp-authz: listen.grpcTLS: certFile /no/cert.pem") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

// An address in use ends the process with an error that names key and address.
func TestAddressInUse(t *testing.T) {
	for _, key := range []string{"grpc", "metadata", "admin"} {
		t.Run(key, func(t *testing.T) {
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			addr := taken.Addr().String()
			config := strings.Replace(anyPorts, key+": 127.0.0.1:0", key+": "+addr, 1) + corpElsewhere + github
			_, errs, code := run(t, "serve", "--config", file(t, config))
			if want := "mcp-authz: listen." + key + ": cannot listen on " + addr + ": "; code != 1 || !strings.HasPrefix(errs, want) {
				t.Errorf("exit %d, %q, want it to begin with %q", code, errs, want)
			}
			if strings.Contains(errs, "serving") {
				t.Errorf("it served although a listener was missing:\n%s", errs)
			}
		})
	}
}

// All three listeners are bound, or none.
func TestNothingHalfOpen(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	grpc, metadata := filepath.Join(dir, "g"), filepath.Join(dir, "m")
	if _, err := listen(spec.Listen{GRPC: "unix:" + grpc, Metadata: "unix:" + metadata, Admin: taken.Addr().String()}); err == nil {
		t.Fatal("bound an address that is taken")
	}
	for _, path := range []string{grpc, metadata} {
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Close()
			t.Errorf("%s still answers", path)
		}
	}
}

// A part that fails while the process runs ends it, and the log says which. A pipe as the file lets its folder vanish at the
// right moment: it was read, but cannot be watched.
func TestAPartThatFailsEndsTheProcess(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "gone", "config")
	if err := os.Mkdir(filepath.Dir(pipe), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, pipe)
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString(anyPorts + corpElsewhere + github); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(filepath.Dir(pipe))
	w.Close()
	line := p.log.wait(t, "a part of the process failed; ending", 1)
	if problem, _ := line["problem"].(string); !strings.HasPrefix(problem, "configuration "+pipe) {
		t.Errorf("problem %q does not name the part", problem)
	}
	if code := p.exit(); code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
}

// Unix sockets: one that a killed process left behind is taken over, a living one never.
func TestUnixSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left := unixSocket(t, path, 1)
	syscall.Close(left) // without unlinking, as a killed process does
	l, err := bind("unix:" + path)
	if err != nil {
		t.Fatalf("a socket left behind: %v", err)
	}
	defer l.Close()
	if _, err := bind("unix:" + path); err == nil || !strings.Contains(err.Error(), "another process answers") {
		t.Errorf("a living socket: %v, want a refusal", err)
	}

	// A process too busy to take another connection lives too.
	busy := filepath.Join(t.TempDir(), "busy")
	defer syscall.Close(unixSocket(t, busy, 0))
	first, err := net.Dial("unix", busy)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := bind("unix:" + busy); err == nil {
		t.Error("stole the socket of a busy process")
	}

	// What is no socket is nobody's to remove.
	plain := file(t, "precious")
	if _, err := bind("unix:" + plain); err == nil {
		t.Error("bound a plain file")
	}
	if data, err := os.ReadFile(plain); string(data) != "precious" {
		t.Errorf("the file is now %q, %v", data, err)
	}
}

func unixSocket(t *testing.T, path string, backlog int) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = syscall.Listen(fd, backlog)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// The whole process over unix sockets, killed and started again.
func TestServeOnUnixSockets(t *testing.T) {
	issuer := authorizationServer(t)
	path := filepath.Join(t.TempDir(), "g")
	config := strings.Replace(anyPorts, "grpc: 127.0.0.1:0", "grpc: \"unix:"+path+"\"", 1) + corp(issuer) + github
	p := start(t, config)
	p.grpc = "unix:" + path
	wantAllowed(t, "over a unix socket", p.check(with(good(issuer))))
	if _, errs, code := run(t, "serve", "--config", file(t, config)); code != 1 || !strings.Contains(errs, "listen.grpc: cannot listen on unix:"+path) {
		t.Errorf("a second process: exit %d, %q", code, errs)
	}
	p.signal(syscall.SIGKILL)
	p.exit()
	again := start(t, config)
	again.grpc = "unix:" + path
	wantAllowed(t, "after a kill", again.check(with(good(issuer))))
}
