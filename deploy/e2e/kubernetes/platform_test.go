//go:build kubernetes

package kubernetes

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// teams are the namespaces with servers in them, and who may edit there.
var teams = map[string]string{"platform": "", "team-a": "alice", "team-b": "bob"}

// manifest is a file of testdata with the values of this run in it.
func manifest(name string, more ...string) (string, error) {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	return expand(string(text), more...), err
}

// expand puts the values of this run in the place of their names; more are names and values.
func expand(text string, more ...string) string {
	b64 := base64.StdEncoding.EncodeToString
	values := map[string]string{
		"REGISTRY": os.Getenv("REGISTRY"), "RUN": stage.tag, "ISSUER": issuer, "CLUSTER": stage.issuer,
		"CA": strings.ReplaceAll(string(stage.authority.certificate), "\n", "\n    "), "CERT": b64(stage.authority.leaf), "KEY": b64(stage.authority.key),
	}
	for i := 0; i < len(more); i += 2 {
		values[more[i]] = more[i+1]
	}
	return os.Expand(text, func(name string) string { return values[name] })
}

// platform is everything but mcp-authz.
func platform() (err error) {
	if stage.authority, err = newAuthority("issuer.auth.svc", "*.mcp.example.com", "localhost"); err != nil {
		return err
	}
	// Who issues the tokens of ServiceAccounts here.
	if out, err := try("get", "--raw", "/.well-known/openid-configuration"); err != nil {
		return err
	} else if _, rest, found := strings.Cut(out, `"issuer":"`); found {
		stage.issuer, _, _ = strings.Cut(rest, `"`)
	}
	text, err := manifest("platform.yaml")
	if err != nil {
		return err
	}
	if err := put("", text); err != nil {
		return err
	}
	for namespace := range teams {
		text, err := manifest("upstream.yaml", "NAMESPACE", namespace)
		if err == nil {
			err = put("", text)
		}
		if err != nil {
			return err
		}
	}
	for namespace := range teams {
		if _, err := try("-n", namespace, "wait", "--for=condition=Available", "deploy", "--all", "--timeout", patience.String()); err != nil {
			return err
		}
	}
	if _, err := try("-n", "auth", "rollout", "status", "deploy/issuer", "--timeout", patience.String()); err != nil {
		return err
	}
	if _, err := try("-n", "edge", "wait", "--for=condition=Programmed", "gateway/edge", "--timeout", patience.String()); err != nil {
		return err
	}
	return findAddresses()
}

// findAddresses learns where the node lets requests in: the Gateway's listeners and the authorization server.
func findAddresses() error {
	const gateway = "gateway.envoyproxy.io/owning-gateway-name=edge"
	if _, err := try("-n", "envoy-gateway-system", "wait", "--for=condition=Available", "deploy", "-l", gateway, "--timeout", patience.String()); err != nil {
		return err
	}
	node := "127.0.0.1"
	if !stage.local {
		out, err := try("get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
		if err != nil {
			return err
		}
		node = out
	}
	stage.addresses = map[string]string{}
	for name, where := range map[string][]string{
		"http":   {"-n", "envoy-gateway-system", "get", "service", "-l", gateway, "-o", "jsonpath={.items[0].spec.ports[?(@.port==80)].nodePort}"},
		"https":  {"-n", "envoy-gateway-system", "get", "service", "-l", gateway, "-o", "jsonpath={.items[0].spec.ports[?(@.port==443)].nodePort}"},
		"issuer": {"-n", "auth", "get", "service", "issuer", "-o", "jsonpath={.spec.ports[0].nodePort}"},
	} {
		port, err := try(where...)
		if err != nil || port == "" {
			return fmt.Errorf("the port of %s: %q, %w", name, port, err)
		}
		stage.addresses[name] = node + ":" + port
	}
	return nil
}

// install installs the chart of the repository as a platform engineer would, and waits until its pods are ready and those of before
// are gone: one that drains may still be the leader, which writes status by what it knows.
func install() error {
	if err := helmWith("testdata/values.yaml", stage.tag, "upgrade", "--install", "mcp-authz", filepath.Join(root, "charts/mcp-authz")); err != nil {
		return err
	}
	_, err := try("-n", "mcp-authz", "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=server,mcp-authz-run!="+stage.tag, "--timeout", patience.String())
	return err
}

// seconds is how long ago something was.
func seconds(began time.Time) string { return fmt.Sprintf("%.2f s", time.Since(began).Seconds()) }
