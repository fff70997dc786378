// Command curl does what a person with a shell does who has curl and a client of the authorization server, but no library: it reads the
// challenge, follows it, takes a token by the client credentials grant, and goes on.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mcp-authz/mcp-authz/deploy/e2e/go/line"
)

type client struct {
	tokens  map[string]string // by store
	session *session
}

// session is what goes with every request of it.
type session struct {
	line.Target
	id, version string
	asked       int // requests so far
}

func main() {
	c := &client{tokens: map[string]string{}}
	line.Serve(c)
	_ = c.Close(context.Background())
}

func (c *client) Connect(ctx context.Context, to line.Target) (string, error) {
	s := &session{Target: to}
	var result struct {
		ProtocolVersion string `json:"protocolVersion"`
	}
	if err := c.call(ctx, s, "initialize", map[string]any{
		"protocolVersion": "2025-11-25",
		"capabilities":    map[string]any{},
		"clientInfo":      map[string]any{"name": "curl", "version": "1.0.0"},
	}, &result); err != nil {
		return "", err
	}
	s.version = result.ProtocolVersion
	if _, err := c.post(ctx, s, map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"}); err != nil {
		return "", err
	}
	c.session = s
	return s.version, nil
}

func (c *client) List(ctx context.Context) (tools []string, err error) {
	if c.session == nil {
		return nil, line.ErrNotConnected
	}
	var result struct{ Tools []struct{ Name string } }
	err = c.call(ctx, c.session, "tools/list", map[string]any{}, &result)
	for _, tool := range result.Tools {
		tools = append(tools, tool.Name)
	}
	return tools, err
}

func (c *client) Call(ctx context.Context, tool string, arguments map[string]any) (string, error) {
	if c.session == nil {
		return "", line.ErrNotConnected
	}
	var result struct {
		Content []struct{ Text string }
		IsError bool `json:"isError"`
	}
	if err := c.call(ctx, c.session, "tools/call", map[string]any{"name": tool, "arguments": arguments}, &result); err != nil {
		return "", err
	}
	text := ""
	if len(result.Content) > 0 {
		text = result.Content[0].Text
	}
	if result.IsError {
		return "", errors.New(text)
	}
	return text, nil
}

func (c *client) Close(ctx context.Context) error {
	s := c.session
	if c.session = nil; s == nil || s.id == "" {
		return nil
	}
	answer, err := curl(ctx, append(c.headers(s), "--request", "DELETE", s.URL)...)
	if err == nil && answer.status/100 != 2 && answer.status != 405 { // 405: a server without an end of sessions
		err = answer.refusal()
	}
	return err
}

// call is a JSON-RPC request and its result.
func (c *client) call(ctx context.Context, s *session, method string, params, result any) error {
	s.asked++
	answer, err := c.post(ctx, s, map[string]any{"jsonrpc": "2.0", "id": s.asked, "method": method, "params": params})
	if err != nil {
		return err
	}
	s.id = cmp.Or(answer.header("mcp-session-id"), s.id)
	for _, text := range answer.messages() {
		var message struct {
			ID     json.RawMessage
			Result json.RawMessage
			Error  *struct {
				Code    int
				Message string
			}
		}
		if json.Unmarshal([]byte(text), &message) != nil || string(message.ID) != fmt.Sprint(s.asked) {
			continue // a notification of the server
		}
		if message.Error != nil {
			return fmt.Errorf("JSON-RPC error %d: %s", message.Error.Code, message.Error.Message)
		}
		return json.Unmarshal(message.Result, result)
	}
	return fmt.Errorf("%s has no answer: %d %.100s", method, answer.status, answer.body)
}

// post sends a message. At a challenge it takes a token as that says, and sends it once more.
func (c *client) post(ctx context.Context, s *session, message any) (*answer, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	for repeated := false; ; repeated = true {
		answer, err := curl(ctx, append(c.headers(s), "--json", string(body), "--header", "Accept: application/json, text/event-stream", s.URL)...)
		if err != nil || answer.status/100 == 2 {
			return answer, err
		}
		challenge := answer.header("www-authenticate")
		asks := answer.status == 401 || answer.status == 403 && strings.Contains(challenge, `error="insufficient_scope"`)
		if repeated || !asks || parameter(challenge, "resource_metadata") == "" || s.Client == nil || s.Token != "" {
			return nil, answer.refusal()
		}
		if c.tokens[s.Store], err = logIn(ctx, *s.Client, challenge); err != nil {
			return nil, err
		}
	}
}

func (c *client) headers(s *session) (args []string) {
	add := func(name, value string) {
		if value != "" {
			args = append(args, "--header", name+": "+value)
		}
	}
	if token := cmp.Or(s.Token, c.tokens[s.Store]); token != "" {
		add("Authorization", "Bearer "+token)
	}
	add("MCP-Protocol-Version", s.version)
	add("Mcp-Session-Id", s.id)
	return args
}
