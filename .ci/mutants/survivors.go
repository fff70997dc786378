package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// explanations reads survivors.txt: lines of mutants, then indented the reason why no test can notice them. "#" begins a
// comment.
func explanations(text string) (map[string]string, error) {
	reasons := map[string]string{}
	var open []string // mutants whose reason is to come, or being read
	told := false
	for n, line := range strings.Split(text, "\n") {
		reason := strings.TrimSpace(line)
		switch {
		case reason == "" || strings.HasPrefix(line, "#"):
		case line[0] == ' ' || line[0] == '\t':
			if told = true; len(open) == 0 {
				return nil, fmt.Errorf("survivors.txt:%d: a reason for nothing", n+1)
			}
			for _, m := range open {
				reasons[m] = strings.TrimSpace(reasons[m] + " " + reason)
			}
		default:
			if told {
				open, told = nil, false
			}
			if _, twice := reasons[line]; twice || slices.Contains(open, line) {
				return nil, fmt.Errorf("survivors.txt:%d: stands twice", n+1)
			}
			open = append(open, line)
		}
	}
	if len(open) > 0 && !told {
		return nil, fmt.Errorf("survivors.txt: %q has no reason", open)
	}
	return reasons, nil
}

// explained says whether every explanation is of a mutant that there is.
func (s *schemata) explained(reasons map[string]string) bool {
	there := map[string]bool{}
	for _, m := range s.mutants {
		there[m.String()] = true
	}
	ok := true
	for m := range reasons {
		if !there[m] {
			ok = false
			fmt.Fprintln(os.Stderr, "survivors.txt explains what does not exist: "+m)
		}
	}
	return ok
}

// report is the outcome. It is well if each survivor is explained and each explanation is of a survivor.
type report struct {
	text                     string
	killed, clock, explained int
	ok                       bool
}

func judge(fates []fate, reasons map[string]string, all, verbose bool) report {
	r := report{ok: true}
	var b strings.Builder
	survived := map[string]bool{}
	for _, f := range fates {
		if f.killer != "" {
			r.killed++
			if f.clock {
				r.clock++
			}
			if verbose || f.clock {
				fmt.Fprintf(&b, "%s:%d: %s: killed by %s\n", f.file, f.line, f.mutant, f.killer)
			}
			continue
		}
		survived[f.String()] = true
		if reasons[f.String()] != "" {
			r.explained++
			continue
		}
		r.ok = false
		fmt.Fprintf(&b, "%s:%d: no test notices and survivors.txt does not say why:\n%s\n", f.file, f.line, f.mutant)
	}
	for m := range reasons {
		if all && !survived[m] {
			r.ok = false
			fmt.Fprintf(&b, "survivors.txt explains what does not exist or is noticed by a test:\n%s\n", m)
		}
	}
	r.text = b.String()
	return r
}
