package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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

// MaxProblems is how many are told of at once. What comes after them is not looked at: the file is bad as it is.
const MaxProblems = 100

// problems collects them, and knows where keys stand in the file.
type problems struct {
	list     []Problem
	errors   int // in list, and those that found no room there; the rest are warnings
	rawNodes int // values of free JSON that were read
	lines    map[string]int
	trouble  map[string]bool // paths with a problem, or with one in them
	broken   map[string]bool // paths whose value has the wrong type: nothing in them can be judged
}

func newProblems() *problems {
	return &problems{lines: map[string]int{}, trouble: map[string]bool{}, broken: map[string]bool{}}
}

// wholeFile stands for a key path where the file as such is wrong.
const wholeFile = "(file)"

func (p *problems) add(path, found, expected, next string) {
	p.addAt(p.line(path), path, found, expected, next)
}

func (p *problems) addAt(line int, path, found, expected, next string) {
	for inner := path; inner != ""; inner = parentPath(inner) {
		p.trouble[inner] = true
	}
	if path == "" {
		path = wholeFile
	}
	p.errors++
	if len(p.list) < 2*MaxProblems { // warnings have as much room
		p.list = append(p.list, Problem{Path: path, Line: line, Found: found, Expected: expected, Next: next})
	}
}

// full reports that there are so many problems that looking for more is of no use.
func (p *problems) full() bool { return p.errors >= MaxProblems }

func (p *problems) warn(path, found, expected, next string) {
	if len(p.list) < MaxProblems {
		p.list = append(p.list, Problem{Path: path, Line: p.line(path), Found: found, Expected: expected, Next: next, Warning: true})
	}
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

// keyPath is the path of a key in a mapping, on one line whatever the key is.
func keyPath(path, key string) string {
	switch {
	case !visibleASCII(key) || key == "" || len(key) > maxQuoted || strings.ContainsAny(key, `.[]"`):
		return fmt.Sprintf("%s[%q]", path, short(key))
	case path == "":
		return key
	}
	return path + "." + key
}

// has reports whether a path, or something in it, is in trouble already, or lies in something that is no such thing at all: no
// second complaint about the same thing.
func (p *problems) has(path string) bool {
	if p.trouble[path] {
		return true
	}
	for ; path != ""; path = parentPath(path) {
		if p.broken[path] {
			return true
		}
	}
	return false
}

func (p *problems) bad() bool { return p.errors > 0 }

func (p *problems) sorted() []Problem {
	slices.SortStableFunc(p.list, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	if p.full() {
		p.list = append(p.list, Problem{Path: wholeFile, Found: fmt.Sprintf("%d problems or more", MaxProblems), Expected: "none", Next: "mend these; there may be others"})
	}
	return p.list
}
