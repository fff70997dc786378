package spec

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// Limits on free JSON. No other setting can be nested at will.
const (
	maxDepth    = 16
	maxRawNodes = 200_000 // of all key sets of the file: each may have 64 keys
)

// raw takes a mapping as the JSON object that it stands for.
func (d decoder) raw(path string, n *yaml.Node, to *RawJSON) bool {
	if n.Kind != yaml.MappingNode {
		d.add(path, "no mapping", "a mapping", "") // not the value: it may be secret
		return false
	}
	v, ok := d.json(path, n, 0)
	if !ok {
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

// json is a node as encoding/json takes it. Numbers stay as they are written; what looks like a date is a string.
func (d decoder) json(path string, n *yaml.Node, depth int) (v any, ok bool) {
	if d.rawNodes++; d.rawNodes > maxRawNodes {
		if d.rawNodes == maxRawNodes+1 {
			d.add(path, "more values than all key sets together may have", fmt.Sprintf("at most %d", maxRawNodes), "")
		}
		return nil, false
	}
	d.lines[path] = n.Line
	if depth > maxDepth {
		d.add(path, "deeper nesting than any key set has", fmt.Sprintf("at most %d levels", maxDepth), "")
		return nil, false
	}
	if !d.plain(path, n) {
		return nil, false
	}
	switch {
	case n.Kind == yaml.MappingNode:
		object, before := map[string]any{}, d.errors
		d.members(path, n, func(key, at string, c *yaml.Node) { object[key], _ = d.json(at, c, depth+1) })
		return object, d.errors == before
	case n.Kind == yaml.SequenceNode:
		list, all := make([]any, len(n.Content)), true
		for i, c := range n.Content {
			element, ok := d.json(fmt.Sprintf("%s[%d]", path, i), c, depth+1)
			list[i], all = element, all && ok
		}
		return list, all
	case n.Tag == "!!str", n.Tag == "!!timestamp":
		return n.Value, true
	case n.Tag == "!!null":
		return nil, true
	case n.Value == "true", n.Value == "false":
		return n.Value == "true", true
	case json.Valid([]byte(n.Value)): // what else stands bare in JSON is a number
		return json.Number(n.Value), true
	}
	d.add(path, "a value that JSON lacks ("+kind(n.Tag)+")", "a string, a number, true or false", "put it in quotes if it is a string") // not the value: it may be secret
	return nil, false
}
