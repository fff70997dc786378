package e2e

import (
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// stringForm makes Envoy hand requests over as strings, as gateways do that cannot pack bytes.
var stringForm = []edit{{"encode_raw_headers: true", "encode_raw_headers: false"}, {", pack_as_bytes: true", ""}}

// lenient takes away what the shipped file refuses early, so that it is up to us, and lets upgrades through, with which Envoy
// shows us no body (I-14).
var lenient = []edit{
	{"path_with_escaped_slashes_action: REJECT_REQUEST", "path_with_escaped_slashes_action: KEEP_UNCHANGED"},
	{"headers_with_underscores_action: REJECT_REQUEST", "headers_with_underscores_action: ALLOW"},
	{"codec_type: AUTO", "upgrade_configs: [{upgrade_type: websocket}]\n          codec_type: AUTO"},
}

// byEnvoy are cases that Envoy answers itself, before it asks anybody, with this status and no body of ours.
var byEnvoy = map[string]int{
	"400-not-canonical-host/host-06":    400, // bytes that no authority has
	"400-not-canonical-host/host-08":    400,
	"400-not-canonical-host/host-09":    400,
	"400-not-canonical-path/path-16":    400, // a fragment
	"400-not-canonical-path/path-17":    400,
	"400-not-canonical-path/path-18":    400, // "*", nothing, a relative path
	"400-not-canonical-path/path-19":    400,
	"400-not-canonical-path/path-20":    400,
	"400-not-canonical-path/path-21":    403, // absolute form, of https on a listener without TLS
	"400-upgrade-405-method/lower-case": 400, // no such method
	"400-upgrade-405-method/connect":    400,
}

// byShippedFile are those that deploy/envoy/envoy.yaml adds.
var byShippedFile = map[string]int{
	"400-not-canonical-path/path-07": 400, // an escaped slash or backslash
	"400-not-canonical-path/path-08": 400,
	"400-not-canonical-path/path-09": 400,
	"400-not-canonical-path/path-25": 400,
	"400-upgrade-405-method/upgrade": 403, // no upgrade is configured
	"401-no-credential/upgrade":      403,
	"allow/spoofed-identity":         400, // a header name with an underscore
}

// h2c is a case that Envoy turns into an ordinary request: it drops the header, and what we judge is what it sends on.
const h2c = "400-upgrade-405-method/h2c"

// TestAnswers plays the cases of the gRPC boundary once more, from a client's side: over the wire, through a real Envoy, oldest
// and newest, in both of its encodings. What a refusal says, down to the bytes of its body, must come out of Envoy as it
// stands there, and nothing may reach the upstream (B-02, I-01, I-02, I-03, I-05, I-06); what an allow changes must have
// changed at the upstream (I-10, I-11, I-25, J-01).
func TestAnswers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "authz/extauthz/testdata/answers/*.txtar"))
	if err != nil || len(files) < 16 {
		t.Fatalf("%d files with cases, %v", len(files), err)
	}
	for _, form := range []struct {
		name, version string
		edits         []edit
		early         map[string]int
	}{
		{"oldest", oldest, nil, byShippedFile},
		{"newest", newest, nil, byShippedFile},
		{"oldest lenient", oldest, lenient, nil},
		{"newest lenient as strings", newest, append(lenient, stringForm...), nil},
	} {
		t.Run(form.name, func(t *testing.T) {
			w := newWorld(t, form.version, form.edits...)
			w.early = maps.Clone(byEnvoy)
			maps.Copy(w.early, form.early)
			played := 0
			for _, file := range files {
				played += w.playFile(t, file)
			}
			if played < 170 {
				t.Errorf("only %d cases were played", played)
			}
			w.keepsSecrets(t)
		})
	}
}

func (w *world) playFile(t *testing.T, file string) (played int) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar") + "/" + archive.Files[i].Name
		r, err := authztest.ParseHTTP(string(archive.Files[i].Data))
		if err != nil {
			t.Fatal(err)
		}
		if !clientsCanCause(r) {
			continue
		}
		w.cast.Fill(&r)
		played++
		t.Run(name, func(t *testing.T) { w.play(t, name, r, string(archive.Files[i+1].Data)) })
	}
	return played
}

// clientsCanCause leaves out what only a configuration, or a fault within, brings about.
func clientsCanCause(r authztest.HTTP) bool {
	fault := slices.ContainsFunc(r.Header, func(h [2]string) bool { return h[0] == "fault" })
	return !fault && r.Pin == nil && r.Route == nil && r.Host != "broken.example.com"
}

