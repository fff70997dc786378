//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 5 * time.Second // after SIGTERM; then SIGKILL
	tailBytes   = 4 << 10         // of a log, shown when something fails
)

// demo is what runs.
type demo struct {
	end     context.CancelCauseFunc
	folder  string // temporary: binaries and logs
	running bool   // everything is up
	envoy   string // the binary
	server  upstream

	mu        sync.Mutex
	processes []*process // in the order of their start
	stopping  bool
}

// process is a child with a group of its own: a Ctrl-C in the terminal reaches the demo alone, which then stops the others in
// order, and what they started themselves with them.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
	err  error         // of its end, once done is closed
}

// launch starts a child that logs to a file.
func (d *demo) launch(ctx context.Context, name string, command ...string) (*process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping || ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	log, err := os.Create(filepath.Join(d.folder, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// Not bound to ctx: its end stops the children in order, not all at once.
	p := &process{name: name, cmd: exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...), log: log.Name(), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = log, log, attributes()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w", name, err)
	}
	d.processes = append(d.processes, p)
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// component starts a child that is to run until the demo ends: its end is the demo's. It returns when ready says nil.
func (d *demo) component(ctx context.Context, name string, ready func(context.Context) error, command ...string) error {
	p, err := d.launch(ctx, name, command...)
	if err != nil {
		return err
	}
	go func() {
		<-p.done
		d.end(p.failure("ended", p.err)) // no effect if the demo has ended before
	}()
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var reason error
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil { // else it only says that time is up
			reason = err
		}
		select {
		case <-p.done:
			return p.failure("ended", p.err)
		case <-ctx.Done():
			return p.failure(fmt.Sprintf("is not ready after %v", readyWithin), reason)
		case <-tick.C:
		}
	}
}

// tool runs a child to its end.
func (d *demo) tool(ctx context.Context, name string, command ...string) error {
	p, err := d.launch(ctx, name, command...)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.done:
	}
	p.signal(syscall.SIGKILL) // what it left behind
	d.forget(p)
	if p.err != nil {
		return p.failure("failed", p.err)
	}
	return nil
}

// forget drops a child that has ended: its number may become another process's.
func (d *demo) forget(p *process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.processes = slices.DeleteFunc(d.processes, func(q *process) bool { return p == q })
}

// failure says what became of a process, with the end of its log.
func (p *process) failure(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%s %s; the end of its log:\n%s", p.name, what, p.tail())
	}
	return fmt.Errorf("%s %s: %w; the end of its log:\n%s", p.name, what, err, p.tail())
}

func (p *process) tail() []byte {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return nil
	}
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
		if _, whole, cut := bytes.Cut(text, []byte("\n")); cut {
			text = whole
		}
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return []byte("  (empty)")
	}
	return append([]byte("  "), bytes.ReplaceAll(text, []byte("\n"), []byte("\n  "))...)
}

// stop ends every child, the last one started first, and removes what the demo made.
func (d *demo) stop() {
	d.mu.Lock()
	d.stopping = true
	all := slices.Clone(d.processes)
	d.mu.Unlock()
	for _, p := range slices.Backward(all) {
		p.signal(syscall.SIGTERM)
		if !p.gone(stopWithin) {
			p.signal(syscall.SIGKILL)
			p.gone(stopWithin)
		}
	}
	if d.folder != "" {
		if err := os.RemoveAll(d.folder); err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
	}
}

// kill ends every child at once.
func (d *demo) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.processes {
		p.signal(syscall.SIGKILL)
	}
}

// signal reaches the child and all that it started, which may outlive it.
func (p *process) signal(s syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, s) // an error says that none is left
}

// gone waits until none of the group is left.
func (p *process) gone(within time.Duration) bool {
	deadline := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(-p.cmd.Process.Pid, 0) == nil {
		select {
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}
