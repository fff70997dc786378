package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// instance is one of several mcp-authz with the same configuration. It keeps its address when it is started again.
type instance struct {
	*front
	t            testing.TB
	addr, config string
}

// newInstance starts the build that is under test.
func newInstance(t testing.TB, addr, config string) *instance {
	t.Helper()
	i := &instance{t: t, addr: addr, config: config}
	i.start(bin + "/mcp-authz")
	return i
}

// start runs a build of mcp-authz and waits until it is ready.
func (i *instance) start(binary string) {
	i.t.Helper()
	file := filepath.Join(i.t.TempDir(), "mcp-authz.yaml")
	write(i.t, file, fmt.Sprintf("listen: {grpc: %q, metadata: 127.0.0.1:0, admin: 127.0.0.1:0}\n%s", i.addr, i.config))
	i.front = &front{process: start(i.t, "mcp-authz at "+i.addr, binary, "serve", "--config", file)}
	eventually(i.t, i.name+" is ready", func() bool { return i.running() && len(i.out.lines("ready")) > 0 })
	line := i.out.lines("serving")[0]
	i.addr, i.admin = line["grpc"].(string), line["admin"].(string)
}

func (i *instance) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := i.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// freeze sends SIGSTOP and waits until no thread of the process runs: it takes connections and calls, and answers none.
func (i *instance) freeze(t testing.TB) {
	t.Helper()
	i.signal(t, syscall.SIGSTOP)
	eventually(t, i.name+" stands still", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", i.cmd.Process.Pid))
		if err != nil || len(threads) == 0 {
			t.Fatal(threads, err)
		}
		return !slices.ContainsFunc(threads, func(file string) bool {
			status, err := os.ReadFile(file)
			return err != nil || !strings.Contains(string(status), "State:\tT")
		})
	})
}

// end sends SIGTERM and waits until the process has ended, as it should.
func (i *instance) end(t testing.TB) {
	t.Helper()
	i.signal(t, syscall.SIGTERM)
	eventually(t, i.name+" ends", func() bool {
		select {
		case <-i.done:
			return true
		default:
			return false
		}
	})
	if code := i.cmd.ProcessState.ExitCode(); code != 0 || len(i.out.lines("stopped")) != 1 {
		t.Errorf("exit %d after\n%s", code, i.out.tail())
	}
}

// decided is how many checks it has answered.
func (i *instance) decided(t testing.TB) (n float64) {
	t.Helper()
	for name, value := range i.metrics(t) {
		if strings.HasPrefix(name, "mcp_authz_decisions_total{") {
			n += value
		}
	}
	return n
}

// decides waits until it has answered more checks.
func (i *instance) decides(t testing.TB) {
	t.Helper()
	const more = 50
	before := i.decided(t)
	eventually(t, "checks are answered by "+i.name, func() bool { return i.running() && i.decided(t) >= before+more })
}

// isVersion asks which build runs.
func (i *instance) isVersion(t testing.TB, version string) bool {
	t.Helper()
	for name := range i.metrics(t) {
		if strings.HasPrefix(name, "mcp_authz_build_info{") {
			return strings.Contains(name, `version="`+version+`"`)
		}
	}
	t.Fatal("no mcp_authz_build_info")
	return false
}

// pair is two instances of mcp-authz with one Envoy in front of them.
type pair struct {
	a, b  *instance
	token string
	up    *guarded
	envoy *gateway
}

// newPair starts them, with more in the configuration of mcp-authz and changes to Envoy's.
func newPair(t testing.TB, version, more string, edits ...edit) *pair {
	t.Helper()
	config, token := oneResource(more)
	// On these addresses no other socket of this machine takes the port while its owner is away.
	p := &pair{a: newInstance(t, "127.0.0.2:0", config), b: newInstance(t, "127.0.0.3:0", config), token: token, up: newGuarded(t)}
	p.envoy = startEnvoy(t, version, envoyFile(t, shipped, p.up.addr, append([]edit{endpoints(p.a, p.b)}, edits...)...))
	return p
}

// shipped is where Envoy's file looks for mcp-authz.
const shipped = "127.0.0.1:9001"

// oneResource declares https://mcp.example.com/github/mcp and makes a token for it.
func oneResource(more string) (config, token string) {
	const resource = "https://mcp.example.com/github/mcp"
	issuer := authztest.NewIssuer(authztest.CastCorp)
	return fmt.Sprintf("%sauthorizationServers:\n- {name: corp, issuer: %q, jwks: %s}\nresources:\n- {name: github, resource: %q, authorizationServers: [corp]}\n",
		more, issuer.URL(), issuer.KeySet(), resource), issuer.Mint(map[string]any{"aud": resource, "sub": "alice"})
}

// bothDecide waits until both have answered more checks.
func (p *pair) bothDecide(t testing.TB) {
	t.Helper()
	p.a.decides(t)
	p.b.decides(t)
}

// endpoints are those of the cluster mcp-authz.
func endpoints(instances ...*instance) edit {
	const one = "        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9001}}}"
	lines := []string{}
	for _, i := range instances {
		host, port, _ := net.SplitHostPort(i.addr)
		lines = append(lines, strings.NewReplacer("127.0.0.1", host, "9001", port).Replace(one))
	}
	return edit{one, strings.Join(lines, "\n")}
}

// without cuts lines out of the shipped file: from the one that begins with first to before the one that begins with next.
func without(t testing.TB, first, next string) edit {
	t.Helper()
	_, rest, found := strings.Cut(read(t, filepath.Join(root, "deploy/envoy/envoy.yaml")), "\n"+first)
	part, _, ended := strings.Cut(rest, "\n"+next)
	if !found || !ended {
		t.Fatalf("deploy/envoy/envoy.yaml has nothing from %q to %q", first, next)
	}
	return edit{first + part + "\n", ""}
}

// view is how Envoy sees an instance.
type view struct {
	active  int  // calls in flight
	failing bool // its health check
}

func (g *gateway) sees(t testing.TB, i *instance) view {
	t.Helper()
	var all struct {
		Clusters []struct {
			Hosts []struct {
				Address struct {
					Socket struct {
						Address string
						Port    int `json:"port_value"`
					} `json:"socket_address"`
				}
				Stats  []struct{ Name, Value string }
				Health struct {
					Failed bool `json:"failed_active_health_check"`
				} `json:"health_status"`
			} `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	if err := json.Unmarshal([]byte(get(t, "http://"+g.admin+"/clusters?format=json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all.Clusters {
		for _, h := range c.Hosts {
			if net.JoinHostPort(h.Address.Socket.Address, strconv.Itoa(h.Address.Socket.Port)) != i.addr {
				continue
			}
			v := view{failing: h.Health.Failed}
			for _, s := range h.Stats {
				if s.Name == "rq_active" {
					v.active, _ = strconv.Atoi(s.Value)
				}
			}
			return v
		}
	}
	t.Fatalf("Envoy does not know %s", i.addr)
	return view{}
}

// counted reads a counter of the cluster mcp-authz.
func (g *gateway) counted(t testing.TB, name string) int {
	t.Helper()
	text := strings.TrimSpace(get(t, "http://"+g.admin+"/stats?filter=^cluster.mcp-authz."+name+"$"))
	n, err := strconv.Atoi(text[strings.LastIndexByte(text, ' ')+1:])
	if err != nil {
		t.Fatalf("Envoy says of %s: %q", name, text)
	}
	return n
}
