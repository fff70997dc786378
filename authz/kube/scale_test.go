package kube

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// crowd is a cluster of n resources in a hundredth as many namespaces, each with a grant, and a tenth as many authorization servers.
func crowd(n int) string {
	teams, issuers := max(1, n/100), max(1, n/10)
	parts := make([]string, 0, n+teams+issuers)
	for i := range issuers {
		parts = append(parts, strings.NewReplacer("other.example.com", fmt.Sprintf("idp-%d.example.com", i), "name: other", fmt.Sprintf("name: as-%d", i)).Replace(other))
	}
	for i := range teams {
		team := fmt.Sprintf("team-%d", i)
		parts = append(parts, granted(team, fmt.Sprintf("*.%s.example.com", team)), leads(team, "r", fmt.Sprintf("*.%s.example.com", team), prefixMatch("/")))
	}
	for i := range n {
		team := fmt.Sprintf("team-%d", i%teams)
		parts = append(parts, protected(team, fmt.Sprint("r-", i), fmt.Sprintf("https://h%d.%s.example.com/mcp", i, team),
			fmt.Sprintf("authorizationServers: [as-%d]", i%issuers), "scopes: {required: [\"mcp:use\"]}", "targetRefs: [{name: r}]"))
	}
	return all(parts...)
}

// Ten thousand resources and a thousand authorization servers are judged and compiled. Time and memory are printed.
func TestScale(t *testing.T) {
	const n = 10_000
	text := crowd(n)
	before := heap()
	began := time.Now()
	w := cluster(t, text)
	read := time.Since(began)
	objects := heap() - before

	k := &spec.Kubernetes{Namespace: "mcp-authz", Ownership: "Grant", MetadataRoutes: &spec.MetadataRoutes{Service: "mcp-authz", Port: 8080}}
	file := fileOf(t, empty)
	judge := func() *authz.Snapshot {
		j := w.judge(k, file)
		if inForce, unusable, refused := j.Counts(); inForce != n || unusable != 0 || refused != 0 {
			t.Fatalf("%d in force, %d unusable, %d refused", inForce, unusable, refused)
		}
		s, err := j.File.Snapshot(func([]string) authz.Verifier { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	began = time.Now()
	first := judge()
	once := time.Since(began)
	table := heap() - before - objects
	began = time.Now()
	second := judge()
	again := time.Since(began)
	t.Logf("%d resources, %d authorization servers: read in %v (YAML of the test included), %d MB; judged and compiled in %v, then %v, %d MB",
		n, n/10, read.Round(time.Millisecond), objects>>20, once.Round(time.Millisecond), again.Round(time.Millisecond), table>>20)
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
	runtime.KeepAlive(w)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far below
}

// BenchmarkJudge is what one change costs, by the number of resources.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w, file := cluster(b, crowd(n)), fileOf(b, empty)
			k := &spec.Kubernetes{Namespace: "mcp-authz", Ownership: "Grant"}
			b.ReportAllocs()
			for b.Loop() {
				j := w.judge(k, file)
				if _, err := j.File.Snapshot(func([]string) authz.Verifier { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
