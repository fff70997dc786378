package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
)

// shared is one part for all tests that ask for this name: start makes it when the first does, and it ends with the test binary.
// It is for what takes long to start and knows nothing of the test: upstreams, authorization servers. What start hands to Cleanup
// and TempDir of its t lasts as long as the part. A test that fails is shown what the part's processes wrote; if start fails, the
// next test tries again.
func shared[T any](t testing.TB, name string, start func(t testing.TB) T) T {
	t.Helper()
	partsLock.Lock()
	p := parts[name]
	if p == nil {
		p = &sharedPart{}
		parts[name] = p
	}
	partsLock.Unlock()

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made == nil {
		l := &lasting{TB: t}
		defer func() {
			if p.made == nil {
				l.end()
			}
			l.over = true
		}()
		made := start(l)
		p.made, p.processes = made, l.processes
		partsLock.Lock()
		started = append(started, l)
		partsLock.Unlock()
	}
	t.Cleanup(func() {
		for _, process := range p.processes {
			if t.Failed() {
				t.Logf("%s, which other tests use too, wrote at last:\n%s", process.name, process.out.tail())
			}
		}
	})
	return p.made.(T)
}

// sharedPart is what shared has for a name. made is nil until it has started.
type sharedPart struct {
	mu        sync.Mutex
	made      any
	processes []*process
}

var (
	partsLock sync.Mutex
	parts     = map[string]*sharedPart{}
	started   []*lasting
)

// lasting is the t of a part. While the part starts it is that of the test that asked; afterwards, when that test may be over, what
// it is told goes to the standard error.
type lasting struct {
	testing.TB
	over      bool
	wrong     bool // something was, afterwards
	cleanups  []func()
	processes []*process
}

func (l *lasting) Context() context.Context { return context.Background() }

func (l *lasting) Cleanup(f func()) { l.cleanups = append(l.cleanups, f) }

func (l *lasting) end() {
	for _, cleanup := range slices.Backward(l.cleanups) {
		cleanup()
	}
}

func (l *lasting) TempDir() string {
	l.Helper()
	folder, err := os.MkdirTemp(bin, "part-") // bin goes with the test binary
	if err != nil {
		l.Fatal(err)
	}
	return folder
}

func (l *lasting) Logf(format string, args ...any) {
	if !l.over {
		l.Helper()
		l.TB.Logf(format, args...)
		return
	}
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (l *lasting) Errorf(format string, args ...any) {
	if !l.over {
		l.Helper()
		l.TB.Errorf(format, args...)
		return
	}
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	l.wrong = true
}

// endParts ends all parts, the last first, and reports whether nothing was wrong with them.
func endParts() bool {
	well := true
	for _, l := range slices.Backward(started) {
		l.end()
		well = well && !l.wrong
	}
	return well
}
