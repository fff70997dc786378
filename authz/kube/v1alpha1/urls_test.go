package v1alpha1_test

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// Every spelling of a URL that is seen to go wrong is refused by both alike, in words and not only by a pattern where people err
// often, and every good one is taken by both. J-08.
func TestURLs(t *testing.T) {
	k := readKinds(t)["ProtectedResource"]
	host := strings.Repeat("a.", 126) + "a" // 253 bytes
	for what, url := range map[string]string{
		"an origin": "https://mcp.example.com", "a path": "https://mcp.example.com/github/mcp", "a port": "https://mcp.example.com:8443",
		"the shortest": "https://a", "the highest port": "https://a:65535", "a port that begins as the default one": "https://a:4430/mcp",
		"a default port of the other scheme": "https://a:80/mcp", "a path like a port": "https://a/b:443", "a path like a port, and more": "https://a/b:443/c",
		"IPv6": "https://[2001:db8::1]:8443/mcp", "IPv6 in long": "https://[2001:db8:0:0:0:0:0:1]", "IPv6 that holds an address": "https://[::ffff:192.0.2.1]/mcp",
		"an address": "https://192.0.2.1/mcp", "an underscore": "https://my_svc.ns/mcp", "hyphens anywhere": "https://-a-.-b-/mcp", "digits": "https://1/2",
		"an IDN as it goes over the wire": "https://xn--mnchen-3ya.example/mcp", "a label of 63": "https://" + long(63) + ".example", "a host of 253": "https://" + host + "/mcp",
		"512 bytes": "https://a/" + long(502), "upper case in the path": "https://a/GitHub/MCP",
		"all bytes that there may be": "https://a/AZaz09._~!$&'()*+:@-/b", "dots that are no segment": "https://a/.../..a/a../.b",
		"well-known in another place": "https://a/.well-knowns/b.well-known", "an asterisk in the path": "https://a/*",
		"localhost": "http://localhost", "localhost with port and path": "http://localhost:3000/mcp", "below localhost": "http://mcp.localhost:3000",
		"loopback": "http://127.0.0.1:3000", "loopback elsewhere": "http://127.8.9.1", "loopback in IPv6": "http://[::1]:3000/mcp",
		"loopback in long": "http://[0:0:0:0:0:0:0:1]", "loopback that holds an address": "http://[::ffff:127.0.0.1]",
		"32 segments":       "https://a" + strings.Repeat("/b", 32),
		"the SSE transport": "https://a/sse", // a warning
	} {
		t.Run(what, func(t *testing.T) {
			if v, problems := judgeURL(t, k, url); len(v.refused) > 0 || len(problems) > 0 {
				t.Errorf("%s: %v, %v", url, v.refused, problems)
			}
		})
	}
	for what, url := range map[string]string{
		"the default port": "https://a.example:443", "the default port before a path": "https://a.example:443/mcp", "the default port of http": "http://localhost:80",
		"the default port behind IPv6": "https://[::1]:443/mcp", "upper case in the host": "https://A.example/mcp", "a slash at the end": "https://a.example/mcp/",
		"a slash alone": "https://a.example/", "an empty segment": "https://a.example//mcp", "an empty segment inside": "https://a.example/a//b",
		"dot segment": "https://a.example/./mcp", "dot segment at the end": "https://a.example/mcp/.", "dot segments": "https://a.example/a/../b",
		"dot segments at the end": "https://a.example/a/..", "an escape": "https://a.example/a%2fb", "an escape of a letter": "https://a.example/%61",
		"a query": "https://a.example/mcp?a=b", "a query without a path": "https://a.example?a=b", "a fragment": "https://a.example/mcp#a",
		"well-known": "https://a.example/.well-known/oauth-protected-resource", "well-known at the end": "https://a.example/a/.well-known",
		"a wildcard": "https://*.example.com/mcp", "any host": "https://*", "a wildcard inside": "https://a.*.example",
		"33 segments": "https://a.example" + strings.Repeat("/b", 33),
	} {
		t.Run("words for "+what, func(t *testing.T) {
			checkURL(t, k, url)
			v, _ := judgeURL(t, k, url)
			for _, err := range v.refused {
				if !strings.Contains(err.Error(), "should match") {
					return
				}
			}
			t.Errorf("%s is refused without words: %v", url, v.refused)
		})
	}
	for what, url := range map[string]string{
		"user information": "https://me@a.example/mcp", "user information with a password": "https://me:secret@a.example", "http": "http://a.example/mcp",
		"http that looks like localhost": "http://localhost.example", "http that ends like localhost": "http://notlocalhost", "http that looks like loopback": "http://127.0.0.1.example",
		"http on a private network": "http://10.0.0.1", "ftp": "ftp://a.example/mcp", "upper case in the scheme": "HTTPS://a.example", "a relative one": "/mcp", "without a scheme": "a.example/mcp",
		"a scheme alone": "https://", "no host": "https:///mcp", "a port without a host": "https://:8443/mcp", "a port that is none": "https://a.example:/mcp",
		"port 0": "https://a:0", "a leading zero": "https://a:08443", "a named port": "https://a:https", "two ports": "https://a:1:2", "six digits": "https://a:100000",
		"a trailing dot": "https://a.example./mcp", "a leading dot": "https://.a", "an empty label": "https://a..example", "a label of 64": "https://" + long(64) + ".example",
		"an IDN in letters": "https://münchen.example/mcp", "a full-width dot": "https://a。example", "a Kelvin sign": "https://\u212a.example",
		"bytes beyond ASCII in the path": "https://a/é", "a blank": "https://a/b c", "a blank before": " https://a.example", "a line break after": "https://a.example\n", "NUL": "https://a/\x00",
		"DEL": "https://a/\x7f", "a tab": "https://a/\t", "a backslash": `https://a/b\c`, "a backslash in the host": `https://a\b`, "a parameter": "https://a/b;c", "a comma": "https://a/b,c",
		"an equals sign": "https://a/b=c", "a quote": `https://a/b"c`, "angle brackets": "https://a/<b>", "brackets": "https://a/[b]", "a caret": "https://a/^", "a backtick": "https://a/`",
		"braces": "https://a/{b}", "a bar": "https://a/|", "a name in brackets": "https://[a.example]", "IPv6 unclosed": "https://[::1", "IPv6 without brackets": "https://::1",
		"IPv6 with a zone": "https://[fe80::1%25eth0]", "IPv6 in upper case": "https://[2001:DB8::1]", "empty brackets": "https://[]", "something behind the brackets": "https://[::1]a",
		"2049 bytes": "https://a/" + long(2039), "nothing": "", "https": "https", "a URN": "urn:example:mcp", "two URLs": "https://a.example https://b.example",
	} {
		t.Run(what, func(t *testing.T) { checkURL(t, k, url) })
	}
	for what, url := range map[string]string{ // only numbers can tell
		"a port too high": "https://a.example:65536/mcp", "a host of 254": "https://a" + host + "/mcp", "no IPv6": "https://[:::]", "IPv4 in brackets": "https://[127.0.0.1]",
		"plain IPv6": "http://[2001:db8::1]", "no address": "http://127.0.0.256", "a short address": "http://127.1",
	} {
		t.Run("later: "+what, func(t *testing.T) {
			v, problems := judgeURL(t, k, url)
			checkRefusal(t, v, "")
			checkProblems(t, problems, "spec.resource")
		})
	}
}

