//go:build unix

// Command demo runs an unmodified MCP server behind a real Envoy and mcp-authz, with a development authorization server, all on
// this machine, and prints what to try. It is run by make demo, from the root of the repository.
//
//	ENVOY=path     uses that Envoy instead of fetching one
//	DEMO_ONCE=1    runs the printed lines itself, compares the answers, and exits with 0 or 1
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	runtime.LockOSThread() // children end with the thread that started them: see attributes
	os.Exit(run())
}

// errAsked is why a demo ends that was asked to.
var errAsked = errors.New("asked to stop")

// run is the whole demo; whatever ends it, what it started is gone when it returns.
func run() int {
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	d := &demo{end: end}
	d.watchSignals()
	go watchParent(ctx, end)

	passed, err := d.run(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // an error after the end was caused by it
	}
	d.stop()
	switch {
	case errors.Is(err, errAsked) && d.running && !once():
		fmt.Println("Stopped, nothing is left.")
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	case !passed:
		return 1
	}
	return 0
}

func once() bool { return os.Getenv("DEMO_ONCE") == "1" }

// run prepares and starts everything, and returns when ctx ends or, with DEMO_ONCE, when all was tried.
func (d *demo) run(ctx context.Context) (passed bool, err error) {
	if err := d.prepare(ctx); err != nil {
		return false, err
	}
	if err := d.startAll(ctx); err != nil {
		return false, err
	}
	d.running = true
	d.describe(os.Stdout)
	if once() {
		return tryAll(ctx, os.Stdout), nil
	}
	fmt.Println("Ctrl-C stops everything.")
	<-ctx.Done()
	return true, nil
}

// watchSignals lets the first signal end the demo, and a second one without patience.
func (d *demo) watchSignals() {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	go func() {
		<-signals
		d.end(errAsked)
		<-signals
		d.kill()
	}()
}

// watchParent ends the demo when its parent does: "go run" dies of a SIGTERM without passing it on.
func watchParent(ctx context.Context, end context.CancelCauseFunc) {
	parent := os.Getppid()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if os.Getppid() != parent {
				end(errAsked)
				return
			}
		}
	}
}
