// Command mutants shows that every security check of packages authz, authz/token and authz/kube is under test: it takes each
// condition, loop, flag and statement away in turn, and a test must turn red. What no test notices stands in survivors.txt with the
// reason why nobody could notice, or the command fails.
//
// All mutants are compiled once, into the test binaries, and the environment says which one is in force. No file is changed.
// Run it at the root of the repository, as "make mutants" does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"
)

// mutated are the packages under test, and whose tests are to notice, nearest first.
func mutated() []target {
	return []target{
		{dir: "authz", tests: []string{"authz", "authz/extauthz"}},
		{dir: "authz/token", tests: []string{"authz/token"}},
		// What talks to the API server and judges nothing is tested against a real one, in deploy/e2e/declarations_test.go. That takes
		// minutes, not the moment that there is for each mutant.
		{dir: "authz/kube", tests: []string{"authz/kube", "authz/kube/v1alpha1"}, left: []string{
			"leader.go", "watch.go", "write.go", "Cluster", "New", "connect", "signal", "routeWriter", "newRouteWriter",
		}},
	}
}

type target struct {
	dir   string
	tests []string
	left  []string // as they are: files, functions, and all methods of a type
}

func main() {
	only := flag.String("run", "", "try only the mutants whose line matches this regular expression")
	list := flag.Bool("list", false, "list the mutants, try none")
	all := flag.Bool("all", false, "run the slow tests on explained survivors, too")
	verbose := flag.Bool("v", false, "say of each mutant which test noticed it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, *only, *list, *all, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !ok {
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, list, all, verbose bool) (ok bool, err error) {
	began := time.Now()
	chosen, err := regexp.Compile(only)
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(".ci/mutants/survivors.txt")
	if err != nil {
		return false, err
	}
	reasons, err := explanations(string(text))
	if err != nil {
		return false, err
	}
	s, err := newSchemata(mutated())
	if err != nil {
		return false, err
	}
	var tried []mutant
	for _, m := range s.mutants {
		if chosen.MatchString(m.String()) {
			tried = append(tried, m)
		}
	}
	if list {
		for _, m := range tried {
			fmt.Printf("%d %s:%d: %s\n", m.id, m.file, m.line, m)
		}
		return s.explained(reasons), nil
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system's own
	suites, err := build(ctx, dir, s, tried)
	if err != nil {
		return false, err
	}
	t := &trial{suites: suites, reasons: reasons, all: all, kills: map[string]int{}}
	fates := t.try(ctx, tried)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	report := judge(fates, reasons, only == "", verbose)
	fmt.Print(report.text)
	fmt.Printf("%d checks, %d killed (%d by the clock), %d survivors, %d of them explained, in %v\n",
		len(tried), report.killed, report.clock, len(tried)-report.killed, report.explained, time.Since(began).Round(time.Second))
	return report.ok, nil
}
