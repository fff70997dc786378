package docs_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const conformance = "docs/conformance.md"

// complete are the groups in which every requirement has its say, and how many there are.
var complete = map[string]int{"A": 29, "C": 27, "E": 37, "I": 27}

// core are the requirements of other groups without which a first login does not work, or is not safe.
const core = "B-01 to B-06, B-08, B-10 to B-13, B-15, B-17 to B-19, B-22, B-23, B-29, B-31, B-32, B-34, " +
	"D-03, D-08, D-09, D-11, F-01, F-03, G-01, J-01, J-03, J-05, J-09"

// claim is a row of a table: a requirement, what meets it, and what shows that.
type claim struct {
	id, requirement string
	code, tests     []string
}

// statement is the page as a test reads it.
type statement struct {
	claims     []claim
	gaps       []string // ids, ranges written out
	deviations []string
	odd        []string // rows that are none
}

var wellFormed = regexp.MustCompile(`^[A-J]-\d\d$`)

// parse reads the tables below the headings of the page.
func parse(page string) (s statement) {
	section := ""
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			section = heading
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		first := strings.TrimSpace(cells[0])
		if !strings.HasPrefix(line, "|") || first == "id" || strings.HasPrefix(first, "--") {
			continue
		}
		switch {
		case section == "Gaps":
			s.gaps = append(s.gaps, citations(first)...)
		case strings.HasPrefix(section, "Where texts contradict"):
			s.deviations = append(s.deviations, citations(first)...)
		case !wellFormed.MatchString(first) || len(cells) != 4 || !strings.HasPrefix(section, first[:1]+" "):
			s.odd = append(s.odd, line)
		default:
			s.claims = append(s.claims, claim{first, strings.TrimSpace(cells[1]), quoted(cells[2]), quoted(cells[3])})
		}
	}
	return s
}

// quoted are the file names of a cell.
func quoted(cell string) (names []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		name := m[1]
		if rest, ok := strings.CutPrefix(name, "answers/"); ok {
			name = "authz/extauthz/testdata/answers/" + rest
		}
		names = append(names, name)
	}
	return names
}

var citation = regexp.MustCompile(`\b([A-KT])-(\d\d)\b(?:(?: to |…)([A-KT])-(\d\d)\b)?`)

// citations are the ids in a text, with ranges written out.
func citations(text string) (ids []string) {
	for _, m := range citation.FindAllStringSubmatch(text, -1) {
		from, to := number(m[2]), number(m[2])
		if m[3] == m[1] {
			to = number(m[4])
		}
		for n := from; n <= to; n++ {
			ids = append(ids, fmt.Sprintf("%s-%02d", m[1], n))
		}
	}
	return ids
}

func number(s string) (n int) {
	fmt.Sscan(strings.TrimLeft(s, "0"), &n)
	return n
}

// sources are the tests of the repository and the ids that each of them cites. The tests of this folder are no proof.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	cited := map[string][]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == "docs" || name == "node_modules" || len(name) > 1 && name[0] == '.'):
			return fs.SkipDir
		case !d.IsDir() && isTest(name):
			cited[path] = citations(read(t, path))
		}
		return nil
	})
	if err != nil || len(cited) < 50 {
		t.Fatalf("%d test files, %v", len(cited), err)
	}
	return cited
}

func isTest(name string) bool {
	return strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".txtar") || strings.HasSuffix(name, ".mjs")
}

