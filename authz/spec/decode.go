package spec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Limits on the file itself.
const (
	MaxFileBytes = 16 << 20
	maxDepth     = 16
)

// decoder fills structs from YAML nodes, and goes on after a mistake.
type decoder struct{ *problems }

// parse reads the YAML of a file down to its one document.
func (d decoder) parse(data []byte) *yaml.Node {
	if len(data) > MaxFileBytes {
		d.add("(file)", fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("at most %d", MaxFileBytes), "")
		return nil
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		found := "text that is not YAML (" + oneLine(err) + ")"
		if len(strings.TrimSpace(string(data))) == 0 || err.Error() == "EOF" {
			found = "an empty file"
		}
		d.add("(file)", found, "a YAML mapping", "begin with the keys authorizationServers and resources")
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		d.list = append(d.list, Problem{Path: "(file)", Line: second.Line, Found: "a second YAML document", Expected: "one", Next: "remove the --- line and merge the two"})
		return nil
	} else if err.Error() != "EOF" {
		d.add("(file)", "text that is not YAML ("+oneLine(err)+")", "a YAML mapping", "")
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		d.add("(file)", "an empty file", "a YAML mapping", "begin with the keys authorizationServers and resources")
		return nil
	}
	return doc.Content[0]
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// value decodes one node. It reports whether the node had the right type.
func (d decoder) value(path string, n *yaml.Node, to reflect.Value, depth int) bool {
	d.lines[path] = n.Line
	if depth > maxDepth {
		d.add(path, "deeper nesting than any setting has", fmt.Sprintf("at most %d levels", maxDepth), "")
		return false
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.add(path, "a YAML anchor or alias", "a plain value", "write the value out")
		return false
	}
	switch to := to.Addr().Interface().(type) {
	case *RawJSON:
		return d.raw(path, n, to)
	case *time.Duration:
		return d.duration(path, n, to)
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return d.value(path, n, to.Elem(), depth)
	case reflect.Struct:
		return d.structure(path, n, to, depth)
	case reflect.Slice:
		return d.slice(path, n, to, depth)
	case reflect.Map:
		return d.mapping(path, n, to, depth)
	case reflect.String:
		if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
			to.SetString(n.Value)
			return true
		}
		d.mismatch(path, n, "a string")
	case reflect.Bool:
		if n.Kind == yaml.ScalarNode && n.Tag == "!!bool" && (n.Value == "true" || n.Value == "false") {
			to.SetBool(n.Value == "true")
			return true
		}
		d.mismatch(path, n, "true or false")
	case reflect.Int:
		if i, err := strconv.Atoi(n.Value); n.Kind == yaml.ScalarNode && n.Tag == "!!int" && err == nil {
			to.SetInt(int64(i))
			return true
		}
		d.mismatch(path, n, "a whole number")
	default:
		panic("spec: no decoding for " + to.Type().String())
	}
	return false
}

func (d decoder) mismatch(path string, n *yaml.Node, expected string) {
	next := ""
	if expected == "a string" && n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		next = fmt.Sprintf("put it in quotes: %q", n.Value)
	}
	d.add(path, describe(n), expected, next)
}

// describe says what a node is, cut to a length that fits a line.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return strconv.Quote(short(n.Value)) + " (" + map[string]string{"!!int": "a number", "!!float": "a number", "!!bool": "true or false", "!!str": "a string", "!!timestamp": "a date"}[n.Tag] + ")"
	default:
		return "something else"
	}
}

func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

func (d decoder) duration(path string, n *yaml.Node, to *time.Duration) bool {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || n.Tag == "!!null" {
		d.add(path, describe(n), "a duration such as 30s, 10m or 1h30m", "")
		return false
	}
	*to = v
	return true
}

func (d decoder) raw(path string, n *yaml.Node, to *RawJSON) bool {
	var v any
	if n.Kind != yaml.MappingNode || n.Decode(&v) != nil {
		d.mismatch(path, n, "a mapping")
		return false
	}
	b, err := json.Marshal(v)
	if err != nil {
		d.add(path, "a mapping that JSON cannot express", "a JSON object written as YAML", "")
		return false
	}
	*to = b
	return true
}

func (d decoder) slice(path string, n *yaml.Node, to reflect.Value, depth int) bool {
	if n.Kind != yaml.SequenceNode {
		d.add(path, describe(n), "a list", "")
		return false
	}
	out := reflect.MakeSlice(to.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		element := out.Index(i)
		if s, ok := element.Addr().Interface().(*AuthorizationServer); ok {
			*s = serverDefaults()
		}
		d.value(fmt.Sprintf("%s[%d]", path, i), c, element, depth+1)
	}
	to.Set(out)
	return true
}

func (d decoder) mapping(path string, n *yaml.Node, to reflect.Value, depth int) bool {
	if n.Kind != yaml.MappingNode {
		d.add(path, describe(n), "a mapping", "")
		return false
	}
	out := reflect.MakeMap(to.Type())
	d.members(path, n, func(key string, at string, c *yaml.Node) {
		v := reflect.New(to.Type().Elem()).Elem()
		d.value(at, c, v, depth+1)
		out.SetMapIndex(reflect.ValueOf(key), v)
	})
	to.Set(out)
	return true
}

func (d decoder) structure(path string, n *yaml.Node, to reflect.Value, depth int) bool {
	if n.Kind != yaml.MappingNode {
		d.add(path, describe(n), "a mapping", "")
		return false
	}
	fields := map[string]reflect.Value{}
	for i := range to.NumField() {
		fields[to.Type().Field(i).Tag.Get("json")] = to.Field(i)
	}
	d.members(path, n, func(key, at string, c *yaml.Node) {
		field, known := fields[key]
		if !known {
			d.lines[at] = c.Line
			d.add(at, "an unknown key", "one of "+strings.Join(sortedKeys(fields), ", "), suggest(key, sortedKeys(fields)))
			return
		}
		d.value(at, c, field, depth+1)
	})
	return true
}

// members calls f for each key of a mapping, and refuses keys that stand twice or are no strings.
func (d decoder) members(path string, n *yaml.Node, f func(key, at string, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := k.Value
		if path != "" {
			at = path + "." + k.Value
		}
		if strings.ContainsAny(k.Value, ".[ ") {
			at = fmt.Sprintf("%s[%q]", path, short(k.Value))
		}
		switch first, twice := seen[k.Value]; {
		case k.Kind != yaml.ScalarNode || k.Tag != "!!str" || k.Anchor != "":
			d.lines[at] = k.Line
			d.add(at, "a key that is "+describe(k), "a plain string as key", "")
		case twice:
			d.list = append(d.list, Problem{Path: at, Line: k.Line, Found: fmt.Sprintf("the key again (first on line %d)", first), Expected: "every key once", Next: "remove one of the two"})
		default:
			seen[k.Value] = k.Line
			f(k.Value, at, v)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// suggest names the known word that is nearest to a wrong one, if one is near.
func suggest(word string, known []string) string {
	best, distance := "", len(word)/3+2
	for _, k := range known {
		if n := editDistance(strings.ToLower(word), strings.ToLower(k)); n < distance {
			best, distance = k, n
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
