package e2e

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// upstreamOf is what Envoy routes to where; every resource has a server of its own.
var upstreamOf = map[string]string{"good": "github", "inner": "admin", "slack": "slack", "solo": "solo", "tenant": "tenant", "demo": "demo"}

// routes is a route table with two virtual hosts and nested routes, some of them laxer than any declaration.
func routes(addrs map[string]string) []edit {
	route := func(match, cluster string) string {
		return "              - {match: {" + match + "}, route: {cluster: " + cluster + "}}\n"
	}
	clusters := "  clusters:\n"
	for name, addr := range addrs {
		_, port, _ := net.SplitHostPort(addr)
		clusters += "  - {name: " + name + ", type: STATIC, load_assignment: {cluster_name: " + name +
			", endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " + port + "}}}}]}]}}\n"
	}
	hosts := "            virtual_hosts:\n" +
		"            - name: mcp.example.com\n              domains: [mcp.example.com]\n              routes:\n" +
		route("path_separated_prefix: /github/mcp/Admin, case_sensitive: false", "admin") +
		route("prefix: /github/mcp", "github") + route("prefix: /slack", "slack") + route("prefix: /", "nobody") +
		"            - name: solo\n              domains: [solo.example.com]\n              routes:\n" +
		route("path: /admin", "nobody") + route("prefix: /", "solo") +
		"            - name: tenants\n              domains: [\"*.tenants.example.com\"]\n              routes:\n" + route("prefix: /", "tenant") +
		"            - name: demo\n              domains: [localhost]\n              routes:\n" + route("prefix: /", "demo")
	return []edit{{"  clusters:\n", clusters}, {"            virtual_hosts:\n", hosts}}
}

// normalizing makes Envoy repair what the shipped file refuses: the path that is routed is then not the one that was sent.
var normalizing = []edit{
	{"normalize_path: false", "normalize_path: true"}, {"merge_slashes: false", "merge_slashes: true"},
	{"path_with_escaped_slashes_action: REJECT_REQUEST", "path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD"},
	{"codec_type: AUTO", "strip_any_host_port: true\n          strip_trailing_host_dot: true\n          codec_type: AUTO"},
}

// TestTheUpstreamIsTheResources: invariant 10, J-01, J-08, J-09: whenever we allow for resource R, the server that answers is R's.
// We choose the policy and the gateway chooses the upstream, so every spelling by which the two could differ is sent with every
// token, through gateways that repair paths and hosts, that leave them alone, and that refuse them.
func TestTheUpstreamIsTheResources(t *testing.T) {
	for _, form := range []struct {
		name, version string
		edits         []edit
	}{{"oldest shipped", oldest, nil}, {"oldest normalizing", oldest, normalizing}, {"newest lenient", newest, lenient}, {"newest normalizing", newest, normalizing}} {
		t.Run(form.name, func(t *testing.T) {
			servers, addrs := map[string]*upstream{}, map[string]string{}
			for _, name := range []string{"github", "admin", "slack", "solo", "tenant", "demo", "nobody"} {
				servers[name] = newUpstream(t, name)
				addrs[name] = servers[name].addr
			}
			w := newWorld(t, form.version, append(routes(addrs), form.edits...)...)
			servers["every other host's"] = w.upstream
			tokens := map[string]string{}
			for name := range upstreamOf {
				tokens[name] = w.cast.Tokens[name]
			}
			tokens["solo"] = w.cast.Corp.Mint(map[string]any{"aud": "https://solo.example.com/mcp"})
			allowed := map[string]int{}
			for _, to := range targets() {
				for name, token := range tokens {
					got := w.gateway.call(t, "POST", to[1], to[0], "{}", "Authorization: Bearer "+token)
					answered := []string{}
					for server, u := range servers {
						if len(u.take()) > 0 {
							answered = append(answered, server)
						}
					}
					switch {
					case len(answered) == 0:
					case len(answered) == 1 && answered[0] == upstreamOf[name] && got.status == http.StatusOK:
						allowed[name]++
					default:
						t.Errorf("the token for %s at %q reached %v (status %d)", upstreamOf[name], to, answered, got.status)
					}
				}
			}
			for name := range tokens {
				// A gateway that strips ports can serve no resource that has one: we see, and refuse, a host that is not declared.
				if unreachable := name == "demo" && slices.Contains(form.edits, normalizing[0]); (allowed[name] == 0) != unreachable {
					t.Errorf("%d requests with the token for %s were allowed: the test does not show what it should", allowed[name], upstreamOf[name])
				}
			}
		})
	}
}

