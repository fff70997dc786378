package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
)

// built is the program, built once. TestMain takes its folder away.
var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// program is the path of the binary, with the race detector where the tests have it.
func program(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "mcp-authz-test-"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "mcp-authz")
		args := append(append([]string{"build"}, buildFlags...), "-o", built.path, ".")
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// run runs the program to its end.
func run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestVersion(t *testing.T) {
	out, errs, code := run(t, "version")
	if !regexp.MustCompile(`^mcp-authz \S+ \(revision \S+, go1\.\S+.*\)\n$`).MatchString(out) || errs != "" || code != 0 {
		t.Errorf("version: %q, %q, exit %d", out, errs, code)
	}
}

// A release says its own version, which the linker puts in.
func TestVersionFromTheLinker(t *testing.T) {
	version = "1.2.3"
	defer func() { version = "" }()
	if v, _, _ := buildVersion(); v != "1.2.3" {
		t.Errorf("version is %q", v)
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for _, args := range [][]string{{"serve"}, {"check"}, {"check", "a", "b"}, {"serve", "--confg", "x"}, {"surve"}} {
		if _, errs, code := run(t, args...); code != 1 || len(errs) < 20 {
			t.Errorf("%q: exit %d, %q", args, code, errs)
		}
	}
}
