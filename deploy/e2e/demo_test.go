package e2e

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// demo starts `make demo` as a terminal would, in a process group of its own.
func demo(t *testing.T, env ...string) *process {
	t.Helper()
	return startIn(t, "make demo", root, env, "make", "--no-print-directory", "demo")
}

func wantPorts(t *testing.T) {
	t.Helper()
	if !portsFree() {
		t.Fatal("a port of the demo is in use; stop what uses it")
	}
}

func portsFree() bool {
	for _, port := range []string{"3000", "3001", "9000", "9001", "8080", "9090", "9901"} {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// ended waits for the end, and then for all that was started to be gone.
func (p *process) ended(t *testing.T) string {
	t.Helper()
	eventually(t, p.name+" ends", func() bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	})
	eventually(t, "nothing is left", func() bool { return syscall.Kill(-p.cmd.Process.Pid, 0) != nil && portsFree() })
	text := string(p.out.bytes())
	if folder := regexp.MustCompile(`\S*/mcp-authz-demo-\d+`).FindString(text); folder != "" {
		if _, err := os.Stat(filepath.Clean(folder)); err == nil {
			t.Errorf("%s is left behind", folder)
		}
	}
	return text
}

// TestDemo: the demo tries its own lines, says what is wrong, and leaves nothing behind, however it is stopped.
func TestDemo(t *testing.T) {
	wantPorts(t)
	t.Run("once", func(t *testing.T) {
		p := demo(t, "DEMO_ONCE=1")
		if text := p.ended(t); p.cmd.ProcessState.ExitCode() != 0 || strings.Count(text, "\nok  ") != 4 || strings.Contains(text, "FAIL") {
			t.Errorf("exit %d:\n%s", p.cmd.ProcessState.ExitCode(), text)
		}
	})
	t.Run("without a Node.js that will do", func(t *testing.T) {
		old := t.TempDir()
		if err := os.WriteFile(old+"/node", []byte("#!/bin/sh\necho v18.20.0\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		p := demo(t, "DEMO_ONCE=1", "PATH="+old+":"+os.Getenv("PATH"))
		text := p.ended(t)
		if p.cmd.ProcessState.ExitCode() != 0 || strings.Count(text, "\nok  ") != 4 || !strings.Contains(text, "instead of mcp-proxy, a small server on the Go SDK stands in") {
			t.Errorf("exit %d:\n%s", p.cmd.ProcessState.ExitCode(), text)
		}
	})
	t.Run("a port in use", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:3000")
		if err != nil {
			t.Fatal(err)
		}
		p := demo(t)
		<-p.done
		l.Close()
		if text := p.ended(t); p.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(text, "port 3000 (Envoy) is in use; stop what uses it") {
			t.Errorf("exit %d:\n%s", p.cmd.ProcessState.ExitCode(), text)
		}
	})
	t.Run("a missing tool", func(t *testing.T) {
		p := demo(t, "ENVOY=/nowhere/envoy")
		if text := p.ended(t); p.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(text, "ENVOY=/nowhere/envoy is not an executable file") {
			t.Errorf("exit %d:\n%s", p.cmd.ProcessState.ExitCode(), text)
		}
	})
	for name, stop := range map[string]func(p *process){
		"Ctrl-C":  func(p *process) { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT) },
		"SIGTERM": func(p *process) { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			p := demo(t)
			eventually(t, "the demo runs", func() bool { return p.running() && strings.Contains(string(p.out.bytes()), "Ctrl-C stops everything.") })
			if !answers("http://localhost:3000/.well-known/oauth-protected-resource", 200) {
				t.Error("the demo does not answer")
			}
			stop(p)
			p.ended(t)
		})
	}
}