// hosts and paths are the plain ones; every spelling of one is tried with every plain one of the other.
var (
	hosts = []string{"mcp.example.com", "solo.example.com", "a.tenants.example.com", "localhost:3000"}
	paths = []string{"/github/mcp", "/github/mcp/Admin", "/slack/mcp", "/mcp", "/admin"}
)

// targets are pairs of host and path.
func targets() (all [][2]string) {
	for _, host := range hosts {
		for _, path := range pathSpellings() {
			all = append(all, [2]string{host, path})
		}
	}
	for _, path := range paths {
		for _, host := range hostSpellings() {
			all = append(all, [2]string{host, path})
		}
	}
	return all
}

func hostSpellings() (all []string) {
	for _, host := range hosts {
		host, _, _ = strings.Cut(host, ":")
		for _, port := range []string{"", ":443", ":80", ":8443", ":3000", ":0443", ":"} {
			all = append(all, host+port, host+"."+port, strings.ToUpper(host)+port)
		}
	}
	return append(all, "mcp.example.com@solo.example.com", "solo.example.com,mcp.example.com", "x.mcp.example.com", "mcp.example.com%00", "mcp%2eexample.com", "127.0.0.1:3000")
}

func pathSpellings() (all []string) {
	for _, path := range paths {
		all = append(all, path, path+"/", path+"/x", path+"?x=/slack/mcp", path+"x", path+"/../../slack/mcp", path+"/%2e%2e/%2e%2e/slack/mcp",
			path+"/..%2f..%2fslack/mcp", path+"/..%5c..%5cslack/mcp", path+";x=1", path+"/;/x", path+"%3fx", path+"/.", path+"//", path+"%00", path+"%20")
	}
	return append(all, "/%67ithub/mcp", "/github%2fmcp", "/github%2Fmcp/Admin", "//slack/mcp", "/github//mcp", "/GITHUB/mcp", "/github/mcp/ADMIN", "/github/mcp/admin",
		"/github/mcp/%41dmin", "/github/mcp/x/../Admin", "/github/mcp/.%2e/mcp/Admin", "/slack/../github/mcp", "/github\\mcp", "/github/mcp\\..\\Admin",
		"/.well-known/oauth-protected-resource/..%2f..%2fgithub/mcp", "/.well-known/oauth-protected-resource/%2e%2e/%2e%2e/github/mcp",
		"/.well-known/oauth-protected-resource/../../github/mcp", "/.well-known//oauth-protected-resource", "/%2e/github/mcp", "/", "*")
}

// TestExemptPath: where a gateway's file exempts the metadata from the check, nothing that begins with its path reaches a server;
// and the shipped file exempts nothing.
func TestExemptPath(t *testing.T) {
	w := newWorld(t, newest)
	for _, path := range []string{"/..%2f..%2fgithub/mcp", "/%2e%2e/%2e%2e/github/mcp", "/../../github/mcp", "//github/mcp", "/%2e%2e%2f%2e%2e%2fgithub/mcp", "/..;/..;/github/mcp", ""} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := w.gateway.call(t, method, "/.well-known/oauth-protected-resource"+path, "mcp.example.com", "", "Authorization: Bearer "+w.cast.Tokens["good"])
			if seen := w.upstream.take(); len(seen) != 0 || got.status == 0 || got.status < 400 {
				t.Errorf("%s %q: %d, the upstream got %v", method, path, got.status, seen)
			}
		}
	}
}

// TestLargeRequestsAreStillOurs: invariant 1, I-09, I-13, I-18, I-19: whatever a client can send is within our limits, so that the
// gateway never decides in our place, even where it is told to let through what nobody answered.
func TestLargeRequestsAreStillOurs(t *testing.T) {
	for _, version := range []string{oldest, newest} {
		w := newWorld(t, version, edit{"failure_mode_allow: false", "failure_mode_allow: true"})
		for _, body := range []int{0, 1, 8191, 8192, 8193, 1 << 20, 4<<20 - 1, 4 << 20, 4<<20 + 1, 8 << 20} {
			for _, header := range []int{0, 8 << 10, 40 << 10, 60 << 10, 1 << 20} {
				lines := []string{}
				for n := 0; n < header; n += 4 << 10 {
					lines = append(lines, fmt.Sprintf("X-Large-%d: %s", n, strings.Repeat("x", 4<<10)))
				}
				got := w.gateway.call(t, "POST", "/github/mcp", "mcp.example.com", strings.Repeat("x", body), lines...)
				seen := w.upstream.take()
				switch {
				case len(seen) != 0:
					t.Errorf("Envoy %s, %d bytes of body, %d of header: the upstream was reached", version, body, header)
				case header <= 40<<10 && got.status != http.StatusUnauthorized, got.status != 401 && got.status != 413 && got.status != 431 && got.status != 503 && got.status != 0:
					t.Errorf("Envoy %s, %d bytes of body, %d of header: status %d", version, body, header, got.status)
				}
			}
		}
		if got := w.gateway.call(t, "POST", "/github/mcp", "mcp.example.com", "{}", "Authorization: Bearer "+w.cast.Tokens["good"]); got.status != http.StatusOK {
			t.Errorf("Envoy %s: a good request afterwards: %d", version, got.status)
		}
	}
}

