package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// suite is the tests of one package with all mutants inside: the quick ones together, then each slow one alone.
type suite struct {
	dir, binary string
	quick       step
	slow        []step
}

// step is one run of a test binary.
type step struct {
	suite *suite
	which string        // an argument: which tests
	took  time.Duration // without a mutant
}

// quickTest is how long the quick tests take at most, each.
const quickTest = time.Second / 4

// build makes the test binaries that mutants need. Without a mutant they must pass.
func build(ctx context.Context, dir string, s *schemata, tried []mutant) (map[string]*suite, error) {
	overlay := map[string]string{}
	for name, text := range s.files {
		path, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		to := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return nil, err
		}
		overlay[path] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return nil, err
	}
	suites := map[string]*suite{}
	for _, m := range tried {
		for _, pkg := range m.tests {
			if suites[pkg] != nil {
				continue
			}
			su := &suite{dir: pkg, binary: filepath.Join(dir, strings.ReplaceAll(pkg, "/", "_")+".test")}
			suites[pkg] = su
			compile := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", list, "-o", su.binary, "./"+pkg)
			if out, err := compile.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%s with its mutants does not compile: %w\n%s", pkg, err, out)
			}
			if err := su.measure(ctx); err != nil {
				return nil, err
			}
		}
	}
	return suites, nil
}

var passed = regexp.MustCompile(`(?m)^ *--- PASS: (\w+)(/\S*)? \(([0-9.]+)s\)$`)

func (s *suite) measure(ctx context.Context) error {
	out, err := step{s, "-test.v", 10 * time.Minute}.command(ctx, 0).CombinedOutput()
	if err != nil {
		return fmt.Errorf("the tests of %s fail without any mutant: %w\n%s", s.dir, err, tail(out))
	}
	took := map[string]time.Duration{}  // by test
	parts := map[string]time.Duration{} // of those that run side by side, which do not count in the whole
	for _, m := range passed.FindAllSubmatch(out, -1) {
		lasted, err := time.ParseDuration(string(m[3]) + "s")
		if err != nil {
			return err
		}
		if test := string(m[1]); len(m[2]) > 0 {
			parts[test] += lasted
		} else {
			took[test] = lasted
		}
	}
	var slow []string
	s.quick.suite = s
	for _, test := range slices.Sorted(maps.Keys(took)) {
		lasts := max(took[test], parts[test])
		if lasts < quickTest {
			s.quick.took += lasts
			continue
		}
		slow = append(slow, test)
		s.slow = append(s.slow, step{s, "-test.run=^" + test + "$", lasts})
	}
	s.quick.which = "-test.skip=^(" + strings.Join(slow, "|") + ")$"
	return nil
}

func (s step) command(ctx context.Context, id int) *exec.Cmd {
	limit := 15*time.Second + 5*s.took // what takes longer does not end
	c := exec.CommandContext(ctx, s.suite.binary, s.which, "-test.failfast", "-test.timeout="+limit.String())
	c.Dir, c.Env = s.suite.dir, append(os.Environ(), fmt.Sprintf("MUTANT=%d", id))
	return c
}

func tail(out []byte) []byte {
	lines := bytes.Split(out, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-30):], []byte("\n"))
}
