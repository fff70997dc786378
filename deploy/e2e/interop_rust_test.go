package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// rmcpProgram is the command line of the client on rmcp that speaks the revisions of 2025.
func rmcpProgram(t testing.TB) []string { return []string{rmcpClient(t), "serve"} }

// rmcpAutoProgram asks for the revision of 2026-07-28 first.
func rmcpAutoProgram(t testing.TB) []string { return []string{rmcpClient(t), "auto"} }

// rmcpClient builds the client on rmcp, and returns where it is. Cargo's work is kept between runs.
func rmcpClient(t testing.TB) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	file := filepath.Join(bin, "rmcp-client")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	target := filepath.Join(cache(t), "rust-rmcp")
	cmd := exec.Command(cargo(t), "build", "--quiet", "--locked", "--jobs", "2", "--manifest-path", "rust/rmcp/Cargo.toml", "--target-dir", target)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cargo build of rust/rmcp: %v\n%s", err, out)
	}
	if err := os.Symlink(filepath.Join(target, "debug", "rmcp-client"), file); err != nil {
		t.Fatal(err)
	}
	return file
}

// cargo is where Rust's build tool is: on the PATH, or where rustup puts it.
func cargo(t testing.TB) string {
	t.Helper()
	if file, err := exec.LookPath("cargo"); err == nil {
		return file
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, ".cargo", "bin", "cargo")
	if _, err := os.Stat(file); err != nil {
		t.Fatal("cargo is neither on the PATH nor in ~/.cargo/bin: install Rust 1.88 or newer, by https://rustup.rs or as your distribution's packages of cargo and rustc (on Debian 12 those are cargo-web and rustc-web)")
	}
	return file
}

// rmcpVersion is the version of the library that rust/rmcp/Cargo.toml pins.
func rmcpVersion(t testing.TB) string {
	t.Helper()
	pin := regexp.MustCompile(`(?m)^rmcp = .*version = "=([^"]+)"`).FindStringSubmatch(read(t, "rust/rmcp/Cargo.toml"))
	if pin == nil {
		t.Fatal("rust/rmcp/Cargo.toml pins no rmcp")
	}
	return pin[1]
}
