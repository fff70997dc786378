package main

import (
	"crypto/elliptic"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// The page says where the buckets of the histogram are: whoever compares two versions, or writes an alert, depends on them.
func TestOperationsListsTheBuckets(t *testing.T) {
	registry := prometheus.NewRegistry()
	newObserver(nil, registry)
	families, err := registry.Gather()
	must(t, err)
	found := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			h := m.GetHistogram()
			if h == nil {
				continue
			}
			found++
			var code []string
			for _, b := range h.GetBucket() {
				code = append(code, strconv.FormatFloat(b.GetUpperBound(), 'f', -1, 64))
			}
			want := "`" + f.GetName() + "` has the buckets " + strings.Join(code, ", ") + " (seconds)"
			if text := strings.Join(strings.Fields(section(t, "## Metrics")), " "); !strings.Contains(text, want) {
				t.Errorf("the page does not say: %s", want)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d histograms, want one for each outcome, from the start", found)
	}
}

// series are the names and labels of all that a process measures of its own.
func (p *process) series() map[string]bool {
	p.t.Helper()
	_, body := get(p.t, "http://"+p.admin+"/metrics")
	out := map[string]bool{}
	for line := range strings.SplitSeq(body, "\n") {
		if strings.HasPrefix(line, "mcp_authz_") {
			out[line[:strings.LastIndexByte(line, ' ')]] = true
		}
	}
	return out
}

// Every metric says what it is for and of which type, and nothing of a request becomes a label: ten thousand hosts, paths,
// methods, key ids, users and claims of messages make no series that one of each did not make.
func TestNoRequestMakesASeries(t *testing.T) {
	issuer := authztest.NewIssuerWithKey("https://idp.example.com", authztest.GenerateEC("k", elliptic.P256()))
	p := start(t, anyPorts+"log: { decisions: none }\n"+inline("corp", issuer)+github+
		"- { name: wild, resource: \"https://*.tenants.example.com/mcp\", authorizationServers: [corp] }\n"+
		"- { name: any, resource: \"http://localhost:3000\", authorizationServers: [corp], insecureAnyHost: true }\n")
	p.log.wait(t, "ready", 1)
	conn := p.dial(insecure.NewCredentials())
	kinds := map[string]func(n string) authztest.HTTP{
		"host": func(n string) authztest.HTTP { r := anonymous(); r.Host = "h" + n + ".example.com"; return r },
		"wildcard host": func(n string) authztest.HTTP {
			r := anonymous()
			r.Host, r.Path = "t"+n+".tenants.example.com", "/mcp"
			return r
		},
		"path":         func(n string) authztest.HTTP { r := anonymous(); r.Path = "/github/mcp/" + n; return r },
		"unknown path": func(n string) authztest.HTTP { r := anonymous(); r.Path = "/unknown/" + n; return r },
		"odd path":     func(n string) authztest.HTTP { r := anonymous(); r.Path = "//" + n; return r },
		"document": func(n string) authztest.HTTP {
			r := anonymous()
			r.Method, r.Path = "GET", "/.well-known/oauth-protected-resource/"+n
			return r
		},
		"method": func(n string) authztest.HTTP { r := with(good(issuer)); r.Method = "BREW" + n; return r },
		"token":  func(n string) authztest.HTTP { return with("garbage" + n) },
		"key id": func(n string) authztest.HTTP {
			tok := issuer.Token(map[string]any{"aud": audience})
			tok.Header["kid"] = "kid-" + n
			return with(tok.Compact())
		},
		"user": func(n string) authztest.HTTP {
			return with(issuer.Mint(map[string]any{"aud": audience, "sub": "user-" + n, "client_id": "client-" + n, "scope": "scope-" + n}))
		},
		"message": func(n string) authztest.HTTP {
			r := with(good(issuer))
			r.Header = append(r.Header, [2]string{"Mcp-Method", "m" + n}, [2]string{"Mcp-Name", "n" + n}, [2]string{"Mcp-Session-Id", "s" + n})
			return r
		},
		"origin": func(n string) authztest.HTTP {
			r := anonymous()
			r.Header = append(r.Header, [2]string{"Origin", "https://o" + n + ".example.com"})
			return r
		},
	}
	send := func(kind, n string) {
		if _, err := checkOver(t.Context(), conn, kinds[kind](n)); err != nil {
			t.Fatalf("%s %s: %v", kind, n, err)
		}
	}
	for kind := range kinds {
		send(kind, "1")
	}
	before := p.series()
	for kind := range kinds {
		for n := range 10_000 / len(kinds) {
			send(kind, strconv.Itoa(n+2))
		}
	}
	after := p.series()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("series of the first of each kind, and of all (-first +all):\n%s", diff)
	}
	t.Logf("%d series", len(after))

	// Labels are what the page says: names of the configuration, and words of ours.
	values := map[string]map[string]bool{}
	for s := range after {
		for _, m := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(s, -1) {
			if values[m[1]] == nil {
				values[m[1]] = map[string]bool{}
			}
			values[m[1]][m[2]] = true
		}
	}
	reasons := []string{}
	for _, r := range authz.Reasons() {
		reasons = append(reasons, r.String())
	}
	for label, allowed := range map[string][]string{
		"outcome": {outcomeAllow, outcomeDeny, outcomeAnswer}, "resource": {"", "github", "wild", "any"}, "authorization_server": {"corp"}, "reason": reasons,
	} {
		for _, v := range slices.Sorted(maps.Keys(values[label])) {
			if !slices.Contains(allowed, v) {
				t.Errorf("the label %s has the value %q", label, v)
			}
		}
	}
	if n := len(values["reason"]); n < 8 {
		t.Errorf("%d reasons, want those of all these requests", n)
	}

	_, body := get(t, "http://"+p.admin+"/metrics")
	for s := range after {
		name, _, _ := strings.Cut(s, "{")
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if !regexp.MustCompile(`(?m)^# HELP `+name+` \S.*\.$`).MatchString(body) || !strings.Contains(body, fmt.Sprintf("\n# TYPE %s ", name)) {
			t.Errorf("%s has no help that ends in a full stop, or no type", name)
		}
	}
}
