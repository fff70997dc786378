package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// newUpstream starts a recording upstream on loopback.
func newUpstream(t testing.TB, name string) *upstream {
	t.Helper()
	u := &upstream{name: name}
	u.addr = served(t, u)
	return u
}

// served is the address at which a handler answers, until the test ends.
func served(t testing.TB, handler http.Handler) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// edit changes the text of the shipped file.
type edit struct{ old, new string }

// envoyFile is the shipped deploy/envoy/envoy.yaml with the addresses of this test, and whatever else a test changes.
func envoyFile(t testing.TB, grpc, mcpServer string, edits ...edit) string {
	t.Helper()
	text := read(t, filepath.Join(root, "deploy/envoy/envoy.yaml"))
	port := func(addr string) string {
		_, p, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, e := range append([]edit{
		{"port_value: 3000}", "port_value: 0}"}, {"port_value: 9901}", "port_value: 0}"},
		{"port_value: 3001}", "port_value: " + port(mcpServer) + "}"}, {"port_value: 9001}", "port_value: " + port(grpc) + "}"},
	}, edits...) {
		if !strings.Contains(text, e.old) {
			t.Fatalf("deploy/envoy/envoy.yaml no longer has %q, which this test changes", e.old)
		}
		text = strings.ReplaceAll(text, e.old, e.new)
	}
	return text
}

// listensOn gives Envoy an address that is known beforehand.
func listensOn(addr string) edit {
	return edit{"port_value: 0}} # CHANGE: 0.0.0.0", "port_value: " + portOf(addr) + "}} # CHANGE: 0.0.0.0"}
}

// gateway is a running Envoy.
type gateway struct {
	*process
	addr  string // of the listener
	admin string
}

// startEnvoy runs an Envoy of a version on a configuration and waits until it is live.
func startEnvoy(t testing.TB, version, config string) *gateway {
	t.Helper()
	folder := t.TempDir()
	file, admin := filepath.Join(folder, "envoy.yaml"), filepath.Join(folder, "admin")
	write(t, file, config)
	g := &gateway{process: start(t, "envoy "+version, envoyBinary(t, version), "-c", file, "--disable-hot-restart", "--concurrency", "1",
		"--log-level", "warning", "--file-flush-interval-msec", "20", "--admin-address-path", admin)}
	eventually(t, "envoy names its admin address", func() bool {
		text, err := os.ReadFile(admin)
		g.admin = string(text)
		return g.running() && err == nil && strings.Contains(g.admin, ":")
	})
	eventually(t, "envoy is live", func() bool { return g.running() && answers("http://"+g.admin+"/ready", http.StatusOK) })
	g.addr = g.listener(t)
	return g
}

// listener asks for the address that the system chose.
func (g *gateway) listener(t testing.TB) string {
	t.Helper()
	var found struct {
		Listeners []struct {
			Local struct {
				Socket struct {
					Address string
					Port    int `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal([]byte(get(t, "http://"+g.admin+"/listeners?format=json")), &found); err != nil || len(found.Listeners) == 0 {
		t.Fatalf("envoy's listeners: %v, %v", found, err)
	}
	l := found.Listeners[0].Local.Socket
	return net.JoinHostPort(l.Address, strconv.Itoa(l.Port))
}

func get(t testing.TB, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, resp).body
}
