package spec_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/spec"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

const page = "../../docs/configuration.md"

// The tables of the page are made from the code: every key that exists and no other, with its type, default and meaning.
func TestDocumentTables(t *testing.T) {
	tables := map[string]string{"constants": constants()}
	sections(t, "file", nil, reflect.ValueOf(*load(t, leastOfEach)), tables)
	marked := regexp.MustCompile(`(?s)(<!-- generated:begin (\S+) -->\n).*?(<!-- generated:end -->\n)`)
	seen := map[string]bool{}
	got := marked.ReplaceAllStringFunc(string(read(t, page)), func(all string) string {
		parts := marked.FindStringSubmatch(all)
		name := parts[2]
		if _, known := tables[name]; !known || seen[name] {
			t.Errorf("a table %q that the code does not have, or has once", name)
			return all
		}
		seen[name] = true
		return parts[1] + tables[name] + parts[3]
	})
	for name := range tables {
		if !seen[name] {
			t.Errorf("no table %q", name)
		}
	}
	golden(t, page, got)
}

// leastOfEach has one entry in each list, and every section that may be absent, with nothing in it that has a default.
const leastOfEach = `
listen: { grpcTLS: { certFile: c, keyFile: k }, metadataTLS: { certFile: c, keyFile: k } }
kubernetes: { namespace: a, metadataRoutes: { service: a, port: 1, parentRefs: [{ namespace: a, name: a }] } }
authorizationServers: [{ name: a, issuer: "https://a" }]
resources: [{ name: a, resource: "https://a", authorizationServers: [a] }]
`

// everything has every key but jwks, which excludes jwksURL.
const everything = `{
"listen": {"grpc": ":1", "metadata": ":2", "admin": ":3",
  "grpcTLS": {"certFile": "c", "keyFile": "k", "clientCAFile": "a", "allowedClientSANs": ["n"]},
  "metadataTLS": {"certFile": "c", "keyFile": "k"}},
"limits": {"messageBytes": 2097152, "tokenBytes": 1024, "cacheEntries": 10, "cacheBytes": 65536, "concurrentChecks": 10, "checkDeadline": "2s"},
"drainDelay": "1s", "log": {"level": "warn", "decisions": "none"},
"authorizationServers": [{"name": "a", "issuer": "https://a", "jwksURL": "https://a/keys", "algorithms": ["ES256"],
  "accessTokenType": "at+jwt", "scopeClaim": "s", "insecureClientIDAudience": ["c"], "leeway": "1s",
  "refreshInterval": "1m", "maxStaleness": "1h", "caFile": "/c", "bearerTokenFile": "/t", "insecureAllowHTTP": true}],
"resources": [{"name": "a", "resource": "http://a", "authorizationServers": ["a"],
  "scopes": {"required": ["s"], "implies": {"t": ["s"]}}, "audiences": ["b"], "allowedOrigins": ["http://b"],
  "resourceName": "A", "resourceDocumentation": "https://d", "forwardToken": true, "identityHeaders": {"x-a": "a"},
  "insecureAllowHTTP": true, "insecureAnyHost": true}],
"kubernetes": {"namespace": "a", "watchNamespaces": ["b"], "ownership": "Any", "lease": "l",
  "metadataRoutes": {"service": "s", "port": 8080, "parentRefs": [{"namespace": "n", "name": "g", "sectionName": "h"}]}}
}`

// sections renders the table of a struct and of every struct in it. v holds the defaults.
func sections(t *testing.T, name string, path []any, v reflect.Value, tables map[string]string) {
	t.Helper()
	var table strings.Builder
	table.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, f := range fieldsOf(v) {
		key, value := f.key, f.value
		at := append(slices.Clone(path), key)
		what, fallback, inner := describe(t, value)
		if required(t, at) {
			fallback = "required"
		}
		meaning := meaning(t, f.of, f.name)
		if meaning == "" {
			t.Errorf("%v has no meaning", at)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", key, what, fallback, strings.ReplaceAll(meaning, "|", `\|`))
		if inner.IsValid() {
			if what == "list of mappings" {
				at = append(at, 0)
			}
			sections(t, strings.TrimPrefix(name+"."+key, "file."), at, inner, tables)
		}
	}
	tables[name] = table.String()
}

type field struct {
	of, name, key string
	value         reflect.Value
}

// fieldsOf are the keys of a struct, those of structs written into it where these stand.
func fieldsOf(v reflect.Value) (all []field) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch key, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
		case f.Anonymous:
			all = append(all, fieldsOf(v.Field(i))...)
		case key != "-":
			all = append(all, field{v.Type().Name(), f.Name, key, v.Field(i)})
		}
	}
	return all
}