func (w *world) play(t *testing.T, name string, r authztest.HTTP, want string) {
	w.upstream.take()
	header := []string{}
	for _, h := range r.Header {
		header = append(header, h[0]+": "+h[1])
	}
	got := w.gateway.call(t, r.Method, r.Path, r.Host, r.Body, header...)
	seen := w.upstream.take()
	if status, early := w.early[name]; early {
		if got.status != status || len(seen) != 0 {
			t.Errorf("Envoy itself answers %d %q, want %d; the upstream got %+v", got.status, got.body, status, seen)
		}
		return
	}
	if changes, allowed := strings.CutPrefix(want, "allow\n"); allowed || name == h2c {
		if name == h2c {
			changes = "remove upgrade"
		}
		compareAllow(t, changes, got, seen)
		return
	}
	if len(seen) != 0 {
		t.Errorf("the upstream got %+v", seen)
	}
	compareRefusal(t, r.Method, want, got)
}

var decisionID = regexp.MustCompile(`"decision":"[0-9a-f]{16}"`)

// compareRefusal wants our status, every header of ours once, none that is neither ours nor Envoy's own, and our body.
func compareRefusal(t *testing.T, method, want string, got answer) {
	t.Helper()
	head, body, _ := strings.Cut(want, "\n\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	expected := http.Header{}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		expected.Add(name, value)
	}
	if method == http.MethodHead {
		body = ""
	}
	status, _ := strconv.Atoi(lines[0])
	if got.status != status {
		t.Errorf("status %d, want %d", got.status, status)
	}
	for _, own := range []string{"Date", "Server", "Content-Length", "Connection"} {
		got.header.Del(own)
	}
	if diff := cmp.Diff(expected, got.header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(strings.TrimSuffix(body, "\n"), decisionID.ReplaceAllString(got.body, `"decision":"{decision}"`)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// compareAllow wants one request at the upstream, changed as we said, and its answer, changed as we said.
func compareAllow(t *testing.T, changes string, got answer, seen []received) {
	t.Helper()
	if got.status != http.StatusOK || got.header.Get("X-Upstream") != "mcp" || len(seen) != 1 {
		t.Fatalf("status %d, %d requests at the upstream: %s", got.status, len(seen), got.body)
	}
	up := seen[0]
	for line := range strings.Lines(changes) {
		what, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, value, _ := strings.Cut(rest, ": ")
		switch what {
		case "set":
			if all := up.Header.Values(name); !slices.Equal(all, []string{value}) {
				t.Errorf("the upstream got %s: %q, want %q", name, all, value)
			}
		case "remove":
			for sent := range up.Header {
				if strings.EqualFold(sent, name) {
					t.Errorf("the upstream got %s, which was to be removed", sent)
				}
			}
		case "remove-query":
			if strings.Contains(up.URI, name+"=") {
				t.Errorf("the upstream got the query of %s", up.URI)
			}
		case "answer":
			if all := got.header.Values(name); name != "vary" && !slices.Equal(all, []string{value}) || !slices.Contains(all, value) && !strings.Contains(strings.Join(all, ","), value) {
				t.Errorf("the client got %s: %q, want %q", name, all, value)
			}
		default:
			t.Errorf("what is %q?", line)
		}
	}
}

// keepsSecrets: invariant 4: neither our log nor Envoy's holds a token, the part of one that could be used, or a key id.
func (w *world) keepsSecrets(t *testing.T) {
	t.Helper()
	eventually(t, "the access log is written", func() bool { return strings.Contains(string(w.gateway.out.bytes()), `"reason":"allowed"`) })
	for what, p := range map[string]*process{"mcp-authz": w.front.process, "envoy": w.gateway.process} {
		log := string(p.out.bytes())
		if !strings.Contains(log, "decision") {
			t.Fatalf("%s logged nothing", what)
		}
		for name, token := range w.cast.Tokens {
			parts := strings.Split(token, ".")
			for _, part := range parts[max(0, len(parts)-2):] { // claims and signature
				if strings.Contains(log, part[:min(len(part), 40)]) {
					t.Errorf("the log of %s holds a part of the token %s", what, name)
				}
			}
		}
		if strings.Contains(log, "key-1") || strings.Contains(log, "access_token") {
			t.Errorf("the log of %s holds a key id or a query", what)
		}
	}
}
