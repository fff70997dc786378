package main

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// patience bounds every wait. It is never spent when things are well.
const patience = 60 * time.Second

// Parts of configuration files.
const (
	ports    = "listen: { grpc: 127.0.0.1:0, metadata: 127.0.0.1:0, admin: 127.0.0.1:0 }\n"
	anyPorts = ports + "drainDelay: 0s\n"
	github   = "resources:\n- { name: github, resource: \"https://mcp.example.com/github/mcp\", authorizationServers: [corp] }\n"
	audience = "https://mcp.example.com/github/mcp"
)

func corp(i *authztest.Issuer) string {
	return "authorizationServers:\n- { name: corp, issuer: \"" + i.URL() + "\" }\n"
}

// authorizationServer is a real one on loopback.
func authorizationServer(t testing.TB) *authztest.Issuer {
	t.Helper()
	i := authztest.NewIssuerWithKey("", authztest.GenerateEC("key-1-of-the-test-kit", elliptic.P256()))
	stop, err := i.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return i
}

// process is a running mcp-authz.
type process struct {
	t     testing.TB
	file  string
	cmd   *exec.Cmd
	log   *journal
	ended chan struct{}

	grpc, metadata, admin string
}

// start runs serve on a configuration and waits until it serves, which is sooner than that it is ready.
func start(t testing.TB, config string) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return startFile(t, file)
}

func startFile(t testing.TB, file string) *process {
	t.Helper()
	p := launch(t, file)
	line := p.log.wait(t, "serving", 1)
	p.grpc, p.metadata, p.admin = line["grpc"].(string), line["metadata"].(string), line["admin"].(string)
	return p
}

func launch(t testing.TB, file string) *process {
	t.Helper()
	p := &process{t: t, file: file, log: newJournal(), ended: make(chan struct{})}
	p.cmd = exec.Command(program(t), "serve", "--config", file)
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		p.log.end()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		p.log.mustBeJSON(t)
		if piece := authztest.Leak(p.log.text()); piece != "" { // invariant 4
			t.Errorf("the log says %q, a piece of a token or key id:\n%s", piece, p.log.text())
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end of the process and returns its exit code, -1 if a signal ended it.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("the process does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// write replaces the configuration file, all at once.
func (p *process) write(config string) {
	p.t.Helper()
	replace(p.t, p.file, config)
}

func replace(t testing.TB, file, text string) {
	t.Helper()
	beside := filepath.Join(filepath.Dir(file), ".next")
	if err := os.WriteFile(beside, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, file); err != nil {
		t.Fatal(err)
	}
}

func (p *process) dial(creds credentials.TransportCredentials) *grpc.ClientConn {
	p.t.Helper()
	conn, err := grpc.NewClient(p.grpc, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20)))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	return conn
}

// check asks for one verdict, over a connection of its own.
func (p *process) check(r authztest.HTTP) authztest.Verdict {
	p.t.Helper()
	conn := p.dial(insecure.NewCredentials())
	defer conn.Close()
	v, err := checkOver(p.t.Context(), conn, r)
	if err != nil {
		p.t.Fatalf("an RPC error lets the gateway decide: %v", err)
	}
	return v
}

func checkOver(ctx context.Context, conn *grpc.ClientConn, r authztest.HTTP) (authztest.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := authv3.NewAuthorizationClient(conn).Check(ctx, r.CheckRequest(authztest.RawForm))
	if err != nil {
		return authztest.Verdict{}, err
	}
	return authztest.ReadVerdict(out), nil
}

// health asks grpc.health.v1 about one service.
func (p *process) health(service string) string {
	p.t.Helper()
	conn := p.dial(insecure.NewCredentials())
	defer conn.Close()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	out, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: service})
	if err != nil {
		p.t.Fatal(err)
	}
	return out.GetStatus().String()
}

// get asks one of the HTTP listeners.
func get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req)
}

