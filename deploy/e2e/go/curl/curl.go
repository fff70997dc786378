package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

// answer is what a server said to curl.
type answer struct {
	status  int
	headers map[string][]string
	body    string
}

// curl runs it. The head of the answer is on its standard error, the body on its standard output.
func curl(ctx context.Context, args ...string) (*answer, error) {
	const head = `%{stderr}{"Status":%{http_code},"Headers":%{header_json}}`
	cmd := exec.CommandContext(ctx, "curl", append([]string{"--silent", "--show-error", "--noproxy", "*", "--write-out", head}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		complaint, _, _ := strings.Cut(stderr.String(), "\n")
		return nil, fmt.Errorf("%w: %s", err, complaint)
	}
	var got struct {
		Status  int
		Headers map[string][]string
	}
	if err := json.Unmarshal(stderr.Bytes(), &got); err != nil {
		return nil, fmt.Errorf("the head of the answer: %w", err)
	}
	return &answer{got.Status, got.Headers, stdout.String()}, nil
}

// header is the first value of one, whose name is in lower case.
func (a *answer) header(name string) string {
	if values := a.headers[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// messages are the JSON texts of the body, which is one or a stream of events.
func (a *answer) messages() (out []string) {
	if !strings.HasPrefix(a.header("content-type"), "text/event-stream") {
		return []string{a.body}
	}
	for event := range strings.SplitSeq(strings.ReplaceAll(a.body, "\r\n", "\n"), "\n\n") {
		var data []string
		for text := range strings.Lines(event) {
			if value, ok := strings.CutPrefix(strings.TrimSuffix(text, "\n"), "data:"); ok {
				data = append(data, strings.TrimPrefix(value, " "))
			}
		}
		out = append(out, strings.Join(data, "\n"))
	}
	return out
}

// refusal is an answer as an error: the status, and the message of a JSON-RPC error if the body is one.
func (a *answer) refusal() error {
	var message struct{ Error struct{ Message string } }
	if json.Unmarshal([]byte(a.body), &message) == nil && message.Error.Message != "" {
		return fmt.Errorf("%d %s", a.status, message.Error.Message)
	}
	return fmt.Errorf("%d %.200s", a.status, a.body)
}
