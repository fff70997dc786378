package test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for a condition. It is not spent when things are well.
const patience = 2 * time.Minute

// cluster is a real API server, with an etcd and nothing else: objects are judged and stored, and no controller acts on them.
type cluster struct {
	addr, ca, kubeconfig string
	http                 *http.Client
	kinds                map[string]resource // by "apiVersion kind"
}

// resource says how the objects of a kind are addressed.
type resource struct {
	path, plural string
	namespaced   bool
}

const adminToken = "the-tests-own-administrator"

func startCluster(t *testing.T) *cluster {
	t.Helper()
	build := exec.Command("bash", root+"/deploy/e2e/kubernetes/cluster", "build", "control-plane")
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		t.Fatalf("cluster build control-plane: %v", err)
	}
	bin, folder := strings.TrimSpace(string(out)), t.TempDir()

	client, peer := "http://"+freeAddr(t), "http://"+freeAddr(t)
	start(t, nil, filepath.Join(bin, "etcd"), "--data-dir", t.TempDir(), "--unsafe-no-fsync", "--log-level", "error",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{addr: freeAddr(t), ca: folder + "/apiserver.crt", kubeconfig: folder + "/kubeconfig", kinds: map[string]resource{}}
	_, port, _ := net.SplitHostPort(c.addr)
	write(t, folder+"/sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	write(t, folder+"/tokens.csv", adminToken+`,admin,admin,"system:masters"`)
	start(t, nil, filepath.Join(bin, "kube-apiserver"), "--etcd-servers", client,
		"--bind-address", "127.0.0.1", "--secure-port", port, "--advertise-address", "192.0.2.1", "--endpoint-reconciler-type", "none",
		"--cert-dir", folder, "--service-account-key-file", folder+"/sa.key", "--service-account-signing-key-file", folder+"/sa.key",
		"--service-account-issuer", "https://"+c.addr, "--token-auth-file", folder+"/tokens.csv", "--authorization-mode", "RBAC",
		"--service-cluster-ip-range", "10.96.0.0/24")
	eventually(t, "the API server has a certificate", func() bool {
		pool := x509.NewCertPool()
		data, err := os.ReadFile(c.ca)
		c.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
		return err == nil && pool.AppendCertsFromPEM(data)
	})
	t.Cleanup(c.http.CloseIdleConnections)
	eventually(t, "the API server is ready", func() bool {
		status, _ := c.call("GET", "/readyz", nil)
		return status == http.StatusOK
	})
	write(t, c.kubeconfig, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: admin}}]
clusters: [{name: test, cluster: {server: "https://%s", certificate-authority: %s}}]
users: [{name: admin, user: {token: %s}}]
`, c.addr, c.ca, adminToken))
	return c
}

// call asks the API as the administrator.
func (c *cluster) call(method, path string, body any) (status int, answer []byte) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, nil
	}
	r, err := http.NewRequest(method, "https://"+c.addr+path, bytes.NewReader(data))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

// discover learns how the objects of a group and version are addressed.
func (c *cluster) discover(apiVersion string) {
	path := "/apis/" + apiVersion
	if !strings.Contains(apiVersion, "/") {
		path = "/api/" + apiVersion
	}
	_, answer := c.call("GET", path, nil)
	var list struct {
		Resources []struct {
			Name, Kind string
			Namespaced bool
		}
	}
	_ = json.Unmarshal(answer, &list)
	for _, r := range list.Resources {
		if !strings.Contains(r.Name, "/") {
			c.kinds[apiVersion+" "+r.Kind] = resource{path, r.Name, r.Namespaced}
		}
	}
}

// create gives an object to the API server, strictly; query may say dryRun=All. The message is empty if it was taken.
func (c *cluster) create(t *testing.T, o object, query string) (message string) {
	t.Helper()
	apiVersion := fmt.Sprint(o["apiVersion"])
	key := apiVersion + " " + o.kind()
	if c.kinds[key].path == "" {
		eventually(t, "the API server serves "+key, func() bool {
			c.discover(apiVersion)
			return c.kinds[key].path != ""
		})
	}
	r := c.kinds[key]
	path := r.path
	if r.namespaced {
		namespace, _ := o.at("metadata", "namespace").(string)
		if namespace == "" {
			namespace = "mcp-authz" // where Helm would put it
		}
		path += "/namespaces/" + namespace
	}
	status, answer := c.call("POST", path+"/"+r.plural+"?fieldValidation=Strict&"+query, o)
	var said struct{ Message string }
	if err := json.Unmarshal(answer, &said); status == http.StatusCreated && err == nil {
		return ""
	}
	return fmt.Sprint(status, " ", said.Message)
}

// must is create for what has to be taken.
func (c *cluster) must(t *testing.T, text string) {
	t.Helper()
	for _, o := range objects(t, text) {
		if message := c.create(t, o, ""); message != "" {
			t.Fatalf("%s: %s", o, message)
		}
	}
}

// exists reports whether an object is there.
func (c *cluster) exists(path string) bool {
	status, _ := c.call("GET", path, nil)
	return status == http.StatusOK
}

// helm runs Helm against the cluster.
func (c *cluster) helm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(t, "helm", append(args, "--kubeconfig", c.kubeconfig, "--namespace", "mcp-authz")...)
	if err != nil {
		t.Fatalf("helm %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// takeCRDs makes the API server know all kinds that the chart renders.
func (c *cluster) takeCRDs(t *testing.T) {
	t.Helper()
	names := map[string]bool{}
	for _, crd := range crds(t) {
		if names[crd.name()] {
			continue
		}
		names[crd.name()] = true
		delete(crd, "status") // some files have one
		if message := c.create(t, crd, ""); message != "" {
			t.Fatalf("%s: %s", crd, message)
		}
	}
}

const namespaces = `
{apiVersion: v1, kind: Namespace, metadata: {name: mcp-authz, labels: {
  pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/enforce-version: latest}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: edge}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: istio-ingress}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: platform}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: weather}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: github}}
`

// start runs a program until the test ends, with these variables beside those of the test. The path is that of what it writes, which is
// shown if the test fails.
func start(t *testing.T, env []string, command ...string) (cmd *exec.Cmd, output string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(command[0])+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
		if t.Failed() {
			text := read(t, log.Name())
			t.Logf("%s wrote:\n%s", command[0], text[max(0, len(text)-4<<10):])
		}
	})
	return cmd, log.Name()
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within %v", what, patience)
		case <-tick.C:
		}
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
