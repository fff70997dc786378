package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mirror is a server that keeps the requests it gets whole, and answers with what they ask for.
type mirror struct {
	addr string
	mu   sync.Mutex
	seen []mirrored
}

// mirrored is a message: a request as the server got it, or an answer as the client did.
type mirrored struct {
	Line   string
	Header http.Header
	Body   string
}

func newMirror(t testing.TB) *mirror {
	t.Helper()
	m := &mirror{}
	m.addr = served(t, m)
	return m
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	header := r.Header.Clone()
	header.Del("Content-Length") // r has it; no body can be said without
	m.mu.Lock()
	m.seen = append(m.seen, mirrored{fmt.Sprint(r.Method, " ", r.Host, " ", r.RequestURI, " ", r.ContentLength), header, string(body)})
	m.mu.Unlock()
	status, _ := strconv.Atoi(r.Header.Get("X-Want-Status"))
	maps.Copy(w.Header(), answerFields)
	w.Header().Set("X-Status", strconv.Itoa(status))
	w.WriteHeader(status)
	if status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified && r.Method != http.MethodHead {
		_, _ = w.Write(append([]byte("answer\x00\xff\r\n"), body...))
	}
}

// take is the one request since the last call.
func (m *mirror) take(t testing.TB) mirrored {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.seen
	m.seen = nil
	if len(seen) != 1 {
		t.Fatalf("%d requests came in, want 1: %v", len(seen), seen)
	}
	return seen[0]
}

// Fields of requests and answers that mean something to MCP or to HTTP, with values that no gateway should try to read.
var (
	requestFields = http.Header{
		"Accept":               {"application/json, text/event-stream;q=0.9", "*/*;q=0.1"},
		"Content-Type":         {"application/json; charset=\"utf-8\""},
		"Mcp-Session-Id":       {"!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~"},
		"Mcp-Protocol-Version": {"1900-01-01"},
		"Mcp-Method":           {"tools/call"},
		"Mcp-Name":             {"=?base64?w6QgdG9vbA==?="},
		"Mcp-Param-Region":     {"eu west, 1"},
		"Last-Event-Id":        {"stream 7/{\"n\":12, \"é\":\"\t\"}=="},
		"If-None-Match":        {"\"a\", W/\"b\""},
		"Cache-Control":        {"no-cache"},
		"Cookie":               {"a=1; b=2"},
		"Traceparent":          {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"User-Agent":           {"e2e/1 (a \"comment\")"},
		"X-Repeated":           {"one", "two,three", ""},
	}
	answerFields = http.Header{
		"Content-Type":     {"application/json; charset=\"utf-8\""},
		"Mcp-Session-Id":   {"~}|{zyx !\"#"},
		"Www-Authenticate": {`Bearer realm="its own, not ours"`, `Basic realm="é"`},
		"Retry-After":      {"7"},
		"Allow":            {"POST, GET"},
		"Etag":             {"W/\"a\""},
		"Cache-Control":    {"private, max-age=5"},
		"Set-Cookie":       {"a=1; Path=/", "b=2"},
		"Location":         {"http://elsewhere.example/é?x=1"},
		"Link":             {"</a>; rel=\"next\""},
		"Vary":             {"Accept", "Mcp-Session-Id"},
		"X-Repeated":       {"one", "two,three", ""},
	}
)

// TestMessagesUnchanged: requests reach the server, and its answers the client, as they would without a gate, whatever their method,
// status or fields: nothing but what is listed below is added or taken away, and nothing is sent twice (E-15,
// E-27, E-28, E-29, E-30, J-01).
func TestMessagesUnchanged(t *testing.T) {
	m := newMirror(t)
	plain := protocols["HTTP/1.1"]()
	defer plain.CloseIdleConnections()
	through(t, m.addr, func(t *testing.T, g *gate, client *http.Client) {
		exchange := func(client *http.Client, addr, method, query, body, status string) (sent, got mirrored) {
			r := g.request(t, method, strings.NewReader(body))
			maps.Copy(r.Header, requestFields)
			r.URL.Host, r.URL.RawQuery = addr, query
			r.Header.Set("X-Want-Status", status)
			r.Header.Del("Host")
			if addr == m.addr {
				r.Header.Del("Authorization")
			}
			resp, err := client.Transport.RoundTrip(r) // follows nothing
			if err != nil {
				t.Fatal(err)
			}
			answer := readAnswer(t, resp)
			return m.take(t), mirrored{fmt.Sprint(answer.status, " ", resp.ContentLength), answer.header, answer.body}
		}
		compare := func(method, query, body, status string) {
			t.Helper()
			sent, got := exchange(plain, m.addr, method, query, body, status)
			sentThrough, gotThrough := exchange(client, g.addr, method, query, body, status)
			if diff := cmp.Diff(sent.joined("Accept"), sentThrough.without(t, addedToRequests)); diff != "" {
				t.Errorf("%s ?%s, %s: what the server gets (-direct +through):\n%s", method, query, status, diff)
			}
			if diff := cmp.Diff(got.without(t, map[string]string{"Date": `.* GMT`}).joined("Vary"), gotThrough.without(t, addedToAnswers)); diff != "" {
				t.Errorf("%s ?%s, %s: what the client gets (-direct +through):\n%s", method, query, status, diff)
			}
		}
		const message = "{\"jsonrpc\": \"2.0\",\r\n \"text\":\"\x00\xff\"} "
		for method, body := range map[string]string{"GET": "", "POST": message, "DELETE": "", "OPTIONS": "", "HEAD": ""} {
			for _, query := range []string{"", "b=2&a=1&c&a=%2F;d"} {
				compare(method, query, body, "200")
			}
		}
		for status := 201; status < 600; status++ {
			if http.StatusText(status) != "" || status%100 == 99 {
				compare("POST", "", message, strconv.Itoa(status))
			}
		}
	})
}

// What the gate adds, and how it looks: who asks, by token and by address, and which gate answers.
var (
	addedToRequests = map[string]string{
		"X-Mcp-Subject": "alice", "X-Mcp-Client-Id": "client-1", "X-Mcp-Issuer": `https://idp\.example\.com`,
		"X-Forwarded-For": `[0-9.]+`, "X-Envoy-External-Address": `[0-9.]+`, "X-Forwarded-Proto": "http", "X-Request-Id": `[0-9a-f-]{36}`,
	}
	addedToAnswers = map[string]string{"Server": "envoy", "Date": `.* GMT`}
)

// without takes fields away, of which each must be there.
func (m mirrored) without(t testing.TB, fields map[string]string) mirrored {
	t.Helper()
	m.Header = m.Header.Clone()
	for name, like := range fields {
		if values := m.Header.Values(name); len(values) != 1 || !regexp.MustCompile("^"+like+"$").MatchString(values[0]) {
			t.Errorf("%s is %q, want one like %s", name, values, like)
		}
		m.Header.Del(name)
	}
	return m
}

// joined has the lines of a field as one, as RFC 9110 §5.3 lets a gateway join them.
func (m mirrored) joined(field string) mirrored {
	m.Header = m.Header.Clone()
	m.Header.Set(field, strings.Join(m.Header.Values(field), ","))
	return m
}
