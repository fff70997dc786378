package files

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestRead(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(folder, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	good, long := write("good", strings.Repeat("x", 100)), write("long", strings.Repeat("x", 101))
	pipe, link := filepath.Join(folder, "pipe"), filepath.Join(folder, "link")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(good, link)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		good: nil, link: nil, long: ErrTooLarge, pipe: ErrNotRegular, folder: ErrNotRegular, "/dev/zero": ErrNotRegular,
		filepath.Join(folder, "none"): os.ErrNotExist,
	} {
		r := &Reader{Name: name, Limit: 100}
		data, _, err := r.Read(t.Context())
		if !errors.Is(err, want) || want == nil && len(data) != 100 || want != nil && data != nil {
			t.Errorf("%s: %d bytes, %v, want %v", name, len(data), err, want)
		}
	}
}

// TestReadThatHangs: whoever reads a file that hangs gives up with his context, all of them share one reading, and once it is
// over the file is read anew.
func TestReadThatHangs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &Reader{Name: name, Limit: 100}
	hung := &reading{number: 1, done: make(chan struct{})} // a reading that is under way
	r.count, r.running = 1, hung
	over, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, number, err := r.Read(over); !errors.Is(err, ErrSlow) || number != 1 {
				t.Errorf("%v, of reading %d", err, number)
			}
		})
	}
	wg.Wait()
	r.run(hung) // it goes on
	data, number, err := r.Read(t.Context())
	if string(data) != "text" || number != 2 || err != nil {
		t.Errorf("%q, %d, %v", data, number, err)
	}
}
