package main

import (
	"bytes"
	"io"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	queuedLines = 4096        // that wait for whoever reads the log
	flushTime   = time.Second // for them, at the end of the process
)

// lineWriter writes the log behind the back of those who log: where nobody reads it, no check may wait for it. Lines stay in
// order and whole; those that find the queue full are dropped and counted.
type lineWriter struct {
	out     io.Writer
	dropped prometheus.Counter
	written chan struct{} // closed when nothing is left to write

	mu    sync.Mutex
	queue chan []byte // nil after end
}

func newLineWriter(out io.Writer, registry prometheus.Registerer) *lineWriter {
	l := &lineWriter{
		out: out, queue: make(chan []byte, queuedLines), written: make(chan struct{}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricLinesDropped, Help: "Lines of the log that were dropped, because nobody read them or they could not be written.",
		}),
	}
	registry.MustRegister(l.dropped)
	go l.run(l.queue)
	return l
}

// Write implements io.Writer for a slog.Handler: one call is one line. It never waits.
func (l *lineWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.queue <- bytes.Clone(line): // never, if it is nil
	default:
		l.dropped.Inc()
	}
	return len(line), nil
}

func (l *lineWriter) run(queue <-chan []byte) {
	defer close(l.written)
	for line := range queue {
		if _, err := l.out.Write(line); err != nil {
			l.dropped.Inc()
		}
	}
}

// end takes no more lines and returns once those that wait are written, or after flushTime. It is called once.
func (l *lineWriter) end() {
	l.mu.Lock()
	close(l.queue)
	l.queue = nil
	l.mu.Unlock()
	select {
	case <-l.written:
	case <-time.After(flushTime):
	}
}
