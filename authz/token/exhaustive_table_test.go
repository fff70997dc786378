package token_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dimensions are the columns of the table.
type dimensions [4]dimension

type dimension struct {
	name   string
	values []value
}

type value struct{ name, is string }

func column[T any](name string, all []T, of func(T) value) dimension {
	d := dimension{name: name}
	for _, v := range all {
		d.values = append(d.values, of(v))
	}
	return d
}

// combination is one value of each column, by number; product is some of each.
type (
	combination [4]int
	product     [4][]int // sorted
)

func (p product) has(c combination) bool {
	for d, n := range c {
		if _, found := slices.BinarySearch(p[d], n); !found {
			return false
		}
	}
	return true
}

func (p product) size() int { return len(p[0]) * len(p[1]) * len(p[2]) * len(p[3]) }

// each calls f for every combination, as long as it says so.
func (p product) each(f func(combination) bool) bool {
	for _, a := range p[0] {
		for _, b := range p[1] {
			for _, c := range p[2] {
				for _, d := range p[3] {
					if !f(combination{a, b, c, d}) {
						return false
					}
				}
			}
		}
	}
	return true
}

func (d dimensions) all() (p product) {
	for n := range d {
		for v := range d[n].values {
			p[n] = append(p[n], v)
		}
	}
	return p
}

func (d dimensions) say(c combination) (said [4]string) {
	for n := range d {
		said[n] = d[n].values[c[n]].name
	}
	return said
}

// rule is a row of the table.
type rule struct {
	verdict string
	product
}

const tableHead = `# What becomes of every combination of how a token is carried, what it is, what it is shown for, and how the key server of the
# authorization server "corp" does: the verdict of the whole check. Made by
#
#     go test ./authz/token -run TestEveryCombination -update
#
# and reviewed here. It is read from the top: the first row that fits counts, and every combination fits one. All rows that allow
# come first, so whatever they do not say is refused; then come the refusals, in the order in which a request is judged. "*" is any
# value, "but" leaves values out.
`

// compareTable compares what was found with the table in a file, or writes it. order is that of the verdicts.
func compareTable(t *testing.T, file string, dims dimensions, order []string, verdict func(combination) string) {
	t.Helper()
	found := render(dims, order, verdict)
	if *update {
		if err := os.WriteFile(file, []byte(found), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rules, bad := readTable(t, dims, string(text)), 0
	dims.all().each(func(c combination) bool {
		said := "nothing"
		if n := slices.IndexFunc(rules, func(r rule) bool { return r.has(c) }); n >= 0 {
			said = rules[n].verdict
		}
		if want := verdict(c); said != want {
			t.Errorf("%q: %s, the table says %s", dims.say(c), want, said)
			bad++
		}
		return bad < 20
	})
	if diff := cmp.Diff(string(text), found); diff != "" {
		t.Errorf("the table is out of date; -update rewrites it (-table +found):\n%s", diff)
	}
}

// readTable reads the rows.
func readTable(t *testing.T, dims dimensions, text string) []rule {
	t.Helper()
	var rules []rule
	verdict := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] != ' ' {
			verdict = line
			continue
		}
		r := rule{verdict: verdict}
		columns := strings.Split(strings.TrimSpace(line), " | ")
		if len(columns) != len(dims) {
			t.Fatalf("not a row: %s", line)
		}
		for d, column := range columns {
			list, without := strings.CutPrefix(column, "* but ")
			var named []string
			if list != "*" {
				named = strings.Split(list, ", ")
			}
			for n, v := range dims[d].values {
				if list == "*" || slices.Contains(named, v.name) != without {
					r.product[d] = append(r.product[d], n)
				}
				named = slices.DeleteFunc(named, func(s string) bool { return s == v.name })
			}
			if len(named) > 0 {
				t.Fatalf("%q: no such %s: %s", named, dims[d].name, line)
			}
		}
		rules = append(rules, r)
	}
	return rules
}

