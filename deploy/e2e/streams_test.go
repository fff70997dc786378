package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// many is how many event streams are open at once: more than ten times what one HTTP/2 connection may have at Envoy.
const many = 1000

// streamServer has event streams that stay open: each begins with an event, goes on when the server says so, and then either ends,
// or lasts until its client goes.
type streamServer struct {
	addr string
	next chan struct{} // closed: go on

	begun, ended, left atomic.Int64 // streams: begun, ended by the server, left by their client
}

func newStreamServer(t testing.TB) *streamServer {
	t.Helper()
	s := &streamServer{next: make(chan struct{})}
	s.addr = served(t, s)
	return s
}

func (s *streamServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	session := r.Header.Get("Mcp-Session-Id")
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Mcp-Session-Id", session)
	say := func(n int) {
		fmt.Fprintf(w, "id: %s/%d\ndata: {\"for\":%q}\n\n", session, n, session)
		_ = out.Flush()
	}
	say(0)
	s.begun.Add(1)
	select {
	case <-s.next:
	case <-r.Context().Done():
		return // the test shows it: this stream has no other events
	}
	for n := range 4 {
		say(n + 1)
	}
	if r.Header.Get("X-Lasts") == "" {
		s.ended.Add(1)
		return
	}
	<-r.Context().Done()
	s.left.Add(1)
}

// TestManyStreams: 1,000 event streams are open at once, half over HTTP/1.1 and half over HTTP/2, each with the events that are its
// own; half of them the server ends, the others their clients leave, which the server hears. Nothing is left open, and no limit of
// the shipped file was reached. Each is judged once, when it begins (E-27, E-36).
func TestManyStreams(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < 4*many {
		t.Fatalf("this process may open %d files, too few for %d streams from end to end: %v", files.Cur, many, err)
	}
	for _, version := range []string{oldest, newest} {
		t.Run(version, func(t *testing.T) {
			server := newStreamServer(t)
			g := newGate(t, version, server.addr, "localhost:3000")
			clients := []*http.Client{protocols["HTTP/1.1"](), protocols["HTTP/2"]()}
			var all sync.WaitGroup
			var good atomic.Int64
			goOn := sync.OnceFunc(func() { close(server.next) })
			defer all.Wait()
			defer goOn()
			for n := range many {
				session, lasts := fmt.Sprintf("session-%d", n), n%4 > 1
				r := g.request(t, http.MethodGet, nil, "Accept", "text/event-stream", "Mcp-Session-Id", session)
				if lasts {
					r.Header.Set("X-Lasts", "yes")
				}
				all.Go(func() {
					resp, err := clients[n%2].Do(r)
					if err != nil {
						t.Errorf("%s: %v", session, err)
						return
					}
					defer resp.Body.Close()
					whole, got := &ending{Reader: resp.Body}, 0
					for e := range events(whole) {
						if want := (event{id: fmt.Sprint(session, "/", got), data: fmt.Sprintf(`{"for":%q}`, session)}); e != want {
							t.Errorf("%s: %v, want %v", session, e, want)
						}
						if got++; lasts && got == 5 {
							break
						}
					}
					if resp.StatusCode != http.StatusOK || resp.Header.Get("Mcp-Session-Id") != session || got != 5 || !lasts && !errors.Is(whole.err, io.EOF) {
						t.Errorf("%s: %s %v, %d events, then %v", session, resp.Status, resp.Header, got, whole.err)
						return
					}
					good.Add(1)
				})
			}
			eventually(t, "all streams have begun", func() bool { return g.running() && server.begun.Load() == many })
			if active := g.upstreamStat(t, "upstream_rq_active"); active != many {
				t.Errorf("%d streams are open at Envoy, want %d", active, many)
			}
			goOn()
			all.Wait()
			if good.Load() != many {
				t.Errorf("%d streams of %d were as they should be", good.Load(), many)
			}
			eventually(t, "the server has heard of all ends", func() bool { return server.ended.Load()+server.left.Load() == many })
			if server.ended.Load() != many/2 || server.left.Load() != many/2 {
				t.Errorf("the server ended %d streams, and %d were left", server.ended.Load(), server.left.Load())
			}
			eventually(t, "nothing is open at Envoy", func() bool { return g.upstreamStat(t, "upstream_rq_active") == 0 })
			for _, limit := range []string{"upstream_cx_overflow", "upstream_rq_pending_overflow", "upstream_rq_retry", "upstream_rq_timeout"} {
				if n := g.upstreamStat(t, limit); n != 0 {
					t.Errorf("%s is %d", limit, n)
				}
			}
			if allowed := g.allowed(t); allowed != many {
				t.Errorf("%d requests were allowed, want %d; %d checks were asked again", allowed, many, g.counted(t, "upstream_rq_retry"))
			}
			for _, client := range clients {
				client.CloseIdleConnections()
			}
		})
	}
}
