// Package files reads files that others rotate, and is never held up by one: not by a pipe, not by a file system that hangs.
package files

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// What a file can be beside unreadable.
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrTooLarge   = errors.New("larger than it may be")
	ErrSlow       = errors.New("not read in time")
)

// Reader reads one file. Name and Limit, in bytes, must not change. It is safe for concurrent use; those who read at the same
// time share one reading, so that a file system that hangs holds one goroutine and no more.
type Reader struct {
	Name  string
	Limit int64

	mu      sync.Mutex
	count   uint64
	running *reading
}

type reading struct {
	number uint64
	done   chan struct{}
	data   []byte
	err    error
}

// Read returns what the file holds, and a number that grows with each reading. The error is one of this package, or one of
// package os. Read ends with ctx at the latest.
func (r *Reader) Read(ctx context.Context) (data []byte, number uint64, err error) {
	r.mu.Lock()
	one := r.running
	if one == nil {
		r.count++
		one = &reading{number: r.count, done: make(chan struct{})}
		r.running = one
		go r.run(one)
	}
	r.mu.Unlock()
	select {
	case <-one.done:
		return one.data, one.number, one.err
	case <-ctx.Done():
		return nil, one.number, ErrSlow
	}
}

func (r *Reader) run(one *reading) {
	one.data, one.err = read(r.Name, r.Limit)
	r.mu.Lock()
	r.running = nil
	r.mu.Unlock()
	close(one.done)
}

func read(name string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that nobody writes would not open otherwise
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > limit:
		return nil, ErrTooLarge
	}
	return data, nil
}
