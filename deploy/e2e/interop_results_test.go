package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// results are what became of every cell that was ever run: testdata/interop/results.txt, which docs/interop.md shows.
type results map[cell]string

// order puts cells as the page shows them.
func order(a, b cell) int {
	return cmp.Or(
		cmp.Compare(slices.IndexFunc(interopClients, func(c interopClient) bool { return c.id == a.client }), slices.IndexFunc(interopClients, func(c interopClient) bool { return c.id == b.client })),
		cmp.Compare(slices.IndexFunc(journeys, func(j journey) bool { return j.id == a.journey }), slices.IndexFunc(journeys, func(j journey) bool { return j.id == b.journey })),
		cmp.Compare(slices.Index(interopServers, a.server), slices.Index(interopServers, b.server)),
		cmp.Compare(slices.Index(interopUpstreams, a.upstream), slices.Index(interopUpstreams, b.upstream)),
	)
}

// write groups the upstreams with the same outcome: CLIENT JOURNEY SERVER | UPSTREAM… | OUTCOME.
func (r results) write(t testing.TB) {
	t.Helper()
	var lines []string
	at := map[string]int{}
	for _, c := range slices.SortedFunc(maps.Keys(r), order) {
		if !slices.Contains(whole(), c) { // of a matrix that was
			delete(r, c)
			continue
		}
		head, outcome := c.client+" "+c.journey+" "+c.server, r[c]
		key := head + outcome
		if n, known := at[key]; known {
			lines[n] = strings.Replace(lines[n], " | "+outcome, " "+c.upstream+" | "+outcome, 1)
			continue
		}
		at[key] = len(lines)
		lines = append(lines, head+" | "+c.upstream+" | "+outcome)
	}
	all := " | " + strings.Join(interopUpstreams, " ") + " | "
	text := strings.Join(lines, "\n") + "\n"
	write(t, filepath.Join(interopData, "results.txt"), strings.ReplaceAll(text, all, " | all | "))
}

func readResults(t testing.TB) results {
	t.Helper()
	out := results{}
	for line := range strings.Lines(read(t, filepath.Join(interopData, "results.txt"))) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " | ", 3)
		head := strings.Fields(parts[0])
		if len(parts) != 3 || len(head) != 3 {
			t.Fatalf("results.txt: %q", line)
		}
		upstreams := strings.Fields(parts[1])
		if parts[1] == "all" {
			upstreams = interopUpstreams
		}
		for _, upstream := range upstreams {
			out[cell{head[0], head[1], head[2], upstream}] = parts[2]
		}
	}
	return out
}

// reason is why something does not simply work: a line of testdata/interop/reasons.txt.
//
//	CLIENT… | JOURNEY… | SERVER… | UPSTREAM… | BEGINNING OF THE OUTCOME | why, and what helps
type reason struct {
	clients, journeys, servers, upstreams []string // "*": all
	outcome, text                         string
}

func readReasons(t testing.TB) (all []reason) {
	t.Helper()
	for line := range strings.Lines(read(t, filepath.Join(interopData, "reasons.txt"))) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, " | ", 6)
		if len(parts) != 6 {
			t.Fatalf("reasons.txt: %q", line)
		}
		all = append(all, reason{strings.Fields(parts[0]), strings.Fields(parts[1]), strings.Fields(parts[2]), strings.Fields(parts[3]), strings.TrimSpace(parts[4]), parts[5]})
	}
	return all
}

// of is the first reason that fits, or -1.
func of(reasons []reason, c cell, outcome string) int {
	in := func(list []string, id string) bool { return slices.Contains(list, "*") || slices.Contains(list, id) }
	return slices.IndexFunc(reasons, func(r reason) bool {
		return in(r.clients, c.client) && in(r.journeys, c.journey) && in(r.servers, c.server) && in(r.upstreams, c.upstream) && strings.HasPrefix(outcome, r.outcome)
	})
}

// unexplained are the outcomes that nobody gave a reason for, and the reasons that nothing has.
func unexplained(t testing.TB, r results) (lines []string) {
	t.Helper()
	reasons := readReasons(t)
	used := make([]bool, len(reasons))
	for _, c := range slices.SortedFunc(maps.Keys(r), order) {
		if r[c] == works {
			continue
		}
		if n := of(reasons, c, r[c]); n >= 0 {
			used[n] = true
		} else {
			lines = append(lines, fmt.Sprintf("%s: %s", c, r[c]))
		}
	}
	for n, use := range used {
		if !use {
			lines = append(lines, "no outcome has the reason "+reasons[n].text)
		}
	}
	return lines
}

const works = "works"
