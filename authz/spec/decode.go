package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Limits on the file as a whole: what it says must not cost more memory and time than a large, sane one.
const (
	MaxFileBytes   = 16 << 20
	MaxFileNodes   = 1 << 20 // values and keys, counted by what separates them
	MaxResources   = 100_000
	MaxServers     = 1000
	MaxListEntries = 1024 // of any other list or mapping, where it has no limit of its own
)

// decoder fills structs from YAML nodes, and goes on after a mistake.
type decoder struct{ *problems }

// parse reads the YAML of a file down to its one document.
func (d decoder) parse(data []byte) *yaml.Node {
	if len(data) > MaxFileBytes {
		d.add(wholeFile, fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("at most %d", MaxFileBytes), "")
		return nil
	}
	if n := separators(data); n > MaxFileNodes {
		d.add(wholeFile, fmt.Sprintf("%d values", n), fmt.Sprintf("at most %d", MaxFileNodes), "")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			d.add(wholeFile, "an empty file", "a YAML mapping", "begin with the keys authorizationServers and resources")
		} else {
			d.add(wholeFile, "text that is not YAML ("+oneLine(err)+")", "a YAML mapping", "")
		}
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		d.addAt(second.Line, wholeFile, "a second YAML document", "one", "remove the --- line and merge the two")
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.add(wholeFile, "text that is not YAML ("+oneLine(err)+")", "a YAML mapping", "")
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		d.add(wholeFile, "an empty file", "a YAML mapping", "begin with the keys authorizationServers and resources")
		return nil
	}
	return doc.Content[0]
}

// separators counts what may begin another value in YAML, line breaks of every kind among it (bytes of U+0085, U+2028 and U+2029
// stand for these). Texts have such characters too, so that there are fewer values than that.
func separators(data []byte) (n int) {
	for i, c := range data {
		switch c {
		case '\n', '\r', 0x85, 0xa8, 0xa9, ',', ':', '[', '{':
			n++
		case '-', '?':
			if i+1 == len(data) || strings.IndexByte(" \t\r\n", data[i+1]) >= 0 || data[i+1] >= 0x80 {
				n++
			}
		}
	}
	return n
}

// tooMany refuses a list or mapping before anything is made of its entries.
func (d decoder) tooMany(path string, entries, most int) bool {
	if entries > most {
		d.add(path, fmt.Sprintf("%d entries", entries), fmt.Sprintf("at most %d", most), "")
	}
	return entries > most
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// value decodes one node. It reports whether the node had the right type.
func (d decoder) value(path string, n *yaml.Node, to reflect.Value) bool {
	d.lines[path] = n.Line
	ok := d.plain(path, n) && d.typed(path, n, to)
	if !ok {
		d.broken[path] = true
	}
	return ok
}

// plain refuses what makes a value depend on another place of the file.
func (d decoder) plain(path string, n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.add(path, "a YAML anchor or alias", "a plain value", "write the value out")
		return false
	}
	return true
}

func (d decoder) typed(path string, n *yaml.Node, to reflect.Value) bool {
	switch to := to.Addr().Interface().(type) {
	case *RawJSON:
		return d.raw(path, n, to)
	case *time.Duration:
		return d.duration(path, n, to)
	case *Duration:
		return d.duration(path, n, (*time.Duration)(to))
	case **Kubernetes:
		k := kubernetesDefaults()
		*to = &k
	}
	switch to.Kind() {
	case reflect.Pointer:
		if to.IsNil() {
			to.Set(reflect.New(to.Type().Elem()))
		}
		return d.typed(path, n, to.Elem())
	case reflect.Struct:
		return d.structure(path, n, to)
	case reflect.Slice:
		return d.slice(path, n, to)
	case reflect.Map:
		return d.mapping(path, n, to)
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
		i, err := strconv.Atoi(n.Value)
		switch {
		case errors.Is(err, strconv.ErrRange) && kind(n.Tag) == "a number":
			d.mismatch(path, n, "a number nearer to zero")
		case n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || strconv.Itoa(i) != n.Value:
			d.mismatch(path, n, "a whole number in plain digits")
		default:
			to.SetInt(int64(i))
			return true
		}
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

// describe says what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return strconv.Quote(short(n.Value)) + " (" + kind(n.Tag) + ")"
	default:
		return "something else"
	}
}

