package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// changing is a process whose file alternates between two, which want the scope "a" or "b", while gateways ask without a
// pause: a token with both scopes always passes, one with neither never does.
type changing struct {
	*process
	*traffic
	issuer *authztest.Issuer
	a, b   string
}

// newChanging starts it with the file that make makes of the first configuration.
func newChanging(t *testing.T, create func(config string) (name string)) *changing {
	t.Helper()
	c := &changing{issuer: authorizationServer(t)}
	wants := func(scope string) string {
		return anyPorts + "log: { decisions: none }\n" + corp(c.issuer) + strings.Replace(githubWithScope, "mcp:use", scope, 1)
	}
	c.a, c.b = wants("a"), wants("b")
	c.process = startFile(t, create(c.a))
	c.log.wait(t, "ready", 1)
	c.traffic = newTraffic(t)
	for what, scope := range map[string]string{"a token of both": "a b", "a token of neither": "c"} {
		conn := c.dial(insecure.NewCredentials())
		request, pass := c.scoped(scope), scope != "c"
		c.caller(what, func() error {
			v, err := checkOver(t.Context(), conn, request)
			if err == nil && v.Allowed != pass {
				err = fmt.Errorf("allowed %v, %d %s", v.Allowed, v.Status, v.Reason)
			}
			return err
		})
	}
	c.inForce("at the start", "a")
	return c
}

func (c *changing) scoped(scope string) authztest.HTTP {
	return with(c.issuer.Mint(map[string]any{"aud": audience, "scope": scope}))
}

// inForce looks which of the two files counts.
func (c *changing) inForce(when, want string) {
	t := c.traffic.t
	t.Helper()
	for _, scope := range []string{"a", "b"} {
		if v := c.check(c.scoped(scope)); v.Allowed != (scope == want) {
			t.Errorf("%s: a token of %q alone is allowed: %v, want the file of %q in force", when, scope, v.Allowed, want)
		}
	}
	c.pass(when)
}

// Emptied and filled, cut off and completed, removed and made again, in place: what is not good changes nothing, and what is
// good counts in the end.
func TestAFileThatIsChangedInSteps(t *testing.T) {
	c := newChanging(t, func(config string) string { return file(t, config) })
	defer c.end()
	file := c.file
	inPlace := func(text string) {
		t.Helper()
		must(t, os.WriteFile(file, []byte(text), 0o600))
	}
	state := func(when string, isBad bool, want string) {
		t.Helper()
		eventually(t, when, func() bool { _, detail := c.readyz(); return detail["lastConfigurationRejected"] == isBad })
		c.inForce(when, want)
	}
	becomes := func(when, want string, write func(string)) {
		t.Helper()
		write(map[string]string{"a": c.a, "b": c.b}[want])
		state(when, false, want)
	}
	isBad := func(when, want string) { t.Helper(); state(when, true, want) }
	must(t, os.Truncate(file, 0))
	isBad("emptied", "a")
	becomes("filled", "b", inPlace)
	inPlace(c.a[:len(c.a)-20])
	isBad("cut off", "b")
	becomes("replaced by a whole one", "a", c.write)
	must(t, os.Remove(file))
	c.log.wait(t, unread, 1)
	isBad("removed", "a")
	becomes("made again", "b", inPlace)
	must(t, os.Remove(file))
	c.log.wait(t, unread, 2)
	must(t, os.WriteFile(file, nil, 0o600))
	isBad("removed and made again, empty", "b")
	becomes("replaced by a whole one again", "a", c.write)
}

// A mounted ConfigMap that is swapped again and again: the last one counts, and nothing fails meanwhile.
func TestAConfigMapThatIsSwappedAgainAndAgain(t *testing.T) {
	mount := t.TempDir()
	c := newChanging(t, func(config string) string {
		configMap(t, mount, "0", config)
		must(t, os.Symlink("..data/config.yaml", filepath.Join(mount, "config.yaml")))
		return filepath.Join(mount, "config.yaml")
	})
	defer c.end()
	const swaps = 303
	swap := func(n int) {
		t.Helper()
		text := c.a
		if n%2 == 1 {
			text = c.b
		}
		configMap(t, mount, fmt.Sprint(n), text)
		must(t, os.RemoveAll(filepath.Join(mount, fmt.Sprintf("..%d", n-1)))) // so does the kubelet
	}
	for n := 1; n <= swaps; n++ {
		swap(n)
		if n%7 == 0 {
			c.signal(syscall.SIGHUP) // looks at once, in the midst of it
			c.pass(fmt.Sprintf("swap %d", n))
		}
	}
	eventually(t, "the last file to count", func() bool { return c.check(c.scoped("b")).Allowed && !c.check(c.scoped("a")).Allowed })
	swap(swaps + 1)
	eventually(t, "one more, after a rest, to count", func() bool { return c.check(c.scoped("a")).Allowed && !c.check(c.scoped("b")).Allowed })
	c.pass("the last swap")
	if n := len(c.log.all(rejected)); n > 0 {
		t.Errorf("%d of the files were found bad", n)
	}
	t.Logf("%d swaps, %d files applied, %d found missing", swaps, len(c.log.all(applied)), len(c.log.all(unread)))
}
