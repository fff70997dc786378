package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// fully is set by make interop: every cell of the matrix is run, and what comes out is written to testdata/interop and
// docs/interop.md. Without it, a cover of the matrix is run and must come out as it is written there.
var (
	fully = flag.Bool("interop", false, "run the whole matrix of clients and write what comes out")
	renew = flag.Bool("interop.cover", false, "write what comes out of the cover")
)

// cell is one case of the matrix.
type cell struct{ client, journey, server, upstream string }

func (c cell) String() string { return c.client + " " + c.journey + " " + c.server + " " + c.upstream }

// TestInterop: real clients, from nothing but a URL, at real authorization servers, in front of MCP servers that nobody changed,
// through a real Envoy. Every pair of client, journey, server and upstream occurs (A-03, A-09, C-02, C-08, C-09). What is asserted is
// the sequence of requests, in testdata/interop/CLIENT.txtar: that a client needs no more than that, and in which step.
func TestInterop(t *testing.T) {
	cells, told := cover(), &stories{written: readStories(t), now: map[cell]string{}}
	if *fully {
		cells = whole()
	}
	outcomes, writing := readResults(t), *fully || *renew
	t.Run("cells", func(t *testing.T) {
		for _, c := range cells {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				story, outcome := c.run(t)
				told.mu.Lock()
				defer told.mu.Unlock()
				told.now[c] = story
				if writing {
					t.Log(story)
					outcomes[c] = outcome
					return
				}
				if diff := cmp.Diff(told.written[c], story); diff != "" {
					t.Errorf("testdata/interop/%s.txtar (-want +got):\n%s", c.client, diff)
				}
				if want := outcomes[c]; outcome != want {
					t.Errorf("the outcome is %q, docs/interop.md says %q", outcome, want)
				}
			})
		}
	})
	if writing {
		told.write(t)
		outcomes.write(t) // with those that a filter of tests left out, as they were
		write(t, interopPage, pageOf(t, outcomes))
	}
	if left := unexplained(t, outcomes); len(left) > 0 {
		t.Errorf("testdata/interop/reasons.txt does not say why:\n%s", strings.Join(left, "\n"))
	}
}

// run takes the journey.
func (c cell) run(t *testing.T) (story, outcome string) {
	j := journeys[slices.IndexFunc(journeys, func(j journey) bool { return j.id == c.journey })]
	client := interopClients[slices.IndexFunc(interopClients, func(k interopClient) bool { return k.id == c.client })]
	command := client.program(t)
	w := newInterop(t, c.server, c.upstream, j.lifetime)
	w.byHand = client.byHand
	w.program = runProgram(t, c.client, command, startBrowser(t, w.record, w.server.form))
	j.take(w)
	outcome, story = w.outcome(j), w.end()
	if slices.Contains(client.hasty, c.upstream) {
		story = ""
	}
	return "outcome: " + outcome + "\n" + story, outcome
}

// outcome is what became of a journey, for users: "works", or what it costs them, or that it fails.
func (w *interop) outcome(j journey) string {
	if w.failed != "" {
		return "fails: " + w.failed
	}
	var costs []string
	if w.lost > 0 {
		costs = append(costs, "a call fails, and works over a new connection")
	}
	switch more := w.logins() - j.logins; {
	case more == 1:
		costs = append(costs, "the user logs in once more")
	case more > 1:
		costs = append(costs, fmt.Sprintf("the user logs in %d times more", more))
	}
	if len(costs) == 0 {
		return works
	}
	return works + ", but " + strings.Join(costs, "; ")
}

// stories are what the testdata tells of each cell, and what was told now.
type stories struct {
	written map[cell]string
	mu      sync.Mutex
	now     map[cell]string
}

const interopData = "testdata/interop"

func readStories(t testing.TB) map[cell]string {
	t.Helper()
	out := map[cell]string{}
	files, err := filepath.Glob(interopData + "/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		client := strings.TrimSuffix(filepath.Base(file), ".txtar")
		for _, f := range txtar.Parse([]byte(read(t, file))).Files {
			parts := strings.Fields(f.Name)
			if len(parts) != 3 {
				t.Fatalf("%s: %q is no journey, server and upstream", file, f.Name)
			}
			out[cell{client, parts[0], parts[1], parts[2]}] = string(f.Data)
		}
	}
	return out
}

// write keeps those of the cover, which every run of the tests repeats. Cells that did not run keep what they had.
func (s *stories) write(t testing.TB) {
	t.Helper()
	archives := map[string]*txtar.Archive{}
	for _, c := range cover() {
		story, ran := s.now[c]
		if !ran {
			story = s.written[c]
		}
		if story == "" {
			continue
		}
		if archives[c.client] == nil {
			archives[c.client] = &txtar.Archive{}
		}
		a := archives[c.client]
		a.Files = append(a.Files, txtar.File{Name: c.journey + " " + c.server + " " + c.upstream, Data: []byte(story)})
	}
	if err := os.MkdirAll(interopData, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, client := range slices.Sorted(maps.Keys(archives)) {
		write(t, filepath.Join(interopData, client+".txtar"), string(txtar.Format(archives[client])))
	}
}
