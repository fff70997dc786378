package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// walk goes through the declarations of one file, from the outside in.
type walk struct {
	name     string
	source   []byte
	fset     *token.FileSet
	tests    []string
	function string
	schemata *schemata
	edits    edits
	done     map[ast.Expr]bool // expressions that have their mutants
	seen     map[string]int    // lines of mutants, to tell those of the same text apart
}

func (w *walk) offset(p token.Pos) int { return w.fset.Position(p).Offset }

func (w *walk) text(n ast.Node) string {
	return string(w.source[w.offset(n.Pos()):w.offset(n.End())])
}

func (w *walk) visit(n ast.Node, stack []ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		w.condition(n.Cond, never, always)
	case *ast.ForStmt:
		if n.Cond != nil {
			w.condition(n.Cond, never) // the other way it would not end
		}
	case *ast.RangeStmt:
		id := w.add(n, noLoop, string(w.source[w.offset(n.Pos()):w.offset(n.Body.Lbrace)]))
		w.edits.insert(w.offset(n.Body.Lbrace)+1, fmt.Sprintf(" if mutantIs(%d) { break };", id))
	case *ast.SwitchStmt:
		w.cases(n)
	case *ast.ReturnStmt:
		w.results(n, stack)
	case *ast.ExprStmt, *ast.AssignStmt, *ast.IncDecStmt:
		w.statement(n.(ast.Stmt), stack[len(stack)-1])
	case *ast.KeyValueExpr:
		w.member(n)
	case *ast.BinaryExpr:
		w.binary(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			w.condition(n, never, always)
		}
	case *ast.ParenExpr:
		if w.done[n] {
			w.done[n.X] = true
		}
	case *ast.Ident:
		if (n.Name == "true" || n.Name == "false") && !w.done[n] {
			w.edits.wrap(w.offset(n.Pos()), w.offset(n.End()), fmt.Sprintf("mutantFlag(%d, ", w.add(n, flipped, w.line(n, stack))), ")")
		}
	}
	return true
}

// condition makes mutants of a boolean expression: one that is never met, one that always is, or both.
func (w *walk) condition(e ast.Expr, how ...string) {
	if w.done[e] {
		return
	}
	w.done[e] = true
	if not, ok := e.(*ast.UnaryExpr); ok {
		w.done[not.X] = true // the same mutants
	}
	for _, h := range how {
		id := w.add(e, h, w.text(e))
		w.edits.wrap(w.offset(e.Pos()), w.offset(e.End()), fmt.Sprintf("mutantBool(%d, %t, ", id, h == always), ")")
	}
}

func (w *walk) binary(n *ast.BinaryExpr) {
	switch n.Op {
	case token.LAND:
		w.condition(n, never, always)
		w.condition(n.X, always)
		w.condition(n.Y, always)
	case token.LOR:
		w.condition(n, never, always)
		w.condition(n.X, never)
		w.condition(n.Y, never)
	case token.EQL, token.NEQ:
		w.condition(n, never, always)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		w.condition(n, never, always)
		id := w.add(n, boundary, w.text(n))
		w.edits.wrap(w.offset(n.Pos()), w.offset(n.End()), fmt.Sprintf("mutantOrder(%d, %q, ", id, n.Op), ")")
		w.edits.replace(w.offset(n.OpPos), w.offset(n.OpPos)+len(n.Op.String()), ",")
	default: // arithmetic
	}
}

// cases makes mutants of every case of a switch, each expression of a list on its own.
func (w *walk) cases(n *ast.SwitchStmt) {
	var ids, values []string
	for _, c := range n.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			if n.Tag == nil {
				w.condition(e, never, always)
				continue
			}
			ids = append(ids, fmt.Sprint(w.add(e, noCase, "switch "+w.text(n.Tag)+" "+w.text(e))))
			values = append(values, w.text(e))
		}
	}
	if len(ids) > 0 {
		after := fmt.Sprintf(", []int{%s}, %s)", strings.Join(ids, ", "), strings.Join(values, ", "))
		w.edits.wrap(w.offset(n.Tag.Pos()), w.offset(n.Tag.End()), "mutantTag(", after)
	}
}

// results makes mutants of what a function returns as bool.
func (w *walk) results(n *ast.ReturnStmt, stack []ast.Node) {
	var types []ast.Expr
	for _, outer := range stack { // the last one found is the innermost
		var f *ast.FuncType
		switch outer := outer.(type) {
		case *ast.FuncDecl:
			f = outer.Type
		case *ast.FuncLit:
			f = outer.Type
		default:
			continue
		}
		types = nil
		if f.Results != nil {
			for _, r := range f.Results.List {
				for range max(1, len(r.Names)) {
					types = append(types, r.Type)
				}
			}
		}
	}
	if len(types) != len(n.Results) {
		return // a call that returns them all
	}
	for i, e := range n.Results {
		if t, ok := types[i].(*ast.Ident); ok && t.Name == "bool" && !isFlag(e) {
			w.condition(e, never, always)
		}
	}
}

func isFlag(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && (id.Name == "true" || id.Name == "false")
}

// statement makes a mutant without a statement. Those that declare are needed by others, and locks are no checks.
func (w *walk) statement(n ast.Stmt, parent ast.Node) {
	switch parent := parent.(type) {
	case *ast.BlockStmt, *ast.CaseClause:
	case *ast.CommClause:
		if parent.Comm == n {
			return
		}
	default:
		return
	}
	text := w.text(n)
	if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.DEFINE || strings.HasSuffix(text, "Lock()") || strings.HasPrefix(text, "panic(") {
		return
	}
	w.edits.wrap(w.offset(n.Pos()), w.offset(n.End()), fmt.Sprintf("if !mutantIs(%d) { ", w.add(n, without, text)), " }")
}

// member makes a mutant of a literal that leaves a function, a list or a struct away: a hook or an option. Other members are numbers
// and names, whose types the syntax does not tell.
func (w *walk) member(n *ast.KeyValueExpr) {
	switch v := n.Value.(type) {
	case *ast.FuncLit:
	case *ast.CompositeLit:
		if v.Type == nil {
			return // the literal around it says which
		}
	case *ast.Ident:
		if !w.schemata.functions[v.Name] {
			return
		}
	default:
		return
	}
	w.edits.wrap(w.offset(n.Value.Pos()), w.offset(n.Value.End()), fmt.Sprintf("mutantZero(%d, ", w.add(n, without, w.text(n))), ")")
}

// line is the statement or the member around an expression.
func (w *walk) line(n ast.Node, stack []ast.Node) string {
	for i := len(stack) - 1; i >= 0; i-- {
		switch outer := stack[i].(type) {
		case *ast.KeyValueExpr, *ast.CallExpr, *ast.ReturnStmt, *ast.AssignStmt, *ast.ValueSpec:
			return w.text(outer)
		}
	}
	return w.text(n)
}
