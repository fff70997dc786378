package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// plainClient is an MCP client that hides nothing: it has sent initialize, and can be asked to send more.
type plainClient struct {
	url     string
	header  http.Header // of every request
	session string      // "" if the server gave none
}

// connect opens a session, with header fields of its own in every request.
func connect(t testing.TB, url string, header http.Header) *plainClient {
	t.Helper()
	c := &plainClient{url: url, header: header.Clone()}
	if c.header == nil {
		c.header = http.Header{}
	}
	resp, result := c.post(t, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"plain","version":"1"}}}`)
	var about struct{ ProtocolVersion string }
	if err := json.Unmarshal(result, &about); err != nil || about.ProtocolVersion == "" {
		t.Fatalf("%s answers initialize with %s: %s", url, resp.Status, result)
	}
	c.session = resp.Header.Get("Mcp-Session-Id")
	c.header.Set("Mcp-Protocol-Version", about.ProtocolVersion)
	c.post(t, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return c
}

// send sends a request, and leaves its answer unread.
func (c *plainClient) send(t testing.TB, method, body string, header ...string) *http.Response {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), patience)
	t.Cleanup(end)
	r, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = c.header.Clone()
	r.Host = r.Header.Get("Host")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.session != "" {
		r.Header.Set("Mcp-Session-Id", c.session)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// post sends a message and returns the result in the answer, which may be an event stream: nil for a notification.
func (c *plainClient) post(t testing.TB, body string) (resp *http.Response, result json.RawMessage) {
	t.Helper()
	resp = c.send(t, http.MethodPost, body)
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s answers %s: %s", c.url, resp.Status, said)
	}
	var message struct {
		ID     *int
		Result json.RawMessage
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		if said := readAnswer(t, resp).body; said != "" {
			if err := json.Unmarshal([]byte(said), &message); err != nil {
				t.Fatalf("%s says %s: %v", c.url, said, err)
			}
		}
		return resp, message.Result
	}
	for e := range events(resp.Body) {
		if json.Unmarshal([]byte(e.data), &message) == nil && message.ID != nil && message.Result != nil {
			return resp, message.Result
		}
	}
	t.Fatalf("the event stream of %s ends without a result", c.url)
	return nil, nil
}

// tools are the names of the server's tools.
func (c *plainClient) tools(t testing.TB) (names []string) {
	t.Helper()
	_, result := c.post(t, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
	var all struct{ Tools []struct{ Name string } }
	if err := json.Unmarshal(result, &all); err != nil {
		t.Fatal(err)
	}
	for _, tool := range all.Tools {
		names = append(names, tool.Name)
	}
	return names
}

// call calls a tool and returns the first text.
func (c *plainClient) call(t testing.TB, tool, arguments string) string {
	t.Helper()
	_, result := c.post(t, fmt.Sprintf(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments))
	var answer struct{ Content []struct{ Text string } }
	if err := json.Unmarshal(result, &answer); err != nil || len(answer.Content) == 0 {
		t.Fatalf("%s answers %s", tool, result)
	}
	return answer.Content[0].Text
}
