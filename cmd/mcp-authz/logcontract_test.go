package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// logCall is a line that the code can log.
type logCall struct {
	message, level string // level "" where it is not known before
	fields         []string
}

// logCalls are all of them, the decision line and those of level debug apart. Every logger is called log or Log.
func logCalls(t *testing.T) (calls []logCall) {
	t.Helper()
	for _, dir := range []string{".", "../../authz/token", "../../authz/extauthz", "../../authz/kube"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		must(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			must(t, err)
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if found, ok := logged(t, call); ok {
						calls = append(calls, found)
					}
				}
				return true
			})
		}
	}
	return calls
}

func logged(t *testing.T, call *ast.CallExpr) (found logCall, ok bool) {
	t.Helper()
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isLogger(method.X) {
		return found, false
	}
	args := call.Args
	switch method.Sel.Name {
	case "Info", "Warn", "Error":
		found.level = strings.ToLower(method.Sel.Name)
	case "Log":
		args = args[2:]
	default:
		return found, false
	}
	for i, arg := range args {
		text, literal := arg.(*ast.BasicLit)
		switch {
		case i > 0 && i%2 == 0:
			continue // a value
		case !literal || text.Kind != token.STRING:
			t.Errorf("argument %d of a line is no text that can be documented", i)
			continue
		}
		s, err := strconv.Unquote(text.Value)
		must(t, err)
		if i == 0 {
			found.message = s
		} else {
			found.fields = append(found.fields, s)
		}
	}
	return found, true
}

func isLogger(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return strings.EqualFold(e.Name, "log")
	case *ast.SelectorExpr:
		return strings.EqualFold(e.Sel.Name, "log")
	}
	return false
}

// Every line is on the page with its level, and so is every field with its meaning; and nothing else is.
func TestOperationsListsLevelsAndFields(t *testing.T) {
	calls := logCalls(t)
	var code, documented, fields, documentedFields []string
	for _, c := range calls {
		fields = append(fields, c.fields...)
		if c.level == "" {
			c.level = "error, warn" // a problem, or a warning
		}
		code = append(code, fmt.Sprint(c.message, " | ", c.level))
	}
	for _, r := range table(t, "### Other lines") {
		documented = append(documented, r[0]+" | "+r[1])
	}
	slices.Sort(code)
	same(t, "lines and levels", slices.Compact(code), documented)
	for _, r := range table(t, "### Fields of the other lines") {
		documentedFields = append(documentedFields, strings.Split(r[0], ", ")...)
	}
	slices.Sort(fields)
	same(t, "fields of other lines", slices.Compact(fields), documentedFields)
	if len(calls) < 20 {
		t.Errorf("%d lines found in the code", len(calls))
	}
}

// broken is a metric that cannot be gathered.
type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "x", nil, nil), errors.New("MARKER"))
}

// What the metrics library says of a failed scrape is told in our words.
func TestAFailedScrapeIsTold(t *testing.T) {
	c := configured(t, anyPorts+corpElsewhere+github)
	var out bytes.Buffer
	registry := prometheus.NewRegistry()
	admin := newAdmin(&readiness{config: c, issuers: c.issuers}, registry, slog.New(slog.NewJSONHandler(&out, nil)))
	registry.MustRegister(broken{})
	w := httptest.NewRecorder()
	admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusInternalServerError || strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), `"msg":"metrics could not be gathered or sent"`) || strings.Contains(out.String(), "MARKER") {
		t.Errorf("status %d, the log says %s", w.Code, out.String())
	}
}
