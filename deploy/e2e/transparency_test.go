package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"testing"
)

// How much of everything. The stream has 2,000 events of up to 64 KiB.
const (
	longStream = 2000
	longEvent  = 64 << 10
	atOnce     = 100 // of them come only after the one before has arrived
	bulk       = 10 << 20
)

// longPatience bounds a request that carries much.
const longPatience = 2 * patience

// bytesServer is an MCP server as far as bytes are concerned: a long event stream, and bodies without end in both directions. What
// it sent and got it knows by its hash.
type bytesServer struct {
	addr    string
	arrived chan int // events that the client has got, while the server waits for it
}

func newBytesServer(t testing.TB) *bytesServer {
	t.Helper()
	b := &bytesServer{arrived: make(chan int)}
	b.addr = served(t, b)
	return b
}

func (b *bytesServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	size, err := io.Copy(sum, r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("X-Got", fmt.Sprint(size, " ", hexSum(sum), " ", r.ContentLength))
	switch want := r.Header.Get("X-Want"); want {
	case "stream":
		w.Header().Set("Content-Type", "text/event-stream")
		b.stream(w, r)
	case "length", "chunks":
		w.Header().Set("Content-Type", "application/octet-stream")
		if want == "length" {
			w.Header().Set("Content-Length", strconv.Itoa(bulk))
		}
		w.Write(noise(bulk)) //nolint:errcheck // the client sees it
	}
}

// stream sends events in pieces that have nothing to do with their limits.
func (b *bytesServer) stream(w http.ResponseWriter, r *http.Request) {
	pieces := rand.New(rand.NewPCG(3, 4))
	out := http.NewResponseController(w)
	for n, e := range longEvents() {
		text := fmt.Appendf(nil, "event: %s\nid: %s\ndata: %s\n\n", e.kind, e.id, e.data)
		for len(text) > 0 {
			piece := min(len(text), 1+pieces.IntN(48<<10))
			if _, err := w.Write(text[:piece]); err != nil || out.Flush() != nil {
				return
			}
			text = text[piece:]
		}
		if n < atOnce {
			select {
			case <-b.arrived:
			case <-r.Context().Done():
				return
			}
		}
	}
}

// longEvents are the events of the stream, the same each time.
func longEvents() []event {
	sizes := rand.New(rand.NewPCG(1, 2))
	text := hex.EncodeToString(noise(longEvent))
	all := make([]event, longStream)
	for n := range all {
		from := sizes.IntN(longEvent)
		size := []int{sizes.IntN(64), sizes.IntN(8 << 10), sizes.IntN(longEvent), longEvent}[sizes.IntN(4)]
		all[n] = event{id: fmt.Sprintf("stream-7/%d", n), kind: "message", data: "{" + text[from:from+size] + "}"}
	}
	return all
}

// noise is bytes of every value, the same each time.
func noise(size int) []byte {
	out := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(out) //nolint:errcheck // never fails
	return out
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// protocols are what a client may speak to Envoy.
var protocols = map[string]func() *http.Client{
	"HTTP/1.1": func() *http.Client { return &http.Client{Transport: &http.Transport{DisableCompression: true}} },
	"HTTP/2": func() *http.Client {
		only := &http.Protocols{}
		only.SetUnencryptedHTTP2(true)
		return &http.Client{Transport: &http.Transport{DisableCompression: true, Protocols: only}}
	},
}

// through runs a test with both ends of Envoy and both protocols.
func through(t *testing.T, server string, do func(t *testing.T, g *gate, client *http.Client)) {
	for _, version := range []string{oldest, newest} {
		g := newGate(t, version, server, "localhost:3000")
		for _, protocol := range slices.Sorted(maps.Keys(protocols)) {
			t.Run(version+" "+protocol, func(t *testing.T) {
				client := protocols[protocol]()
				defer client.CloseIdleConnections()
				do(t, g, client)
			})
		}
	}
}

// request is one that passes.
func (g *gate) request(t testing.TB, method string, body io.Reader, header ...string) *http.Request {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), longPatience)
	t.Cleanup(end)
	r, err := http.NewRequestWithContext(ctx, method, "http://"+g.addr+"/mcp", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.Header = g.host, g.header()
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// TestLongEventStream: 2,000 events of up to 64 KiB come through as they were sent, to the byte, and end as they should. Nothing is
// held back: of the first hundred each is sent only when the one before has arrived (E-27).
func TestLongEventStream(t *testing.T) {
	server := newBytesServer(t)
	want := longEvents()
	sent := sha256.New()
	for _, e := range want {
		fmt.Fprintf(sent, "event: %s\nid: %s\ndata: %s\n\n", e.kind, e.id, e.data)
	}
	through(t, server.addr, func(t *testing.T, g *gate, client *http.Client) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(method, func(t *testing.T) {
				resp, err := client.Do(g.request(t, method, nil, "X-Want", "stream", "Accept", "text/event-stream"))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
					t.Fatalf("%s %v", resp.Status, resp.Header)
				}
				got := sha256.New()
				whole := &ending{Reader: io.TeeReader(resp.Body, got)}
				n := 0
				for e := range events(whole) {
					if n >= len(want) || e != want[n] {
						t.Fatalf("event %d is another: id %q, %d bytes", n, e.id, len(e.data))
					}
					if n < atOnce {
						select {
						case server.arrived <- n:
						case <-resp.Request.Context().Done():
							t.Fatalf("event %d: %v", n, resp.Request.Context().Err())
						}
					}
					n++
				}
				if n != len(want) || !errors.Is(whole.err, io.EOF) || hexSum(got) != hexSum(sent) {
					t.Errorf("%d events of %d, then %v; the bytes are the same: %v", n, len(want), whole.err, hexSum(got) == hexSum(sent))
				}
			})
		}
	})
}

// ending remembers how a body ended.
type ending struct {
	io.Reader
	err error
}

func (e *ending) Read(p []byte) (n int, err error) {
	n, err = e.Reader.Read(p)
	if err != nil {
		e.err = err
	}
	return n, err
}

// TestBulk: 10 MiB come through in both directions, with a Content-Length and without, though only the beginning of a request's body
// is shown to mcp-authz (I-13).
func TestBulk(t *testing.T) {
	server := newBytesServer(t)
	body := noise(bulk)
	whole := sha256.Sum256(body)
	sum := hex.EncodeToString(whole[:])
	through(t, server.addr, func(t *testing.T, g *gate, client *http.Client) {
		for _, length := range []int64{bulk, -1} {
			r := g.request(t, http.MethodPost, io.NopCloser(bytes.NewReader(body)))
			r.ContentLength = length
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			readAnswer(t, resp)
			if want := fmt.Sprint(bulk, " ", sum, " ", length); resp.StatusCode != http.StatusOK || resp.Header.Get("X-Got") != want {
				t.Errorf("upload: %s, the server got %q, want %q", resp.Status, resp.Header.Get("X-Got"), want)
			}
		}
		for want, length := range map[string]int64{"length": bulk, "chunks": -1} {
			resp, err := client.Do(g.request(t, http.MethodGet, nil, "X-Want", want))
			if err != nil {
				t.Fatal(err)
			}
			got := readAnswer(t, resp)
			if got.status != http.StatusOK || resp.ContentLength != length || got.body != string(body) {
				t.Errorf("download: %d, Content-Length %d, want %d; %d bytes, the same: %v", got.status, resp.ContentLength, length, len(got.body), got.body == string(body))
			}
		}
	})
}