// TestURLsAtRandom is FuzzURL with URLs made of the pieces that matter, the same at every run.
func TestURLsAtRandom(t *testing.T) {
	k, random := readKinds(t)["ProtectedResource"], rand.New(rand.NewPCG(1, 2))
	pieces := strings.Split("https:// http:// HTTPS:// :// / // . .. /. /.. /.well-known / a b0 - _ A é * *. localhost 127.0.0.1 127. 0 [::1] [ ] : ::1 ffff :443 :80 :8443 :65535 :65536 :0 "+
		"% %2f ? # @ ; , = \\ \" ' ( ) ! $ & + ~ < > ^ ` { | } \x00 \x7f sse example.com /mcp "+long(63)+" "+long(64), " ")
	taken := 0
	for range 5_000 {
		var url strings.Builder
		if random.IntN(4) > 0 {
			url.WriteString("https://a")
		}
		for range random.IntN(7) {
			url.WriteString(pieces[random.IntN(len(pieces))])
		}
		taken += compareURL(t, k, url.String())
	}
	if taken < 250 {
		t.Errorf("%d of them are good: not enough to show that anything is taken", taken)
	}
	t.Logf("%d of 5000 are good", taken)
}

// FuzzURL: the schema refuses no URL that the process takes, but for its smaller limit, and takes no URL that the process refuses
// but for what only numbers can tell. Of that the process says where it stands.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://mcp.example.com/github/mcp", "http://localhost:3000", "https://[2001:db8::1]:8443/a", "https://a.example:443/", "https://a..b", "https://A/b?c#d",
		"https://a/.well-known/b", "https://a/../b", "https://*.a.b", "https://my_svc:65536", "http://127.0.0.1/!$&'()*+,;=:@~", "https://a/%2e",
	} {
		f.Add(seed)
	}
	k := readKinds(f)["ProtectedResource"]
	f.Fuzz(func(t *testing.T, url string) {
		if utf8.ValidString(url) { // nothing else is JSON
			compareURL(t, k, url)
		}
	})
}

// compareURL returns 1 if both take the URL.
func compareURL(t *testing.T, k *kind, url string) int {
	t.Helper()
	v, problems := judgeURL(t, k, url)
	switch taken := len(v.refused) == 0; {
	case taken && len(problems) == 0:
		return 1
	case taken && !numeric(url):
		t.Errorf("%q: the process alone refuses it: %v", url, problems)
	case taken:
		checkProblems(t, problems, "spec.resource")
	case len(problems) == 0 && len(url) <= 512:
		t.Errorf("%q: the schema alone refuses it: %v", url, v.refused)
	}
	return 0
}

var authority = regexp.MustCompile(`^https?://(\[.*\]|[^/:]*)(?::([0-9]+))?(?:/|$)`)

// numeric says that a URL has a part that a pattern does not judge.
func numeric(url string) bool {
	parts := authority.FindStringSubmatch(url)
	if parts == nil {
		return false
	}
	port, _ := strconv.Atoi(parts[2])
	_, notIPv4 := netip.ParseAddr(parts[1])
	loopback := strings.HasPrefix(url, "http://127.")
	return port > 65535 || len(parts[1]) > 253 || parts[1][0] == '[' || loopback && notIPv4 != nil
}

func judgeURL(t *testing.T, k *kind, url string) (verdict, []spec.Problem) {
	t.Helper()
	object := k.object(t, "weather", over(resource, values{"resource": url}))
	return k.admit(object, nil), errorsOf(object)
}

// checkURL wants one refused by both.
func checkURL(t *testing.T, k *kind, url string) {
	t.Helper()
	v, problems := judgeURL(t, k, url)
	checkRefusal(t, v, "spec.resource")
	checkProblems(t, problems, "spec.resource")
}
