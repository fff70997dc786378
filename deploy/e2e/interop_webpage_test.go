package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// chromium is the path of one, which is installed if there is none.
func chromium(t testing.TB) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	cmd := exec.Command("bash", "node/browser/get-chromium")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node/browser/get-chromium: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// webPage is an application in a browser, on an origin of its own.
type webPage struct {
	*program
	origin string
}

// openPage opens it. sdk is the client in it: v1, v2, or v2-auto, which speaks both eras of the protocol.
func openPage(t testing.TB, sdk string) *webPage {
	t.Helper()
	addr, program := freeAddr(t), nodeFolder(t, "browser")+"/driver.mjs"
	p := &webPage{runProgram(t, "page on SDK "+sdk, []string{node22(t, "browser"), program, chromium(t), portOf(addr), sdk}, ""), "http://" + addr}
	t.Cleanup(p.end)
	return p
}

// listed is what a resource says for the page to be let in.
func (p *webPage) listed() string {
	return `, allowedOrigins: ["https://other.example.com", "` + p.origin + `"]`
}

// must is do, for what has to go well.
func (p *webPage) must(command object) reply {
	p.t.Helper()
	r := p.do(command)
	if !r.OK {
		p.t.Fatalf("the page says %q to %s", r.Error, command["do"])
	}
	return r
}

func (p *webPage) connect(url string) reply {
	p.t.Helper()
	return p.must(object{"do": "connect", "url": url})
}

// echo calls a tool that every upstream has.
func (p *webPage) echo() {
	p.t.Helper()
	if got := p.must(echo).Text; got != "hello" {
		p.t.Errorf("echo says %q", got)
	}
}

var echo = object{"do": "call", "tool": "echo", "arguments": object{"text": "hello"}}

// scope is that of the page's token.
func (p *webPage) scope() string {
	p.t.Helper()
	return p.must(object{"do": "scope"}).Text
}

// seen is an answer as far as the page may read it.
type seen struct {
	Status int
	Header map[string]string
	Body   string
}

// fetch has the page ask for a URL without a library; init is as the browser's fetch takes it. failed is what the page sees where the
// browser keeps the answer from it.
func (p *webPage) fetch(url string, init object) (s seen, failed string) {
	p.t.Helper()
	r := p.do(object{"do": "fetch", "url": url, "init": init})
	if r.OK {
		if err := json.Unmarshal([]byte(r.Text), &s); err != nil {
			p.t.Fatalf("the page says %q: %v", r.Text, err)
		}
	}
	return s, r.Error
}

// failedToFetch is all that a page sees of an answer that it may not read. Why, only the browser's console says.
const failedToFetch = "TypeError: Failed to fetch"

// since are the requests after the first so many, without what comes when it comes: the stream that a client opens for the server's
// messages, and what mcp-authz itself asks for.
func (r *record) since(before int) []string {
	return slices.DeleteFunc(r.lines()[before:], func(line string) bool {
		return strings.HasPrefix(line, "gateway GET /mcp ") || strings.HasPrefix(line, byUs)
	})
}
