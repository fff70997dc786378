package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one check taken away. Its line in survivors.txt has no line number, so that it does not rot at each edit.
type mutant struct {
	id             int
	file, function string
	line           int
	how, source    string
	tests          []string // of which packages
}

func (m mutant) String() string {
	return fmt.Sprintf("%s %s: %s: %s", m.file, m.function, m.how, m.source)
}

// The ways to take a check away.
const (
	never    = "never"    // a condition that is not met
	always   = "always"   // one that is
	boundary = "boundary" // < for <=, > for >=, and the other way round
	flipped  = "flipped"  // false for true, and the other way round
	noCase   = "no case"  // a value of a switch that falls to its default
	noLoop   = "no loop"  // a loop over nothing
	without  = "without"  // a statement, or a member of a literal, that is not there
)

// schemata are the packages with all mutants in them, each behind a condition on its number.
type schemata struct {
	mutants   []mutant
	files     map[string][]byte // by path, instead of those on disk and beside them
	functions map[string]bool   // of the file at hand
	left      map[string]bool   // files, functions and types that were met and left as they are
}

func newSchemata(targets []target) (*schemata, error) {
	s := &schemata{files: map[string][]byte{}}
	for _, t := range targets {
		s.left = map[string]bool{}
		names, err := filepath.Glob(t.dir + "/*.go")
		if err != nil {
			return nil, err
		}
		pkg := ""
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			if base := filepath.Base(name); slices.Contains(t.left, base) {
				s.left[base] = true
				continue
			}
			source, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			if pkg, err = s.mutate(name, source, t); err != nil {
				return nil, err
			}
		}
		for _, name := range t.left {
			if !s.left[name] {
				return nil, fmt.Errorf("there is no %s in %s to be left as it is", name, t.dir)
			}
		}
		if pkg == "" {
			return nil, fmt.Errorf("there is no package in %s", t.dir)
		}
		s.files[t.dir+"/mutants_switch.go"] = []byte("package " + pkg + "\n" + switchboard)
	}
	return s, nil
}

// mutate puts all mutants of a file into it.
func (s *schemata) mutate(name string, source []byte, t target) (pkg string, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, source, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	w := &walk{name: name, source: source, fset: fset, tests: t.tests, schemata: s, done: map[ast.Expr]bool{}, seen: map[string]int{}}
	s.functions = map[string]bool{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
			s.functions[f.Name.Name] = true
		}
	}
	for _, d := range file.Decls {
		if g, isConst := d.(*ast.GenDecl); isConst && g.Tok != token.VAR {
			continue
		}
		w.function = functionName(d)
		if name := receiver(d, w.function); slices.Contains(t.left, name) {
			s.left[name] = true
			continue
		}
		ast.PreorderStack(d, nil, w.visit)
	}
	s.files[name] = w.edits.apply(source)
	return file.Name.Name, nil
}

func functionName(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Name.Name
	case *ast.GenDecl:
		if v, ok := d.Specs[0].(*ast.ValueSpec); ok {
			return v.Names[0].Name
		}
	}
	return "?"
}

// receiver is the type of a method, or the name of what is none.
func receiver(d ast.Decl, name string) string {
	f, ok := d.(*ast.FuncDecl)
	if !ok || f.Recv == nil {
		return name
	}
	of := f.Recv.List[0].Type
	if to, pointer := of.(*ast.StarExpr); pointer {
		of = to.X
	}
	if id, plain := of.(*ast.Ident); plain {
		return id.Name
	}
	return name
}

// add makes a mutant and returns its number. Numbers begin at 1: 0 is the code as it is.
func (w *walk) add(n ast.Node, how, source string) int {
	s := w.schemata
	m := mutant{
		id: len(s.mutants) + 1, file: w.name, function: w.function, line: w.fset.Position(n.Pos()).Line,
		how: how, source: brief(source), tests: w.tests,
	}
	if w.seen[m.String()]++; w.seen[m.String()] > 1 {
		m.source += fmt.Sprintf(" #%d", w.seen[m.String()])
	}
	s.mutants = append(s.mutants, m)
	return m.id
}

// brief is source text on one line, cut where it is long.
func brief(source string) string {
	const most = 100
	source = strings.Join(strings.Fields(source), " ")
	if runes := []rune(source); len(runes) > most {
		source = string(runes[:most]) + "…"
	}
	return source
}
