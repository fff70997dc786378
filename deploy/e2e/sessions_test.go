package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSessions: sessions belong to the server alone: its ids pass in both directions as they are, so that a session begun through the
// gate goes on without it, and the other way round; DELETE ends one; what the server says of one that is lost, above all 404, at which
// clients begin anew, comes through as it stands. A stream that was cut goes on where Last-Event-ID says, with the same events that
// the server sends to one who asks it directly (E-27, E-28, J-03).
func TestSessions(t *testing.T) {
	for _, name := range interopUpstreams {
		if strings.HasSuffix(name, "-stateless") {
			continue
		}
		for _, version := range []string{oldest, newest} {
			t.Run(name+" "+version, func(t *testing.T) {
				u := startInteropUpstream(t, name, "/mcp")
				g := newGate(t, version, u.addr, "localhost:3000")
				direct, through := connect(t, "http://"+u.addr+"/mcp", nil), connect(t, "http://"+g.addr+"/mcp", g.header())
				crossed := *through
				crossed.session = direct.session
				uncrossed := *direct
				uncrossed.session = through.session
				for what, c := range map[string]*plainClient{"begun through, goes on through": through, "begun directly, goes on through": &crossed, "begun through, goes on directly": &uncrossed} {
					if got := c.call(t, u.tool, u.argument); got != u.want {
						t.Errorf("%s: %q", what, got)
					}
				}
				if answer := readAnswer(t, (&plainClient{url: through.url, session: through.session, header: http.Header{"Host": {g.host}}}).send(t, "POST", `{}`)); answer.status != http.StatusUnauthorized {
					t.Errorf("a session is no token, but without one the answer is %d", answer.status)
				}

				if slices.Contains(replaying, name) {
					resumes(t, u, through, &uncrossed)
				}
				seen := map[string][]string{}
				for what, c := range map[string]*plainClient{"direct": direct, "through": through} {
					for _, step := range [][2]string{{"DELETE", ""}, {"POST", `{"jsonrpc":"2.0","id":9,"method":"tools/list"}`}, {"DELETE", ""}, {"GET", ""}} {
						answer := readAnswer(t, c.send(t, step[0], step[1]))
						seen[what] = append(seen[what], fmt.Sprint(step[0], " ", answer.status, " ", answer.header.Get("Content-Type"), " ", strings.ReplaceAll(answer.body, c.session, "SESSION")))
					}
				}
				if diff := cmp.Diff(seen["direct"], seen["through"]); diff != "" {
					t.Errorf("after the end of a session (-direct +through):\n%s", diff)
				}
				if lost := seen["through"][1]; !strings.HasPrefix(lost, "POST 404 ") {
					t.Errorf("the session is not lost: %s", lost)
				}
			})
		}
	}
}

// replaying are the servers that keep events for those who come back. Each answer is two of them: the first is empty, and is there
// to have an id.
var replaying = []string{"mcp-proxy-5.12.5", "mcp-proxy-newest"}

// resumes cuts the stream of an answer after its first event, by both ways into one session.
func resumes(t *testing.T, u *interopUpstream, through, direct *plainClient) {
	t.Helper()
	resp := through.send(t, "POST", fmt.Sprintf(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, u.tool, u.argument))
	sent := slices.Collect(events(resp.Body))
	resp.Body.Close()
	if len(sent) != 2 || sent[0].id == "" || sent[0].data != "" || !strings.Contains(sent[1].data, u.want) {
		t.Fatalf("the answer is not two events, the first for its id: %v", sent)
	}
	for what, c := range map[string]*plainClient{"through": through, "direct": direct} {
		resp := c.send(t, "GET", "", "Accept", "text/event-stream", "Last-Event-ID", sent[0].id)
		var replayed event
		for replayed = range events(resp.Body) {
			break // the stream may stay open for what else will come
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || replayed != sent[1] {
			t.Errorf("%s: %s, then %+v; want %+v", what, resp.Status, replayed, sent[1])
		}
	}
}
