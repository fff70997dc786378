package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// process is a child in a group of its own, with everything it writes kept.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	out  *journal // standard output and standard error
	done chan struct{}
}

// start runs a program until the test ends. Its output is shown if the test fails.
func start(t testing.TB, name string, command ...string) *process {
	t.Helper()
	return startIn(t, name, "", nil, command...)
}

func startIn(t testing.TB, name, folder string, env []string, command ...string) *process {
	t.Helper()
	p := prepare(t, name, folder, env, command...)
	p.run()
	return p
}

// prepare is start without the start.
func prepare(t testing.TB, name, folder string, env []string, command ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: exec.Command(command[0], command[1:]...), out: &journal{}, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = folder, append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return p
}

// run starts what was prepared.
func (p *process) run() {
	p.t.Helper()
	s := struct {
		cmd  *exec.Cmd
		done chan error
	}{p.cmd, make(chan error)}
	starts <- s
	if err := <-s.done; err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	if l, ok := p.t.(*lasting); ok {
		l.processes = append(l.processes, p)
	}
	p.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() {
			p.t.Logf("%s wrote:\n%s", p.name, p.out.tail())
		}
		if piece := authztest.Leak(string(p.out.bytes())); piece != "" { // invariant 4, and none of Envoy's logs has it either
			p.t.Errorf("%s wrote %q, a piece of a token or key id", p.name, piece)
		}
	})
}

// kill ends the child and all that it started.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// running fails the test if the process has ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		p.t.Fatalf("%s ended: %v\n%s", p.name, p.cmd.ProcessState, p.out.tail())
	default:
	}
	return true
}

// journal keeps what a process writes.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) bytes() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Clone(j.buf.Bytes())
}

func (j *journal) tail() []byte {
	all := j.bytes()
	return all[max(0, len(all)-8<<10):]
}

// lines are the JSON lines with this message.
func (j *journal) lines(msg string) (out []map[string]any) {
	for line := range bytes.Lines(j.bytes()) {
		var fields map[string]any
		if json.Unmarshal(line, &fields) == nil && fields["msg"] == msg {
			out = append(out, fields)
		}
	}
	return out
}

// front is a running mcp-authz.
type front struct {
	*process
	grpc, metadata, admin string
	file                  string // its configuration
}

// listening are the addresses of a test's mcp-authz: whatever is free.
const listening = "listen: {grpc: 127.0.0.1:0, metadata: 127.0.0.1:0, admin: 127.0.0.1:0}\ndrainDelay: 0s\n"

// serve runs mcp-authz on a configuration, whose listen section it adds, and waits until it is ready.
func serve(t testing.TB, config string) *front {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mcp-authz.yaml")
	write(t, file, listening+config)
	f := &front{process: start(t, "mcp-authz", bin+"/mcp-authz", "serve", "--config", file), file: file}
	eventually(t, "mcp-authz is ready", func() bool { return f.running() && len(f.out.lines("ready")) > 0 })
	t.Cleanup(func() { f.leaksNothing(t) }) // before it is killed
	line := f.out.lines("serving")[0]
	f.grpc, f.metadata, f.admin = line["grpc"].(string), line["metadata"].(string), line["admin"].(string)
	return f
}

// change gives it another configuration, and waits until that is in force.
func (f *front) change(t testing.TB, config string) {
	t.Helper()
	before := len(f.out.lines("configuration applied"))
	write(t, f.file+".new", listening+config)
	if err := os.Rename(f.file+".new", f.file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new configuration is in force", func() bool { return f.running() && len(f.out.lines("configuration applied")) > before })
}

// leaksNothing is invariant 4: nothing that the process says on its listeners has a piece of a token or key id.
func (f *front) leaksNothing(t testing.TB) {
	said := map[string]string{}
	for _, url := range []string{f.admin + "/metrics", f.admin + "/readyz", f.metadata + "/.well-known/oauth-protected-resource"} {
		if resp, err := http.Get("http://" + url); err == nil { // a test may have ended it
			said[url] = readAnswer(t, resp).body
		}
	}
	for where, text := range said {
		if piece := authztest.Leak(text); piece != "" {
			t.Errorf("%s says %q, a piece of a token or key id:\n%s", where, piece, text)
		}
	}
}

// metrics are the samples that the admin listener shows, by name and labels.
func (f *front) metrics(t testing.TB) map[string]float64 {
	t.Helper()
	resp, err := http.Get("http://" + f.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		if cut := strings.LastIndexByte(line, ' '); cut > 0 && line[0] != '#' {
			if v, err := strconv.ParseFloat(line[cut+1:], 64); err == nil {
				out[line[:cut]] = v
			}
		}
	}
	return out
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// answers reports whether a GET gets this status.
func answers(url string, status int) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == status
}

// upstream is a server that takes everything and remembers what it was asked: with it, "nothing upstream" can be seen.
type upstream struct {
	addr string
	name string

	mu   sync.Mutex
	seen []received
}

// received is a request as the upstream got it.
type received struct {
	Method, Host, URI string
	Header, Trailer   http.Header
	Body              int // bytes
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	u.mu.Lock()
	u.seen = append(u.seen, received{r.Method, r.Host, r.RequestURI, r.Header, r.Trailer, body.Len()})
	u.mu.Unlock()
	w.Header().Set("X-Upstream", u.name)
	w.Header().Set("Access-Control-Allow-Origin", "*") // as many do; ours replaces it
	w.Header().Set("Vary", "Accept")
}

// take returns what came since the last call.
func (u *upstream) take() []received {
	u.mu.Lock()
	defer u.mu.Unlock()
	seen := slices.Clone(u.seen)
	u.seen = nil
	return seen
}
