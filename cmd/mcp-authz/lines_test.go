package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials/insecure"
)

// stalled is a process whose standard error, a pipe, nobody reads from "ready" on, until read is called.
func stalled(t *testing.T) (p *process, read func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p = &process{t: t, log: newJournal(), ended: make(chan struct{})}
	p.cmd = exec.Command(program(t), "serve", "--config", file(t, anyPorts+corp(authorizationServer(t))+github))
	p.cmd.Stderr = w
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // else the race detector gives the log a second more
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		r.Close()
		p.log.mustBeJSON(t)
	})
	from := bufio.NewReader(r)
	for len(p.log.all("ready")) == 0 {
		line, err := from.ReadBytes('\n')
		p.log.Write(line)
		if err != nil {
			t.Fatalf("%v after\n%s", err, p.log.text())
		}
	}
	line := p.log.wait(t, "serving", 1)
	p.grpc, p.admin = line["grpc"].(string), line["admin"].(string)
	return p, func() {
		go func() {
			io.Copy(p.log, from)
			p.log.end()
		}()
	}
}

// checks asks n times without a token, on several connections, with lines in the log that are long.
func (p *process) checks(n int) {
	p.t.Helper()
	const callers = 8
	long := anonymous()
	long.Path += "/" + strings.Repeat("x", maxFieldBytes)
	long.Header = [][2]string{{"Mcp-Name", long.Path}}
	var all sync.WaitGroup
	for i := range callers {
		conn := p.dial(insecure.NewCredentials())
		all.Go(func() {
			for range (n + i) / callers {
				if v, err := checkOver(p.t.Context(), conn, long); err != nil || v.Status != 401 {
					p.t.Errorf("with a log that nobody reads: %v, %d %s", err, v.Status, v.Reason)
					return
				}
			}
		})
	}
	all.Wait()
	if p.t.Failed() {
		p.t.FailNow()
	}
}

// Invariant 1: a check is answered whether anybody reads the log or not. What is not read is counted; what is not counted
// can be read, line by line, once somebody does again.
func TestNobodyReadsTheLog(t *testing.T) {
	p, read := stalled(t)
	const n = queuedLines + 2000 // the pipe holds some, too
	p.checks(n)
	dropped, err := strconv.Atoi(p.metric(metricLinesDropped))
	if err != nil || dropped == 0 || dropped >= n {
		t.Fatalf("%s is %d (%v) after %d checks", metricLinesDropped, dropped, err, n)
	}
	before := p.log.count()
	read()
	eventually(t, "every line that was not dropped", func() bool { return p.log.count() >= before+n-dropped })
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	p.mustEndWith("stopped", n-dropped)
}

// What was logged before the end is there after it.
func TestTheLogIsWrittenToItsEnd(t *testing.T) {
	p, read := stalled(t)
	const n = 3000 // more than the pipe holds
	p.checks(n)
	p.signal(syscall.SIGTERM)
	eventually(t, "nothing but the log to be left", func() bool {
		conn, err := net.Dial("tcp", p.admin)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	read()
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	p.mustEndWith("stopped", n)
}

// A log that nobody reads any more does not keep the process from its end.
func TestTheEndWithoutAReader(t *testing.T) {
	p, _ := stalled(t)
	p.checks(2000)
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
}

func (p *process) mustEndWith(msg string, decisions int) {
	p.t.Helper()
	eventually(p.t, "the end of the log", func() bool { p.log.mu.Lock(); defer p.log.mu.Unlock(); return p.log.over })
	lines := strings.Split(p.log.text(), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, `"msg":"`+msg+`"`) {
		p.t.Errorf("the last line is %s", last)
	}
	if got := len(p.log.all("decision")); got != decisions {
		p.t.Errorf("%d decision lines, want %d", got, decisions)
	}
}

func (j *journal) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

// gate is a writer that lets one write through for each token; a token that is an error makes it fail.
type gate struct {
	tokens chan error
	got    []string
}

func (g *gate) Write(b []byte) (int, error) {
	err := <-g.tokens
	if err == nil {
		g.got = append(g.got, string(b))
	}
	return len(b), err
}

// The queue alone, with time standing still: order, bound, failed writes, and the end.
func TestLineWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &gate{tokens: make(chan error)}
		registry := prometheus.NewRegistry()
		l := newLineWriter(out, registry)
		dropped := func() float64 {
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			return families[0].GetMetric()[0].GetCounter().GetValue()
		}
		buffer := make([]byte, 0, 16)
		line := func(i int) string { return fmt.Sprintf("line %d\n", i) }
		for i := range queuedLines + 3 {
			buffer = append(buffer[:0], line(i)...) // slog uses its buffers again
			if n, err := l.Write(buffer); n != len(buffer) || err != nil {
				t.Fatal(n, err)
			}
			synctest.Wait() // the first one is out of the queue
		}
		if dropped() != 2 {
			t.Errorf("%v lines dropped, want 2", dropped())
		}
		out.tokens <- errors.New("disk full")
		for range queuedLines / 2 {
			out.tokens <- nil
		}
		synctest.Wait()
		if dropped() != 3 {
			t.Errorf("%v lines dropped, want 3", dropped())
		}

		l.end() // returns, although nobody reads
		if n, err := l.Write([]byte("late\n")); n != 5 || err != nil || dropped() != 4 {
			t.Errorf("after the end: %d, %v, %v lines dropped", n, err, dropped())
		}
		close(out.tokens)
		<-l.written
		if len(out.got) != queuedLines {
			t.Fatalf("%d lines written, want %d", len(out.got), queuedLines)
		}
		for i, got := range out.got {
			if got != line(i+1) {
				t.Fatalf("%q is line %d", got, i+1)
			}
		}
	})
}
