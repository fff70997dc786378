package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const source = `package main

import (
	"fmt"
	"os"
)

const limit = 3

func main() {
	fmt.Println(check(os.Args[1]))
}

func check(s string) (ok bool) {
	strict := !false
	if len(s) > limit || s == "a" && strict {
		return false
	}
	switch s {
	case "b", "c":
		return false
	}
	for i, c := range s {
		if !(i != 1) && c == 'x' {
			ok = s != ""
			return
		}
	}
	return rules{length: short}.allow(s)
}

type rules struct{ length func(string) bool }

func (r rules) allow(s string) bool { return r.length == nil || r.length(s) }

func short(s string) bool { return len(s) < 9 }
`

// TestMutants: each mutant of a small program compiles, and does what its line says and nothing else.
func TestMutants(t *testing.T) {
	s := &schemata{files: map[string][]byte{}}
	if _, err := s.mutate("main.go", []byte(source), target{}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": string(s.files["main.go"]), "switch.go": "package main\n" + switchboard, "go.mod": "module m\n\ngo 1.26\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", "m", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, s.files["main.go"])
	}
	inputs := []string{"", "a", "b", "c", "abc", "abcd", "ax", "d"}
	// answers are of the inputs in turn: y or n.
	answers := func(id string) string {
		all := ""
		for _, in := range inputs {
			c := exec.Command("./m", in)
			c.Dir, c.Env = dir, []string{"MUTANT=" + id}
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("mutant %s: %v: %s", id, err, out)
			}
			all += map[string]string{"true\n": "y", "false\n": "n", "": "-"}[string(out)]
		}
		return all
	}
	if got := answers("0"); got != "ynnnynyy" {
		t.Errorf("without a mutant: %s", got)
	}
	want := []string{
		"without: fmt.Println(check(os.Args[1])) --------",
		"never: !false yynnynyy",
		"always: !false ynnnynyy",
		`never: len(s) > limit || s == "a" && strict yynnyyyy`,
		`always: len(s) > limit || s == "a" && strict nnnnnnnn`,
		"never: len(s) > limit ynnnyyyy",
		"boundary: len(s) > limit ynnnnnyy",
		`never: s == "a" && strict yynnynyy`,
		`always: s == "a" nnnnnnnn`,
		"always: strict ynnnynyy",
		"flipped: return false yynnyyyy",
		`no case: switch s "b" ynynynyy`,
		`no case: switch s "c" ynnyynyy`,
		"flipped: return false #2 ynyyynyy",
		"no loop: for i, c := range s ynnnynyy",
		`never: !(i != 1) && c == 'x' ynnnynyy`,
		`always: !(i != 1) && c == 'x' ynnnynyy`,
		"always: !(i != 1) ynnnynyy",
		"always: c == 'x' ynnnynyy",
		`without: ok = s != "" ynnnynny`,
		`never: s != "" ynnnynny`,
		`always: s != "" ynnnynyy`,
		"never: rules{length: short}.allow(s) nnnnnnyn",
		"always: rules{length: short}.allow(s) ynnnynyy",
		"without: length: short ynnnynyy",
		"never: r.length == nil || r.length(s) nnnnnnyn",
		"always: r.length == nil || r.length(s) ynnnynyy",
		"never: r.length == nil ynnnynyy",
		"never: r.length(s) nnnnnnyn",
		"never: len(s) < 9 nnnnnnyn",
		"always: len(s) < 9 ynnnynyy",
		"boundary: len(s) < 9 ynnnynyy",
	}
	var got []string
	for i, m := range s.mutants {
		if m.id != i+1 || !strings.HasPrefix(m.String(), "main.go ") {
			t.Errorf("%d: %+v", i, m)
		}
		line := m.how + ": " + m.source
		got = append(got, line+" "+answers(strconv.Itoa(m.id)))
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("not wanted: %s", line)
		}
	}
}

// TestLeft: what is left out has no mutant and stays as it is, and the rest is as without.
func TestLeft(t *testing.T) {
	s := &schemata{files: map[string][]byte{}, left: map[string]bool{}}
	if _, err := s.mutate("main.go", []byte(source), target{left: []string{"main", "check", "rules"}}); err != nil {
		t.Fatal(err)
	}
	for _, m := range s.mutants {
		if m.function != "short" {
			t.Errorf("a mutant of %s", m.function)
		}
	}
	before, _, _ := strings.Cut(source, "func short")
	if text := string(s.files["main.go"]); len(s.mutants) != 3 || !strings.HasPrefix(text, before) || text == source || len(s.left) != 3 {
		t.Errorf("%d mutants, left %v:\n%s", len(s.mutants), s.left, text)
	}
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"p/a.go": "package p\n\nfunc A() bool { return B() == 1 }\n", "p/b.go": "package p\n\nfunc B() int { println(); return 1 }\n\ntype T struct{}\n\nfunc (*T) B() { println() }\n"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for left, want := range map[string]int{"b.go": 2, "B": 3, "T": 3, "B T": 2, "A": 2, "": 4, "C": -1, "c.go": -1} {
		s, err := newSchemata([]target{{dir: "p", left: strings.Fields(left)}})
		if (err != nil) != (want < 0) {
			t.Errorf("without %q: %v", left, err)
		}
		if err == nil && len(s.mutants) != want {
			t.Errorf("without %q: %d mutants, want %d", left, len(s.mutants), want)
		}
	}
}

// TestJudge: a survivor without a reason fails, and so does a reason without a survivor.
func TestJudge(t *testing.T) {
	one, two := mutant{file: "f", function: "a", how: never, source: "x"}, mutant{file: "f", function: "a", how: never, source: "y"}
	survived, killed := func(m mutant) fate { return fate{mutant: m} }, func(m mutant) fate { return fate{mutant: m, killer: "TestX"} }
	for _, c := range []struct {
		what    string
		fates   []fate
		reasons string
		ok      bool
	}{
		{"all killed", []fate{killed(one), killed(two)}, "", true},
		{"a survivor", []fate{killed(one), survived(two)}, "", false},
		{"explained", []fate{survived(one), survived(two)}, "# all\nf a: never: x\nf a: never: y\n  said\n\ttwice\n", true},
		{"explained, killed", []fate{killed(one)}, "f a: never: x\n said\n", false},
		{"explained, gone", []fate{killed(two)}, "f a: never: x\n said\n", false},
	} {
		reasons, err := explanations(c.reasons)
		if err != nil {
			t.Fatal(err)
		}
		if got := judge(c.fates, reasons, true, false); got.ok != c.ok {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
	for _, bad := range []string{" a reason\n", "f a: never: x\n", "f a: never: x\nf a: never: x\n said\n"} {
		if _, err := explanations(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
