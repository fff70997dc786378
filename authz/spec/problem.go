package spec

import (
	"cmp"
	"fmt"
	"slices"
)

// Problem is one thing wrong with a file, told to the person who can mend it.
type Problem struct {
	Path     string // of the key: resources[0].scopes.required[1]
	Line     int    // in the file, 0 if there is none
	Found    string
	Expected string
	Next     string // the next step, "" where Expected says it all
	Warning  bool   // the file is good all the same
}

// String is the problem on one line.
func (p Problem) String() string {
	s := p.Path
	if p.Line > 0 {
		s += fmt.Sprintf(" (line %d)", p.Line)
	}
	if p.Warning {
		s = "warning: " + s
	}
	s += ": found " + p.Found + ", expected " + p.Expected
	if p.Next != "" {
		s += "; " + p.Next
	}
	return s
}

// problems collects them, and knows where keys stand in the file.
type problems struct {
	list  []Problem
	lines map[string]int
}

func (p *problems) add(path, found, expected, next string) {
	p.list = append(p.list, Problem{Path: path, Line: p.line(path), Found: found, Expected: expected, Next: next})
}

func (p *problems) warn(path, found, expected, next string) {
	p.list = append(p.list, Problem{Path: path, Line: p.line(path), Found: found, Expected: expected, Next: next, Warning: true})
}

// line is where a key stands, or the nearest one around it.
func (p *problems) line(path string) int {
	for path != "" {
		if line, ok := p.lines[path]; ok {
			return line
		}
		path = parentPath(path)
	}
	return 0
}

func parentPath(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

// has reports whether a path, or something in it, is in trouble already: no second complaint about the same thing.
func (p *problems) has(path string) bool {
	return slices.ContainsFunc(p.list, func(q Problem) bool { return !q.Warning && (q.Path == path || within(q.Path, path)) })
}

func within(inner, outer string) bool {
	return len(inner) > len(outer) && inner[:len(outer)] == outer && (inner[len(outer)] == '.' || inner[len(outer)] == '[')
}

func (p *problems) bad() bool {
	return slices.ContainsFunc(p.list, func(q Problem) bool { return !q.Warning })
}

func (p *problems) sorted() []Problem {
	slices.SortStableFunc(p.list, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return p.list
}
