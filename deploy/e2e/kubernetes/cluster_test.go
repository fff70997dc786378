//go:build kubernetes

package kubernetes

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// command runs a program with an input, and returns what it says, on standard error too if it fails.
func command(stdin, name string, args ...string) (string, error) {
	var out, problems bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String() + problems.String(), err
	}
	return strings.TrimSpace(out.String()), nil
}

// try runs kubectl.
func try(args ...string) (string, error) {
	out, err := command("", "kubectl", args...)
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return out, err
}

// kubectl runs it, and fails the test if it fails.
func kubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// put applies objects as a user, "" being the administrator.
func put(user, objects string) error {
	args := []string{"apply", "-f", "-"}
	if user != "" {
		args = append(args, "--as", user, "--as-group", "system:authenticated")
	}
	if out, err := command(objects, "kubectl", args...); err != nil {
		return fmt.Errorf("kubectl apply as %q: %w: %s", user, err, out)
	}
	return nil
}

// apply is put until the end of the test.
func apply(t testing.TB, user, objects string) {
	t.Helper()
	if err := put(user, objects); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := command(objects, "kubectl", "delete", "--ignore-not-found", "-f", "-"); err != nil {
			t.Errorf("kubectl delete: %v: %s", err, out)
		}
	})
}

// refused is that a user cannot apply objects, and is told why in these words.
func refused(t testing.TB, user, objects, why string) {
	t.Helper()
	err := put(user, objects)
	if err == nil {
		_, _ = command(objects, "kubectl", "delete", "--ignore-not-found", "-f", "-")
	}
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%v; want a refusal that says %q", err, why)
	}
}

// eventually waits for a condition.
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

// route is an HTTPRoute of a namespace on the Gateway. rules are its rules, or the path of its only one.
func route(namespace, name, host, rules string) string {
	if strings.HasPrefix(rules, "/") {
		rules = fmt.Sprintf(`[{name: mcp, matches: [{path: {type: PathPrefix, value: %q}}], backendRefs: [{name: echo, port: 80}]}]`, rules)
	}
	return fmt.Sprintf(`
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %s, namespace: %s}
spec:
  parentRefs: [{name: edge, namespace: edge}]
  hostnames: [%q]
  rules: %s
`, name, namespace, host, rules)
}

// refusedEdit is refused for an object that exists, and stays.
func refusedEdit(t testing.TB, user, objects, why string) {
	t.Helper()
	if err := put(user, objects); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%v; want a refusal that says %q", err, why)
	}
}