// render writes the table.
func render(dims dimensions, order []string, verdict func(combination) string) string {
	var b strings.Builder
	b.WriteString(tableHead)
	for _, d := range dims {
		fmt.Fprintf(&b, "#\n# %s:\n", d.name)
		for _, v := range d.values {
			fmt.Fprintf(&b, "#     %-16s%s\n", v.name, v.is)
		}
	}
	cells := map[string]int{}
	dims.all().each(func(c combination) bool { cells[verdict(c)]++; return true })
	total := 0
	for _, n := range cells {
		total += n
	}
	fmt.Fprintf(&b, "#\n# %d combinations, of which %d are allowed.\n", total, cells["allow"])
	last := ""
	for _, r := range rulesOf(dims, order, verdict) {
		if r.verdict != last {
			last = r.verdict
			fmt.Fprintf(&b, "\n%s\n", r.verdict)
		}
		var columns []string
		for n, values := range r.product {
			columns = append(columns, dims[n].list(values))
		}
		fmt.Fprintf(&b, "    %s\n", strings.Join(columns, " | "))
	}
	return b.String()
}

func (d dimension) list(values []int) string {
	var in, out []string
	for n, v := range d.values {
		if slices.Contains(values, n) {
			in = append(in, v.name)
		} else {
			out = append(out, v.name)
		}
	}
	switch {
	case len(out) == 0:
		return "*"
	case len(out) < len(in):
		return "* but " + strings.Join(out, ", ")
	}
	return strings.Join(in, ", ")
}

// rulesOf finds few rows. A row of refusals may cover what is refused above it, but never what is allowed, and it covers a value
// without a combination of its own only if all of that value's are refused above and it makes the row shorter.
func rulesOf(dims dimensions, order []string, verdict func(combination) string) []rule {
	all := dims.all()
	cells := map[combination]string{}
	left := map[int]map[int]int{} // combinations that are not refused yet, by column and value
	for d := range dims {
		left[d] = map[int]int{}
	}
	all.each(func(c combination) bool {
		cells[c] = verdict(c)
		for d, n := range c {
			left[d][n]++
		}
		return true
	})
	const above = "refused above"
	var rules []rule
	for _, v := range order {
		fits := func(p product) (ok bool) {
			own := false
			return p.each(func(c combination) bool {
				own = own || cells[c] == v
				return cells[c] == v || cells[c] == above && v != "allow"
			}) && own
		}
		var own []combination
		all.each(func(c combination) bool {
			if cells[c] == v {
				own = append(own, c)
			}
			return true
		})
		var found []rule
		for _, c := range own {
			if slices.ContainsFunc(found, func(r rule) bool { return r.has(c) }) {
				continue
			}
			r := rule{verdict: v}
			for d, n := range c {
				r.product[d] = []int{n}
			}
			for _, d := range []int{2, 3, 1, 0} {
				one := r.product
				for n := range dims[d].values {
					if one[d] = []int{n}; n != c[d] && fits(one) {
						r.product[d] = append(r.product[d], n)
					}
				}
				slices.Sort(r.product[d])
			}
			found = append(found, r)
		}
		found = apart(found)
		for i := range found {
			for d := range dims {
				wide := slices.Clone(found[i].product[d])
				for n := range dims[d].values {
					if left[d][n] == 0 && !slices.Contains(wide, n) {
						wide = append(wide, n)
					}
				}
				if len(dims[d].values)-len(wide) < len(found[i].product[d]) {
					slices.Sort(wide)
					found[i].product[d] = wide
				}
			}
		}
		if v != "allow" {
			for _, c := range own {
				cells[c] = above
				for d, n := range c {
					left[d][n]--
				}
			}
		}
		rules = append(rules, found...)
	}
	return rules
}

// apart takes from every row, the smallest first, what the others cover as well.
func apart(rules []rule) []rule {
	others := func(i int, p product) bool {
		return p.each(func(c combination) bool {
			for j := range rules {
				if j != i && rules[j].has(c) {
					return true
				}
			}
			return false
		})
	}
	smallest := make([]int, len(rules))
	for i := range rules {
		smallest[i] = i
	}
	slices.SortStableFunc(smallest, func(i, j int) int { return rules[i].size() - rules[j].size() })
	for _, i := range smallest {
		for d := range rules[i].product {
			for _, n := range slices.Clone(rules[i].product[d]) {
				part := rules[i].product
				if part[d] = []int{n}; others(i, part) {
					rules[i].product[d] = slices.DeleteFunc(slices.Clone(rules[i].product[d]), func(m int) bool { return m == n })
				}
			}
		}
	}
	return slices.DeleteFunc(rules, func(r rule) bool { return r.size() == 0 })
}
