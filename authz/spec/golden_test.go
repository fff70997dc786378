package spec_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

var update = flag.Bool("update", false, "rewrite the expected answers and the tables of docs/configuration.md")

// sayable is what every problem has: the path of a key, what was found, what was expected.
var sayable = regexp.MustCompile(`^(warning: )?\S.*?( \(line \d+\))?: found \S.*, expected \S.*$`)

// Every mistake has a file of its own, and next to it the problems as "mcp-authz check" prints them. Among them: scopes outside
// their set and offline_access, too much leeway (B-17), identifiers that are none (C-04), no authorization server
// (C-08), links that are no URL (C-13).
func TestBadFiles(t *testing.T) {
	for _, name := range files(t, "bad") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			f, problems := spec.Load(read(t, name))
			if f != nil {
				t.Error("the file was taken")
			}
			bad, line := 0, 0
			var got strings.Builder
			for _, p := range problems {
				if !p.Warning {
					bad++
				}
				if !sayable.MatchString(p.String()) {
					t.Errorf("a problem that does not say where, what was found and what was expected: %q", p)
				}
				if p.Line < line {
					t.Errorf("not in the order of the file: %s", p)
				}
				line = p.Line
				fmt.Fprintln(&got, p)
			}
			if bad == 0 {
				t.Error("no problem but warnings")
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".want", got.String())
		})
	}
}

// twoOfEach is what the defaults of lists are taken from; no good file has these names.
const twoOfEach = `
authorizationServers: [{ name: x, issuer: "https://x" }, { name: y, issuer: "https://y" }]
resources:
- { name: x, resource: "https://x", authorizationServers: [x] }
- { name: y, resource: "https://y", authorizationServers: [y] }
`

// Every feature has a file of its own, and next to it what the file says beyond the defaults, after its warnings.
func TestGoodFiles(t *testing.T) {
	for _, name := range files(t, "good") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			f, problems := spec.Load(read(t, name))
			var got strings.Builder
			for _, p := range problems {
				if !p.Warning {
					t.Errorf("not good: %s", p)
				}
				fmt.Fprintln(&got, p)
			}
			if f == nil {
				t.Fatal("the file was not taken")
			}
			usual := map[string]bool{}
			for _, s := range settings("", reflect.ValueOf(*load(t, twoOfEach))) {
				usual[s] = true
			}
			for _, s := range settings("", reflect.ValueOf(*f)) {
				if !usual[s] {
					fmt.Fprintln(&got, s)
				}
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".want", got.String())
		})
	}
}

// settings lists everything that has a value, as "key = value".
func settings(path string, v reflect.Value) []string {
	var out []string
	switch {
	case v.CanInt(): // zero is a value
		return []string{fmt.Sprintf("%s = %v", path, v.Interface())}
	case v.IsZero():
		return nil
	case v.Kind() == reflect.Pointer:
		return settings(path, v.Elem())
	case v.Kind() == reflect.Struct:
		for _, f := range fieldsOf(v) {
			out = append(out, settings(strings.TrimPrefix(path+"."+f.key, "."), f.value)...)
		}
		return out
	case v.Type() == reflect.TypeFor[spec.RawJSON]():
		return []string{fmt.Sprintf("%s = %s", path, v.Bytes())}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			out = append(out, settings(fmt.Sprintf("%s[%d]", path, i), v.Index(i))...)
		}
		return out
	case v.Kind() == reflect.Slice, v.Kind() == reflect.Map, v.Kind() == reflect.String:
		return []string{fmt.Sprintf("%s = %q", path, v.Interface())}
	}
	return []string{fmt.Sprintf("%s = %v", path, v.Interface())}
}

func files(t testing.TB, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in testdata/%s: %v", folder, err)
	}
	return names
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// load loads a file that must be good.
func load(t testing.TB, text string) *spec.File {
	t.Helper()
	f, problems := spec.Load([]byte(text))
	if f == nil || len(problems) > 0 {
		t.Fatalf("%v in\n%s", problems, text)
	}
	return f
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, name)), got); diff != "" {
		t.Errorf("%s (- want, + got; -update rewrites it)\n%s", name, diff)
	}
}
