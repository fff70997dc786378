package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

const many = 10_000

// crowd declares many resources, one half on hosts of their own and the other half on paths of one host.
func crowd(i *authztest.Issuer, count int) string {
	var b strings.Builder
	b.WriteString(anyPorts + "log: { decisions: none }\n" + corp(i) + "resources:\n")
	for n := range count {
		fmt.Fprintf(&b, "- { name: r%d, resource: %q, authorizationServers: [corp], scopes: { required: [\"s%d\"] } }\n", n, place(n), n)
	}
	return b.String()
}

// place is the identifier of the n-th resource.
func place(n int) string {
	if n%2 == 0 {
		return fmt.Sprintf("https://h%d.example.com/mcp", n)
	}
	return fmt.Sprintf("https://mcp.example.com/r%d/mcp", n)
}

// visit is a call for the n-th resource, with a token that only this one takes.
func visit(i *authztest.Issuer, n int) authztest.HTTP {
	r := with(i.Mint(map[string]any{"aud": place(n), "scope": "s" + strconv.Itoa(n)}))
	host, path, _ := strings.Cut(strings.TrimPrefix(place(n), "https://"), "/")
	r.Host, r.Path = host, "/"+path
	return r
}

// Ten thousand resources are loaded, served and replaced under traffic: the first one and the last one are found, one that is
// not there is not, and one bad resource among them keeps the whole file out of force. check is of one mind with serve.
func TestTenThousandResources(t *testing.T) {
	issuer := authorizationServer(t)
	text := crowd(issuer, many)
	program(t) // is built
	began := time.Now()
	p := start(t, text)
	p.log.wait(t, "ready", 1)
	t.Logf("%d resources, %d KiB: ready after %v with %s MiB", many, len(text)>>10, time.Since(began), p.mebibytes())

	found := func(when string, count int) {
		t.Helper()
		if got := p.metric(metricConfigResource); got != strconv.Itoa(count) {
			t.Errorf("%s: %s resources in force, want %d", when, got, count)
		}
		for _, n := range []int{0, 1, count / 2, count - 2, count - 1} {
			wantAllowed(t, fmt.Sprint(when, ": ", place(n)), p.check(visit(issuer, n)))
		}
		wantRefused(t, when+": one more", p.check(visit(issuer, count)), 404, "resource_unknown")
		wantRefused(t, when+": one more", p.check(visit(issuer, count+1)), 404, "resource_unknown")
	}
	found("at the start", many)

	calls := newTraffic(t)
	defer calls.end()
	conn := p.dial(insecure.NewCredentials())
	for _, n := range []int{0, many - 1} {
		request := visit(issuer, n)
		calls.caller(place(n), func() error {
			v, err := checkOver(t.Context(), conn, request)
			if err == nil && !v.Allowed {
				err = fmt.Errorf("%d %s", v.Status, v.Reason)
			}
			return err
		})
	}
	calls.pass("the start")
	oneMore := crowd(issuer, many+2) + "- { name: bad, resource: \"https://MCP.example.com/bad\", authorizationServers: [corp] }\n"
	for _, c := range []struct {
		what, text, problem string
		count               int
	}{
		{"the last one bad", oneMore, fmt.Sprintf("resources[%d].resource", many+2), many},
		{"two more", crowd(issuer, many+2), "", many + 2},
		{"the last one twice", crowd(issuer, many+2) + "- { name: twice, resource: \"" + place(many+1) + "\", authorizationServers: [corp] }\n", fmt.Sprintf("resources[%d].resource", many+2), many + 2},
	} {
		began := time.Now()
		p.write(c.text)
		p.signal(syscall.SIGHUP)
		bad := c.problem != ""
		eventually(t, c.what, func() bool {
			_, detail := p.readyz()
			return detail["lastConfigurationRejected"] == bad && p.metric(metricConfigResource) == strconv.Itoa(c.count)
		})
		t.Logf("%s: told after %v, with %s MiB", c.what, time.Since(began), p.mebibytes())
		if _, detail := p.readyz(); bad && fmt.Sprint(detail["configurationProblemKeys"]) != "["+c.problem+"]" {
			t.Errorf("%s: %v, want %s", c.what, detail["configurationProblemKeys"], c.problem)
		}
		found(c.what, c.count)
		calls.pass(c.what)
		_, errs, code := run(t, "check", p.file)
		if bad != (code == 1) || bad != strings.HasPrefix(errs, c.problem+" ") {
			t.Errorf("%s: check exits with %d: %.200s", c.what, code, errs)
		}
	}
}

// mebibytes is the memory of the process.
func (p *process) mebibytes() string {
	p.t.Helper()
	bytes, err := strconv.ParseFloat(p.metric("process_resident_memory_bytes"), 64)
	must(p.t, err)
	return strconv.Itoa(int(bytes) >> 20)
}

// A file of 16 MiB is read, and one of a byte more is not: by serve at the start and at a reload, and by check.
func TestTheLargestFile(t *testing.T) {
	filled := func(bytes int) string {
		text := anyPorts + "resources: []\n#"
		return text + strings.Repeat("x", bytes-len(text))
	}
	largest, larger := filled(spec.MaxFileBytes), filled(spec.MaxFileBytes+1)
	const told = "the configuration is larger than 16 MiB"
	for text, want := range map[string]int{largest: 0, larger: 1} {
		if _, errs, code := run(t, "check", file(t, text)); code != want || want == 1 && !strings.Contains(errs, told) {
			t.Errorf("check of %d bytes: exit %d, %s", len(text), code, errs)
		}
	}
	if _, errs, code := run(t, "serve", "--config", file(t, larger)); code != 1 || !strings.Contains(errs, told) {
		t.Errorf("serve with %d bytes: exit %d, %s", len(larger), code, errs)
	}
	p := start(t, largest)
	p.log.wait(t, "ready", 1)
	p.write(larger)
	if problem := p.log.wait(t, unread, 1)["problem"]; problem != told {
		t.Errorf("the log says %q, want %q", problem, told)
	}
	p.write(anyPorts + "resources: []\n")
	p.log.wait(t, applied, 1)
	must(t, os.Remove(p.file))
	p.log.wait(t, unread, 2)
	p.write(largest)
	p.log.wait(t, applied, 2)
}
