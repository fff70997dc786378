//go:build kubernetes

package kubernetes

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// authority is a certificate authority, with one certificate for everything in the cluster. All in PEM.
type authority struct{ certificate, leaf, key []byte }

func newAuthority(hosts ...string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the suite"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "edge"}, NotBefore: root.NotBefore, NotAfter: root.NotAfter, DNSNames: hosts,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, leafKey.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return nil, err
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return &authority{block("CERTIFICATE", rootDER), block("CERTIFICATE", leafDER), block("PRIVATE KEY", keyDER)}, nil
}

// transport finds the hosts of the cluster at the node's ports, as public DNS and a load balancer would.
func transport() *http.Transport {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(stage.authority.certificate)
	dialer := &net.Dialer{}
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, reachedAt(addr))
		},
	}
}

// reachedAt is where a host and port of the cluster are reached from here.
func reachedAt(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	switch {
	case "https://"+host == issuer:
		return stage.addresses["issuer"]
	case port == "443":
		return stage.addresses["https"]
	default:
		return stage.addresses["http"]
	}
}

// tokenFor asks the authorization server for one, as a machine would.
func tokenFor(t testing.TB, resource string) string {
	t.Helper()
	client := &http.Client{Transport: transport(), Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.PostForm(issuer+"/token", url.Values{"grant_type": {"client_credentials"}, "resource": {resource}, "client_id": {"demo"}, "client_secret": {"demo"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.AccessToken == "" {
		t.Fatalf("the token endpoint answers %s, %v", resp.Status, err)
	}
	authztest.Guard(got.AccessToken)
	return got.AccessToken
}

// answer is a response, read to its end; status 0 is none at all.
type answer struct {
	status int
	header http.Header
	body   string
}

// upstream is which server answered, "" if none did.
func (a answer) upstream() string { return a.header.Get("X-Upstream") }

// challenged is that a request was refused for want of a token, by mcp-authz.
func (a answer) challenged() bool {
	return a.status == http.StatusUnauthorized && strings.HasPrefix(a.header.Get("Www-Authenticate"), "Bearer resource_metadata=") && a.upstream() == ""
}

// allowed is that a server of a namespace got the request.
func (a answer) allowed(namespace string) bool {
	return a.status == http.StatusOK && a.upstream() == namespace
}

// refused is that mcp-authz, not the gateway, refused with a status.
func (a answer) refused(status int) bool {
	return a.status == status && a.upstream() == "" && strings.HasPrefix(a.body, `{"error":{"code":`)
}

func (a answer) String() string {
	return fmt.Sprintf("%d from %q, %q, %.300s", a.status, a.upstream(), a.header.Get("Www-Authenticate"), a.body)
}

// ask sends a message of MCP to a URL of the cluster, in the clear, with lines of header as they are.
func ask(url, token string, header ...string) answer {
	return send("POST", url, token, ping, header...)
}

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// get asks for a document.
func get(url string) answer { return send("GET", url, "", "") }

func send(method, target, token, body string, header ...string) answer {
	u, err := url.Parse(target)
	if err != nil {
		return answer{body: err.Error()}
	}
	conn, err := net.DialTimeout("tcp", stage.addresses["http"], patience)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	lines := []string{method + " " + u.RequestURI() + " HTTP/1.1", "Host: " + u.Host}
	if token != "" {
		lines = append(lines, "Authorization: Bearer "+token)
	}
	if body != "" {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)), "Content-Type: application/json")
	}
	if !strings.Contains(strings.Join(header, "\n"), "Connection:") {
		header = append(header, "Connection: close")
	}
	if _, err := io.WriteString(conn, strings.Join(append(lines, header...), "\r\n")+"\r\n\r\n"+body); err != nil {
		return answer{body: err.Error()}
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}