func do(t testing.TB, req *http.Request) (status int, body string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if piece := authztest.Leak(string(b)); piece != "" { // invariant 4
		t.Errorf("%s says %q, a piece of a token or key id", req.URL, piece)
	}
	return resp.StatusCode, string(b)
}

// readyz is the status and the detail of /readyz.
func (p *process) readyz() (int, map[string]any) {
	p.t.Helper()
	status, body := get(p.t, "http://"+p.admin+"/readyz")
	var detail map[string]any
	if err := json.Unmarshal([]byte(body), &detail); err != nil {
		p.t.Fatalf("/readyz: %v in %q", err, body)
	}
	return status, detail
}

// metric is the value of one series, "" if there is none.
func (p *process) metric(series string) string {
	p.t.Helper()
	_, body := get(p.t, "http://"+p.admin+"/metrics")
	for line := range strings.SplitSeq(body, "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	return ""
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited in vain: " + what)
		}
	}
}

// anonymous is a call without a token, with one is a call with it.
func anonymous() authztest.HTTP {
	return authztest.HTTP{Method: "POST", Path: "/github/mcp", Host: "mcp.example.com", Body: `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`}
}

func with(token string) authztest.HTTP {
	r := anonymous()
	r.Header = [][2]string{{"Authorization", "Bearer " + token}}
	return r
}

// good is a token that the resource of these tests takes.
func good(i *authztest.Issuer) string { return i.Mint(map[string]any{"aud": audience}) }

func wantAllowed(t testing.TB, what string, v authztest.Verdict) {
	t.Helper()
	if !v.Allowed {
		t.Errorf("%s: %d %s, want it allowed", what, v.Status, v.Reason)
	}
}

func wantRefused(t testing.TB, what string, v authztest.Verdict, status int, reason string) {
	t.Helper()
	if v.Allowed || v.Status != status || v.Reason != reason {
		t.Errorf("%s: allowed %v, %d %s, want %d %s", what, v.Allowed, v.Status, v.Reason, status, reason)
	}
}

// journal takes standard error down, line by line.
type journal struct {
	mu    sync.Mutex
	part  []byte
	lines []string
	over  bool
	news  chan struct{} // closed at every line, then replaced
}

func newJournal() *journal { return &journal{news: make(chan struct{})} }

// Write implements io.Writer.
func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.part = append(j.part, b...)
	for {
		line, rest, whole := bytes.Cut(j.part, []byte("\n"))
		if !whole {
			break
		}
		j.lines, j.part = append(j.lines, string(line)), bytes.Clone(rest)
	}
	close(j.news)
	j.news = make(chan struct{})
	return len(b), nil
}

func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.part) > 0 {
		j.lines = append(j.lines, string(j.part))
	}
	j.over = true
	close(j.news)
	j.news = make(chan struct{})
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

// all are the lines with a message so far.
func (j *journal) all(msg string) (out []map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}

// wait returns the n-th line with a message, as soon as there is one.
func (j *journal) wait(t testing.TB, msg string, n int) map[string]any {
	t.Helper()
	deadline := time.After(patience)
	for {
		j.mu.Lock()
		news, over := j.news, j.over
		j.mu.Unlock()
		if found := j.all(msg); len(found) >= n {
			return found[n-1]
		}
		if over {
			t.Fatalf("the process ended without logging %q %d times:\n%s", msg, n, j.text())
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("never logged %q %d times:\n%s", msg, n, j.text())
		}
	}
}

// mustBeJSON fails if a line from "serving" on is not one of the log.
func (j *journal) mustBeJSON(t testing.TB) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	serving := false
	for _, line := range j.lines {
		var m struct{ Time, Level, Msg string }
		err := json.Unmarshal([]byte(line), &m)
		serving = serving || m.Msg == "serving"
		if serving && (err != nil || m.Time == "" || m.Level == "" || m.Msg == "") {
			t.Errorf("not a line of the log: %s", line)
		}
	}
}
