//go:build kubernetes

package kubernetes

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// traffic is clients that send one request after another, with a token and without in turn, and know what should come back.
type traffic struct {
	good atomic.Int64

	mu  sync.Mutex
	bad []answer
}

// steady sends to a URL until the test ends, through the Gateway's port of the node.
func steady(t testing.TB, url, token, namespace string) *traffic {
	t.Helper()
	f := &traffic{}
	end := make(chan struct{})
	var running sync.WaitGroup
	for range 8 { // requests in flight at once
		running.Go(func() {
			client := &http.Client{Transport: transport(), Timeout: patience}
			defer client.CloseIdleConnections()
			pace := time.NewTicker(5 * time.Millisecond)
			defer pace.Stop()
			for n := 0; ; n++ {
				select {
				case <-pace.C:
				case <-end:
					return
				}
				f.send(client, url, []string{token, ""}[n%2], namespace)
			}
		})
	}
	t.Cleanup(func() {
		close(end)
		running.Wait()
	})
	return f
}

func (f *traffic) send(client *http.Client, url, token, namespace string) {
	got := func() answer {
		r, err := http.NewRequest("POST", url, strings.NewReader(ping))
		if err != nil {
			return answer{body: err.Error()}
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
	}()
	if token != "" && got.allowed(namespace) || token == "" && got.challenged() {
		f.good.Add(1)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bad = append(f.bad, got)
}

// goesOn waits until that many more requests got their answers.
func (f *traffic) goesOn(t testing.TB, more int64) {
	t.Helper()
	from := f.good.Load()
	eventually(t, "requests get their answers", func() bool { return f.good.Load() >= from+more })
}

// noneFailed is that every request so far got the answer that belongs to it.
func (f *traffic) noneFailed(t testing.TB) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.bad) != 0 {
		t.Errorf("%d requests failed beside %d that did not; the first: %v", len(f.bad), f.good.Load(), f.bad[:min(3, len(f.bad))])
	}
}