// meaning is the comment of a field, without the marks that schemas are made by.
func meaning(t *testing.T, of, name string) string {
	t.Helper()
	return strings.Join(strings.FieldsFunc(comments(t)[of+"."+name], func(r rune) bool { return r == '\n' }), " ")
}

func comments(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"file.go", "declared.go", "kubernetes.go"} {
		parsed, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if body, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range body.Fields.List {
					for _, n := range f.Names {
						var lines []string
						for line := range strings.Lines(f.Doc.Text()) {
							if !strings.HasPrefix(line, "+") {
								lines = append(lines, strings.TrimSpace(line))
							}
						}
						all[spec.Name.Name+"."+n.Name] = strings.Join(lines, "\n")
					}
				}
			}
			return true
		})
	}
	return all
}

// describe names a type and a default as the page does. inner is the struct that the value is made of, if it is.
func describe(t *testing.T, v reflect.Value) (what, fallback string, inner reflect.Value) {
	t.Helper()
	const none = "–"
	switch value := v.Interface().(type) {
	case spec.Duration:
		return describe(t, reflect.ValueOf(time.Duration(value)))
	case time.Duration:
		return "duration", "`" + regexp.MustCompile(`([mh])0[ms](0s)?$`).ReplaceAllString(value.String(), "$1") + "`", inner
	case int, bool:
		return map[reflect.Kind]string{reflect.Int: "whole number", reflect.Bool: "true or false"}[v.Kind()], fmt.Sprintf("`%v`", value), inner
	case string:
		if value == "" || len(value) == 1 || value == "https://a" { // what leastOfEach must say
			return "string", none, inner
		}
		return "string", "`" + value + "`", inner
	case []string:
		return "list of strings", none, inner
	case map[string]string:
		return "mapping of strings", none, inner
	case map[string][]string:
		return "mapping of lists", none, inner
	case spec.RawJSON:
		return "mapping", none, inner
	}
	switch v.Kind() {
	case reflect.Pointer:
		return "mapping", none, v.Elem()
	case reflect.Struct:
		return "mapping", "below", v
	case reflect.Slice:
		return "list of mappings", none, v.Index(0)
	default:
		t.Fatalf("no words for %s", v.Type())
		return "", "", inner
	}
}

// required finds out whether a file that has everything else is missing this key.
func required(t *testing.T, path []any) bool {
	t.Helper()
	var file map[string]any
	if err := json.Unmarshal([]byte(everything), &file); err != nil {
		t.Fatal(err)
	}
	var at any = file
	for _, step := range path[:len(path)-1] {
		switch step := step.(type) {
		case string:
			at = at.(map[string]any)[step]
		case int:
			at = at.([]any)[step]
		}
	}
	section, key := at.(map[string]any), path[len(path)-1].(string)
	if _, there := section[key]; !there && key != "jwks" {
		t.Errorf("%v is not in the file that has everything", path)
	}
	delete(section, key)
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	_, problems := spec.Load(data)
	return slices.ContainsFunc(problems, func(p spec.Problem) bool {
		return p.Found == "nothing" && strings.HasSuffix("."+p.Path, "."+key)
	})
}

