package authz_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
)

// FuzzIdentityHeader: whatever a claim says, its header is visible ASCII and inner blanks, and percent-decoding it gives the
// claim back; so does splitting the list of scopes at its blanks first.
func FuzzIdentityHeader(f *testing.F) {
	for _, seed := range []string{"alice", " a b ", "a\r\nx: y", "é😀", "%41", "\x00\x7f\xff", "a,b;c=\"d\\", "  ", "+"} {
		f.Add(seed, "mcp:use")
		f.Add("a", seed)
	}
	f.Fuzz(func(t *testing.T, s, other string) {
		if s == "" || other == "" {
			return
		}
		list := []string{other, s, other}
		payload, _ := json.Marshal(map[string]any{"text": s, "list": list})
		var read struct { // what is not UTF-8 does not survive JSON
			Text string
			List []string
		}
		if err := json.Unmarshal(payload, &read); err != nil {
			t.Fatal(err)
		}
		claims := authz.Claims{Subject: s, ClientID: s, Issuer: s, Scopes: list, Payload: payload}
		set, _ := upward(t, withToken(), passing(claims), identityHeader("x-text", "text"), identityHeader("x-list", "list"))
		decode := func(name, value string) string {
			if i := strings.IndexFunc(value, func(r rune) bool { return r < 0x20 || r > 0x7e }); i >= 0 || strings.Trim(value, " ") != value {
				t.Errorf("%s: %q", name, value)
			}
			decoded, err := url.PathUnescape(value)
			if err != nil {
				t.Errorf("%s: %q: %v", name, value, err)
			}
			return decoded
		}
		for name, want := range map[string]string{"x-mcp-subject": s, "x-mcp-client-id": s, "x-mcp-issuer": s, "x-text": read.Text} {
			if got := decode(name, set[name]); got != want {
				t.Errorf("%s: %q decodes to %q, want %q", name, set[name], got, want)
			}
		}
		var scopes, groups []string
		for part := range strings.SplitSeq(set["x-mcp-scopes"], " ") {
			scopes = append(scopes, decode("a scope", part))
		}
		if !slices.Equal(scopes, list) {
			t.Errorf("scopes: %q, want %q", set["x-mcp-scopes"], list)
		}
		if err := json.Unmarshal([]byte(decode("x-list", set["x-list"])), &groups); err != nil || !slices.Equal(groups, read.List) {
			t.Errorf("list: %q, %v, want %q", set["x-list"], err, list)
		}
	})
}
