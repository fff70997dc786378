package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"sync"
)

// fate is what became of a mutant.
type fate struct {
	mutant
	killer string // the test that noticed it, "" if none did
	clock  bool   // it ran for ever
}

// atOnce is how many mutants are tried at once on each processor: tests that a mutant breaks often wait for what never comes.
const atOnce = 3

// trial tries mutants.
type trial struct {
	suites  map[string]*suite
	reasons map[string]string // of survivors that are explained: they are spared the slow tests
	all     bool              // nothing is spared

	mu    sync.Mutex
	kills map[string]int // by step: what noticed much is asked first
}

// try runs the tests with each mutant in force. The fates come in the order of the mutants.
func (t *trial) try(ctx context.Context, mutants []mutant) []fate {
	fates := make([]fate, len(mutants))
	next := make(chan int)
	var workers sync.WaitGroup
	for range atOnce * runtime.NumCPU() {
		workers.Go(func() {
			for n := range next {
				fates[n] = t.meet(ctx, mutants[n])
			}
		})
	}
	for n := range mutants {
		if ctx.Err() != nil {
			break
		}
		next <- n
		if n%100 == 99 {
			fmt.Fprintf(os.Stderr, "%d of %d\n", n+1, len(mutants))
		}
	}
	close(next)
	workers.Wait()
	return fates
}

// meet runs the quick tests of every package that is to notice a mutant, then the slow ones, until one notices.
func (t *trial) meet(ctx context.Context, m mutant) fate {
	var steps, slow []step
	for _, pkg := range m.tests {
		s := t.suites[pkg]
		steps = append(steps, s.quick)
		if t.reasons[m.String()] == "" || t.all {
			slow = append(slow, s.slow...)
		}
	}
	for _, s := range append(steps, t.order(slow)...) {
		out, err := s.command(ctx, m.id).CombinedOutput()
		if err == nil {
			continue
		}
		t.mu.Lock()
		t.kills[s.which]++
		t.mu.Unlock()
		f := fate{m, "a crash", bytes.Contains(out, []byte("panic: test timed out after"))}
		if by := failed.FindSubmatch(out); by != nil {
			f.killer = string(by[1])
		}
		f.killer += " of " + s.suite.dir
		return f
	}
	return fate{mutant: m}
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

func (t *trial) order(steps []step) []step {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.SortStableFunc(steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(t.kills[b.which], t.kills[a.which]), cmp.Compare(a.took, b.took))
	})
	return steps
}