// constants renders the limits that are no settings.
func constants() string {
	var table strings.Builder
	table.WriteString("| what | limit |\n|---|---|\n")
	for _, row := range []struct {
		what  string
		limit string
	}{
		{"configuration file", size(spec.MaxFileBytes)},
		{"values and keys in it, counted by what separates them", fmt.Sprint(spec.MaxFileNodes)},
		{"`resources`", fmt.Sprint(spec.MaxResources)},
		{"`authorizationServers`", fmt.Sprint(spec.MaxServers)},
		{"entries of any other list or mapping, where none is said below", fmt.Sprint(spec.MaxListEntries)},
		{"problems that are told of at once", fmt.Sprint(spec.MaxProblems)},
		{"`resource`", size(spec.MaxResourceBytes)},
		{"scopes of one resource, required and implied together", size(spec.MaxScopeBytes)},
		{"`audiences` of one resource", fmt.Sprint(spec.MaxAudiences)},
		{"`allowedOrigins` of one resource", fmt.Sprint(spec.MaxOrigins)},
		{"`identityHeaders` of one resource", fmt.Sprint(spec.MaxIdentityHeaders)},
		{"the `spec` of a ProtectedResource of a cluster", size(spec.MaxDeclarationBytes) + ", 32 segments in its path"},
		{"the `spec` of any other object of ours in a cluster", size(spec.MaxObjectBytes)},
		{"keys of one authorization server", fmt.Sprint(token.MaxKeys)},
		{"its key set document, fetched or inline", size(token.MaxKeysBytes)},
		{"its metadata document", size(token.MaxMetadataBytes)},
		{"keys of one id that fit one algorithm", fmt.Sprintf("%d; those after them are left out", token.MaxTwins)},
		{"its `caFile` and `bearerTokenFile`", size(token.MaxCAFileBytes) + " and " + size(token.MaxBearerTokenBytes)},
		{"time for one fetch, metadata and keys together", fmt.Sprintf("%.0f s", token.FetchTimeout.Seconds())},
		{"RSA keys", fmt.Sprintf("%d to %d bits; others are not used", token.MinRSABits, token.MaxRSABits)},
		{"checks that wait for the keys of one authorization server", fmt.Sprintf("%d; one more is answered 503 at once", token.MaxWaiters)},
		{"fetches that must all bring no usable key, before the keys known so far count as withdrawn", fmt.Sprintf("%.0f s of them", token.WithdrawAfter.Seconds())},
		{"nesting of a JSON-RPC message, read for its id", "64 levels"},
	} {
		fmt.Fprintf(&table, "| %s | %s |\n", row.what, row.limit)
	}
	return table.String()
}

func size(bytes int) string {
	if bytes >= 1<<20 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}

// Every YAML on the page is a whole file that loads without a complaint (invariant 9).
func TestDocumentYAML(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```ya?ml\n(.*?)```").FindAllStringSubmatch(string(read(t, page)), -1)
	if len(blocks) == 0 {
		t.Fatal("no YAML found")
	}
	for _, b := range blocks {
		load(t, b[1])
	}
}

// What the page shows as the words of "check" is what it says of the file shown above.
func TestDocumentProblems(t *testing.T) {
	shown := regexp.MustCompile("(?s)```text\n(.*?)```.*?```text\n(.*?)```").FindSubmatch(read(t, page))
	if shown == nil {
		t.Fatal("no file and its problems found")
	}
	_, problems := spec.Load(shown[1])
	var got strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&got, p)
	}
	if got.String() != string(shown[2]) {
		t.Errorf("the page shows\n%s, check says\n%s", shown[2], got.String())
	}
}

// Whoever reads of an insecure key reads what it gives up.
func TestDocumentInsecure(t *testing.T) {
	_, section, found := strings.Cut(string(read(t, page)), "\n## What `insecure` keys give up\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, structure := range []reflect.Type{reflect.TypeFor[spec.AuthorizationServer](), reflect.TypeFor[spec.ProtectedResource]()} {
		for i := range structure.NumField() {
			if key := structure.Field(i).Tag.Get("json"); strings.HasPrefix(key, "insecure") && !strings.Contains(section, "`"+key+"`") {
				t.Errorf("nothing about %s (section found: %t)", key, found)
			}
		}
	}
	if want, got := "absent: "+strings.Join(token.Algorithms(), " "), meaning(t, "AuthorizationServerSpec", "Algorithms"); !strings.HasSuffix(got, want) {
		t.Errorf("the meaning of algorithms is %q, want it to end in %q", got, want)
	}
}