// lies are the statements of the page that the repository does not bear out, and what the page leaves out.
func lies(page string, cited map[string][]string) (found []string) {
	lie := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	s := parse(page)
	for _, line := range s.odd {
		lie("no row of a requirement: %s", line)
	}
	claimed, gap, deviation := map[string]bool{}, set(s.gaps), set(s.deviations)
	for _, c := range s.claims {
		if claimed[c.id] {
			lie("%s stands twice", c.id)
		}
		claimed[c.id] = true
		if gap[c.id] {
			lie("%s is claimed, and a gap", c.id)
		}
		if !strings.HasSuffix(c.requirement, ")") {
			lie("%s names no source at its end: %s", c.id, c.requirement)
		}
		if len(c.code) == 0 || len(c.tests) == 0 {
			lie("%s names no code or no test", c.id)
		}
		for _, name := range c.code {
			if !exists(name) || isTest(name) {
				lie("%s: there is no code in %s", c.id, name)
			}
		}
		for _, name := range c.tests {
			if ids, there := cited[name]; !there {
				lie("%s: there is no test %s", c.id, name)
			} else if !slices.Contains(ids, c.id) {
				lie("%s is not cited by %s", c.id, name)
			}
		}
	}
	if len(gap) != len(s.gaps) || len(deviation) != len(s.deviations) {
		lie("a gap or a contradiction stands twice")
	}
	for group, last := range complete {
		for _, id := range citations(fmt.Sprintf("%s-01 to %s-%02d", group, group, last)) {
			if !claimed[id] && !gap[id] {
				lie("nothing about %s", id)
			}
		}
		if beyond := fmt.Sprintf("%s-%02d", group, last+1); claimed[beyond] || gap[beyond] {
			lie("there is no %s", beyond)
		}
	}
	for _, id := range citations(core) {
		if !claimed[id] {
			lie("%s is not claimed", id)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cited)) {
		for _, id := range cited[name] {
			if !claimed[id] && !gap[id] && !deviation[id] {
				lie("nothing about %s, which %s cites", id, name)
			}
		}
	}
	return found
}

func set(ids []string) map[string]bool {
	all := map[string]bool{}
	for _, id := range ids {
		all[id] = true
	}
	return all
}

func TestConformance(t *testing.T) {
	for _, lie := range lies(read(t, conformance), sources(t)) {
		t.Error(lie)
	}
}

// What the test above is for, it does.
func TestConformanceFindsLies(t *testing.T) {
	page, cited := read(t, conformance), sources(t)
	row := func(id string) string {
		line := regexp.MustCompile(`(?m)^\| ` + id + ` \|.*\n`).FindString(page)
		if line == "" {
			t.Fatalf("no row %s", id)
		}
		return line
	}
	insteadOf := func(id, old, with string) string {
		changed := strings.Replace(row(id), old, with, 1)
		if changed == row(id) {
			t.Fatalf("no %s in the row %s", old, id)
		}
		return strings.Replace(page, row(id), changed, 1)
	}
	more := maps.Clone(cited)
	more["x_test.go"] = citations("// B-97…B-98, T-99\n")
	for _, c := range []struct {
		page  string
		cited map[string][]string
		want  []string
	}{
		{strings.Replace(page, row("C-05"), "", 1), cited, []string{"nothing about C-05", "nothing about C-05, which"}},
		{strings.Replace(page, row("F-03"), "", 1), cited, []string{"F-03 is not claimed"}},
		{strings.Replace(page, row("A-05"), row("A-05")+row("A-05"), 1), cited, []string{"A-05 stands twice"}},
		{insteadOf("A-05", "A-05", "A-5"), cited, []string{"no row of a requirement: | A-5 |", "nothing about A-05"}},
		{insteadOf("A-05", "A-05", "A-30"), cited, []string{"there is no A-30", "A-30 is not cited by"}},
		{insteadOf("A-05", "A-05", "C-05"), cited, []string{"no row of a requirement: | C-05 |"}},
		{insteadOf("A-05", "authz/", "auth/"), cited, []string{"A-05: there is no code in auth/"}},
		{insteadOf("A-05", "answers/401-other-schemes.txtar", "answers/no.txtar"), cited, []string{"A-05: there is no test authz/extauthz/testdata/answers/no.txtar"}},
		{insteadOf("A-05", "answers/401-other-schemes.txtar", "answers/401-expired.txtar"), cited, []string{"A-05 is not cited by authz/extauthz/testdata/answers/401-expired.txtar"}},
		{strings.Replace(page, "\n## Gaps\n", "\n## Gaps\n| A-04 to A-05 | x | y |\n", 1), cited, []string{"A-05 is claimed, and a gap"}},
		{page, more, []string{"nothing about B-97, which x_test.go", "nothing about B-98, which x_test.go", "nothing about T-99, which x_test.go"}},
	} {
		got := strings.Join(lies(c.page, c.cited), "\n")
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("want %q in\n%s", want, got)
			}
		}
	}
	if got, want := citations("A-13 to A-15, I-01…I-03 and SHA-256, B-04x, xB-05, UTF-16"), "A-13 A-14 A-15 I-01 I-02 I-03"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
