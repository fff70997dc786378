//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"
)

// step is a line to try, and what must come of it.
type step struct {
	title string
	line  string
	run   string // what runs with DEMO_ONCE: the line, with what it needs around it
	check func(output []byte) error
}

const (
	challenge = `Bearer resource_metadata="` + resource + `/.well-known/oauth-protected-resource"`
	refusal   = `{"error":{"code":-32000,"message":"Unauthorized: Missing Authorization header with Bearer token"},"id":1,"jsonrpc":"2.0"}`
	document  = `{"resource":"` + resource + `","authorization_servers":["` + issuer + `"],"bearer_methods_supported":["header"]}`

	lineRefused = `curl -i -X POST ` + resource + `/mcp -H 'Content-Type: application/json' -d '` + listTool + `'`
	lineDoc     = `curl -i ` + resource + `/.well-known/oauth-protected-resource`
	lineToken   = `TOKEN=$(curl -s -u demo:demo ` + issuer + `/token -d grant_type=client_credentials -d resource=` + resource + ` |
  sed 's/.*"access_token":"\([^"]*\)".*/\1/')`
	lineAllowed = `curl -i -X POST ` + resource + `/mcp -H 'Content-Type: application/json' -d '` + listTool + `' \
  -H 'Accept: application/json, text/event-stream' -H "Authorization: Bearer $TOKEN"`
)

func steps() []step {
	return []step{
		{"Without a token: refused, and told where to go", lineRefused, lineRefused, checkRefusal},
		{"What a client finds there: who issues tokens", lineDoc, lineDoc, checkDocument},
		{"A token for this resource, from the authorization server", lineToken, lineToken + "\nprintf %s \"$TOKEN\"", checkToken},
		{"The same call with the token: the answer of the MCP server", lineAllowed, lineToken + "\n" + lineAllowed, checkAllowed},
	}
}

// tryAll runs every line and reports on each. It is true if all answers were right.
func tryAll(ctx context.Context, w io.Writer) bool {
	passed := true
	for i, s := range steps() {
		out, err := shell(ctx, s.run)
		if err == nil {
			err = s.check(out)
		}
		if err != nil {
			passed = false
			fmt.Fprintf(w, "FAIL  %d. %s: %v\n%s\n", i+1, s.title, err, out)
			continue
		}
		fmt.Fprintf(w, "ok    %d. %s\n", i+1, s.title)
	}
	return passed
}

func shell(ctx context.Context, script string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Env = append(os.Environ(), "NO_PROXY=localhost", "no_proxy=localhost")
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Output()
}

func checkRefusal(output []byte) error {
	header, body, err := response(output, "401", "application/json")
	if err != nil {
		return err
	}
	if got := header.Values("WWW-Authenticate"); !slices.Equal(got, []string{challenge}) {
		return fmt.Errorf("WWW-Authenticate is %q, want %q once", got, challenge)
	}
	if !equalJSON(body, []byte(refusal)) {
		return fmt.Errorf("the body is not %s", refusal)
	}
	return nil
}

func checkDocument(output []byte) error {
	_, body, err := response(output, "200", "application/json")
	if err != nil {
		return err
	}
	if !equalJSON(body, []byte(document)) {
		return fmt.Errorf("the document is not %s", document)
	}
	return nil
}

func checkToken(output []byte) error {
	parts := strings.Split(string(output), ".")
	if len(parts) != 3 {
		return errors.New("this is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims struct{ Iss, Aud string }
	if err := json.Unmarshal(payload, &claims); err != nil {
		return err
	}
	if claims.Iss != issuer || claims.Aud != resource {
		return fmt.Errorf("the token is of %q for %q, want %q for %q", claims.Iss, claims.Aud, issuer, resource)
	}
	return nil
}

func checkAllowed(output []byte) error {
	_, body, err := response(output, "200", "text/event-stream")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(body)) {
		data, found := strings.CutPrefix(line, "data:")
		if !found {
			continue
		}
		var message struct {
			ID     int
			Result struct{ Tools []struct{ Name string } }
		}
		if err := json.Unmarshal([]byte(data), &message); err != nil {
			continue
		}
		names := fmt.Sprint(message.Result.Tools)
		if message.ID != 1 || names != "[{add} {echo}]" {
			return fmt.Errorf("the tools are %s, want add and echo", names)
		}
		return nil
	}
	return errors.New("there is no JSON-RPC message in the answer")
}

// response takes the output of curl -i apart.
func response(output []byte, status, contentType string) (http.Header, []byte, error) {
	head, body, found := bytes.Cut(output, []byte("\r\n\r\n"))
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	words := strings.Fields(string(line))
	if !found || len(words) < 2 {
		return nil, nil, errors.New("this is no HTTP response")
	}
	if words[1] != status {
		return nil, nil, fmt.Errorf("the status is %s, want %s", words[1], status)
	}
	header, err := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(fields), strings.NewReader("\r\n\r\n")))).ReadMIMEHeader()
	if err != nil {
		return nil, nil, err
	}
	if got := header.Get("Content-Type"); got != contentType {
		return nil, nil, fmt.Errorf("Content-Type is %q, want %q", got, contentType)
	}
	return http.Header(header), body, nil
}

func equalJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
