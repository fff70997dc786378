// Package line is how a test talks to a client program in Go: a JSON object per line on standard input is a command, and each has
// exactly one line of answer on standard output.
package line

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// Redirect is the redirect URI of the programs. Nobody listens there: Visit has the answer that would go to it.
const Redirect = "http://127.0.0.1:8765/callback"

// Credentials are of a client that was registered beforehand. Without a secret it is a public one.
type Credentials struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// Target is where to connect, and as whom.
type Target struct {
	URL    string       `json:"url"`
	Store  string       `json:"store"`  // names the tokens and the registration to use
	Client *Credentials `json:"client"` // nil: the client registers by itself
	Token  string       `json:"token"`  // a bearer token given by hand
	Scopes []string     `json:"scopes"` // that the application knows of; most libraries take them from the server
}

// Client is a program on some library.
type Client interface {
	// Connect opens a session, after it has logged in if that is needed, and returns the version of the protocol.
	Connect(context.Context, Target) (version string, err error)
	List(context.Context) (tools []string, err error)
	// Call returns the text of the result. That of a result which is an error is the error.
	Call(ctx context.Context, tool string, arguments map[string]any) (text string, err error)
	// Close ends the session, if there is one, and keeps the stores.
	Close(context.Context) error
}

// ErrNotConnected is for a command that needs a session.
var ErrNotConnected = errors.New("not connected")

// patience bounds every command: a client that hangs is a result too.
const patience = 20 * time.Second

type command struct {
	Do string `json:"do"`
	Target
	Tool      string         `json:"tool"`
	Arguments map[string]any `json:"arguments"`
}

type answer map[string]any

// Serve does what standard input says, until it ends.
func Serve(c Client) {
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	free := make(chan struct{}, 1) // a command that has lost patience is still at it
	free <- struct{}{}
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var cmd command
		if err := json.Unmarshal(text, &cmd); err != nil {
			_ = out.Encode(answer{"ok": false, "unsupported": true, "error": oneLine(err)})
			continue
		}
		_ = out.Encode(within(free, cmd, c))
	}
}

// within does a command once nothing else is being done.
func within(free chan struct{}, cmd command, c Client) answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	done := make(chan answer, 1)
	go func() {
		defer cancel()
		select {
		case <-free:
			done <- do(ctx, cmd, c)
			free <- struct{}{}
		case <-ctx.Done():
		}
	}()
	select {
	case a := <-done:
		return a
	case <-ctx.Done():
	}
	select { // both may be there
	case a := <-done:
		return a
	default:
		return answer{"ok": false, "error": fmt.Sprintf("timed out: %s did not end within %v", cmd.Do, patience)}
	}
}

func do(ctx context.Context, cmd command, c Client) answer {
	a := answer{"ok": true}
	var err error
	switch cmd.Do {
	case "connect":
		if cmd.Store == "" {
			cmd.Store = cmd.URL
		}
		if err = c.Close(ctx); err != nil { // the session before
			fmt.Fprintln(os.Stderr, "close:", oneLine(err))
		}
		a["version"], err = c.Connect(ctx, cmd.Target)
	case "list":
		tools, failure := c.List(ctx)
		a["tools"], err = append([]string{}, tools...), failure
	case "call":
		if cmd.Arguments == nil {
			cmd.Arguments = map[string]any{}
		}
		a["text"], err = c.Call(ctx, cmd.Tool, cmd.Arguments)
	case "close":
		err = c.Close(ctx)
	default:
		return answer{"ok": false, "unsupported": true, "error": fmt.Sprintf("unknown command %q", cmd.Do)}
	}
	if err == nil {
		return a
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("timed out: %w", err)
	}
	return answer{"ok": false, "error": oneLine(err)}
}

var token = regexp.MustCompile(`eyJ[A-Za-z0-9_.-]+`)

// oneLine is an error as its library tells it, on one line of at most 300 bytes and without a token.
func oneLine(err error) string {
	text := token.ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), "(token)")
	return strings.ToValidUTF8(text[:min(300, len(text))], "")
}
