package authz_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
)

// TestLettersOfAnAudience: B-15: scheme and host are compared without regard to the case of every letter, on either side, and of
// nothing that is no letter.
func TestLettersOfAnAudience(t *testing.T) {
	const lower, upper = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	accepts := func(resource, audience string) bool {
		return authz.Expectation{Resource: "https://" + resource + "/x"}.Accepts("https://" + audience + "/x")
	}
	if !accepts(lower, upper) || !accepts(upper, lower) {
		t.Error("some letter counts as two")
	}
	for _, pair := range [][2]string{{"@", "`"}, {"[", "{"}, {"-", "M"}} { // 0x20 apart, as letters are
		if accepts(pair[0], pair[1]) || accepts(pair[1], pair[0]) {
			t.Errorf("%q counts as one", pair)
		}
	}
}

// TestDecisionIDs: each decision has a name of its own, by which its log line is found; the zero value, which nobody made, has none
// and answers none.
func TestDecisionIDs(t *testing.T) {
	a := deciding(t, declare(t, github))
	one, two := judge(t, a, request("GET", github)), judge(t, a, request("GET", github))
	if one.ID == two.ID || len(one.ID) != 16 {
		t.Errorf("%q and %q", one.ID, two.ID)
	}
	var nobody authz.Decision
	if body := readRefusal(t, nobody.Answer()); body.Error.Data != nil {
		t.Errorf("%s", nobody.Answer().Body)
	}
}

// TestIDsOfLists: E-02: the members of a list are no members of a message, even where they read as some.
func TestIDsOfLists(t *testing.T) {
	a := deciding(t, declare(t, github))
	for _, body := range []string{`["id",7 ,"x",1]`, `["method","x"]`, `"id"`, `7 `} {
		r := request("POST", github)
		r.Body = []byte(body)
		if got := string(judge(t, a, r).Answer().Body); !strings.Contains(got, `"id":null`) {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// TestPreflightList: a list of 1 KiB is read, one byte more is not.
func TestPreflightList(t *testing.T) {
	a := deciding(t, declare(t, github, origins(page)))
	for n, want := range map[int]bool{1 << 10: true, 1<<10 + 1: false} {
		const name = "mcp-param-a"
		list := name + "," + strings.Repeat("x", n-len(name)-1)
		d := judge(t, a, request("OPTIONS", github, "origin", page, "access-control-request-method", "POST", "access-control-request-headers", list))
		if got := strings.HasSuffix(field(d.Answer(), "access-control-allow-headers"), ", "+name); got != want {
			t.Errorf("%d bytes: %v", n, got)
		}
	}
}

// TestVisibleValues: I-11: what goes up of a claim is readable: the first and last visible bytes and blanks within stay as they are,
// in the name of a client as well; and no header is removed twice.
func TestVisibleValues(t *testing.T) {
	c := alice()
	c.Subject, c.ClientID, c.Issuer, c.Audience = "!~ !", "my own client", "an issuer", []string{github, slack}
	for _, edits := range [][]func(*authz.ProtectedResource){{passing(c)}, {passing(c), forwarding}} {
		d := judge(t, deciding(t, declare(t, github, edits...)), withToken())
		for name, want := range map[string]string{authz.HeaderSubject: c.Subject, authz.HeaderClientID: c.ClientID, authz.HeaderIssuer: c.Issuer} {
			if !slices.Contains(d.Upstream.Set, authz.Header{Name: name, Value: want}) {
				t.Errorf("%s is not %q: %v", name, want, d.Upstream.Set)
			}
		}
		removed := slices.Sorted(slices.Values(d.Upstream.Remove))
		if len(removed) != len(slices.Compact(slices.Clone(removed))) {
			t.Errorf("removed: %v", removed)
		}
	}
}

// TestDeepPaths: a look-up costs what the deepest declared path of the host asks for, not what the request sends.
func TestDeepPaths(t *testing.T) {
	a := deciding(t, declare(t, github))
	cost := func(path string) float64 {
		r := request("GET", "https://mcp.example.com"+path)
		return testing.AllocsPerRun(20, func() { a.Authorize(t.Context(), r) })
	}
	if shallow, deep := cost("/a/b"), cost(strings.Repeat("/a", 4000)); deep > shallow {
		t.Errorf("%v allocations for a path of two segments, %v for one of 4,000", shallow, deep)
	}
}
