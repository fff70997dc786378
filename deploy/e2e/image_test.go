package e2e

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestImage builds the Dockerfile for real, takes the image apart, and runs what is in it: one static binary, the certificate
// authorities, not root.
func TestImage(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "mcp-authz")
	cmd := exec.Command("bash", "image.sh", root, binary, "v0.0.0-e2e")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("image.sh: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, want := range []string{"user 65532:65532", `entrypoint ["/mcp-authz"]`, "label org.opencontainers.image.licenses=Apache-2.0", "label org.opencontainers.image.version=v0.0.0-e2e"} {
		if !slices.Contains(lines, want) {
			t.Errorf("the image does not say %q:\n%s", want, out)
		}
	}
	var files []string
	for _, line := range lines {
		if file, is := strings.CutPrefix(line, "file "); is {
			files = append(files, file)
		}
	}
	if want := []string{"etc/ssl/certs/ca-certificates.crt", "mcp-authz"}; !slices.Equal(files, want) {
		t.Errorf("the image holds %v, want %v", files, want)
	}
	program, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Error("the binary is not static")
		}
	}
	if out, err := exec.Command(binary, "version").Output(); err != nil || !strings.HasPrefix(string(out), "mcp-authz v0.0.0-e2e ") {
		t.Errorf("version: %s, %v", out, err)
	}
	if out, err := exec.Command(binary, "check", filepath.Join(root, "deploy/envoy/mcp-authz.yaml")).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "ok: ") {
		t.Errorf("check: %s, %v", out, err)
	}
}
