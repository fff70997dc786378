package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// controlPlane builds a real API server and its etcd, once, and returns where they are. With nothing cached that takes minutes.
func controlPlane(t testing.TB) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	build := exec.Command("bash", "kubernetes/cluster", "build", "control-plane")
	build.Stderr = os.Stderr
	folder, err := build.Output()
	if err != nil {
		t.Fatalf("kubernetes/cluster build control-plane: %v", err)
	}
	return strings.TrimSpace(string(folder))
}

// startEtcd runs an etcd with nothing in it, and returns its URL.
func startEtcd(t testing.TB) string {
	t.Helper()
	client, peer := "http://"+freeAddr(t), "http://"+freeAddr(t)
	p := start(t, "etcd", controlPlane(t)+"/etcd", "--data-dir", t.TempDir(), "--unsafe-no-fsync", "--log-level", "error",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	eventually(t, "etcd is healthy", func() bool { return p.running() && answers(client+"/health", http.StatusOK) })
	return client
}

// apiServer is a running Kubernetes API server.
type apiServer struct {
	*process
	addr string
	ca   string // file: the authority of its certificate
	http *http.Client
}

const adminToken = "the-tests-own-administrator"

// startAPIServer runs an API server that issues tokens under an identifier; "" is its own URL.
func startAPIServer(t testing.TB, etcd, issuer string) *apiServer {
	t.Helper()
	folder := t.TempDir()
	s := &apiServer{addr: freeAddr(t), ca: folder + "/apiserver.crt"}
	if issuer == "" {
		issuer = "https://" + s.addr
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, folder+"/sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	write(t, folder+"/tokens.csv", adminToken+`,admin,admin,"system:masters"`)
	s.process = start(t, "kube-apiserver", controlPlane(t)+"/kube-apiserver", "--etcd-servers", etcd,
		"--bind-address", "127.0.0.1", "--secure-port", portOf(s.addr), "--advertise-address", "192.0.2.1", "--endpoint-reconciler-type", "none",
		"--cert-dir", folder, "--service-account-key-file", folder+"/sa.key", "--service-account-signing-key-file", folder+"/sa.key",
		"--service-account-issuer", issuer, "--service-account-jwks-uri", "https://"+s.addr+"/openid/v1/jwks",
		"--token-auth-file", folder+"/tokens.csv", "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.96.0.0/24")
	eventually(t, "the API server has a certificate", func() bool {
		pool := x509.NewCertPool()
		data, err := os.ReadFile(s.ca)
		s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
		return s.running() && err == nil && pool.AppendCertsFromPEM(data)
	})
	t.Cleanup(s.http.CloseIdleConnections)
	eventually(t, "the API server is ready", func() bool {
		status, _ := s.call("GET", "/readyz", adminToken, nil)
		return s.running() && status == http.StatusOK
	})
	return s
}

// call asks the API as whoever has the token.
func (s *apiServer) call(method, path, token string, body any) (status int, answer []byte) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, nil
	}
	r, err := http.NewRequest(method, "https://"+s.addr+path, bytes.NewReader(data))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(r)
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

// serviceAccount makes a ServiceAccount in the namespace "default".
func (s *apiServer) serviceAccount(t testing.TB, name string) {
	t.Helper()
	status, answer := s.call("POST", "/api/v1/namespaces/default/serviceaccounts", adminToken, map[string]any{"metadata": map[string]any{"name": name}})
	if status != http.StatusCreated && status != http.StatusConflict {
		t.Fatalf("a ServiceAccount: %d\n%s", status, answer)
	}
}

// token asks for a token of a ServiceAccount, as a kubelet does for a projected volume. Without audiences it is for the API.
func (s *apiServer) token(t testing.TB, account string, audiences ...string) string {
	t.Helper()
	status, answer := s.call("POST", "/api/v1/namespaces/default/serviceaccounts/"+account+"/token", adminToken,
		map[string]any{"spec": map[string]any{"audiences": audiences, "expirationSeconds": 3600}})
	var made struct{ Status struct{ Token string } }
	if err := json.Unmarshal(answer, &made); err != nil || status != http.StatusCreated || made.Status.Token == "" {
		t.Fatalf("a token: %d\n%s", status, answer)
	}
	return made.Status.Token
}
