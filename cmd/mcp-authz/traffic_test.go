package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// traffic is callers who go on until it ends. None of their calls may fail.
type traffic struct {
	t      *testing.T
	once   sync.Once
	stop   chan struct{}
	all    sync.WaitGroup
	rounds []*atomic.Int64
}

func newTraffic(t *testing.T) *traffic {
	return &traffic{t: t, stop: make(chan struct{})}
}

// end lets every caller finish the call that it makes. It comes before the test's context ends.
func (f *traffic) end() {
	f.once.Do(func() { close(f.stop) })
	f.all.Wait()
}

// caller calls again and again.
func (f *traffic) caller(what string, call func() error) {
	rounds := new(atomic.Int64)
	f.rounds = append(f.rounds, rounds)
	f.all.Go(func() {
		for {
			select {
			case <-f.stop:
				return
			default:
			}
			if err := call(); err != nil {
				f.t.Errorf("%s: call %d failed: %v", what, rounds.Load(), err)
				return
			}
			rounds.Add(1)
		}
	})
}

// pass waits until every caller has made a whole call that began after now.
func (f *traffic) pass(after string) {
	f.t.Helper()
	for i, rounds := range f.rounds {
		want := rounds.Load() + 2
		eventually(f.t, fmt.Sprintf("call %d of caller %d, after %s", want, i, after), func() bool { return f.t.Failed() || rounds.Load() >= want })
	}
}
