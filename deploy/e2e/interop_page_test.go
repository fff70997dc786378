package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInteropPage: docs/interop.md is what the results say.
func TestInteropPage(t *testing.T) {
	r := readResults(t)
	for _, c := range cover() {
		if r[c] == "" {
			t.Errorf("the results lack %s", c)
		}
	}
	if *fully || *renew {
		return // TestInterop writes it
	}
	if read(t, interopPage) != pageOf(t, r) {
		t.Error("docs/interop.md is not what testdata/interop/results.txt says: make interop writes it")
	}
}

var interopPage = filepath.Join(root, "docs/interop.md")

// notes numbers the reasons in the order in which the page refers to them.
type notes struct {
	reasons []reason
	order   []int
}

func (n *notes) refer(c cell, outcome string) string {
	at := of(n.reasons, c, outcome)
	if at < 0 {
		return "?"
	}
	number := slices.Index(n.order, at)
	if number < 0 {
		number = len(n.order)
		n.order = append(n.order, at)
	}
	return fmt.Sprint(number + 1)
}

// sign is an outcome in a table.
func (n *notes) sign(c cell, outcome string) string {
	switch {
	case outcome == works:
		return "✓"
	case strings.HasPrefix(outcome, works):
		return "✓ (" + n.refer(c, outcome) + ")"
	}
	return "✗ (" + n.refer(c, outcome) + ")"
}

// summed is one sign for several cells, where they do not differ; else how many there are of each.
func (n *notes) summed(r results, cells []cell) string {
	var signs []string
	count := map[string]int{}
	for _, c := range cells {
		outcome := r[c]
		if outcome == "" {
			continue
		}
		s := n.sign(c, outcome)
		if count[s] == 0 {
			signs = append(signs, s)
		}
		count[s]++
	}
	switch len(signs) {
	case 0:
		return "–"
	case 1:
		return signs[0]
	}
	for at, s := range signs {
		signs[at] = fmt.Sprintf("%d× %s", count[s], s)
	}
	return strings.Join(signs, ", ")
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// table has a row for each client; cells are those that a column sums up.
func (n *notes) table(b *strings.Builder, r results, columns []string, cells func(client, column string) []cell) {
	head := append([]string{"client"}, columns...)
	b.WriteString(row(head...) + "|" + strings.Repeat("---|", len(head)) + "\n")
	for _, c := range interopClients {
		line := []string{c.name}
		for _, column := range columns {
			line = append(line, n.summed(r, cells(c.id, column)))
		}
		b.WriteString(row(line...))
	}
	b.WriteString("\n")
}

// pageOf is docs/interop.md.
func pageOf(t testing.TB, r results) string {
	var b strings.Builder
	n := &notes{reasons: readReasons(t)}
	b.WriteString(interopHead)
	fmt.Fprintf(&b, "%d cells were run, each through a real Envoy %s and mcp-authz; in %d of them everything simply works.\n\n", len(r), newest, func() (good int) {
		for _, outcome := range r {
			if outcome == works {
				good++
			}
		}
		return good
	}())

	fmt.Fprintf(&b, "## First login: clients and authorization servers\n\nFrom nothing but the URL to the answer of a tool, in front of each of the %d servers below.\n\n", len(interopUpstreams))
	n.table(&b, r, interopServers, func(client, server string) (cells []cell) {
		for _, upstream := range interopUpstreams {
			cells = append(cells, cell{client, "first-login", server, upstream})
		}
		return cells
	})
	fmt.Fprintf(&b, "## First login: clients and MCP servers\n\nThe same logins, at each of the %d authorization servers.\n\n", len(interopServers))
	n.table(&b, r, interopUpstreams, func(client, upstream string) (cells []cell) {
		for _, server := range interopServers {
			cells = append(cells, cell{client, "first-login", server, upstream})
		}
		return cells
	})

	b.WriteString("## Journeys\n\n" + journeysHead)
	var ids []string
	for _, j := range journeys[1:] {
		ids = append(ids, j.id)
		fmt.Fprintf(&b, "- `%s`: %s\n", j.id, j.title)
	}
	b.WriteString("\n")
	n.table(&b, r, ids, func(client, journey string) (cells []cell) {
		for _, server := range interopServers {
			for _, upstream := range interopUpstreams {
				cells = append(cells, cell{client, journey, server, upstream})
			}
		}
		return cells
	})

	b.WriteString(browserPart)
	b.WriteString("## Why\n\n")
	for at, number := range n.order {
		fmt.Fprintf(&b, "%d. %s\n", at+1, n.reasons[number].text)
	}
	b.WriteString("\nNot run:\n\n")
	for _, c := range interopClients {
		for _, j := range journeys {
			if why := c.cannot[j.id]; why != "" {
				fmt.Fprintf(&b, "- %s, `%s`: %s.\n", c.name, j.id, why)
			}
		}
	}

	b.WriteString("\n## Versions\n\n" + row("what", "version") + "|---|---|\n")
	seen := ""
	for _, c := range interopClients {
		if line := row(c.name, c.version(t)); line != seen {
			b.WriteString(line)
		}
	}
	for _, server := range interopServers {
		b.WriteString(row(server, interopServerVersion(t, server)))
	}
	for _, upstream := range interopUpstreams {
		b.WriteString(row(upstream, interopUpstreamVersion(t, upstream)))
	}
	return b.String()
}

const interopHead = `# Who can log in

Which clients can log in through mcp-authz, at which authorization server, in front of which MCP server: measured, not promised.
Each client is a program on its library as it comes, with nothing but a URL; each MCP server is unmodified and knows of no
authorization. ` + "`make interop`" + ` runs all of it and writes this page; ` + "`make e2e`" + ` runs a part in which every pair occurs, and must find
what stands here. What the clients ask for in each step, request by request, is in ` + "`deploy/e2e/testdata/interop`" + `. What helps a client
that cannot do something is in [known clients](clients.md), how to set up the authorization server in
[authorization servers](authorization-servers/README.md).

✓ works; ✓ (n) works, but costs something; ✗ (n) fails; – was not run. The numbers lead to the [reasons](#why). ` + "`3× ✓, 2× ✗ (n)`" + ` sums
up cells that differ.

`

const journeysHead = `After the first login. Where it makes a difference, *works* means that the user was asked to log in no more often than it takes.

`

// browserPart is what the tests of interop_browser_test.go and interop_cors_test.go find.
const browserPart = `## In a browser

The TypeScript SDK in a page of another origin than the MCP server and the authorization server (the development issuer), in Chromium.

| SDK | first login, list, call, close | comes back with a token that is not good | a scope more is required | the page's origin is not among ` + "`allowedOrigins`" + ` |
|---|---|---|---|---|
| 1.x | ✓ with sessions and without, Envoy newest and oldest | ✓ refreshes, or logs in | ✗ refreshes, sees the same 403, gives up | ✗ "Failed to fetch"; nothing reaches the server |
| 2.x | ✓ the same | ✓ the same | ✓ one login more | ✗ the same |
| 2.x, both eras | ✓ in both | | | ✗ the same |

`