// TestNobodyAnswers: I-18, I-20: with mcp-authz gone the shipped gateway refuses, with 503, and not with the 403 that sends clients to
// log in anew.
func TestNobodyAnswers(t *testing.T) {
	for _, version := range []string{oldest, newest} {
		w := newWorld(t, version)
		w.front.kill()
		for _, header := range []string{"Authorization: Bearer " + w.cast.Tokens["good"], "X-None: x"} {
			if got := w.gateway.call(t, "POST", "/github/mcp", "mcp.example.com", "{}", header); got.status != http.StatusServiceUnavailable {
				t.Errorf("Envoy %s: status %d, want 503", version, got.status)
			}
		}
		if seen := w.upstream.take(); len(seen) != 0 {
			t.Errorf("Envoy %s: the upstream got %v", version, seen)
		}
	}
}

// TestIdentityCannotBeForged: invariant 6, I-10, I-11: to an upstream that reads "-", "_" and "." alike, only our identity arrives,
// whatever the client sends, once or twice, over HTTP/1.1 and HTTP/2. Trailers end at Envoy.
func TestIdentityCannotBeForged(t *testing.T) {
	fold := strings.NewReplacer("_", "-", ".", "-")
	for _, version := range []string{oldest, newest} {
		w := newWorld(t, version, lenient...)
		want := map[string]string{"x-mcp-subject": "alice", "x-mcp-client-id": "client-1", "x-mcp-scopes": "mcp:use extra", "x-mcp-issuer": "https://idp.example.com"}
		check := func(what string, status int) {
			t.Helper()
			seen := w.upstream.take()
			if status != http.StatusOK || len(seen) != 1 {
				t.Fatalf("Envoy %s, %s: status %d, the upstream got %v", version, what, status, seen)
			}
			got := map[string]string{}
			for name, values := range seen[0].Header {
				name = fold.Replace(strings.ToLower(name))
				switch _, ours := want[name]; {
				case ours:
					got[name] += strings.Join(values, "|")
				case strings.Contains(name, "override"), strings.HasPrefix(name, "x-original"), strings.HasPrefix(name, "x-rewrite"), name == "authorization", name == "x-http-method":
					t.Errorf("Envoy %s, %s: the upstream got %s: %q", version, what, name, values)
				}
			}
			for name := range want {
				if got[name] != want[name] {
					t.Errorf("Envoy %s, %s: the upstream got %s: %q, want %q", version, what, name, got[name], want[name])
				}
			}
			for name, values := range seen[0].Trailer {
				if len(values) != 0 { // announced, but never sent
					t.Errorf("Envoy %s, %s: the upstream got the trailer %s: %q", version, what, name, values)
				}
			}
		}
		names := []string{}
		for _, name := range []string{"x-mcp-subject", "x-mcp-client-id", "x-mcp-scopes", "x-mcp-issuer", "x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"} {
			names = append(names, name, strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "-", "."),
				strings.Replace(name, "-", "_", 1), strings.Replace(name, "-", ".", 1), strings.Replace(name, "x-", "X_", 1))
		}
		bearer := "Authorization: Bearer " + w.cast.Tokens["good"]
		all := []string{bearer}
		for _, name := range names {
			line := name + ": root"
			check(name, w.gateway.call(t, "POST", "/github/mcp", "mcp.example.com", "{}", bearer, line, line).status)
			all = append(all, line)
		}
		check("all at once", w.gateway.call(t, "POST", "/github/mcp", "mcp.example.com", "{}", all...).status)

		r, err := http.NewRequest("POST", "http://x/github/mcp", &unsized{strings.NewReader("{}")})
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.Trailer = "mcp.example.com", http.Header{"X-Mcp-Subject": {"root"}, "X_mcp_subject": {"root"}}
		r.Header.Set("Authorization", strings.TrimPrefix(bearer, "Authorization: "))
		for _, name := range names {
			r.Header[strings.ToLower(name)] = []string{"root"} // once: Envoy counts headers, ours included, and stops at 100
		}
		check("HTTP/2 with trailers", w.gateway.http2(t, r).status)
	}
}

// unsized hides the length of a body, without which there are trailers.
type unsized struct{ *strings.Reader }
