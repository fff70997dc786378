package e2e

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clients of steady traffic. Each waits for its answer, so no more requests are in flight at once.
const clients = 8

// traffic is clients that send one request after another, with a token and without in turn, and know what should come back.
type traffic struct {
	good  atomic.Int64 // requests that got the answer that belongs to them
	phase atomic.Int64 // of the test; a request belongs to the one in which it began

	mu  sync.Mutex
	bad []failure
}

// failure is another answer than belongs to the request; status 0 is none at all.
type failure struct {
	phase  int64
	token  bool
	status int
	body   string
}

// steady starts the clients. They send until the test ends.
func steady(t testing.TB, gateway, token string) *traffic {
	t.Helper()
	f := &traffic{}
	end := make(chan struct{})
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			client := newClient()
			defer client.CloseIdleConnections()
			pace := time.NewTicker(4 * time.Millisecond) // enough for the purpose; the machine has other things to do
			defer pace.Stop()
			for n := 0; ; n++ {
				select {
				case <-pace.C:
				case <-end:
					return
				}
				if n%2 == 0 {
					f.send(client, gateway, token)
				} else {
					f.send(client, gateway, "")
				}
			}
		})
	}
	t.Cleanup(func() {
		close(end)
		running.Wait()
	})
	return f
}

func newClient() *http.Client { return &http.Client{Transport: &http.Transport{}, Timeout: patience} }

// send sends one request and counts its answer.
func (f *traffic) send(client *http.Client, gateway, token string, headers ...string) {
	phase := f.phase.Load()
	got := ask(client, gateway, token, headers...)
	good := got.status == http.StatusUnauthorized && strings.HasPrefix(got.header.Get("Www-Authenticate"), "Bearer resource_metadata=")
	if token != "" {
		good = got.status == http.StatusOK && got.header.Get("X-Upstream") == "guarded"
	}
	if good {
		f.good.Add(1)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bad = append(f.bad, failure{phase, token != "", got.status, got.body})
}

// ask sends one request.
func ask(client *http.Client, gateway, token string, headers ...string) answer {
	r, err := http.NewRequest(http.MethodPost, "http://"+gateway+"/github/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	if err != nil {
		return answer{body: err.Error()}
	}
	r.Host = "mcp.example.com"
	for _, value := range headers {
		r.Header.Add("X-More", value)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// failed returns what failed since the last call.
func (f *traffic) failed() []failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.bad
	f.bad = nil
	return all
}

// noneFailed is that nothing failed since the last call.
func (f *traffic) noneFailed(t testing.TB) {
	t.Helper()
	if all := f.failed(); len(all) != 0 {
		t.Errorf("%d requests failed, the first of them %+v", len(all), all[:min(len(all), 3)])
	}
}

// byEnvoy is that a failure was Envoy's refusal in the place of mcp-authz: 503 without a body. Every answer of ours has one.
func (f failure) byEnvoy() bool { return f.status == http.StatusServiceUnavailable && f.body == "" }

// guarded is an upstream that counts what came in, and what should not have: a request without the identity that an allow adds.
type guarded struct {
	addr        string
	in, strange atomic.Int64
}

func newGuarded(t testing.TB) *guarded {
	t.Helper()
	g := &guarded{}
	g.addr = served(t, g)
	return g
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.in.Add(1)
	if !slices.Equal(r.Header.Values("X-Mcp-Subject"), []string{"alice"}) {
		g.strange.Add(1)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Upstream", "guarded")
}

// wasGuarded is that requests came in, and none that should not.
func (g *guarded) wasGuarded(t testing.TB) {
	t.Helper()
	if g.in.Load() == 0 || g.strange.Load() != 0 {
		t.Errorf("the upstream got %d requests, %d of them without the identity of a token", g.in.Load(), g.strange.Load())
	}
}