func kind(tag string) string {
	switch tag {
	case "!!str":
		return "a string"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "tagged " + strconv.Quote(short(tag))
}

// What is quoted from a file in a problem is cut to a length that fits a line.
const (
	maxQuoted = 80
	maxReason = 400 // of the words of another package, which quote too
)

func short(s string) string { return cut(s, maxQuoted) }

func cut(s string, length int) string {
	if len(s) > length {
		return strings.ToValidUTF8(s[:length], "") + "…"
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

func (d decoder) slice(path string, n *yaml.Node, to reflect.Value) bool {
	if n.Kind != yaml.SequenceNode {
		d.add(path, describe(n), "a list", "")
		return false
	}
	most := MaxListEntries
	switch to.Interface().(type) {
	case []ProtectedResource:
		most = MaxResources
	case []AuthorizationServer:
		most = MaxServers
	}
	if d.tooMany(path, len(n.Content), most) {
		return false
	}
	out := reflect.MakeSlice(to.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		if d.full() {
			return false
		}
		element := out.Index(i)
		if s, ok := element.Addr().Interface().(*AuthorizationServer); ok {
			*s = serverDefaults()
		}
		d.value(fmt.Sprintf("%s[%d]", path, i), c, element)
	}
	to.Set(out)
	return true
}

func (d decoder) mapping(path string, n *yaml.Node, to reflect.Value) bool {
	if n.Kind != yaml.MappingNode {
		d.add(path, describe(n), "a mapping", "")
		return false
	}
	if d.tooMany(path, len(n.Content)/2, MaxListEntries) {
		return false
	}
	out := reflect.MakeMap(to.Type())
	d.members(path, n, func(key string, at string, c *yaml.Node) {
		v := reflect.New(to.Type().Elem()).Elem()
		d.value(at, c, v)
		out.SetMapIndex(reflect.ValueOf(key), v)
	})
	to.Set(out)
	return true
}

func (d decoder) structure(path string, n *yaml.Node, to reflect.Value) bool {
	if n.Kind != yaml.MappingNode {
		d.add(path, describe(n), "a mapping", "")
		return false
	}
	fields := map[string]reflect.Value{}
	fieldsOf(to, fields)
	d.members(path, n, func(key, at string, c *yaml.Node) {
		field, known := fields[key]
		if !known {
			d.lines[at] = c.Line
			d.add(at, "an unknown key", "one of "+strings.Join(sortedKeys(fields), ", "), suggest(key, sortedKeys(fields)))
			return
		}
		d.value(at, c, field)
	})
	return true
}

// fieldsOf adds the fields of a struct by their keys, those of structs that are written into it among them.
func fieldsOf(to reflect.Value, fields map[string]reflect.Value) {
	for i := range to.NumField() {
		field := to.Type().Field(i)
		switch key, _, _ := strings.Cut(field.Tag.Get("json"), ","); {
		case field.Anonymous:
			fieldsOf(to.Field(i), fields)
		case key != "-":
			fields[key] = to.Field(i)
		}
	}
}

// members calls f for each key of a mapping, and refuses keys that stand twice or are no strings.
func (d decoder) members(path string, n *yaml.Node, f func(key, at string, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content) && !d.full(); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Tag != "!!str" || k.Anchor != "" {
			found := "a key that is " + describe(k)
			if k.Anchor != "" {
				found = "a key with a YAML anchor"
			}
			d.addAt(k.Line, path, found, "plain strings as keys", "")
			continue
		}
		at := keyPath(path, k.Value)
		switch first, twice := seen[k.Value]; {
		case twice:
			d.addAt(k.Line, at, fmt.Sprintf("the key again (first on line %d)", first), "every key once", "remove one of the two")
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
