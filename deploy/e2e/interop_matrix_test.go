package e2e

import (
	"slices"
	"sync"
)

// possible says whether a client can take a journey at a server at all.
func possible(c interopClient, j journey, server string) bool {
	return c.cannot[j.id] == "" && (j.servers == nil || slices.Contains(j.servers, server))
}

// whole is the matrix: the first login of every client at every server in front of every upstream, and every journey of every client
// at every server where it is possible.
var whole = sync.OnceValue(func() (cells []cell) {
	for _, c := range interopClients {
		for _, server := range interopServers {
			for _, upstream := range interopUpstreams {
				cells = append(cells, cell{c.id, "first-login", server, upstream})
			}
			for n, j := range journeys {
				if j.id == "first-login" || !possible(c, j, server) {
					continue
				}
				upstream := interopUpstreams[n%len(interopUpstreams)]
				if upstream == "go-sdk" { // two of the clients cannot talk to it at all
					upstream = "go-sdk-stateless"
				}
				cells = append(cells, cell{c.id, j.id, server, upstream})
			}
		}
	}
	for _, c := range cover() {
		if !slices.Contains(cells, c) {
			cells = append(cells, c)
		}
	}
	return cells
})

// cover is a part of the matrix in which every pair occurs that is possible: client and journey, client and server, client and
// upstream, journey and server, journey and upstream, server and upstream. Each cell is the one that has the most pairs that are still
// missing, so the cover is small and the same at every run.
var cover = sync.OnceValue(func() (cells []cell) {
	type pair struct{ a, b string }
	type candidate struct {
		cell  cell
		pairs [6]int // by their numbers
	}
	numbers := map[pair]int{}
	var all []candidate
	for _, c := range interopClients {
		for _, j := range journeys {
			for _, server := range interopServers {
				for _, upstream := range interopUpstreams {
					if !possible(c, j, server) {
						continue
					}
					one := candidate{cell: cell{c.id, j.id, server, upstream}}
					for n, p := range []pair{{c.id, j.id}, {c.id, server}, {c.id, upstream}, {j.id, server}, {j.id, upstream}, {server, upstream}} {
						if _, known := numbers[p]; !known {
							numbers[p] = len(numbers)
						}
						one.pairs[n] = numbers[p]
					}
					all = append(all, one)
				}
			}
		}
	}
	seen := make([]bool, len(numbers))
	for missing := len(numbers); missing > 0; {
		var best candidate
		most := 0
		for _, c := range all {
			n := 0
			for _, p := range c.pairs {
				if !seen[p] {
					n++
				}
			}
			if n > most {
				best, most = c, n
			}
		}
		for _, p := range best.pairs {
			seen[p] = true
		}
		missing -= most
		cells = append(cells, best.cell)
	}
	slices.SortFunc(cells, order)
	return cells
})
