package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// command runs a command within this process.
func command(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	c := newCommand()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&errs)
	err = c.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

func file(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const (
	corpElsewhere = "authorizationServers:\n- { name: corp, issuer: \"https://idp.example.com\" }\n"
	// threeMistakes has one in every part.
	threeMistakes = "drainDelay: 1h\nauthorizationServers:\n- { name: corp, issuer: \"http://idp.example.com\" }\n" +
		"resources:\n- { name: github, resource: \"https://MCP.example.com/github/mcp\", authorizationServers: [corp] }\n"
	// uselessKeys is right for the decoder and of no use to a verifier: the one key is symmetric.
	uselessKeys = "authorizationServers:\n- { name: corp, issuer: \"https://idp.example.com\", jwks: { keys: [ { kty: oct, k: c2VjcmV0 } ] } }\n"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		what, config string
		stdout       string   // all of it
		stderr       []string // begin of each line
		err          string
	}{
		{"a good file", corpElsewhere + github, "ok: 1 resources, 1 authorization servers\n", nil, ""},
		{"no resources yet", "resources: []\n", "ok: 0 resources, 0 authorization servers\n", nil, ""},
		{
			"all problems at once", threeMistakes, "",
			[]string{"drainDelay (line 1): ", "authorizationServers[0].issuer (line 3): ", "resources[0].resource (line 5): "}, "3 problems; nothing was applied",
		},
		{
			"a warning does not count", corpElsewhere + strings.ReplaceAll(github, "/github/mcp", "/github/sse"),
			"ok: 1 resources, 1 authorization servers\n", []string{"warning: resources[0].resource (line 4): "}, "",
		},
		{
			"D-07 inline keys that nobody can use", uselessKeys + github, "",
			[]string{"authorizationServers[0].jwks: found a key set of no use"}, "1 problem; nothing was applied",
		},
		{"an empty file", "", "", []string{"(file): found an empty file"}, "1 problem; nothing was applied"},
	} {
		t.Run(c.what, func(t *testing.T) {
			name := file(t, c.config)
			out, errs, err := command(t, "check", name)
			if out != c.stdout {
				t.Errorf("stdout %q, want %q", out, c.stdout)
			}
			lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
			if errs == "" {
				lines = nil
			}
			if len(lines) != len(c.stderr) {
				t.Fatalf("%d lines, want %d:\n%s", len(lines), len(c.stderr), errs)
			}
			for i, begin := range c.stderr {
				if !strings.HasPrefix(lines[i], begin) {
					t.Errorf("line %q, want it to begin with %q", lines[i], begin)
				}
			}
			switch {
			case c.err == "" && err != nil:
				t.Error(err)
			case c.err != "" && (err == nil || err.Error() != name+": "+c.err):
				t.Errorf("error %v, want %s: %s", err, name, c.err)
			}
		})
	}
}

func TestCheckExitCode(t *testing.T) {
	if _, _, code := run(t, "check", file(t, corpElsewhere+github)); code != 0 {
		t.Errorf("good file: exit %d", code)
	}
	if _, errs, code := run(t, "check", file(t, threeMistakes)); code != 1 || strings.Count(errs, "\n") != 4 {
		t.Errorf("bad file: exit %d, %s", code, errs)
	}
}

func TestCheckWithoutAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none.yaml")
	if _, _, err := command(t, "check", name); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), name) {
		t.Errorf("error %v, want one that names the file", err)
	}
}

// A secret that somebody put into the inline keys is not printed back.
func TestCheckPrintsNoKeys(t *testing.T) {
	_, errs, err := command(t, "check", file(t, uselessKeys+github))
	if err == nil || strings.Contains(errs+err.Error(), "c2VjcmV0") {
		t.Errorf("%v\n%s", err, errs)
	}
}

// A file is checked at every reload: nothing of it may stay.
func TestCheckLeavesNothingRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 50 {
		if f, problems := loadConfig([]byte(corpElsewhere + github)); f == nil {
			t.Fatal(problems)
		}
	}
	eventually(t, "the caches of checked files to end", func() bool { return runtime.NumGoroutine() < before+10 })
}
